/*
 * A thread with a pending cancellation is in bro_conn_process_input() after the
 * peer has gone; then another thread uses the handle.
 *
 *   cancelclose P PID
 *
 * Expected: the send is FALSE, and bro_conn_delete() returns.
 */
#include "common.h"

static BroConn *bc;

static void *
worker(void *unused)
{
    pthread_cancel(pthread_self());
    bro_conn_process_input(bc);
    pthread_testcancel();
    return unused;
}

int
main(int argc, char **argv)
{
    pthread_t thread;
    void *result;

    need(argc, 2);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    kill(atoi(argv[2]), SIGKILL);
    await_loss(bc);
    pthread_create(&thread, NULL, worker, NULL);
    pthread_join(thread, &result);
    printf("worker %s\n", result == PTHREAD_CANCELED ? "cancelled" : "returned");
    alarm(10);
    printf("send %d\n", sendn(bc, "tick", 1));
    printf("delete %d\n", bro_conn_delete(bc));
    return 0;
}
