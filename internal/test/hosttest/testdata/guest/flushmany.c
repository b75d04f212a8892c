/*
 * Children that send N events each, flush, and end by _exit().
 *
 *   flushmany P CHILDREN N
 *
 * Expected: the flush leaves nothing, and all that was TRUE arrives.
 */
#include "common.h"

static volatile uint64 *accepted;

static void
child(const char *peer, uint64 first, uint64 n)
{
    BroConn *bc;
    uint64 i;

    bro_init(NULL);
    bc = conn(peer, BRO_CFLAG_NONE);
    for (i = 0; i < n; i++)
        *accepted += (uint64)sendn(bc, "tick", first + i);
    _exit(bro_event_queue_flush(bc) != 0);
}

int
main(int argc, char **argv)
{
    int i, status, failed = 0;

    need(argc, 3);
    accepted = shared();
    for (i = 0; i < atoi(argv[2]); i++) {
        if (fork() == 0)
            child(argv[1], (uint64)i * 1000000, (uint64)atoi(argv[3]));
        wait(&status);
        failed += status != 0;
    }
    printf("%lu accepted, %d failed\n", *accepted, failed);
    return 0;
}
