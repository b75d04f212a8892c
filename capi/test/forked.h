/* Checks of what a child has of the connections of its parent. */
#ifndef ROMANESCO_FORKED_H
#define ROMANESCO_FORKED_H

#include "../conn.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "child.h"
#include "fake_core.h"

static BroConn *of_parent;

static inline pid_t
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
static inline int
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
static inline BroConn *
pretend_lost(void)
{
    BroConn *bc = pretend(0);

    bc->link->state = LINK_DOWN;
    return bc;
}

static inline void
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

static inline int
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

#endif
