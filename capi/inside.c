#include "inside.h"

#include "api.h"
#include "cancel.h"
#include "conn.h"
#include "futex.h"
#include "load.h"
#include "log.h"
#include "process.h"
#include "spool.h"
#include "thread.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A call of the core that a thread of the host waits for. */
struct errand {
    struct errand *next;
    BroConn **handles; /* one, or those to close */
    int n;
    const struct core_request *request; /* NULL: close */
    uint32_t timeout_ms;
    char *error; /* of LINK_ERROR_MAX bytes: why there was no core to call */
    int result;
    uint32_t done; /* a futex */
};

/*
 * The threads that run errands, as many as there are at a time: one crew connects, one
 * closes. One of each stays, once the core is loaded: a host that has given up its right
 * to start threads can still end its connections, and beside one that is being made.
 */
struct crew {
    pthread_cond_t work;
    struct errand *pending;
    int alive, idle;
};

static struct {
    pthread_mutex_t lock;
    struct crew connecting, closing;
    int loaded; /* a core is there */
} couriers = {.lock = PTHREAD_MUTEX_INITIALIZER,
              .connecting.work = PTHREAD_COND_INITIALIZER,
              .closing.work = PTHREAD_COND_INITIALIZER};

/* Of the threads that had to do with these none is here, which ThreadSanitizer does not see. */
__attribute__((no_sanitize_thread)) void
inside_forget(int clean)
{
    static const struct crew none = {.work = PTHREAD_COND_INITIALIZER};

    couriers.connecting = couriers.closing = none;
    couriers.loaded = FALSE;
    couriers.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    load_forget(clean);
}

static struct core_memory *
memory_of(BroConn *bc, struct core_memory *next)
{
    const struct link_memory *m = &bc->memory;

    bc->for_core = (struct core_memory){m->link,
                                        m->out.shared,
                                        m->out.data,
                                        m->in.data,
                                        m->out.size,
                                        m->in.size,
                                        bc->spool ? bc->spool->map : NULL,
                                        next};
    return &bc->for_core;
}

/* All have one deadline. A signal handler may call exit() in the middle of malloc(). */
static int
close_links(const struct core *core, const struct errand *e)
{
    struct core_memory *first = NULL;
    int i;

    for (i = 0; i < e->n; i++)
        if (!e->handles[i]->memory.outside)
            first = memory_of(e->handles[i], first);
    return core->close(first, e->timeout_ms);
}

/* FALSE: there is no core. */
static int
carry_out(struct errand *e)
{
    const struct core *core = load_core(e->error, LINK_ERROR_MAX);

    if (!core)
        return FALSE;
    e->result = e->request ? core->connect(e->request) : close_links(core, e);
    load_release_pages();
    return TRUE;
}

static struct errand *
next_errand(struct crew *crew)
{
    struct errand *e = crew->pending;

    if (e)
        crew->pending = e->next;
    return e;
}

/* From here on the errand may be gone. Nothing is shared with those who wait for
 * others: one may be below a signal handler that never returns. */
