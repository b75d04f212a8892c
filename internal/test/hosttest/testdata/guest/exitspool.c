/*
 * With spool_dir and two connections: exit() waits for the older one, whose
 * peer reads nothing, while a thread sends over the younger one.
 *
 *   exitspool P1 P2 PID1
 *
 * Expected: what was TRUE for P2 arrives there, then or when the next process
 * connects.
 */
#include "common.h"

static BroConn *bc;
static volatile uint64 *accepted, *refused;

static void *
sender(void *unused)
{
    for (;;) {
        if (sendn(bc, "tick", *accepted))
            ++*accepted;
        else
            ++*refused;
        usleep(20000);
    }
    return unused;
}

int
main(int argc, char **argv)
{
    pthread_t thread;
    BroConn *older;
    int status;

    need(argc, 3);
    accepted = shared();
    refused = accepted + 1;
    if (fork() == 0) {
        bro_init(NULL);
        older = conn(argv[1], BRO_CFLAG_NONE);
        bc = conn(argv[2], BRO_CFLAG_NONE);
        kill(atoi(argv[3]), SIGSTOP);
        sendn(older, "tick", 1000000);
        pthread_create(&thread, NULL, sender, NULL);
        usleep(500000);
        exit(0);
    }
    wait(&status);
    printf("accepted %lu, refused %lu, status %x\n", *accepted, *refused, status);
    kill(atoi(argv[3]), SIGCONT);
    return 0;
}
