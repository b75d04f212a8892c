/*
 * A child closes all descriptors and gives their numbers to eventfds of its own,
 * as event loops have them (libuv, libevent), before it uses the handle.
 *
 *   hijack P
 *
 * Expected: each of its eventfds still wakes its epoll.
 */
#include "common.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { EVENTFDS = 20 };

static void
child(BroConn *bc)
{
    int i, ep, fd[EVENTFDS], lost = 0;
    uint64_t one = 1, got;

    closefrom(3);
    for (i = 0; i < EVENTFDS; i++)
        fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ep = epoll_create1(EPOLL_CLOEXEC);
    for (i = 0; i < EVENTFDS; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd[i]};

        epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
    }
    printf("child: send %d\n", sendn(bc, "child", 1));
    usleep(200000);
    for (i = 0; i < EVENTFDS; i++) {
        struct epoll_event e;

        (void)!write(fd[i], &one, sizeof(one));
        if (epoll_wait(ep, &e, 1, 200) != 1 || e.data.fd != fd[i])
            lost++;
        (void)!read(fd[i], &got, sizeof(got));
    }
    printf("child: %d of %d eventfds lost\n", lost, EVENTFDS);
    bro_conn_delete(bc);
}

int
main(int argc, char **argv)
{
    BroConn *bc;
    int status;

    need(argc, 1);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    if (fork() == 0) {
        child(bc);
        _exit(0);
    }
    wait(&status);
    printf("status %x\n", status);
    bro_conn_delete(bc);
    return 0;
}
