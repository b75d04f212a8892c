/*
 * The loop that clients have: connect when the connection is not alive, and send
 * an event again that was FALSE. The peer is lost again and again.
 *
 *   clientloop P N
 *
 * Expected with confirm: all N events arrive.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    double end = now() + 40;
    BroConn *bc;
    int i, n;

    need(argc, 2);
    n = atoi(argv[2]);
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    for (i = 0; i < n && now() < end; usleep(1000)) {
        if (!bro_conn_alive(bc))
            bro_conn_connect(bc);
        i += sendn(bc, "tick", i);
    }
    printf("accepted %d\n", i);
    for (i = 0; i < 1000 && !(bro_conn_alive(bc) && bro_event_queue_flush(bc) == 0); i++) {
        if (!bro_conn_alive(bc))
            bro_conn_connect(bc);
        usleep(10000);
    }
    printf("delete %d\n", bro_conn_delete(bc));
    return 0;
}
