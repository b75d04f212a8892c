/*
 * Messages: who gets them, on which thread, and with no lock of ours held.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "child.h"
#include "fake_core.h"

#define SEEN_MAX 256

static struct {
    int n, strange;
    struct seen {
        int level;
        char text[LINK_ERROR_MAX];
        pid_t thread;
        int nested, cancel;
    } all[SEEN_MAX];
} seen;
static int depth;
static void (*within)(void); /* called by the function that gets messages */

static void
get(int level, const char *message, void *user_data)
{
    struct seen *s = &seen.all[seen.n];

    seen.strange += user_data != &seen;
    if (seen.n < SEEN_MAX) {
        s->level = level;
        snprintf(s->text, sizeof s->text, "%s", message);
        s->thread = gettid();
        s->nested = depth;
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &s->cancel);
        pthread_setcancelstate(s->cancel, NULL);
        seen.n++;
    }
    depth++;
    if (within)
        within();
    depth--;
    errno = EDOM;
}

static void
listen_to_all(void (*func)(void))
{
    seen.n = 0;
    within = func;
    bro_log_set(get, &seen);
}

/* Exactly these, with these levels. */
static int
saw(int i, int level, const char *part)
{
    int ok = i < seen.n && seen.all[i].level == level && strstr(seen.all[i].text, part);

    if (!ok)
        printf("message %d of %d: \"%s\", level %d, not \"%s\"\n", i, seen.n,
               i < seen.n ? seen.all[i].text : "", i < seen.n ? seen.all[i].level : -1, part);
    return ok;
}

/* What the core does: see link.say of internal/library/core. */
static int
core_says(struct link *l, int level, const char *text)
{
    struct link_log *log = &l->log;
    struct link_message *m = &log->messages[log->head % LINK_MESSAGES];

    if (log->head - __atomic_load_n(&log->tail, __ATOMIC_SEQ_CST) >= LINK_MESSAGES) {
        __atomic_add_fetch(&log->dropped, 1, __ATOMIC_SEQ_CST);
        return FALSE;
    }
    m->level = (uint32_t)level;
    snprintf(m->text, sizeof m->text, "%s", text);
    __atomic_store_n(&log->head, log->head + 1, __ATOMIC_SEQ_CST);
    return TRUE;
}

static void *
core_thread(void *link)
{
    core_says(link, BRO_LOG_WARNING, "connection lost");
    return NULL;
}

/* --- On which thread -------------------------------------------------------------------------- */

static BroConn *conn;

static void
alive(void)
{
    bro_conn_alive(conn);
}

static void
get_fd(void)
{
    bro_conn_get_fd(conn);
}

static void
process_input(void)
{
    bro_conn_process_input(conn);
}

static void
flush(void)
{
    bro_event_queue_flush(conn);
}

static void
connect_it(void)
{
    CHECK(!bro_conn_connect(conn)); /* CLOSING */
}

static void
delete_it(void)
{
    CHECK(bro_conn_delete(conn));
}

static void
send_while_lost(void)
{
    BroEvent *ev = event_of(1);

    conn->link->state = LINK_RETRY;
    CHECK(bro_event_send(conn, ev));
    conn->link->state = LINK_UP;
    bro_event_free(ev);
}

/* Each call that hands over what the core has said does so on its own thread. */
static void
test_thread(void)
{
    static const struct {
        void (*call)(void);
        uint32_t state;
    } calls[] = {{alive, LINK_UP},      {get_fd, LINK_UP},          {process_input, LINK_UP},
                 {flush, LINK_DOWN},    {connect_it, LINK_CLOSING}, {send_while_lost, LINK_UP},
                 {delete_it, LINK_DOWN}};
    size_t i;

    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        pthread_t core;

        conn = pretend(0);
        conn->link->state = calls[i].state;
        listen_to_all(NULL);
        CHECK(pthread_create(&core, NULL, core_thread, conn->link) == 0);
        pthread_join(core, NULL);
        CHECK(seen.n == 0);
        errno = ERANGE;
        calls[i].call();
        CHECK(seen.n == 1 && saw(0, BRO_LOG_WARNING, "connection lost"));
        CHECK(seen.all[0].thread == gettid());
        CHECK(seen.all[0].cancel == PTHREAD_CANCEL_ENABLE || calls[i].call == delete_it);
        if (calls[i].call != delete_it)
            bro_conn_delete(conn);
    }
    bro_log_set(NULL, NULL);
}

/* A TRUE over a connection looks for nothing. */
static void
test_send(void)
{
    BroEvent *ev = event_of(1);

    conn = pretend(0);
    listen_to_all(NULL);
    core_says(conn->link, BRO_LOG_INFO, "connected");
    errno = ERANGE;
    CHECK(bro_event_send(conn, ev) && seen.n == 0);
    CHECK(bro_conn_alive(conn) && seen.n == 1 && errno == ERANGE);
    bro_event_free(ev);
    bro_conn_delete(conn);
    bro_log_set(NULL, NULL);
}

