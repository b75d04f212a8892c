/*
 * A process forks while another thread of it is in bro_conn_reconnect(), and the child
 * uses the handle.
 *
 *   reconnfork P      P: a peer that does not answer the second connection, but the third
 *
 * Expected: the child's event arrives.
 */
#include "common.h"

static void *
reconnect(void *bc)
{
    bro_conn_reconnect((BroConn *)bc);
    return NULL;
}

int
main(int argc, char **argv)
{
    pthread_t thread;
    BroConn *bc;
    int status;

    need(argc, 1);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    pthread_create(&thread, NULL, reconnect, bc);
    while (bro_conn_alive(bc))
        usleep(1000);
    usleep(500000); /* its connection is the second */
    if (fork() == 0) {
        printf("child: send %d\n", sendn(bc, "child", 1));
        printf("child: delete %d\n", bro_conn_delete(bc));
        _exit(0);
    }
    wait(&status);
    printf("status %x\n", status);
    _exit(0); /* the other thread still waits for the peer */
}
