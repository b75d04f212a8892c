/*
 * Each of 60 children connects, sends one event and closes. The parent has the
 * loop that programs have: as long as the connection is alive, process input.
 *
 *   alive
 *
 * Expected: the loop sees all 60 events.
 */
#include "both.h"

enum { CHILDREN = 60 };

static int got;

static void
on_bye(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
    got++;
}

static void
child(void)
{
    BroConn *bc;

    bro_init(NULL);
    bc = conn(listener, BRO_CFLAG_NONE);
    say_bye(bc);
    bro_conn_delete(bc);
    _exit(0);
}

int
main(void)
{
    int i, seen, in_loop = 0, later = 0, fd = listening();
    BroConn *bc;

    if (fork() == 0) {
        for (i = 0; i < CHILDREN; i++) {
            if (fork() == 0)
                child();
            wait(NULL);
        }
        _exit(0);
    }
    bro_init(NULL);
    for (i = 0; i < CHILDREN; i++) {
        got = 0;
        bc = next_peer(fd, on_bye);
        serve(bc);
        in_loop += seen = got;
        bro_conn_process_input(bc);
        later += got - seen;
        bro_conn_delete(bc);
    }
    printf("%d while alive, %d after that\n", in_loop, later);
    return 0;
}
