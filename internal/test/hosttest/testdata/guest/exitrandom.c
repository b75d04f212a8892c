/*
 * exit() in one thread while others send, connect, reconnect, and make and
 * delete handles, N times.
 *
 *   exitrandom P N SEED
 *
 * Expected: no crash, no hang, and what was TRUE arrives.
 */
#include "common.h"

enum { SENDERS = 3, EACH = 1000000 };

static BroConn *bc;
static const char *peer;
static volatile uint64 *accepted; /* one for each sender */
static uint64 round_number;

static void *
sender(void *counter)
{
    volatile uint64 *mine = counter, n = 0;
    uint64 first = (round_number * SENDERS + (uint64)(mine - accepted)) * EACH;

    while (n < EACH) {
        if (sendn(bc, "tick", first + n)) {
            n++;
            ++*mine;
        }
        usleep(20);
    }
    return NULL;
}

static void *
connector(void *seed)
{
    unsigned s = *(unsigned *)seed;

    for (;;) {
        if (rand_r(&s) % 2)
            bro_conn_connect(bc);
        else
            bro_conn_reconnect(bc);
        usleep((useconds_t)rand_r(&s) % 3000);
    }
    return NULL;
}

static void *
maker(void *unused)
{
    for (;;) {
        BroConn *b = bro_conn_new_str(peer, BRO_CFLAG_NONE);

        bro_conn_connect(b);
        send_big(b, 100);
        bro_conn_delete(b);
    }
    return unused;
}

static void
child(unsigned seed)
{
    pthread_t thread;
    int i;

    alarm(20);
    bro_init(NULL);
    bc = conn(peer, BRO_CFLAG_RECONNECT);
    for (i = 0; i < SENDERS; i++)
        pthread_create(&thread, NULL, sender, (void *)(accepted + i));
    pthread_create(&thread, NULL, connector, &seed);
    pthread_create(&thread, NULL, maker, NULL);
    usleep(10000 + seed * 7919 % 60000);
    exit(0);
}

int
main(int argc, char **argv)
{
    uint64 total = 0;
    int i, status, failed = 0;

    need(argc, 3);
    peer = argv[1];
    accepted = shared();
    for (i = 0; i < atoi(argv[2]); i++) {
        round_number = (uint64)i;
        if (fork() == 0)
            child((unsigned)(atoi(argv[3]) + i));
        wait(&status);
        if (status) {
            printf("round %d: status %x\n", i, status);
            failed++;
        }
    }
    for (i = 0; i < SENDERS; i++)
        total += accepted[i];
    printf("accepted %lu, %d failed\n", total, failed);
    return 0;
}