static void
finish(struct errand *e)
{
    uint32_t *done = &e->done;

    __atomic_store_n(done, TRUE, __ATOMIC_SEQ_CST);
    syscall(SYS_FUTEX, done, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static int start_courier(struct crew *crew);

/* A core is there: somebody is to stay for closing what it has. */
static void
note_loaded(void)
{
    couriers.loaded = TRUE;
    if (!couriers.closing.alive)
        start_courier(&couriers.closing); /* if that fails, those that connect close, too */
}

/* Enters the core for nothing: what the runtime needs for a thread that does so the host
 * may have given up later. */
static void
get_ready(void)
{
    char error[LINK_ERROR_MAX];
    const struct core *core = load_core(error, sizeof error);

    if (core)
        core->close(NULL, 0);
}

static void *
courier(void *arg)
{
    struct crew *crew = arg;
    struct errand *e;
    int loaded;

    if (crew == &couriers.closing)
        get_ready();
    pthread_mutex_lock(&couriers.lock);
    while ((e = next_errand(crew)) || (couriers.loaded && crew->idle == 0)) {
        if (!e) {
            crew->idle++;
            pthread_cond_wait(&crew->work, &couriers.lock);
            crew->idle--;
            continue;
        }
        pthread_mutex_unlock(&couriers.lock);
        loaded = carry_out(e);
        pthread_mutex_lock(&couriers.lock);
        if (loaded)
            note_loaded();
        finish(e);
    }
    crew->alive--;
    pthread_mutex_unlock(&couriers.lock);
    return NULL;
}

static int
start_courier(struct crew *crew)
{
    pthread_t thread;
    int failed = thread_start(&thread, courier, crew);

    if (failed)
        return failed;
    pthread_detach(thread);
    crew->alive++;
    return 0;
}

/* Puts an errand behind the others; what fails is the start of a thread when there is none. */
static int
enlist(struct crew *crew, struct errand *e)
{
    struct errand **end;
    int ahead = 0, failed = 0;

    for (end = &crew->pending; *end; end = &(*end)->next)
        ahead++;
    if (crew->idle <= ahead)
        failed = start_courier(crew);
    if (failed && !crew->alive)
        return failed;
    *end = e;
    pthread_cond_signal(&crew->work);
    return 0;
}

static int
hand_over(struct errand *e)
{
    int failed = enlist(e->request ? &couriers.connecting : &couriers.closing, e);

    return failed && !e->request ? enlist(&couriers.connecting, e) : failed;
}

static int
nothing_waits(BroConn **handles, int n)
{
    int i;

    for (i = 0; i < n && (handles[i]->memory.outside || ring_used(&handles[i]->memory.out) == 0);
         i++)
        ;
    return i == n;
}

/* A signal handler may fork() while this thread waits: in the child there is
 * nobody to run the errand, and nobody to wake us. */
#define LOOK_MS 200

static void
wait_for(struct errand *e, unsigned generation)
{
    static const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};

    while (!__atomic_load_n(&e->done, __ATOMIC_SEQ_CST) && process_is(generation))
        syscall(SYS_FUTEX, &e->done, FUTEX_WAIT_PRIVATE, FALSE, &look, NULL, 0);
}

/* A child that was forked in the middle of a connect is to make a connection of its own. */
#define FORKED (-1)

/* No signal handler runs meanwhile: it may call exit(), which has errands too. One that
 * waits runs as this returns, and may fork(), as it may have done before: generation is of
 * the process that has the errand. */
static int
hand_over_undisturbed(struct errand *e, unsigned *generation)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *generation = process_generation();
    pthread_mutex_lock(&couriers.lock);
    failed = e->request && e->handles[0]->link->generation != *generation ? FORKED : hand_over(e);
    pthread_mutex_unlock(&couriers.lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* Has an errand run and waits for it. */
static int
run(struct errand *e)
{
    int held = cancel_hold();
    unsigned generation;
    int failed = 0;

    if (load_if_others_cannot(e->error, LINK_ERROR_MAX)) {
        failed = hand_over_undisturbed(e, &generation);
        if (!failed)
            wait_for(e, generation);
    }
    cancel_release(held);
    if (failed == FORKED)
        snprintf(e->error, LINK_ERROR_MAX, "the process was forked while it was connecting");
    else if (failed)
        snprintf(e->error, LINK_ERROR_MAX, "cannot start a thread: %s", strerror(failed));
    return e->result;
}

enum link_result
inside_connect(BroConn *bc, const struct core_config *cfg, char *error)
{
    struct core_request request = {.memory = memory_of(bc, NULL),
                                   .socket = cfg->socket,
                                   .to_core = cfg->to_core,
                                   .to_host = cfg->to_host,
                                   .log = &log_to_host};
    struct errand e = {.handles = &bc, .n = 1, .request = &request, .error = error};
    enum link_result result = LINK_REFUSED;
    size_t len = 0;
    char *text = config_text(cfg, &len);

    error[0] = '\0';
    request.settings = text;
    request.settings_len = len;
    if (text)
        result = (enum link_result)run(&e);
    else
        snprintf(error, LINK_ERROR_MAX, "no memory");
    free(text);
    if (result != LINK_CONNECTED && !error[0])
        snprintf(error, LINK_ERROR_MAX, "%s", bc->link->error);
    return result;
}

int
inside_close(BroConn **handles, int n, uint32_t timeout_ms)
{
    char error[LINK_ERROR_MAX];
    struct errand e = {.handles = handles, .n = n, .timeout_ms = timeout_ms, .error = error};

    return couriers.loaded ? run(&e) : nothing_waits(handles, n);
}