/* --- What the function may call --------------------------------------------------------------- */

/* Everything that could wait for a lock of the connection that has the message. */
static void
use_all(void)
{
    BroEvent *ev = event_of(1);

    bro_event_send(conn, ev);
    bro_conn_error(conn);
    bro_event_error(conn);
    bro_conn_alive(conn);
    bro_conn_get_fd(conn);
    bro_conn_process_input(conn);
    bro_event_queue_length(conn);
    bro_event_registry_request(conn);
    bro_conn_connect(conn);
    bro_conn_reconnect(conn);
    bro_log_set(get, &seen);
    bro_event_free(ev);
}

static void
fill(void)
{
    BroEvent *ev = event_of(1000);

    while (bro_event_send(conn, ev))
        ;
    CHECK(!bro_event_send(conn, ev) && !bro_event_send(conn, ev));
    bro_event_free(ev);
}

/* In a process of its own, which ends at a deadlock. */
static void
call_from_within(void)
{
    check_failed = 0;
    alarm(60);
    conn = pretend(0);
    listen_to_all(use_all);
    fill();
    CHECK(saw(0, BRO_LOG_WARNING, "[127.0.0.1:1] 1 events refused: the queue is full"));
    CHECK(bro_conn_delete(conn));

    conn = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);
    seen.n = 0;
    CHECK(!bro_conn_connect(conn)); /* in turn */
    CHECK(saw(0, BRO_LOG_WARNING, "[127.0.0.1:1] cannot load the core"));
    CHECK(seen.n == 1); /* the same once more is no news */
    CHECK(bro_conn_delete(conn));
}

static void
test_calls_from_within(void)
{
    CHECK(in_child(call_from_within) == 0);
}

/* The queue is full for a long time: one line, not one for each event. */
static void
test_full_queue(void)
{
    conn = pretend(0);
    listen_to_all(NULL);
    fill();
    CHECK(seen.n == 1 && saw(0, BRO_LOG_WARNING, "queue_max_bytes"));
    conn->errors.told_at = -100; /* long ago */
    fill();
    CHECK(seen.n == 2 && saw(1, BRO_LOG_WARNING, "] 3 events refused: "));
    bro_conn_delete(conn);
    bro_log_set(NULL, NULL);
}

/* --- Bounds ----------------------------------------------------------------------------------- */

static void
say_more(void)
{
    log_now(BRO_LOG_WARNING, "about a message");
}

/* One that has a message made for each that it gets is not called for ever, nor within itself. */
static void
test_storm(void)
{
    int i;

    listen_to_all(say_more);
    log_now(BRO_LOG_INFO, "the first");
    CHECK(seen.n > 1 && seen.n < 100);
    for (i = 0; i < seen.n; i++)
        CHECK(seen.all[i].nested == 0);
    within = NULL;
    log_now(BRO_LOG_INFO, "the last");

    listen_to_all(NULL);
    for (i = 0; i < 1000; i++)
        log_later(BRO_LOG_INFO, "a message");
    CHECK(seen.n == 0);
    log_deliver();
    CHECK(seen.n == 33 && saw(32, BRO_LOG_WARNING, "968 messages were dropped"));

    conn = pretend(0);
    listen_to_all(NULL);
    for (i = 0; i < 1000; i++)
        core_says(conn->link, BRO_LOG_INFO, i ? "another" : "the first");
    CHECK(bro_conn_alive(conn) && seen.n == LINK_MESSAGES + 1 && saw(0, BRO_LOG_INFO, "the first"));
    CHECK(saw(LINK_MESSAGES, BRO_LOG_WARNING, "984 messages were dropped"));
    CHECK(core_says(conn->link, BRO_LOG_INFO, "there is room") && bro_conn_alive(conn));
    CHECK(seen.n == LINK_MESSAGES + 2);
    bro_conn_delete(conn);
    bro_log_set(NULL, NULL);
}

static void
test_one_line(void)
{
    listen_to_all(NULL);
    log_now(BRO_LOG_INFO, "two\nlines\x7f\x1b[1m");
    CHECK(saw(0, BRO_LOG_INFO, "two lines  [1m"));
    bro_log_set(NULL, NULL);
}

/* --- Levels, and standard error --------------------------------------------------------------- */

static void
test_levels(void)
{
    listen_to_all(NULL);
    LOG(BRO_LOG_DEBUG, "debugging is off");
    LOG(BRO_LOG_INFO, "info");
    bro_debug_messages = 1;
    LOG(BRO_LOG_DEBUG, "debugging is on");
    bro_debug_messages = 0;
    CHECK(seen.n == 2 && saw(0, BRO_LOG_INFO, "info") && saw(1, BRO_LOG_DEBUG, "debugging is on"));
    CHECK(BRO_LOG_ERROR == 3 && BRO_LOG_WARNING == 4 && BRO_LOG_INFO == 6 && BRO_LOG_DEBUG == 7);
    bro_log_set(NULL, NULL);
    LOG(BRO_LOG_WARNING, "nobody asks");
    CHECK(seen.n == 2);
}

