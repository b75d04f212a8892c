/*
 * A host has descriptors of its own, high up, that would send SIGRTMAX, and a child of
 * it uses the handle.
 *
 *   marked P HOW [reuse]      HOW: fork, or late (with _Fork(), which tells nobody);
 *                             reuse: the child closes all, and has its own under all
 *                             numbers that others may have had
 *
 * Expected: the child loses none of them.
 */
#include "common.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { FIRST = 1024, LAST = 1124, KINDS = 6 };

static int mine[LAST - FIRST], n;

static int
new_of(int kind)
{
    int pair[2];

    switch (kind) {
    case 0:
        return eventfd(0, EFD_CLOEXEC);
    case 1:
        return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    case 2:
        return epoll_create1(EPOLL_CLOEXEC);
    case 3:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    default: /* the last one asks to be told */
        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 ? pair[0] : -1;
    }
}

/* One more, from this number on. */
static void
take(int kind, int from)
{
    int fd = new_of(kind), high = fcntl(fd, F_DUPFD_CLOEXEC, from);

    close(fd);
    fcntl(high, F_SETOWN, getpid());
    fcntl(high, F_SETSIG, SIGRTMAX);
    if (kind == KINDS - 1)
        fcntl(high, F_SETFL, fcntl(high, F_GETFL) | O_ASYNC);
    mine[n++] = high;
}

static void
child(BroConn *bc, int reuses)
{
    int i, lost = 0;

    if (reuses) {
        closefrom(3);
        for (n = 0; n < LAST - FIRST;)
            take(n % KINDS, FIRST + n);
    }
    printf("child: send %d\n", sendn(bc, "child", 1));
    for (i = 0; i < n; i++)
        lost += fcntl(mine[i], F_GETSIG) != SIGRTMAX;
    printf("child: %d lost, delete %d\n", lost, bro_conn_delete(bc));
    for (lost = i = 0; i < n; i++)
        lost += fcntl(mine[i], F_GETSIG) != SIGRTMAX;
    printf("child: %d lost\n", lost);
    _exit(0);
}

int
main(int argc, char **argv)
{
    BroConn *bc;
    int status;

    need(argc, 2);
    signal(SIGRTMAX, SIG_IGN);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    while (n < 2 * KINDS)
        take(n % KINDS, FIRST + n);
    if ((strcmp(argv[2], "fork") == 0 ? fork() : _Fork()) == 0)
        child(bc, argc > 3);
    wait(&status);
    printf("status %x\n", status);
    bro_conn_delete(bc);
    return 0;
}
