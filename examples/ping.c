/*
 * Sends pings and prints the pongs that come back: ping [host:port [count]]
 *
 * The peer answers event ping(src_time: time, seq: count) with
 * pong(src_time: time, dst_time: time, seq: count).
 */
#include <romanesco.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>

static int pongs;

static void
on_pong(BroConn *bc, void *user_data, double *src_time, double *dst_time, uint64 *seq)
{
    double now = bro_util_current_time();

    (void)bc;
    (void)user_data;
    printf("pong %d: %.6f s there, %.6f s there and back\n", (int)*seq, *dst_time - *src_time,
           now - *src_time);
    pongs++;
}

static void
send_ping(BroConn *conn, uint64 seq)
{
    BroEvent *ev = bro_event_new("ping");
    double now = bro_util_current_time();

    bro_event_add_val(ev, BRO_TYPE_TIME, NULL, &now);
    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &seq);
    if (!bro_event_send(conn, ev))
        fprintf(stderr, "could not send ping %d: %s\n", (int)seq, bro_event_error(conn));
    bro_event_free(ev);
}

/* Waits for input, at most a second, and processes it. */
static void
wait_input(BroConn *conn)
{
    struct timeval second = {1, 0};
    int fd = bro_conn_get_fd(conn);
    fd_set fds;

    if (fd < 0)
        return;
    FD_ZERO(&fds);
    FD_SET(fd, &fds);
    if (select(fd + 1, &fds, NULL, NULL, &second) > 0)
        bro_conn_process_input(conn);
}

int
main(int argc, char **argv)
{
    const char *peer = argc > 1 ? argv[1] : "localhost:47757";
    int count = argc > 2 ? atoi(argv[2]) : 3, i;
    BroConn *conn;

    bro_init(NULL);
    conn = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    if (!conn)
        return 1;
    bro_event_registry_add(conn, "pong", (BroEventFunc)on_pong, NULL);
    if (!bro_conn_connect(conn)) {
        fprintf(stderr, "could not connect to %s: %s\n", peer, bro_conn_error(conn));
        return 1;
    }
    for (i = 0; i < count; i++) {
        send_ping(conn, (uint64)i);
        wait_input(conn);
    }
    bro_conn_delete(conn);
    return pongs == count ? 0 : 1;
}
