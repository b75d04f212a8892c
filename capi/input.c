/*
 * What comes in: events, from the inbound ring to their handlers.
 */
#include "conn.h"

#include "cancel.h"
#include "debug.h"
#include "fork.h"
#include "outside.h"
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Runs the handlers of one record. */
static void
process(BroConn *bc, const struct link_record *rec, int held)
{

    if (!rec)
        LOG(BRO_LOG_WARNING,
            "an event is lost: the core has not kept it whole, or memory is short");
    else if (rec->kind == LINK_EVENT)
        registry_dispatch(bc, (const struct link_event *)rec, held);
}

/* Nothing more will come, and nobody tries to change that. */
static int
is_over(const BroConn *bc)
{
    return conn_is(bc, LINK_IN(LINK_DOWN) | LINK_IN(LINK_CLOSING) | LINK_IN(LINK_CLOSED));
}

/* Programs that never ask whether the connection is alive rely on the
 * descriptor's being gone once it is lost, as the original closes its socket:
 * select() fails and their loop ends. */
static void
close_descriptor(BroConn *bc)
{
    pthread_mutex_lock(&bc->lock);
    if (conn_state(bc) == LINK_DOWN &&
        bc->to_host >= 0) { /* and no other thread is connecting again */
        descriptor_close(&bc->to_host, &bc->to_host_id);
        outside_close_visible(bc);
    }
    pthread_mutex_unlock(&bc->lock);
}

/* The ring was empty: makes the descriptor unreadable. What comes in between, the
 * end of the connection too, is seen by the look that follows. */
static void
quiet(BroConn *bc)
{
    uint64_t count;

    if (bc->to_host >= 0 && !descriptor_seems(bc->to_host, &bc->to_host_id))
        bc->to_host = -1; /* the host has closed it, and the number is another's */
    if (bc->to_host >= 0 && read(bc->to_host, &count, sizeof count) < 0 && errno != EAGAIN)
        LOG_LATER(BRO_LOG_DEBUG, "cannot read the descriptor: %s", strerror(errno));
    __atomic_store_n(&bc->link->host_signaled, 0, __ATOMIC_SEQ_CST);
}

/* Something has come in that the core has not signaled, since it was not quiet yet, and that
 * is left for the next call. */
static void
signal_again(BroConn *bc)
{
    static const uint64_t one = 1;

    if (__atomic_exchange_n(&bc->link->host_signaled, 1, __ATOMIC_SEQ_CST))
        return;
    if (bc->to_host >= 0 && descriptor_seems(bc->to_host, &bc->to_host_id) &&
        write(bc->to_host, &one, sizeof one) < 0)
        LOG_LATER(BRO_LOG_DEBUG, "cannot signal the descriptor: %s", strerror(errno));
}

/* The core may have found the ring full before the last record was released. */
static void
tell_of_room(BroConn *bc)
{
    if (__atomic_exchange_n(&bc->link->core_starved, 0, __ATOMIC_SEQ_CST))
        conn_wake_core(bc);
}

/* --- The thread that is here -------------------------------------------------------------- */

/* Whether two places are on the stack of this thread. */
static int
on_one_stack(const void *a, const void *b)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return FALSE;
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_destroy(&attr);
    return (uintptr_t)a - (uintptr_t)low < size && (uintptr_t)b - (uintptr_t)low < size;
}

/* A call from a handler has its frame below that of the call that runs the handler.
 * One that has not is made after that frame was left: by longjmp(). */
static int
is_within(const void *frame, const struct input_level *level)
{
    return (uintptr_t)frame < (uintptr_t)level->frame && on_one_stack(frame, level->frame);
}

int
input_runs(const BroConn *bc, const void *frame)
{
    if (!bc->depth || !pthread_equal(bc->runner, pthread_self()))
        return bc->depth > 0;
    return is_within(frame, &bc->levels[0]);
}

/* Whether the handlers of a lower level have something of the same link. */
static int
is_held(const BroConn *bc, int level)
{
    int i;

    for (i = 0; i < level && bc->levels[i].from != bc->link; i++)
        ;
    return i < level;
}

/* The handlers of a level are through with a record. In a child of fork() that a handler has
 * made it is the parent's, and stays as it is. */
