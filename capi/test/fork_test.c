/*
 * fork(): what a child has of the connections of its parent, and what it leaves alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "../exit.h"
#include "../fork.h"
#include "../handles.h"
#include "../process.h"
#include "child.h"
#include "fake_core.h"
#include "handlers.h"

static const uint64 one = 1;

static BroConn *of_parent;

static pid_t
child_of_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static pid_t (*const ways[])(void) = {fork, _Fork, child_of_clone};
#ifndef __SANITIZE_THREAD__
#define WAYS_BESIDE_THREADS 3
#else /* knows of fork() alone that the child has no other thread */
#define WAYS_BESIDE_THREADS 1
#endif

/* The same as in_child(), for a child that the library may not be told of. */
static int
in_child_of(pid_t (*way)(void), void (*func)(void))
{
    pid_t child;
    int status;

    fflush(NULL);
    child = way();
    if (child == 0) {
        alarm(60);
        func();
        fflush(stdout);
        _exit(check_failed > 0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A handle that was connected, and that a child does not connect again. */
static BroConn *
pretend_lost(void)
{
    BroConn *bc = pretend(0);

    bc->link->state = LINK_DOWN;
    return bc;
}

static void
use_of_parent(void)
{
    BroEvent *ev = bro_event_new("of the child");

    check_failed = 0;
    CHECK(bro_event_queue_length(of_parent) == 0);
    CHECK(bro_event_send(of_parent, ev));
    CHECK(bro_event_queue_length(of_parent) == 1);
    CHECK(bro_conn_get_fd(of_parent) == -1 && !bro_conn_process_input(of_parent));
    bro_event_free(ev);
    CHECK(bro_conn_delete(of_parent));
}

static void
test_fork(void)
{
    BroEvent *ev = bro_event_new("of the parent");

    of_parent = queueing();
    CHECK(bro_event_send(of_parent, ev) && bro_event_send(of_parent, ev));
    bro_event_free(ev);
    CHECK(in_child(use_of_parent) == 0);
    CHECK(bro_event_queue_length(of_parent) == 2);
    bro_conn_delete(of_parent);
}

static int
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct link_private
private_of(int fd, int other)
{
    struct descriptor_id id = descriptor_id(fd);

    return (struct link_private){id.device, id.inode + (uint64_t)other, fd, 0};
}

static int of_core[2], of_host[2], given;

static void
look_at_sockets(void)
{
    check_failed = 0;
    CHECK(!is_open(of_core[0]) && is_open(of_core[1]));
    CHECK(is_open(of_host[0]) && is_open(of_host[1]));
    CHECK(is_open(given) == (of_parent->link->state == LINK_NEW) &&
          (of_parent->socket == -1) != is_open(given));
}

/* A child closes what the core has open, and nothing that has such a number by now. */
static void
test_fork_sockets(void)
{
    of_parent = pretend(0);
    if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, of_core) == 0 && pipe(of_host) == 0))
        return;
    given = dup(of_core[1]);
    of_parent->socket = given;
    of_parent->socket_id = descriptor_id(given);
    of_parent->link->privates[0] = private_of(of_core[0], FALSE);
    of_parent->link->privates[1] = private_of(of_core[1], TRUE);
    of_parent->link->privates[2] = private_of(of_core[1], FALSE);
    of_parent->link->privates[2].fd = of_host[0]; /* a number that is another's by now */
    CHECK(in_child(look_at_sockets) == 0);
    CHECK(is_open(of_core[0]) && is_open(given));
    of_parent->link->state = LINK_NEW; /* the child may be the one that connects */
    CHECK(in_child(look_at_sockets) == 0);
    bro_conn_delete(of_parent);
    close(of_core[0]), close(of_core[1]), close(of_host[0]), close(of_host[1]);
}

static void
look_at_link(void)
{
    struct link *l = of_parent->link;
    unsigned char page;

    check_failed = 0;
    CHECK(mincore(l, 4096, &page) == 0);
    CHECK(bro_conn_get_fd(of_parent) == -1); /* makes it the child's */
    CHECK(!of_parent->link && mincore(l, 4096, &page) < 0 && errno == ENOMEM); /* not mapped */
    CHECK(write(of_parent->to_host, &one, sizeof one) == sizeof one);
    CHECK(readable(of_parent->to_host));
    CHECK(write(of_parent->to_core, &one, sizeof one) == sizeof one);
}

/* What the parent and its core share takes no memory of a child, and is not woken by one. */
static void
test_fork_link(void)
{
    of_parent = pretend_lost();
    CHECK(in_child(look_at_link) == 0);
    CHECK(!readable(of_parent->to_host) && !readable(of_parent->to_core));
    bro_conn_delete(of_parent);
}

