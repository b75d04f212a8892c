/*
 * What comes in: events, from the inbound ring to their handlers.
 */
#include "conn.h"

#include "cancel.h"
#include "debug.h"
#include "fork.h"
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Runs the handlers of one record. */
static void
process(BroConn *bc, const struct link_record *rec)
{
    if (rec->kind == LINK_FAR)
        rec = ((const struct link_far *)rec)->at;
    if (rec->kind == LINK_EVENT)
        registry_dispatch(bc, (const struct link_event *)rec);
}

/* Programs that never ask whether the connection is alive rely on the
 * descriptor's being gone once it is lost, as the original closes its socket:
 * select() fails and their loop ends. */
static void
close_descriptor(BroConn *bc)
{
    pthread_mutex_lock(&bc->lock);
    if (conn_is_over(bc)) { /* and no other thread is connecting again */
        close(bc->to_host);
        bc->to_host = -1;
    }
    pthread_mutex_unlock(&bc->lock);
}

/* The ring was empty: makes the descriptor unreadable. What comes in between, the
 * end of the connection too, is seen by the look that follows. */
static void
quiet(BroConn *bc)
{
    uint64_t count;
    int held = cancel_hold();

    if (read(bc->to_host, &count, sizeof count) < 0 && errno != EAGAIN)
        DEBUG("cannot read the descriptor: %s", strerror(errno));
    cancel_release(held);
    __atomic_store_n(&bc->link->host_signaled, 0, __ATOMIC_SEQ_CST);
}

/* The core may have found the ring full before the last record was released. */
static void
tell_of_room(BroConn *bc)
{
    if (__atomic_exchange_n(&bc->link->core_starved, 0, __ATOMIC_SEQ_CST))
        conn_wake_core(bc);
}

/* Whether the link is still the one that a handler was called from: it may have
 * forked, and this be the child, whose parent has the events that are left. */
static int
is_ours(const BroConn *bc, const struct link *l)
{
    return bc->link == l && fork_owns(bc);
}

/* Runs handlers until there are no more events, or one has deleted the connection. */
static int
run_handlers(BroConn *bc)
{
    struct link *l = bc->link;
    int some = FALSE, quieted = FALSE;
    struct link_record *rec;
    uint64_t next;

    while (!bc->doomed) {
        rec = ring_next(&l->in, &next);
        if (!rec && conn_is_over(bc)) {
            if (ring_used(&l->in))
                continue; /* came in just before the end */
            close_descriptor(bc);
            break;
        }
        if (!rec && quieted)
            break;
        if (!rec) {
            quiet(bc);
            quieted = TRUE;
            continue;
        }
        if (some && (bc->flags & BRO_CFLAG_YIELD))
            break;
        some = TRUE;
        process(bc, rec);
        if (!is_ours(bc, l))
            return TRUE;
        link_free_far(rec, &l->far_in);
        ring_release(&l->in, next);
        if (__atomic_load_n(&l->core_starved, __ATOMIC_RELAXED))
            tell_of_room(bc);
    }
    tell_of_room(bc); /* an exchange is a fence: what was released is seen before */
    return some;
}

/**
 * Runs the handlers of all events that have arrived, or of one with
 * BRO_CFLAG_YIELD. Does not wait. Returns TRUE when there were any. One thread
 * at a time may call it for a connection.
 */
BRO_API int
bro_conn_process_input(BroConn *bc)
{
    int some = FALSE;

    if (!bc)
        return FALSE;
    fork_own(bc);
    if (!registry_enter(bc))
        return FALSE; /* called from a handler */
    if (conn_state(bc) >= LINK_UP && bc->to_host >= 0)
        some = run_handlers(bc);
    registry_leave(bc);
    link_unmap(bc->inherited);
    bc->inherited = NULL;
    if (bc->doomed)
        bro_conn_delete(bc);
    return some;
}
