/*
 * A thread that does nothing but call the library in a loop is cancelled.
 *
 *   loops P HOW      HOW: 0 sends and flushes, 1 processes input, 2 reconnects
 *
 * Expected: the thread ends.
 */
#include "common.h"

static BroConn *bc;

static void *
loop(void *how)
{
    for (;;)
        switch (*(int *)how) {
        case 0:
            send_big(bc, 100);
            bro_event_queue_flush(bc);
            break;
        case 1:
            bro_conn_process_input(bc);
            break;
        default:
            bro_conn_reconnect(bc);
        }
    return NULL;
}

int
main(int argc, char **argv)
{
    struct timespec until;
    pthread_t thread;
    int how;

    need(argc, 2);
    how = atoi(argv[2]);
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    if (pthread_create(&thread, NULL, loop, &how) != 0)
        return 1;
    usleep(100000);
    pthread_cancel(thread);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    printf("join %d\n", pthread_timedjoin_np(thread, NULL, &until));
    fflush(stdout);
    _exit(0);
}
