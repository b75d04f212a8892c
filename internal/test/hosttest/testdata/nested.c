/*
 * A host that is something special to the processes that it starts:
 *
 *   nested PEER N HOW    connects, sends N events "tick" with their numbers, and ends with the handle.
 *                        HOW: "init": as process 1 of a namespace; "subreaper": its orphans are its
 *                        children; "handler": a handler of a signal forks, and the child sends the last;
 *                        "killed": it prints that it has sent them and waits to be killed
 *
 * Prints how much went wrong.
 */
#include <broccoli.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static BroConn *bc;
static uint64 last;

static int
sends(uint64 number)
{
    BroEvent *ev = bro_event_new("tick");
    int ok;

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
    ok = bro_event_send(bc, ev);
    bro_event_free(ev);
    return ok;
}

static void
on_signal(int sig)
{
    (void)sig;
    if (fork() == 0)
        _exit(sends(last) && bro_conn_delete(bc) ? 0 : 1);
}

static int
host(const char *peer, int n, const char *how)
{
    int i, status = 0, wrong = 0;

    if (strcmp(how, "subreaper") == 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    bro_init(NULL);
    bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    if (!bro_conn_connect(bc))
        return 3;
    last = (uint64)n;
    signal(SIGUSR1, on_signal);
    if (strcmp(how, "handler") == 0)
        raise(SIGUSR1);
    for (i = 0; i < n; i++)
        wrong += !sends((uint64)i);
    if (strcmp(how, "killed") == 0) {
        puts("sent");
        fflush(stdout);
        pause();
    }
    if (strcmp(how, "handler") == 0)
        wrong += wait(&status) < 0 || status != 0;
    wrong += waitpid(-1, &status, WNOHANG) >= 0; /* the core is nobody's child */
    wrong += !bro_conn_delete(bc);
    printf("wrong %d\n", wrong);
    fflush(stdout);
    return wrong != 0;
}

int
main(int argc, char **argv)
{
    int status = -1;

    if (argc < 4)
        return 64;
    if (strcmp(argv[3], "init") != 0)
        return host(argv[1], atoi(argv[2]), argv[3]);
    if (unshare(CLONE_NEWPID) < 0) {
        puts("refused");
        return 0;
    }
    if (fork() == 0)
        _exit(host(argv[1], atoi(argv[2]), argv[3]));
    wait(&status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
