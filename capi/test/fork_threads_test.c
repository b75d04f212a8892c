/*
 * fork() beside other threads of the host, and in and beside handlers.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "../exit.h"
#include "../fork.h"
#include "../handles.h"
#include "../process.h"
#include "fake_core.h"
#include "forked.h"
#include "handlers.h"

#ifdef __SANITIZE_ADDRESS__
/* A child that is forked beside other threads waits for ever for the lock of what ASan holds
 * back of freed memory, if one of these had it. */
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
    return "quarantine_size_mb=0:thread_local_quarantine_size_kb=0";
}
#endif

#define LOOKERS 8

static struct {
    pthread_barrier_t ready;
    unsigned seen[LOOKERS];
} lookers;

static void *
look(void *arg)
{
    pthread_barrier_wait(&lookers.ready);
    *(unsigned *)arg = process_generation();
    return NULL;
}

static void
look_together(void)
{
    pthread_t threads[LOOKERS];
    unsigned before = of_parent->generation;
    int i;

    check_failed = 0;
    pthread_barrier_init(&lookers.ready, NULL, LOOKERS);
    for (i = 0; i < LOOKERS; i++)
        CHECK(pthread_create(&threads[i], NULL, look, &lookers.seen[i]) == 0);
    for (i = 0; i < LOOKERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(lookers.seen[i] == before + 1); /* one has settled it, once */
    }
}

static void
test_look_together(void)
{
    of_parent = queueing();
#ifndef __SANITIZE_THREAD__ /* takes no new threads in a child */
    CHECK(in_child_of(_Fork, look_together) == 0);
#else
    (void)look_together;
#endif
    bro_conn_delete(of_parent);
}

static struct {
    int done;
    BroConn conn[2];
} beside_fork;

/* What is closed while a connection is deleted, and that it can still be found then. */
static struct {
    const BroConn *conn;
    int fd, found;
} closing = {.fd = -1};

int __real_close(int fd);
int __wrap_close(int fd);

int
__wrap_close(int fd)
{
    const BroConn *bc;

    if (fd >= 0 && fd == closing.fd)
        for (bc = handles_first(); bc; bc = handles_older(bc))
            closing.found |= bc == closing.conn;
    return __real_close(fd);
}

/* A child that another thread makes meanwhile closes the lock, or has none. */
static void
test_found_until_closed(void)
{
    char dir[] = "/tmp/broccoli-spool-XXXXXX";
    BroConn *bc = queueing();
    struct reason why;

    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    bc->spool = spool_new(dir, bc->peer, LINK_RING_BYTES, FALSE, &why);
    closing.conn = bc;
    closing.fd = bc->spool->lock;
    closing.found = FALSE;
    bro_conn_delete(bc);
    CHECK(closing.found);
    closing.fd = -1;
    CHECK(rmdir(dir) == 0);
}

/* Puts handles in and takes them out as fast as it can. */
static void *
change_list(void *arg)
{
    while (!__atomic_load_n(&beside_fork.done, __ATOMIC_SEQ_CST)) {
        handles_add(&beside_fork.conn[0]);
        handles_add(&beside_fork.conn[1]);
        handles_remove(&beside_fork.conn[0]);
        handles_remove(&beside_fork.conn[1]);
    }
    return arg;
}

static void
add_in_child(void)
{
    check_failed = 0;
    CHECK(!fork_owns(of_parent)); /* found in the list */
    CHECK(process_generation() && of_parent->spool->lock == -1);
    CHECK(bro_conn_delete(queueing()));
    if (check_failed == 0) /* valgrind is not to look for what the other thread had */
        execl("/bin/true", "true", (char *)NULL);
}

/* A child made at any moment finds each handle, though another thread of the
 * parent was changing the list, and can change it itself. */
