/*
 * What goes out: events and requests, from the caller into the outbound ring.
 */
#include "conn.h"

#include "cancel.h"
#include "clock.h"
#include "debug.h"
#include "far.h"
#include "fork.h"
#include "ring.h"
#include "spool.h"
#include "wait.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How long bro_event_queue_flush() may wait. */
#define FLUSH_TIMEOUT_MS 1000

int
conn_wake_core(BroConn *bc)
{
    uint64_t one = 1;
    int held;

    if (!__atomic_exchange_n(&bc->link->core_asleep, 0, __ATOMIC_SEQ_CST))
        return FALSE;
    held = cancel_hold();
    /* Without a look whose it is: a filter of system calls may allow no more than this. */
    if (write(bc->to_core, &one, sizeof one) < 0 && errno != EAGAIN) {
        LOG_LATER(BRO_LOG_WARNING, "cannot wake the core: %s", strerror(errno));
        link_move(&bc->link->state, LINK_DOWN); /* the host has closed its descriptor */
    }
    cancel_release(held);
    return TRUE;
}

static uint64_t
queued(const BroConn *bc)
{
    return bc->link->accepted - __atomic_load_n(&bc->link->done, __ATOMIC_RELAXED);
}

/* A large one goes outside of the ring, and rec becomes what stands for it there. */
static enum refusal
put_far(BroConn *bc, const void *rec, size_t size, struct link_far *far)
{
    uint64_t waiting = __atomic_load_n(&bc->link->far_out_bytes, __ATOMIC_SEQ_CST);

    if (waiting && waiting + size > (bc->queue_bytes ? bc->queue_bytes : LINK_FAR_MAX))
        return bc->queue_bytes ? REFUSED_QUEUE_BYTES : REFUSED_FAR;
    if (!far_put(&bc->memory, rec, size, far))
        return bc->memory.outside && waiting ? REFUSED_FAR : REFUSED_MEMORY;
    return REFUSED_NOT;
}

uint64_t
conn_untaken(const BroConn *bc)
{
    const struct ring *out = &bc->memory.out;

    return bc->memory.outside ? out->pos - __atomic_load_n(&bc->link->taken, __ATOMIC_RELAXED)
                              : ring_used(out);
}

enum refusal
conn_put(BroConn *bc, const void *rec, size_t size)
{
    int is_event = ((const struct link_record *)rec)->kind != LINK_REQUEST;
    int is_far = size > LINK_NEAR_MAX && !bc->spool;
    struct link_far far;
    uint64_t head;
    void *at;

    if (bc->spool && size > bc->memory.out.size / 2)
        return REFUSED_SPOOL;
    if (is_far) {
        enum refusal why = put_far(bc, rec, size, &far);

        if (why)
            return why;
        rec = &far;
        size = sizeof far;
    }
    at = ring_reserve(&bc->memory.out, size, &head);
    if (!at) {
        if (is_far)
            far_unput(&bc->memory, &far);
        return bc->queue_bytes ? REFUSED_QUEUE_BYTES : REFUSED_RING;
    }
    memcpy(at, rec, size);
    if (is_event) /* first: the core counts what it is through with */
        __atomic_add_fetch(&bc->link->accepted, 1, __ATOMIC_RELAXED);
    ring_commit(&bc->memory.out, head);
    bc->woke = conn_wake_core(bc);
    return REFUSED_NOT;
}

/* Whether an event may wait, by the table of conn.h. */
static enum refusal
may_queue(BroConn *bc, uint32_t state)
{
    switch (state) {
    case LINK_UP:
    case LINK_RETRY:
        return REFUSED_NOT;
    case LINK_OPENING:
        if (bc->peer && bc->flags & BRO_CFLAG_RECONNECT)
            return REFUSED_NOT;
        break;
    case LINK_CLOSING:
    case LINK_CLOSED:
        return REFUSED_ENDING;
    }
    if (!(bc->flags & BRO_CFLAG_ALWAYS_QUEUE))
        return REFUSED_UNCONNECTED;
    return conn_make_link(bc, &bc->errors.reason) ? REFUSED_NOT : REFUSED_REASON;
}

/* Whether the queue has room as configured; the rings have bounds of their own.
 * A single event always has room. */
