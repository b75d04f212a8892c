/*
 * A thread is cancelled in a handler of "in": cancelled PEER
 *
 * Prints whether it was in there, and whether it is cancelled.
 */
#include <broccoli.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int entered;

static void
on_in(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    (void)user_data;
    (void)meta;
    __atomic_store_n(&entered, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

static void *
process(void *bc)
{
    for (;;) {
        bro_conn_process_input(bc);
        usleep(1000);
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    pthread_t thread;
    BroConn *bc;
    void *result;
    int n;

    bro_init(NULL);
    bc = argc == 2 ? bro_conn_new_str(argv[1], BRO_CFLAG_NONE) : NULL;
    if (!bc)
        return 1;
    bro_event_registry_add_compact(bc, "in", on_in, NULL);
    if (!bro_conn_connect(bc) || pthread_create(&thread, NULL, process, bc) != 0)
        return 2;
    for (n = 0; n < 20000 && !__atomic_load_n(&entered, __ATOMIC_SEQ_CST); n++)
        usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("entered %d cancelled %d\n", entered, result == PTHREAD_CANCELED);
    fflush(stdout);
    return bro_conn_delete(bc) ? 0 : 3;
}
