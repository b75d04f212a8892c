/*
 * What exit() does: programs that end without bro_conn_delete() have sent their
 * events all the same.
 */
#include "exit.h"

#include "cancel.h"
#include "clock.h"
#include "core.h"
#include "debug.h"
#include "fork.h"
#include "handles.h"
#include "process.h"
#include "spool.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What exit() may take to write what all connections have accepted, since nobody asked for it. */
#define EXIT_TIMEOUT_MS 1000

static int begun;

int
exit_has_begun(void)
{
    return __atomic_load_n(&begun, __ATOMIC_SEQ_CST);
}

/* FALSE when somebody still has it at the deadline: no lock is worth more. It may
 * be this very thread, below the signal handler that has called exit(). */
static int
lock_until(pthread_mutex_t *lock, int64_t deadline)
{
    while (pthread_mutex_trylock(lock) != 0) {
        if (now_ms() >= deadline)
            return FALSE;
        usleep(1000);
    }
    return TRUE;
}

static void
stop(BroConn *bc, int64_t deadline)
{
    int locked = lock_until(&bc->lock, deadline);

    if (bc->link)
        link_move(&bc->link->state, LINK_CLOSING);
    if (locked)
        pthread_mutex_unlock(&bc->lock);
}

/* From here on no connection accepts anything. Returns how many there are. */
static int
stop_all(int64_t deadline)
{
    BroConn *bc;
    int n = 0;

    if (!lock_until(&handles.lock, deadline))
        return 0;
    for (bc = handles_first(); bc; bc = handles_older(bc), n++)
        if (fork_owns(bc))
            stop(bc, deadline);
    pthread_mutex_unlock(&handles.lock);
    return n;
}

struct closing {
    BroConn **handles; /* those whose turn is ours */
    int n, most;
};

static int
has(const struct closing *c, const BroConn *bc)
{
    int i;

    for (i = 0; i < c->n && c->handles[i] != bc; i++)
        ;
    return i < c->n;
}

/* Takes the turn of each connection that is to be closed. TRUE: of all. A handle
 * whose turn is ours is not freed by another thread. Under the lock of the handles. */
static int
take_turns(struct closing *c)
{
    int all = TRUE;
    BroConn *bc;

    for (bc = handles_first(); bc && c->n < c->most; bc = handles_older(bc)) {
        if (!fork_owns(bc) || conn_state(bc) != LINK_CLOSING || has(c, bc))
            continue;
        if (pthread_mutex_trylock(&bc->turn) != 0) {
            all = FALSE;
            continue;
        }
        c->handles[c->n++] = bc;
    }
    return all;
}

/* Nobody waits for the network with the lock of the handles: a signal handler may
 * fork() meanwhile, and another thread delete one. */
static void
take_all_turns(struct closing *c, int64_t deadline)
{
    int all = FALSE;

    while (!all && lock_until(&handles.lock, deadline)) {
        all = take_turns(c);
        pthread_mutex_unlock(&handles.lock);
        if (!all && now_ms() >= deadline)
            break;
        if (!all)
            usleep(1000);
    }
}

static void
leave(BroConn *bc)
{
    link_move(&bc->link->state, LINK_CLOSED);
    log_collect(bc);
    if (bc->spool)
        spool_leave(bc->spool);
    pthread_mutex_unlock(&bc->turn);
}

/* How many handles are ended in order whether there is memory or not. */
#define FEW 64
static BroConn *few_handles[FEW];

/* Room to note the connections. A signal handler may call exit() in the middle of malloc():
 * only many ask for memory. */
static void
make_room(struct closing *c)
{
    if (c->most > FEW) {
        c->handles = calloc((size_t)c->most, sizeof *c->handles);
        if (c->handles)
            return;
        LOG_LATER(BRO_LOG_WARNING, "exit(): no memory to end more than %d of %d connections", FEW,
                  c->most);
        c->most = FEW;
    }
    c->handles = few_handles;
}

static void
without(struct closing *c)
{
    if (c->handles != few_handles)
        free(c->handles);
}

void
exit_close_all(void)
{
    int64_t deadline = now_ms() + EXIT_TIMEOUT_MS, left;
    struct closing c = {0};
    int i, held;

    if (process_is_guest())
        return; /* a child of vfork() ends nothing of its parent's */
    fork_look();
    held = cancel_hold();
    c.most = stop_all(deadline);
    make_room(&c);
    take_all_turns(&c, deadline);
    left = deadline - now_ms();
    if (c.n && !core_close(c.handles, c.n, left > 0 ? (uint32_t)left : 0))
        LOG_LATER(BRO_LOG_WARNING, "exit(): not everything that was accepted has been written");
    for (i = 0; i < c.n; i++)
        leave(c.handles[i]);
    without(&c);
    cancel_release(held);
    log_deliver();
}

__attribute__((destructor)) static void
at_exit(void)
{
    __atomic_store_n(&begun, TRUE, __ATOMIC_SEQ_CST);
    if (handles_first())
        exit_close_all();
}