enum refusal
conn_has_room(const BroConn *bc, size_t size)
{
    uint64_t waiting;

    if (queued(bc) >= bc->queue_events)
        return REFUSED_QUEUE_EVENTS;
    waiting = conn_untaken(bc) + __atomic_load_n(&bc->link->far_out_bytes, __ATOMIC_SEQ_CST);
    if (bc->queue_bytes && waiting && waiting + size > bc->queue_bytes)
        return REFUSED_QUEUE_BYTES;
    return REFUSED_NOT;
}

/* Whether waiting may change that. */
static int
is_for_room(enum refusal why)
{
    return why == REFUSED_QUEUE_EVENTS || why == REFUSED_QUEUE_BYTES || why == REFUSED_RING ||
           why == REFUSED_FAR;
}

static void
refuse(BroConn *bc, enum refusal why, size_t size)
{
    __atomic_add_fetch(&bc->link->full, 1, __ATOMIC_RELAXED);
    errors_refuse(bc, why, size);
    errors_full(bc);
}

/* Whether no other event is being sent, or has lately been: the core slept, or the last one was
 * put a tick ago. */
static int
is_lone(BroConn *bc)
{
    int64_t now = now_coarse_ms(), last = bc->put_at;

    bc->put_at = now;
    return bc->woke || now != last;
}

int
conn_put_event(BroConn *bc, const void *rec, size_t size)
{
    int queues, lone = FALSE;
    enum refusal why;
    uint32_t state;

    fork_own(bc);
    outside_look(bc, FALSE);
    pthread_mutex_lock(&bc->lock);
    state = conn_state(bc);
    why = may_queue(bc, state);
    queues = !why;
    if (why) {
        errors_refuse(bc, why, size);
    } else {
        why = conn_has_room(bc, size);
        if (!why)
            why = conn_put(bc, rec, size);
        lone = !why && is_lone(bc);
    }
    pthread_mutex_unlock(&bc->lock);
    if (queues && is_for_room(why) && state == LINK_UP)
        why = wait_and_put(bc, rec, size, why);
    if (queues && why) {
        outside_look(bc, TRUE); /* a core that has ended unnoticed makes no room */
        pthread_mutex_lock(&bc->lock);
        refuse(bc, why, size);
        pthread_mutex_unlock(&bc->lock);
    }
    if (lone && state == LINK_UP)
        wait_handed_over(bc);
    /* What is sent over a connection costs no look for messages, but where a few that wait are all
     * that another process can say. */
    if (why || state != LINK_UP || log_waits(bc))
        log_hand_over(bc);
    return !why;
}

/**
 * Returns how many events have been accepted and not yet been encoded for the peer.
 */
BRO_API int
bro_event_queue_length(BroConn *bc)
{
    int n;

    if (!bc || !fork_owns(bc))
        return 0;
    pthread_mutex_lock(&bc->lock);
    n = bc->link ? (int)queued(bc) : 0;
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

/* Whether something is with the peer, or under way, that it has not confirmed. A spool keeps it
 * safe. */
static int
unconfirmed(BroConn *bc)
{
    int some;

    pthread_mutex_lock(&bc->lock);
    some = __atomic_load_n(&bc->confirms, __ATOMIC_RELAXED) && !bc->spool && bc->link &&
           __atomic_load_n(&bc->link->written, __ATOMIC_SEQ_CST) < bc->memory.out.pos;
    pthread_mutex_unlock(&bc->lock);
    return some;
}

/**
 * Waits until all that was accepted is with the kernel, so that it arrives
 * although the process ends by _exit() or exec(). For at most a second, and only
 * while the connection is up; a peer that has not read in that time is not waited
 * for again before it does. Returns how many events are still queued. With
 * /broccoli/confirm it waits until the peer has confirmed it, and 0 says that it
 * has; 1 may stand for any number that are under way. With a spool, 0 says that
 * they are in it. Do not loop until it is 0 without a bound: a peer may never confirm.
 */
BRO_API int
bro_event_queue_flush(BroConn *bc)
{
    int n;

    cancel_point();
    if (bc && fork_owns(bc))
        wait_written(bc, FLUSH_TIMEOUT_MS);
    n = bro_event_queue_length(bc);
    if (bc && fork_owns(bc) && n == 0)
        n = unconfirmed(bc);
    if (bc)
        log_hand_over(bc);
    return n;
}
