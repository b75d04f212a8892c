/*
 * One event, then the process goes without exit(): by _exit(), SIGKILL or exec.
 * The library that wrote to the socket within bro_event_send() has delivered it.
 *
 *   quickexit
 *
 * Expected: the events of all 30 children arrive.
 */
#include "both.h"

enum { CHILDREN = 30 };

static int got;

static void
on_bye(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
    got++;
}

static void
quick(int how)
{
    BroConn *bc;

    bro_init(NULL);
    bc = conn(listener, BRO_CFLAG_NONE);
    say_bye(bc);
    if (how == 0)
        _exit(0);
    if (how == 1)
        raise(SIGKILL);
    execl("/bin/true", "true", NULL);
}

int
main(void)
{
    int i, j, status, arrived = 0, fd = listening();

    for (i = 0; i < CHILDREN; i++) {
        if (fork() == 0)
            quick(i % 3);
        if (fork() == 0) {
            bro_init(NULL);
            serve(next_peer(fd, on_bye));
            _exit(got);
        }
        for (j = 0; j < 2; j++) {
            wait(&status);
            if (WIFEXITED(status))
                arrived += WEXITSTATUS(status);
        }
    }
    printf("%d arrived\n", arrived);
    return 0;
}
