/*
 * While exit() waits for a peer that reads nothing, a signal handler of the
 * host forks, as a reporter of crashes does.
 *
 *   exitfork P PID
 *
 * Expected: it ends within some seconds.
 */
#include "common.h"

static void
on_alarm(int sig)
{
    (void)sig;
    if (fork() == 0)
        _exit(0);
    (void)!write(STDOUT_FILENO, "forked\n", 7);
}

int
main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    BroConn *bc;
    int i;

    need(argc, 2);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    kill(atoi(argv[2]), SIGSTOP);
    sigaction(SIGALRM, &sa, NULL);
    for (i = 0; i < 200; i++) {
        send_big(bc, 100000);
        usleep(1000);
    }
    ualarm(300000, 0);
    puts("exit");
    exit(0);
}
