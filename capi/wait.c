#include "wait.h"

#include "cancel.h"
#include "clock.h"
#include "conn.h"
#include "futex.h"

#include <time.h>

/* How long what was handed to the core may be on its way to the kernel: a busy machine, or a peer
 * that reads nothing. */
#define HAND_OVER_MS 20
/* A sender that waits for room looks each millisecond, and counts its looks: on a busy machine they
 * are longer, as is all else. */
#define NAP_MS 1
/* So much longer is the patience with a peer that has got on. */
#define PROGRESS_FACTOR 10

/* Waits until the core has got on, or for that long; progress is what was seen before. */
static void
await_progress(struct link *l, uint32_t progress, int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    syscall(SYS_FUTEX, &l->progress, FUTEX_WAIT, progress, &t, NULL, 0);
}

/* Waits until the core has written the ring up to target, or cannot go on. TRUE: it has. */
static int
await_written(BroConn *bc, struct link *l, const link_u64 *written, uint64_t target,
              int64_t deadline)
{
    int done = FALSE;

    __atomic_add_fetch(&l->flushers, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        uint32_t progress = __atomic_load_n(&l->progress, __ATOMIC_SEQ_CST);
        int64_t left = deadline - now_ms();

        done = __atomic_load_n(written, __ATOMIC_SEQ_CST) >= target;
        if (done || left <= 0 || __atomic_load_n(&l->state, __ATOMIC_SEQ_CST) != LINK_UP)
            break;
        conn_wake_core(bc);
        await_progress(l, progress, left);
    }
    __atomic_sub_fetch(&l->flushers, 1, __ATOMIC_SEQ_CST);
    return done;
}

/* The link while it is up, and how far the host has produced. */
static struct link *
link_up(BroConn *bc, uint64_t *produced)
{
    struct link *l;

    pthread_mutex_lock(&bc->lock);
    l = conn_state(bc) == LINK_UP ? bc->link : NULL;
    *produced = bc->memory.out.pos;
    pthread_mutex_unlock(&bc->lock);
    return l;
}

/* A peer that reads nothing is waited for once, and not again before it has read something. */
void
wait_written(BroConn *bc, uint32_t timeout_ms)
{
    uint64_t target, stalled_at = bc->stalled_at;
    struct link *l = link_up(bc, &target);

    if (!l || (stalled_at && stalled_at == __atomic_load_n(&l->written, __ATOMIC_SEQ_CST) + 1))
        return;
    stalled_at = await_written(bc, l, &l->written, target, now_ms() + timeout_ms)
                     ? 0
                     : __atomic_load_n(&l->written, __ATOMIC_SEQ_CST) + 1;
    pthread_mutex_lock(&bc->lock);
    bc->stalled_at = stalled_at;
    pthread_mutex_unlock(&bc->lock);
}

/* What another process has, or a spool, survives this one. */
void
wait_handed_over(BroConn *bc)
{
    uint64_t target;
    struct link *l;
    int held;

    if (bc->memory.outside || bc->spool || !bc->send_wait)
        return;
    held = cancel_hold();
    l = link_up(bc, &target);
    if (l && bc->unsent_at != __atomic_load_n(&l->sent, __ATOMIC_SEQ_CST) + 1)
        bc->unsent_at = await_written(bc, l, &l->sent, target, now_ms() + HAND_OVER_MS)
                            ? 0
                            : __atomic_load_n(&l->sent, __ATOMIC_SEQ_CST) + 1;
    cancel_release(held);
}

/* --- Room ------------------------------------------------------------------------------------- */

/* How far the peer has got, as a number that only grows while a core lives. */
static uint64_t
got_on(const BroConn *bc)
{
    return __atomic_load_n(&bc->memory.out.shared->tail, __ATOMIC_ACQUIRE) +
           __atomic_load_n(&bc->link->done, __ATOMIC_RELAXED) +
           __atomic_load_n(&bc->link->written, __ATOMIC_RELAXED);
}

/* What a sender knows of the peer while it waits. */
struct patience {
    uint64_t seen; /* how far the peer had got */
    int64_t naps;  /* since then */
};

/* FALSE: it is no use to wait any longer. A peer that has got on while somebody waited does so
 * again, though the kernels may take a while to tell. Under the lock. */
static int
may_wait(BroConn *bc, struct patience *p)
{
    uint64_t now = got_on(bc);

    if (conn_state(bc) != LINK_UP || bc->held_at == now + 1)
        return FALSE;
    if (now != p->seen) {
        bc->gets_on = p->naps > 0;
        p->seen = now;
        p->naps = 0;
    } else if (p->naps++ >= bc->send_wait * (bc->gets_on ? PROGRESS_FACTOR : 1)) {
        bc->held_at = now + 1;
        bc->gets_on = FALSE;
        return FALSE;
    }
    return TRUE;
}

enum refusal
wait_and_put(BroConn *bc, const void *rec, size_t size, enum refusal why)
{
    struct patience p = {.naps = 0};
    int held = cancel_hold(), waits = bc->send_wait > 0;

    pthread_mutex_lock(&bc->lock);
    p.seen = got_on(bc);
    while (why && waits) {
        waits = may_wait(bc, &p);
        pthread_mutex_unlock(&bc->lock);
        if (waits)
            await_progress(bc->link, __atomic_load_n(&bc->link->progress, __ATOMIC_SEQ_CST),
                           NAP_MS);
        pthread_mutex_lock(&bc->lock);
        why = conn_has_room(bc, size);
        if (!why)
            why = conn_put(bc, rec, size);
    }
    pthread_mutex_unlock(&bc->lock);
    cancel_release(held);
    return why;
}