static void
test_fork_beside_changes(BroConn *bc)
{
    pthread_t thread;
    int i;

    of_parent = bc;
    beside_fork.done = FALSE;
    if (!CHECK(pthread_create(&thread, NULL, change_list, NULL) == 0))
        return;
    for (i = 0; i < 300; i++)
        if (!CHECK(in_child_of(ways[i % WAYS_BESIDE_THREADS], add_in_child) == 0))
            break;
    __atomic_store_n(&beside_fork.done, TRUE, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
}

/* What a host does in handlers of its own: these are called before and after the library's. */
static BroConn *to_delete[6];

static void
delete_at(int n)
{
    if (to_delete[n])
        CHECK(bro_conn_delete(to_delete[n]));
    to_delete[n] = NULL;
}

#define DELETES_AT(n) \
    static void delete_at_##n(void) \
    { \
        delete_at(n); \
    }
DELETES_AT(0)
DELETES_AT(1)
DELETES_AT(2)
DELETES_AT(3)
DELETES_AT(4)
DELETES_AT(5)

__attribute__((constructor(101))) static void
watch_forks_first(void)
{
    pthread_atfork(delete_at_0, delete_at_1, delete_at_2);
}

static void
nothing(void)
{
    check_failed = 0;
    CHECK(!to_delete[2] && !to_delete[5]);
}

static void
test_deletes_at_fork(void)
{
    int i;

    pthread_atfork(delete_at_3, delete_at_4, delete_at_5);
    for (i = 0; i < 6; i++)
        to_delete[i] = pretend_lost();
    CHECK(in_child_of(fork, nothing) == 0);
    for (i = 0; i < 6; i++)
        CHECK(!to_delete[i] == (i % 3 != 2)); /* those of the child are still here */
    delete_at(2);
    delete_at(5);
}

/* A thread that the child has not holds a lock meanwhile: from one meeting to the next. */
static pthread_barrier_t meeting;

static void
hold(void)
{
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
}

static void *
hold_lock_of_parent(void *arg)
{
    pthread_mutex_lock(&of_parent->lock);
    hold();
    pthread_mutex_unlock(&of_parent->lock);
    return arg;
}

/* As exit() does while it waits. */
static void *
hold_lock_of_list(void *arg)
{
    pthread_mutex_lock(&handles.lock);
    hold();
    pthread_mutex_unlock(&handles.lock);
    return arg;
}

static void
fork_while(void *(*holds)(void *), void (*child)(void))
{
    pthread_t thread;

    pthread_barrier_init(&meeting, NULL, 2);
    if (!CHECK(pthread_create(&thread, NULL, holds, NULL) == 0))
        return;
    pthread_barrier_wait(&meeting);
    CHECK(in_child(child) == 0);
    pthread_barrier_wait(&meeting);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&meeting);
}

static void
handler_of_child(BroConn *bc, void *user_data)
{
    (void)bc, (void)user_data;
}

static void
register_in_child(void)
{
    alarm(60);
    check_failed = 0;
    bro_event_registry_add(of_parent, "a", (BroEventFunc)handler_of_child, NULL);
    bro_event_registry_remove(of_parent, "a");
    CHECK(bro_conn_delete(of_parent));
}

static void
send_in_child(void)
{
    alarm(60);
    use_of_parent();
}

/* What a thread of the parent's does with a connection holds no child. */
static void
test_fork_while_locked(void)
{
    of_parent = queueing();
    fork_while(hold_lock_of_parent, register_in_child);
    fork_while(hold_lock_of_parent, send_in_child);
    fork_while(hold_lock_of_list, send_in_child);
    bro_conn_delete(of_parent);
}

static int loading;

void *__real_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags);

void *
__wrap_dlopen(const char *path, int flags)
{
    int first = loading;

    loading = FALSE;
    if (first)
        hold();
    return __real_dlopen(path, flags);
}

static void *
connect_one(void *arg)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);

    CHECK(!bro_conn_connect(bc));
    bro_conn_delete(bc);
    return arg;
}

static void
connect_in_child(void)
{
    alarm(60);
    check_failed = 0;
    connect_one(NULL);
    if (check_failed == 0) /* valgrind is not to look for what the other thread had */
        execl("/bin/true", "true", (char *)NULL);
}

/* Neither does one that is loading the core. ThreadSanitizer takes no new threads
 * in such a child. */
static void
test_fork_while_loading(void)
{
#ifndef __SANITIZE_THREAD__
    loading = TRUE;
    fork_while(connect_one, connect_in_child);
#else
    (void)connect_one, (void)connect_in_child;
#endif
}

/* --- Handlers -------------------------------------------------------------------------------- */

