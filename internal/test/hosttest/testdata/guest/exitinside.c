/*
 * A signal handler calls exit() while the main thread is anywhere in connect,
 * reconnect, send and delete. N processes.
 *
 *   exitinside P N
 *
 * Expected: each ends within some seconds.
 */
#include "common.h"

static void
on_alarm(int sig)
{
    (void)sig;
    exit(0);
}

static void
child(const char *peer, int n)
{
    BroConn *bc;

    bro_init(NULL);
    signal(SIGALRM, on_alarm);
    ualarm(5000 + (useconds_t)n * 7919 % 60000, 0);
    for (;;) {
        bc = conn(peer, BRO_CFLAG_NONE);
        sendn(bc, "tick", 1);
        bro_conn_reconnect(bc);
        bro_conn_delete(bc);
    }
}

int
main(int argc, char **argv)
{
    int i, waited, status, ended = 0;
    pid_t pid;

    need(argc, 2);
    for (i = 0; i < atoi(argv[2]); i++) {
        pid = fork();
        if (pid == 0)
            child(argv[1], i);
        for (waited = 0; waited < 500 && waitpid(pid, &status, WNOHANG) == 0; waited++)
            usleep(10000);
        if (waited < 500) {
            ended += WIFEXITED(status) && WEXITSTATUS(status) == 0;
            continue;
        }
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    printf("%d ended\n", ended);
    return 0;
}
