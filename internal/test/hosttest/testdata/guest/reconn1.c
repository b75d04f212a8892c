/*
 * 1,000 events, bro_conn_reconnect(), one more, and delete.
 *
 *   reconn1 P
 *
 * Expected: all 1,001 arrive.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    int i, again, accepted = 0;
    BroConn *bc;

    need(argc, 1);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    for (i = 0; i < 1000; i++)
        accepted += sendn(bc, "tick", i);
    again = bro_conn_reconnect(bc);
    accepted += sendn(bc, "tick", 1000);
    printf("accepted %d, reconnect %d\n", accepted, again);
    bro_conn_delete(bc);
    return 0;
}