static pid_t forked;

/* What a child does with its copy of the connection in a handler: user_data. */
static void
on_forking(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    BroString *arg = meta->ev_args[0].arg_data;
    BroEvent *ev;
    int status;

    on_compact(bc, "", meta);
    if ((forked = fork()) != 0) {
        CHECK(waitpid(forked, &status, 0) == forked && WIFEXITED(status) &&
              WEXITSTATUS(status) == 0);
        return;
    }
    check_failed = 0;
    if (strcmp(user_data, "sends") == 0) {
        ev = bro_event_new("of the child");
        CHECK(bro_event_send(bc, ev) && bro_event_queue_length(bc) == 1);
        bro_event_free(ev);
    } else if (strcmp(user_data, "deletes") == 0) {
        CHECK(bro_conn_delete(bc));
    }
    CHECK(arg->str_len == 3 && strcmp((char *)arg->str_val, "arg") == 0 &&
          strcmp(meta->ev_name, "forks") == 0);
}

/* A handler forks, and the child returns from it too: the parent's events stay the parent's. */
static void
test_fork_in_handler(void)
{
    static char *const ways[] = {"returns", "sends", "deletes"};
    BroString arg = {3, (uchar *)"arg"};
    size_t i;

    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        BroConn *bc = pretend(0);
        BroEvent *ev = bro_event_new("forks");

        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &arg);
        bro_event_registry_add_compact(bc, "forks", on_forking, ways[i]);
        bro_event_registry_add_compact(bc, "a", on_compact, "");
        arrives(bc, ev);
        arrives_named(bc, "a", 0);
        bro_event_free(ev);
        CHECK(bro_conn_process_input(bc));
        if (forked == 0) {
            CHECK(trail_is("forks "));
            if (strcmp(ways[i], "deletes") != 0)
                CHECK(!bro_conn_process_input(bc) && bro_conn_delete(bc));
            _exit(check_failed != 0);
        }
        CHECK(trail_is("forks a "));
        bro_conn_delete(bc);
    }
}

static pthread_barrier_t in_handler;

static void
on_waiting(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
    pthread_barrier_wait(&in_handler); /* it runs */
    pthread_barrier_wait(&in_handler); /* and has been forked meanwhile */
}

static void *
process_once(void *arg)
{
    return bro_conn_process_input(arg) ? NULL : "nothing";
}

static void
process_as_child(void)
{
    check_failed = 0;
    CHECK(bro_conn_get_fd(of_parent) == -1); /* makes it the child's */
    CHECK(link_new(&of_parent->memory, LINK_RING_BYTES, NULL));
    of_parent->link = of_parent->memory.link;
    of_parent->link->state = LINK_UP;
    bro_event_registry_add_compact(of_parent, "a", on_compact, "");
    arrives_named(of_parent, "a", 0);
    CHECK(bro_conn_process_input(of_parent) && trail_is("a "));
}

static void
delete_as_child(void)
{
    int fd = of_parent->to_host;

    check_failed = 0;
    CHECK(bro_conn_delete(of_parent) && !is_open(fd));
}

/* A process forks while a handler runs in another thread of it, which the child has not. */
static void
test_fork_beside_handler(void)
{
    pthread_t thread;
    void *result;

    of_parent = pretend_lost();
    pthread_barrier_init(&in_handler, NULL, 2);
    bro_event_registry_add_compact(of_parent, "waits", on_waiting, "");
    arrives_named(of_parent, "waits", 0);
    if (!CHECK(pthread_create(&thread, NULL, process_once, of_parent) == 0))
        return;
    pthread_barrier_wait(&in_handler);
    CHECK(in_child(process_as_child) == 0);
    CHECK(in_child(delete_as_child) == 0);
    pthread_barrier_wait(&in_handler);
    CHECK(pthread_join(thread, &result) == 0 && !result);
    pthread_barrier_destroy(&in_handler);
    bro_conn_delete(of_parent);
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    test_look_together();
    test_found_until_closed();
    with_spool(test_fork_beside_changes);
    test_deletes_at_fork();
    test_fork_while_locked();
    test_fork_while_loading();
    test_fork_in_handler();
    test_fork_beside_handler();
    return check_done();
}
