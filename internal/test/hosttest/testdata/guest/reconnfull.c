/*
 * bro_conn_reconnect() on a live connection whose queue is full, since its peer
 * has not read for a while; then some more events.
 *
 *   reconnfull P FLAGS
 *
 * Expected: what was TRUE arrives, in order.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    int i, again, accepted = 0;
    BroConn *bc;

    need(argc, 2);
    bro_init(NULL);
    bc = conn(argv[1], atoi(argv[2]));
    for (i = 0; i < 500 && !bro_conn_alive(bc); i++)
        usleep(10000);
    while (accepted < 1000000 && sendn(bc, "tick", accepted))
        accepted++;
    again = bro_conn_reconnect(bc);
    for (i = 0; i < 500 && !bro_conn_alive(bc); i++)
        usleep(10000);
    for (i = 0; i < 100; i++)
        accepted += sendn(bc, "tick", accepted);
    printf("accepted %d, reconnect %d, delete %d\n", accepted, again, bro_conn_delete(bc));
    return 0;
}
