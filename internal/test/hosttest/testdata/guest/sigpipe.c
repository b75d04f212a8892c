/*
 * Ignores SIGPIPE, has a standard error that nobody reads, and has the library
 * talk to it.
 *
 *   sigpipe P
 *
 * Expected: it comes to its end, and its 10 events arrive.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    BroConn *bc;
    int i, p[2];

    need(argc, 1);
    signal(SIGPIPE, SIG_IGN);
    bro_init(NULL);
    bro_debug_messages = 1;
    if (pipe(p) < 0)
        return 1;
    dup2(p[1], STDERR_FILENO);
    close(p[1]);
    close(p[0]);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    for (i = 0; i < 10; i++) {
        sendn(bc, "tick", i);
        usleep(10000);
    }
    bro_conn_delete(bc);
    puts("end");
    return 0;
}
