/*
 * A hundred flushes of a connection whose peer reads nothing.
 *
 *   flushes P      P: a peer that reads nothing after the handshake
 *
 * Expected: each returns, and not each of them waits.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    int i, left = 0;
    double began;
    BroConn *bc;

    need(argc, 1);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    fill(bc);
    began = now();
    for (i = 0; i < 100; i++)
        left = bro_event_queue_flush(bc);
    if (now() - began < 10)
        printf("in time, queue %s\n", left > 0 ? "not empty" : "empty");
    else
        printf("after %.1f s\n", now() - began);
    _exit(0);
}