static void
use_other_files(void)
{
    int *fds[] = {&of_parent->to_core, &of_parent->to_host};
    int held[2], numbers[2], i;

    check_failed = 0;
    for (i = 0; i < 2; i++) {
        numbers[i] = *fds[i];
        held[i] = i ? timerfd_create(CLOCK_MONOTONIC, 0) : open("/dev/null", O_RDONLY);
        CHECK(dup2(held[i], numbers[i]) == numbers[i]);
    }
    CHECK(bro_conn_get_fd(of_parent) == -1); /* makes it the child's */
    for (i = 0; i < 2; i++) {
        struct stat mine, theirs;

        CHECK(fstat(held[i], &mine) == 0 && fstat(numbers[i], &theirs) == 0);
        CHECK(mine.st_ino == theirs.st_ino && *fds[i] != numbers[i] && is_open(*fds[i]));
    }
    CHECK(write(numbers[1], &one, sizeof one) < 0 && errno == EINVAL); /* still a timer */
    CHECK(bro_conn_delete(of_parent));
    CHECK(is_open(numbers[0]) && is_open(numbers[1]));
}

static void
delete_beside_other_file(void)
{
    int fd = of_parent->to_host;

    check_failed = 0;
    CHECK(close(fd) == 0 && open("/dev/null", O_RDONLY) == fd);
    CHECK(bro_conn_delete(of_parent) && is_open(fd));
}

static void
use_after_closing_all(void)
{
    check_failed = 0;
    CHECK(close_range(3, ~0U, 0) == 0);
    CHECK(bro_conn_get_fd(of_parent) == -1);
    CHECK(is_open(of_parent->to_core) && is_open(of_parent->to_host));
    CHECK(write(of_parent->to_host, &one, sizeof one) == sizeof one);
    CHECK(readable(of_parent->to_host) && !readable(of_parent->to_core));
    CHECK(bro_conn_delete(of_parent));
}

/* A child's own eventfds, under all numbers that ours may have had. */
static void
use_other_events(void)
{
    int own[40], before[40], i;

    check_failed = 0;
    CHECK(close_range(3, ~0U, 0) == 0);
    for (i = 0; i < 40; i++)
        before[i] = own[i] = eventfd(0, EFD_NONBLOCK);
    CHECK(bro_conn_get_fd(of_parent) == -1); /* makes it the child's */
    CHECK(bro_conn_delete(of_parent));
    for (i = 0; i < 40; i++) {
        uint64_t n = (uint64_t)i + 1;

        CHECK(own[i] == before[i] && write(own[i], &n, sizeof n) == sizeof n);
    }
    for (i = 0; i < 40; i++) {
        uint64_t n = 0;

        CHECK(read(own[i], &n, sizeof n) == sizeof n && n == (uint64_t)i + 1);
        CHECK(fcntl(own[i], F_GETFD) == 0); /* not one that was put there */
    }
}

/* A daemon closes what it knows nothing of, and the numbers are another's by the
 * time that it uses the connection. */
static void
test_fork_and_close(void)
{
    of_parent = pretend_lost();
    CHECK(in_child(use_other_files) == 0);
    CHECK(in_child(delete_beside_other_file) == 0);
    CHECK(in_child(use_after_closing_all) == 0);
    CHECK(in_child(use_other_events) == 0);
    bro_conn_delete(of_parent);
}

/* The number of an eventfd that is gone may be that of another one by now. */
static void
test_event_ids(void)
{
    struct descriptor_id id, other;
    int fd = descriptor_event(&id, 3), again;

    CHECK(descriptor_is(fd, &id));
    other = id;
    other.event++;
    CHECK(!descriptor_is(fd, &other));
    other = id;
    other.event = 0; /* nobody can tell */
    CHECK(!descriptor_is(fd, &other));
    again = eventfd(0, 0);
    CHECK(!descriptor_is(again, &id));
    CHECK(fcntl(fd, F_SETSIG, 0) == 0); /* as a fresh one that has got the same number */
    CHECK(!descriptor_is(fd, &id));
    close(fd), close(again);
}

static void
open_others(int fd)
{
    int other = open("/dev/null", O_RDONLY);

    CHECK(close(fd) == 0 && dup2(other, fd) == fd && close(other) == 0);
}

/* As of_parent->socket, which no core has. */
static void
delete_with_other_socket(void)
{
    check_failed = 0;
    open_others(given);
    CHECK(bro_conn_delete(of_parent) && is_open(given));
}

/* The library hears of this child when its numbers are others' already. */
static void
look_late(void)
{
    check_failed = 0;
    open_others(given);
    open_others(of_core[0]);
    CHECK(!fork_owns(of_parent) && process_generation() > of_parent->generation);
    CHECK(is_open(given) && is_open(of_core[0]) && of_parent->socket == -1);
}

