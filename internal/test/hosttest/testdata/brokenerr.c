/*
 * A daemon whose standard error is a pipe that nobody reads, with debugging on, and
 * which ignores SIGPIPE.
 */
#include <broccoli.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    BroConn *bc;
    int ends[2];

    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    bro_init(NULL);
    bro_debug_messages = 1;
    if (pipe(ends) || dup2(ends[1], 2) < 0)
        return 3;
    close(ends[0]);
    close(ends[1]);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    bro_conn_delete(bc);
    puts("end");
    return 0;
}
