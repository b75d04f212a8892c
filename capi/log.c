#include "log.h"

#include "cancel.h"
#include "conn.h"
#include "fork.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* As many messages may wait. */
#define QUEUE_MAX 32
/* As many are delivered by one call: a function that has one made for each that it gets would keep
 * it. */
#define DELIVER_MAX (2 * QUEUE_MAX)
/* How often to try for the lock. Nobody keeps it long, but for a thread that is
 * below a signal handler which has called exit(). */
#define TRIES 10000

uint32_t log_to_host;

struct message {
    int level;
    char text[LINK_ERROR_MAX];
};

static struct {
    pthread_mutex_t lock; /* within any other; nothing is called that takes one */
    BroLogFunc func;
    void *user_data;
    struct message queue[QUEUE_MAX];
    unsigned first, n;
    uint64_t dropped;  /* that had no room since the last that was told */
    int busy;          /* a thread delivers: */
    pthread_t runner;  /* this one */
    const void *frame; /* and where on its stack */
} logging = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
log_forget(void)
{
    pthread_mutex_init(&logging.lock, NULL); /* a thread that is no more may have held it */
    logging.n = 0;
    logging.dropped = 0;
    logging.busy = FALSE;
}

/* FALSE: somebody keeps it. */
static int
lock(void)
{
    int n;

    for (n = 0; n < TRIES; n++) {
        if (pthread_mutex_trylock(&logging.lock) == 0)
            return TRUE;
        sched_yield();
    }
    __atomic_add_fetch(&logging.dropped, 1, __ATOMIC_RELAXED);
    return FALSE;
}

static void
unlock(void)
{
    pthread_mutex_unlock(&logging.lock);
}

