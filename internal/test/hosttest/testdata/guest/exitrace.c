/*
 * A thread sends while the main thread calls exit() after MS milliseconds.
 *
 *   exitrace P MS [FLAGS]
 *
 * Expected: what was TRUE arrives.
 */
#include "common.h"

static BroConn *bc;
static volatile uint64 *accepted, *refused;

static void *
sender(void *unused)
{
    for (;;) {
        if (sendn(bc, "tick", *accepted)) {
            ++*accepted;
        } else {
            ++*refused;
            usleep(50);
        }
    }
    return unused;
}

int
main(int argc, char **argv)
{
    pthread_t thread;
    int status;

    need(argc, 2);
    accepted = shared();
    refused = accepted + 1;
    if (fork() == 0) {
        bro_init(NULL);
        bc = conn(argv[1], argc > 3 ? atoi(argv[3]) : BRO_CFLAG_NONE);
        pthread_create(&thread, NULL, sender, NULL);
        usleep(atoi(argv[2]) * 1000);
        exit(0);
    }
    wait(&status);
    printf("accepted %lu, refused %lu, status %x\n", *accepted, *refused, status);
    return 0;
}
