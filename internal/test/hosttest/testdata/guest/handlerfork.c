/*
 * A signal handler forks in the middle of the first connect.
 *
 *   handlerfork P MICROSECONDS
 *
 * Expected: the connect of the child ends, and what is TRUE there afterwards arrives.
 */
#include "common.h"

#include <sys/time.h>

static volatile sig_atomic_t child;

static void
on_alarm(int sig)
{
    (void)sig;
    child = fork() == 0;
}

int
main(int argc, char **argv)
{
    struct itimerval soon = {{0, 0}, {0, 0}};
    BroConn *bc;
    int status = -1, i, ok = 0;

    need(argc, 2);
    soon.it_value.tv_usec = atoi(argv[2]);
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &soon, NULL);
    bro_conn_connect(bc);
    while (!child && waitpid(-1, &status, 0) < 0) /* it may not have come yet */
        usleep(1000);
    if (!child) {
        printf("status %x\n", (unsigned)status);
        return 0;
    }
    ok = bro_conn_connect(bc);
    for (i = 0; i < 3; i++)
        ok += sendn(bc, "child", i);
    ok -= bro_event_queue_flush(bc);
    return bro_conn_delete(bc) && ok == 4 ? 0 : 1;
}