/* A line stays a line: what a peer has sent may be in it. */
static void
copy_line(char *to, const char *from)
{
    size_t i;

    for (i = 0; i < LINK_ERROR_MAX - 1 && from[i]; i++)
        to[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? ' ' : from[i];
    to[i] = '\0';
}

/* FALSE: there is no room. Under the lock. */
static int
push(int level, const char *text)
{
    struct message *m = &logging.queue[(logging.first + logging.n) % QUEUE_MAX];

    if (logging.n == QUEUE_MAX)
        return FALSE;
    m->level = level;
    copy_line(m->text, text);
    logging.n++;
    return TRUE;
}

static void
print(const char *text)
{
    flockfile(stderr);
    fprintf(stderr, "libbroccoli: %s\n", text);
    funlockfile(stderr);
}

static void
say(int level, const char *fmt, va_list ap)
{
    char text[LINK_ERROR_MAX];
    int saved = errno;
    int held = cancel_hold();

    vsnprintf(text, sizeof text, fmt, ap);
    if (!__atomic_load_n(&log_to_host, __ATOMIC_RELAXED)) {
        print(text);
    } else if (lock()) {
        if (!push(level, text))
            __atomic_add_fetch(&logging.dropped, 1, __ATOMIC_RELAXED);
        unlock();
    }
    cancel_release(held);
    errno = saved;
}

void
log_later(int level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(level, fmt, ap);
    va_end(ap);
}

/* The caller is in the middle of something: it is not to be cancelled there. */
void
log_now(int level, const char *fmt, ...)
{
    int held = cancel_hold();
    va_list ap;

    va_start(ap, fmt);
    say(level, fmt, ap);
    va_end(ap);
    log_deliver();
    cancel_release(held);
}

/* --- Delivering ----------------------------------------------------------------------------- */

/* What has made a message that its own call can see is delivered by that call or,
 * if another delivers, by that one: the host's function runs once at a time. One
 * that was left by longjmp() does not run any more. */
static int
enter(const void *frame)
{
    int entered = FALSE;

    if (!lock())
        return FALSE;
    if (logging.func && (logging.n || __atomic_load_n(&logging.dropped, __ATOMIC_RELAXED)))
        entered = !logging.busy || (pthread_equal(logging.runner, pthread_self()) &&
                                    (uintptr_t)frame >= (uintptr_t)logging.frame);
    if (entered) {
        logging.busy = TRUE;
        logging.runner = pthread_self();
        logging.frame = frame;
    }
    unlock();
    return entered;
}

/* However the function was left: by its return, by the end of the thread, by an exception. */
static void
leave(const int *entered)
{
    if (!*entered)
        return;
    pthread_mutex_lock(&logging.lock);
    logging.busy = FALSE;
    unlock();
}

static int
take(struct message *m, BroLogFunc *func, void **user_data)
{
    uint64_t dropped;
    int some = TRUE;

    pthread_mutex_lock(&logging.lock);
    *func = logging.func;
    *user_data = logging.user_data;
    if (!*func) {
        some = FALSE;
    } else if (logging.n) {
        *m = logging.queue[logging.first];
        logging.first = (logging.first + 1) % QUEUE_MAX;
        logging.n--;
    } else if ((dropped = __atomic_exchange_n(&logging.dropped, 0, __ATOMIC_RELAXED))) {
        m->level = BRO_LOG_WARNING;
        snprintf(m->text, sizeof m->text,
                 "%" PRIu64 " messages were dropped: there were too many at a time", dropped);
    } else {
        some = FALSE;
    }
    unlock();
    return some;
}

static void
deliver(void)
{
    __attribute__((cleanup(leave))) int entered = enter(__builtin_frame_address(0));
    struct message m;
    BroLogFunc func;
    void *user_data;
    int i;

    for (i = 0; entered && i < DELIVER_MAX && take(&m, &func, &user_data); i++)
        func(m.level, m.text, user_data);
}

void
log_deliver(void)
{
    int saved = errno;

    if (!__atomic_load_n(&log_to_host, __ATOMIC_RELAXED))
        return;
    deliver();
    errno = saved;
}

/* FALSE: there is no room. The core may be another process, and write meanwhile. */
static int
pass_on(const struct link_message *from)
{
    struct link_message m = *from;

    m.text[sizeof m.text - 1] = '\0';
    if (__atomic_load_n(&log_to_host, __ATOMIC_RELAXED))
        return push((int)(m.level & 7), m.text);
    copy_line(m.text, m.text);
    print(m.text);
    return TRUE;
}

/* As many as there is room for; the others stay. Under the lock of the connection. */
static void
collect(struct link_log *said)
{
    uint32_t tail = said->tail, n;

    if (!lock())
        return;
    for (n = 0; n < LINK_MESSAGES && tail != __atomic_load_n(&said->head, __ATOMIC_ACQUIRE);
         n++, tail++)
        if (!pass_on(&said->messages[tail % LINK_MESSAGES]))
            break;
    __atomic_add_fetch(&logging.dropped, __atomic_exchange_n(&said->dropped, 0, __ATOMIC_RELAXED),
                       __ATOMIC_RELAXED);
    unlock();
    __atomic_store_n(&said->tail, tail, __ATOMIC_RELEASE);
}

/* Whether the core is to put messages into the link: one that is a process of its own has no
 * standard error. */
static uint32_t
is_wanted(const BroConn *bc)
{
    return __atomic_load_n(&log_to_host, __ATOMIC_RELAXED) != 0 ||
           (bc->memory.outside && bro_debug_messages != 0);
}

void
log_ask(BroConn *bc)
{
    __atomic_store_n(&bc->link->takes_log, is_wanted(bc), __ATOMIC_RELAXED);
}

int
log_waits(const BroConn *bc)
{
    const struct link *l = bc->memory.outside ? __atomic_load_n(&bc->link, __ATOMIC_ACQUIRE) : NULL;

    return l && __atomic_load_n(&l->log.tail, __ATOMIC_RELAXED) !=
                    __atomic_load_n(&l->log.head, __ATOMIC_RELAXED);
}

void
log_collect(BroConn *bc)
{
    uint32_t wanted = is_wanted(bc);

    if ((!wanted && !bc->memory.outside) || !fork_owns(bc))
        return;
    pthread_mutex_lock(&bc->lock);
    if (bc->link && bc->link->takes_log != wanted)
        log_ask(bc);
    if (wanted && bc->link &&
        bc->link->log.tail != __atomic_load_n(&bc->link->log.head, __ATOMIC_ACQUIRE))
        collect(&bc->link->log);
    pthread_mutex_unlock(&bc->lock);
}

void
log_hand_over(BroConn *bc)
{
    log_collect(bc);
    log_deliver();
}

ROMANESCO_API void
bro_log_set(BroLogFunc func, void *user_data)
{
    int held = cancel_hold();

    pthread_mutex_lock(&logging.lock);
    if (!func)
        logging.n = 0;
    logging.func = func;
    logging.user_data = user_data;
    __atomic_store_n(&log_to_host, func != NULL, __ATOMIC_RELAXED);
    unlock();
    cancel_release(held);
}