static void
release(BroConn *bc, int level)
{
    struct input_level *l = &bc->levels[level];
    const struct link *from = l->from;

    l->from = NULL;
    if (from && from == bc->link && fork_owns(bc))
        arrival_release(&l->arrival, &bc->memory, !is_held(bc, level));
}

/* Ends all levels from one on: that, and what handlers of it have left by longjmp(). Under the
 * lock, or by the thread that is there. */
static void
end_levels(BroConn *bc, int first)
{
    while (bc->depth > first)
        release(bc, --bc->depth);
}

/* Returns the level of this call, -1 if another thread is there, or there are too many. */
static int
enter(BroConn *bc, const void *frame)
{
    int level = -1;

    pthread_mutex_lock(&bc->lock);
    if (!bc->depth || pthread_equal(bc->runner, pthread_self())) {
        while (bc->depth && !is_within(frame, &bc->levels[bc->depth - 1]))
            end_levels(bc, bc->depth - 1); /* its handler has not returned */
        if (bc->depth < INPUT_DEPTH) {
            level = bc->depth++;
            bc->runner = pthread_self();
            bc->levels[level].frame = frame;
        }
    }
    pthread_mutex_unlock(&bc->lock);
    return level;
}

/* One call of bro_conn_process_input(). */
struct visit {
    BroConn *bc;
    int level;
};

/* However the handlers were left: by their return, by the end of the thread, by an exception. */
static void
leave(const struct visit *v)
{
    BroConn *bc = v->bc;

    fork_look(); /* a handler may have forked */
    pthread_mutex_lock(&bc->lock);
    end_levels(bc, v->level);
    if (!bc->depth) {
        registry_sweep(bc);
        link_unmap(&bc->inherited);
    }
    pthread_mutex_unlock(&bc->lock);
    if (bc->doomed && !v->level)
        bro_conn_delete(bc);
}

/* --- Running handlers --------------------------------------------------------------------- */

/* Runs handlers until there are no more events, one has deleted the connection, or
 * one has forked and this is the child, whose parent has the events that are left. */
static int
run_handlers(const struct visit *v, struct link *l, int held)
{
    BroConn *bc = v->bc;
    struct input_level *level = &bc->levels[v->level];
    int some = FALSE, quieted = FALSE, over = FALSE, found;

    while (!bc->doomed) {
        found = arrival_take(&level->arrival, &bc->memory);
        if (!found && is_over(bc)) {
            if (!over && ring_used(&bc->memory.in)) {
                over = TRUE; /* came in just before the end */
                continue;
            }
            close_descriptor(bc);
            break;
        }
        if (!found && quieted)
            break;
        if (!found) {
            quiet(bc);
            quieted = TRUE;
            continue;
        }
        if (some && (bc->flags & BRO_CFLAG_YIELD)) {
            if (quieted)
                signal_again(bc);
            break;
        }
        some = TRUE;
        level->from = l;
        arrival_begin(&level->arrival, &bc->memory);
        process(bc, level->arrival.rec, held);
        if (bc->link != l || !fork_owns(bc))
            return TRUE;
        release(bc, v->level);
        if (__atomic_load_n(&l->core_starved, __ATOMIC_RELAXED))
            tell_of_room(bc);
    }
    tell_of_room(bc); /* an exchange is a fence: what was released is seen before */
    return some;
}

static int
run_in_turn(BroConn *bc, int level, int held)
{
    __attribute__((cleanup(leave))) struct visit v = {bc, level};

    return bc->link ? run_handlers(&v, bc->link, held) : FALSE;
}

/**
 * Runs the handlers of all events that have arrived, or of one with
 * BRO_CFLAG_YIELD. Does not wait. Returns TRUE when there were any. One thread
 * at a time may call it for a connection. A handler may, for the events that have
 * come behind its own, up to 8 calls deep; what its event points to stays.
 */
BRO_API int
bro_conn_process_input(BroConn *bc)
{
    int some = FALSE, held, level;

    if (!bc)
        return FALSE;
    cancel_point();
    held = cancel_hold();
    fork_own(bc);
    outside_look(bc, FALSE);
    log_collect(bc);
    level = enter(bc, __builtin_frame_address(0));
    if (level >= 0)
        some = run_in_turn(bc, level, held);
    cancel_release(held);
    log_deliver();
    return some;
}
