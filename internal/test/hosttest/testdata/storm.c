/*
 * Calls that the C library has all threads of the process do, while others connect
 * and end their connections: storm ADDRESS ROUNDS THREADS. None may wait for ever.
 */
#include <broccoli.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *address;
static int rounds, running;

static void *
connect_often(void *unused)
{
    int n;

    for (n = 0; n < rounds; n++) {
        BroConn *bc = bro_conn_new_str(address, BRO_CFLAG_NONE);

        bro_conn_connect(bc);
        bro_conn_delete(bc);
    }
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    return unused;
}

int
main(int argc, char **argv)
{
    pthread_t thread[64];
    int n, threads;

    if (argc != 4)
        return 2;
    address = argv[1];
    rounds = atoi(argv[2]);
    running = threads = atoi(argv[3]);
    bro_init(NULL);
    for (n = 0; n < threads; n++)
        if (pthread_create(&thread[n], NULL, connect_often, NULL))
            return 3;
    while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) > 0)
        if (setresuid(-1, -1, -1) || setresgid(-1, -1, -1))
            return 4;
    for (n = 0; n < threads; n++)
        pthread_join(thread[n], NULL);
    puts("end");
    return 0;
}
