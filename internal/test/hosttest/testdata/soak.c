/*
 * A host that has much to send, and notes what was accepted where it survives:
 *
 *   soak PEER RUN N COUNTER   sends N events "soak" with RUN and their number, each when there is
 *                             room for it; the file COUNTER holds how many were accepted
 */
#include <broccoli.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64 *
counter(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    void *at;

    if (fd < 0 || ftruncate(fd, sizeof(uint64)) < 0)
        return NULL;
    at = mmap(NULL, sizeof(uint64), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static void
pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&t, NULL);
}

static int
waiting(BroConn *bc)
{
    BroConnStats cs;

    bro_conn_get_connstats(bc, &cs);
    return cs.tx_buflen;
}

int
main(int argc, char **argv)
{
    uint64 run, n, i, *accepted;
    BroConn *bc;

    if (argc < 5)
        return 64;
    bro_init(NULL);
    run = strtoull(argv[2], NULL, 10);
    n = strtoull(argv[3], NULL, 10);
    accepted = counter(argv[4]);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_RECONNECT | BRO_CFLAG_ALWAYS_QUEUE);
    if (!accepted || !bc)
        return 1;
    bro_conn_connect(bc);
    for (i = 0; i < n; i++) {
        BroEvent *ev = bro_event_new("soak");

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &run);
        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &i);
        while (!bro_event_send(bc, ev))
            pause_us(500);
        __atomic_store_n(accepted, i + 1, __ATOMIC_SEQ_CST);
        bro_event_free(ev);
    }
    for (i = 0; i < 60000 && (!bro_conn_alive(bc) || waiting(bc)); i++)
        pause_us(1000);
    bro_conn_delete(bc);
    return 0;
}
