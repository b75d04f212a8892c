/*
 * What a forked child of a server does, N times: connect, send, flush, and
 * _exit(); or exec, or SIGKILL.
 *
 *   sendflush P N [exec | kill]
 *
 * Expected: each event arrives.
 */
#include "common.h"

static void
child(const char *peer, int number, const char *end)
{
    BroConn *bc;

    bro_init(NULL);
    bc = conn(peer, BRO_CFLAG_NONE);
    if (!sendn(bc, "tick", number))
        _exit(1);
    bro_event_queue_flush(bc);
    if (strcmp(end, "exec") == 0)
        execl("/bin/true", "true", NULL);
    if (strcmp(end, "kill") == 0)
        kill(getpid(), SIGKILL);
    _exit(0);
}

int
main(int argc, char **argv)
{
    int i, status, failed = 0;

    need(argc, 2);
    for (i = 0; i < atoi(argv[2]); i++) {
        if (fork() == 0)
            child(argv[1], i, argc > 3 ? argv[3] : "_exit");
        wait(&status);
        failed += status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    printf("%d failed\n", failed);
    return 0;
}
