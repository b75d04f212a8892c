#include "core.h"

#include "api.h"
#include "cancel.h"
#include "load.h"
#include "thread.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A call of the core that a thread of the host waits for. */
struct errand {
    struct errand *next;
    struct link *link;
    const struct link_config *cfg; /* NULL: close */
    uint32_t timeout_ms;
    int result;
    int done;
};

/*
 * The threads that run errands, as many as there are at a time. One stays, once
 * the core is loaded: a host that has given up its right to start threads can
 * still end its connections.
 */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct errand *pending;
    int alive, idle;
    int loaded;
} couriers = {.lock = PTHREAD_MUTEX_INITIALIZER,
              .work = PTHREAD_COND_INITIALIZER,
              .done = PTHREAD_COND_INITIALIZER};

void
core_forget(void)
{
    memset(&couriers, 0, sizeof couriers);
    pthread_mutex_init(&couriers.lock, NULL);
    pthread_cond_init(&couriers.work, NULL);
    pthread_cond_init(&couriers.done, NULL);
    load_forget();
}

/* FALSE: there is no core. */
static int
carry_out(struct errand *e)
{
    const struct core *core = load_core(e->link->error, sizeof e->link->error);

    if (!core) {
        e->link->state = LINK_DOWN;
        return FALSE;
    }
    e->result = e->cfg ? core->connect(e->link, e->cfg) : core->close(e->link, e->timeout_ms);
    load_release_pages();
    return TRUE;
}

static struct errand *
next_errand(void)
{
    struct errand *e = couriers.pending;

    if (e)
        couriers.pending = e->next;
    return e;
}

static void *
courier(void *arg)
{
    struct errand *e;
    int loaded;

    pthread_mutex_lock(&couriers.lock);
    while ((e = next_errand()) || (couriers.loaded && couriers.idle == 0)) {
        if (!e) {
            couriers.idle++;
            pthread_cond_wait(&couriers.work, &couriers.lock);
            couriers.idle--;
            continue;
        }
        pthread_mutex_unlock(&couriers.lock);
        loaded = carry_out(e);
        pthread_mutex_lock(&couriers.lock);
        couriers.loaded |= loaded;
        e->done = TRUE;
        pthread_cond_broadcast(&couriers.done);
    }
    couriers.alive--;
    pthread_mutex_unlock(&couriers.lock);
    return arg;
}

static int
start_courier(void)
{
    pthread_t thread;
    int failed = thread_start(&thread, courier, NULL);

    if (failed)
        return failed;
    pthread_detach(thread);
    couriers.alive++;
    return 0;
}

/* Puts an errand behind the others; what fails is the start of a thread when there is none. */
static int
hand_over(struct errand *e)
{
    struct errand **end;
    int ahead = 0, failed = 0;

    for (end = &couriers.pending; *end; end = &(*end)->next)
        ahead++;
    if (couriers.idle <= ahead)
        failed = start_courier();
    if (failed && !couriers.alive)
        return failed;
    *end = e;
    pthread_cond_signal(&couriers.work);
    return 0;
}

/* Has an errand run and waits for it. */
static int
run(struct errand *e)
{
    int held = cancel_hold();
    int failed = 0;

    if (load_here(e->link->error, sizeof e->link->error)) {
        pthread_mutex_lock(&couriers.lock);
        failed = hand_over(e);
        while (!failed && !e->done)
            pthread_cond_wait(&couriers.done, &couriers.lock);
        pthread_mutex_unlock(&couriers.lock);
    } else {
        e->link->state = LINK_DOWN;
    }
    cancel_release(held);
    if (failed)
        snprintf(e->link->error, sizeof e->link->error, "cannot start a thread: %s",
                 strerror(failed));
    return e->result;
}

enum link_result
core_connect(struct link *l, const struct link_config *cfg)
{
    struct errand e = {.link = l, .cfg = cfg};

    return (enum link_result)run(&e);
}

int
core_close(struct link *l, uint32_t timeout_ms)
{
    struct errand e = {.link = l, .timeout_ms = timeout_ms};

    return run(&e);
}