/* Nothing goes there that goes to the function. */
static void
test_standard_error(void)
{
    char path[] = "/tmp/broccoli-stderr-XXXXXX", text[256] = "";
    int fd = mkstemp(path), was = dup(2);

    fflush(stderr);
    dup2(fd, 2);
    listen_to_all(NULL);
    bro_debug_messages = 1;
    LOG(BRO_LOG_WARNING, "for the function");
    bro_log_set(NULL, NULL);
    LOG(BRO_LOG_WARNING, "for standard error");
    bro_debug_messages = 0;
    LOG(BRO_LOG_WARNING, "for nobody");
    fflush(stderr);
    dup2(was, 2);
    CHECK(pread(fd, text, sizeof text - 1, 0) > 0);
    CHECK(strcmp(text, "libbroccoli: for standard error\n") == 0);
    close(fd);
    close(was);
    unlink(path);
}

/* --- Threads that end, and processes ---------------------------------------------------------- */

static void
end_thread(void)
{
    within = NULL;
    pthread_exit(NULL);
}

static void *
log_here(void *text)
{
    log_later(BRO_LOG_INFO, "%s", (const char *)text);
    log_deliver();
    return NULL;
}

/* Who ends in the function is not waited for. */
static void
test_end_of_thread(void)
{
    pthread_t thread;

    listen_to_all(end_thread);
    CHECK(pthread_create(&thread, NULL, log_here, "its last") == 0);
    pthread_join(thread, NULL);
    CHECK(seen.n == 1);
    depth = 0;
    log_now(BRO_LOG_INFO, "after it");
    CHECK(seen.n == 2 && saw(1, BRO_LOG_INFO, "after it"));
    bro_log_set(NULL, NULL);
}

static void *
storm_here(void *arg)
{
    int i;

    for (i = 0; i < 1000; i++)
        log_now(BRO_LOG_INFO, "of many threads");
    return arg;
}

/* Not called by two at a time: the function of this test has no lock. */
static void
test_threads(void)
{
    pthread_t threads[4];
    int i;

    listen_to_all(NULL);
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, storm_here, NULL) == 0);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(seen.n == SEEN_MAX && depth == 0);
    bro_log_set(NULL, NULL);
}

static void
log_in_child(void)
{
    check_failed = 0;
    seen.n = 0;
    log_deliver();
    bro_conn_alive(conn);
    CHECK(seen.n == 0); /* what waits is the parent's, and what its core has said */
    CHECK(bro_conn_process_input(conn) == 0 && seen.n == 0);
    log_now(BRO_LOG_INFO, "of the child");
    CHECK(seen.n == 1 && saw(0, BRO_LOG_INFO, "of the child") && seen.all[0].thread == getpid());
    bro_conn_delete(conn);
}

static void
fork_within(void)
{
    within = NULL;
    CHECK(in_child(log_in_child) == 0);
}

static void
test_fork(void)
{
    conn = pretend(0);
    conn->link->state = LINK_DOWN;
    listen_to_all(NULL);
    log_later(BRO_LOG_INFO, "of the parent");
    core_says(conn->link, BRO_LOG_INFO, "of the parent's core");
    CHECK(in_child(log_in_child) == 0);
    bro_conn_alive(conn);
    CHECK(seen.n == 2 && saw(0, BRO_LOG_INFO, "of the parent") &&
          saw(1, BRO_LOG_INFO, "of the parent's core"));
    listen_to_all(fork_within);
    log_later(BRO_LOG_INFO, "the first");
    log_later(BRO_LOG_INFO, "the second");
    log_deliver();
    CHECK(seen.n == 2 && saw(1, BRO_LOG_INFO, "the second"));
    bro_conn_delete(conn);
    bro_log_set(NULL, NULL);
}

/* --- The configuration ------------------------------------------------------------------------ */

static void
configure(void)
{
    check_failed = 0;
    setenv("BROCCOLI_CONFIG_FILE", "/nowhere/broccoli.conf", 1);
    listen_to_all(NULL);
    bro_init(NULL);
    CHECK(seen.n == 1 &&
          saw(0, BRO_LOG_WARNING, "/nowhere/broccoli.conf: No such file or directory; not used"));
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    CHECK(in_child(configure) == 0);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    test_calls_from_within(); /* before there are threads, as the next */
    test_fork();
    test_thread();
    test_send();
    test_full_queue();
    test_storm();
    test_one_line();
    test_levels();
    test_standard_error();
    test_end_of_thread();
    test_threads();
    CHECK(seen.strange == 0);
    return check_done();
}
