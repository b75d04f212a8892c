/*
 * In each of N children, threads ask after the handle while another makes the
 * first use of it there.
 *
 *   children_ask P N
 *
 * Expected: no child ends by a signal, and the event of each arrives.
 */
#include "common.h"

#include <stdatomic.h>

enum { ASKING = 4 };

static BroConn *bc;
static atomic_int stop, begun;

static void *
ask(void *unused)
{
    BroConnStats stats;
    int all = begun++ == 0;

    while (!stop) {
        bro_conn_alive(bc);
        bro_conn_get_connstats(bc, &stats);
        if (all) {
            bro_conn_get_peer_class(bc);
            bro_conn_get_fd(bc);
        }
    }
    return unused;
}

static void
child(int number)
{
    pthread_t thread[ASKING];
    int i, ok;

    alarm(20);
    for (i = 0; i < ASKING; i++)
        pthread_create(&thread[i], NULL, ask, NULL);
    while (begun < ASKING)
        sched_yield();
    ok = sendn(bc, "child", number);
    stop = 1;
    for (i = 0; i < ASKING; i++)
        pthread_join(thread[i], NULL);
    bro_conn_delete(bc);
    _exit(ok ? 0 : 1);
}

int
main(int argc, char **argv)
{
    int i, status, failed = 0;

    need(argc, 2);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    for (i = 0; i < atoi(argv[2]); i++) {
        if (fork() == 0)
            child(i);
        wait(&status);
        if (status) {
            printf("child %d: status %x\n", i, status);
            failed++;
        }
    }
    printf("%d failed\n", failed);
    bro_conn_delete(bc);
    return 0;
}
