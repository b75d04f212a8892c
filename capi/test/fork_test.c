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
#include "fake_core.h"
#include "forked.h"
#include "handlers.h"

static const uint64 one = 1;

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

static uint32_t
bit_of(int fd)
{
    return (uint32_t)1 << fd % 32;
}

/* Of what a core says that it has opened, a child closes what carries our mark. */
static void
test_close_marked(void)
{
    uint32_t opened[] = {2, 0, 0};
    struct descriptor_id id;
    int ours = descriptor_event(&id, 32), untold = descriptor_event(&id, 32);
    int theirs = fcntl(0, F_DUPFD, 32);

    if (!CHECK(ours < 64 && untold < 64 && theirs < 64))
        return;
    CHECK(fcntl(theirs, F_SETSIG, SIGRTMAX) == 0 && fcntl(theirs, F_SETOWN, getpid()) == 0);
    opened[2] = bit_of(ours) | bit_of(theirs);
    descriptor_close_marked(opened);
    CHECK(!is_open(ours) && is_open(untold) && is_open(theirs));
    CHECK(fcntl(theirs, F_SETSIG, 0) == 0);
    close(untold), close(theirs);
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
    if (CHECK((rec = ring_next(&of_parent->memory.in, &next)) && rec->kind == LINK_FAR))
        free(core_far(rec)); /* as another thread of the parent had, at the fork */
    CHECK(bro_conn_delete(of_parent));
}

/* What lies outside of the ring may be half freed in a child. */
static void
test_fork_far(void)
{
    static BroEvent *large; /* where valgrind finds it in a child */

    large = event_of(LINK_NEAR_MAX);
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
    test_close_marked();
    test_late_look();
    test_ways_of_forking();
    with_spool(test_fork_spool);
    test_guest();
    return check_done();
}
