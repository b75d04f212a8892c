/*
 * What goes out: events and requests, from the caller into the outbound ring.
 */
#include "conn.h"

#include "cancel.h"
#include "debug.h"
#include "fork.h"
#include "ring.h"
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
conn_wake_core(BroConn *bc)
{
    uint64_t one = 1;
    int held;

    if (!__atomic_exchange_n(&bc->link->core_asleep, 0, __ATOMIC_SEQ_CST))
        return;
    held = cancel_hold();
    if (write(bc->to_core, &one, sizeof one) < 0 && errno != EAGAIN)
        DEBUG("cannot wake the core: %s", strerror(errno));
    cancel_release(held);
}

static uint64_t
queued(const BroConn *bc)
{
    return bc->link->accepted - __atomic_load_n(&bc->link->done, __ATOMIC_RELAXED);
}

int
conn_put(BroConn *bc, const void *rec, size_t size)
{
    int is_event = ((const struct link_record *)rec)->kind != LINK_REQUEST;
    struct link_far far = {.rec = {sizeof far, LINK_FAR}};
    uint64_t head;
    void *at;

    if (bc->spool && size > bc->link->out->size / 2) {
        DEBUG("an event of %zu bytes is more than half of the queue: raise queue_max_bytes, or do "
              "without spool_dir",
              size);
        return FALSE;
    }
    if (size > LINK_NEAR_MAX && !bc->spool) {
        uint64_t waiting = __atomic_load_n(&bc->link->far_out, __ATOMIC_SEQ_CST);

        if (waiting && waiting + size > (bc->queue_bytes ? bc->queue_bytes : LINK_FAR_MAX))
            return FALSE;
        far.at = malloc(size);
        if (!far.at)
            return FALSE;
        memcpy(far.at, rec, size);
        rec = &far;
    }
    at = ring_reserve(bc->link->out, far.at ? sizeof far : size, &head);
    if (!at) {
        free(far.at);
        return FALSE;
    }
    memcpy(at, rec, far.at ? sizeof far : size);
    if (far.at)
        __atomic_add_fetch(&bc->link->far_out, size, __ATOMIC_SEQ_CST);
    if (is_event) /* first: the core counts what it is through with */
        __atomic_add_fetch(&bc->link->accepted, 1, __ATOMIC_RELAXED);
    ring_commit(bc->link->out, head);
    conn_wake_core(bc);
    return TRUE;
}

/* Whether an event may wait: there is a connection, the core is after one, or
 * the host wants to queue in any case. */
static int
may_queue(BroConn *bc)
{
    if (conn_state(bc) == LINK_UP)
        return TRUE;
    if (__atomic_load_n(&bc->connected, __ATOMIC_RELAXED) && bc->peer &&
        bc->flags & BRO_CFLAG_RECONNECT)
        return TRUE;
    return bc->flags & BRO_CFLAG_ALWAYS_QUEUE && conn_make_link(bc);
}

/* Whether the queue has room as configured; the rings have bounds of their own.
 * A single event always has room. */
static int
has_room(const BroConn *bc, size_t size)
{
    uint64_t waiting;

    if (queued(bc) >= bc->queue_events)
        return FALSE;
    waiting = ring_used(bc->link->out) + __atomic_load_n(&bc->link->far_out, __ATOMIC_SEQ_CST);
    return !bc->queue_bytes || !waiting || waiting + size <= bc->queue_bytes;
}

int
conn_put_event(BroConn *bc, const void *rec, size_t size)
{
    int ok = FALSE;

    fork_own(bc);
    pthread_mutex_lock(&bc->lock);
    if (may_queue(bc)) {
        ok = has_room(bc, size) && conn_put(bc, rec, size);
        if (!ok)
            __atomic_add_fetch(&bc->link->full, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&bc->lock);
    return ok;
}

/**
 * Returns how many events have been accepted and not yet been encoded for the peer.
 */
BRO_API int
bro_event_queue_length(BroConn *bc)
{
    int n;

    if (!bc || !bc->link || !fork_owns(bc))
        return 0;
    pthread_mutex_lock(&bc->lock);
    n = (int)queued(bc);
    pthread_mutex_unlock(&bc->lock);
    return n;
}

/**
 * Returns how many events the queue may hold: the setting queue_max_events.
 * Large ones fill it sooner: it has 1 MiB for events of up to 128 KiB, and 32
 * MiB for larger ones, or what queue_max_bytes says for all.
 */
BRO_API int
bro_event_queue_length_max(BroConn *bc)
{
    return bc ? (int)bc->queue_events : (int)LINK_QUEUE_MAX;
}

/**
 * Makes sure that the queue is being written, without waiting for it: that
 * happens in the background anyway. Returns how many events are in it.
 */
BRO_API int
bro_event_queue_flush(BroConn *bc)
{
    if (conn_state(bc) == LINK_UP && fork_owns(bc))
        conn_wake_core(bc);
    return bro_event_queue_length(bc);
}