static void
test_late_look(void)
{
    int pair[2];

    if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, of_core) == 0 &&
               socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0))
        return;
    given = pair[0];
    of_parent = bro_conn_new_socket(given, BRO_CFLAG_NONE);
    CHECK(in_child(delete_with_other_socket) == 0);
    bro_conn_delete(of_parent);

    of_parent = pretend(0);
    of_parent->socket = given = of_core[1];
    of_parent->socket_id = descriptor_id(given);
    of_parent->link->privates[0] = private_of(of_core[0], FALSE);
    CHECK(in_child_of(_Fork, look_late) == 0);
    CHECK(in_child_of(child_of_clone, look_late) == 0);
    bro_conn_delete(of_parent);
    close(of_core[0]), close(pair[1]);
}

static void
request_in_child(void)
{
    check_failed = 0;
    bro_event_registry_request(of_parent);
    CHECK(!of_parent->link);
}

/* A request of the child's is no use of what the parent and its core share. */
static void
test_fork_request(void)
{
    of_parent = pretend_lost();
    bro_event_registry_add(of_parent, "a", (BroEventFunc)abort, NULL);
    CHECK(in_child(request_in_child) == 0);
    bro_conn_delete(of_parent);
}

static void
delete_what_is_freed(void)
{
    struct link_record *rec;
    uint64_t next;

    check_failed = 0;
    if (CHECK((rec = ring_next(&of_parent->link->in, &next)) && rec->kind == LINK_FAR))
        free(((struct link_far *)rec)->at); /* as another thread of the parent had, at the fork */
    CHECK(bro_conn_delete(of_parent));
}

/* What lies outside of the ring may be half freed in a child. */
static void
test_fork_far(void)
{
    BroEvent *large = event_of(LINK_NEAR_MAX);

    of_parent = pretend_lost();
    arrives(of_parent, large);
    CHECK(in_child(delete_what_is_freed) == 0);
    bro_event_free(large);
    bro_conn_delete(of_parent);
}

static void
grandchildren(void)
{
    size_t i;

    check_failed = 0;
    CHECK(!fork_owns(of_parent) && bro_event_queue_length(of_parent) == 0);
    for (i = 0; i < sizeof ways / sizeof *ways; i++)
        CHECK(in_child_of(ways[i], use_of_parent) == 0);
    use_of_parent();
}

/* No child takes itself for its parent, in whatever way it was made. */
static void
test_ways_of_forking(void)
{
    size_t i;

    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        BroEvent *ev = bro_event_new("of the parent");

        of_parent = queueing();
        CHECK(bro_event_send(of_parent, ev) && bro_event_send(of_parent, ev));
        CHECK(in_child_of(ways[i], grandchildren) == 0);
        CHECK(bro_event_queue_length(of_parent) == 2);
        bro_event_free(ev);
        bro_conn_delete(of_parent);
    }
}

/* A child of vfork() that calls exit(), which it may not, ends nothing of its parent's. */
static void
test_guest(void)
{
#ifndef __SANITIZE_THREAD__ /* which makes a fork() of it */
    int status;
    pid_t child;

    of_parent = pretend(0);
    child = vfork();
    if (child == 0) {
        exit_close_all();
        _exit(!process_is_guest());
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(of_parent->link->state == LINK_UP && !process_is_guest());
    of_parent->link->state = LINK_DOWN;
    bro_conn_delete(of_parent);
#endif
}

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
    bc->spool = spool_new(dir, bc->peer, LINK_RING_BYTES, &why);
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

static void
exit_as_child(void)
{
    struct spool *s = of_parent->spool;

    check_failed = 0;
    CHECK(s->lock == -1 && !is_open(given)); /* free once the parent is gone */
    exit_close_all();
    CHECK(access(s->folder, F_OK) == 0);
    CHECK(bro_conn_delete(of_parent));
}

static void
look_at_late_lock(void)
{
    check_failed = 0;
    open_others(given);
    CHECK(process_generation() && of_parent->spool->lock == -1 && is_open(given));
    CHECK(bro_conn_delete(of_parent) && is_open(given));
}

/* A child that ends leaves its parent's spool alone, though nothing is in it. */
static void
test_fork_spool(BroConn *bc)
{
    of_parent = bc;
    given = bc->spool->lock;
    CHECK(in_child(exit_as_child) == 0);
    CHECK(in_child_of(_Fork, look_at_late_lock) == 0);
    CHECK(is_open(given) && access(bc->spool->folder, F_OK) == 0);
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
    of_parent->link = link_new(LINK_RING_BYTES, NULL);
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
    test_fork();
    test_fork_sockets();
    test_fork_link();
    test_fork_and_close();
    test_fork_request();
    test_fork_far();
    test_event_ids();
    test_late_look();
    test_ways_of_forking();
    test_guest();
    test_look_together();
    test_found_until_closed();
    with_spool(test_fork_beside_changes);
    test_deletes_at_fork();
    test_fork_while_locked();
    test_fork_while_loading();
    with_spool(test_fork_spool);
    test_fork_in_handler();
    test_fork_beside_handler();
    return check_done();
}
