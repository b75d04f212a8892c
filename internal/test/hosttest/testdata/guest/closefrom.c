/*
 * A daemon that closes all descriptors that it knows nothing of, after the
 * connect and in the same process.
 *
 *   closefrom P
 *
 * Expected: it ends normally, and its connection is lost.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    BroConn *bc;
    int i;

    need(argc, 1);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    puts("connected");
    closefrom(3);
    for (i = 0; i < 20; i++) {
        sendn(bc, "tick", i);
        usleep(50000);
    }
    printf("alive %d\n", bro_conn_alive(bc));
    bro_conn_delete(bc);
    puts("end");
    return 0;
}
