/*
 * setuid() and the like, for which the C library asks every thread, beside N
 * threads that connect and delete.
 *
 *   setid P N       as root
 *
 * Expected: it ends after three seconds.
 */
#include "common.h"

#include <grp.h>
#include <stdatomic.h>

enum { MOST = 64 };

static atomic_bool stop;
static atomic_long connects;
static const char *peer;

static void *
worker(void *unused)
{
    while (!stop) {
        BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);

        if (bro_conn_connect(bc))
            connects++;
        bro_conn_delete(bc);
    }
    return unused;
}

int
main(int argc, char **argv)
{
    gid_t groups[2] = {0, 1};
    pthread_t thread[MOST];
    double end;
    long rounds = 0;
    int i, n;

    need(argc, 2);
    peer = argv[1];
    n = atoi(argv[2]) < MOST ? atoi(argv[2]) : MOST;
    bro_init(NULL);
    for (i = 0; i < n; i++)
        pthread_create(&thread[i], NULL, worker, NULL);
    for (end = now() + 3; now() < end; rounds++) {
        if (setresuid(0, 0, 0) || setgroups(2, groups) || setresgid(0, 0, 0)) {
            perror("set");
            return 1;
        }
    }
    stop = 1;
    for (i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    printf("%ld rounds, %ld connects\n", rounds, connects);
    return 0;
}
