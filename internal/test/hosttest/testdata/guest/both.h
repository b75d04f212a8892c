/*
 * Both ends of a connection in one program: a socket that listens on loopback,
 * and its address for bro_conn_new_str().
 */
#include "common.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static char listener[32];

static inline int
listening(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    bind(fd, (struct sockaddr *)&a, len);
    listen(fd, 5);
    getsockname(fd, (struct sockaddr *)&a, &len);
    snprintf(listener, sizeof(listener), "127.0.0.1:%d", ntohs(a.sin_port));
    return fd;
}

/* The next peer of the socket, with what is to be called for its events. */
static inline BroConn *
next_peer(int fd, BroCompactEventFunc handler)
{
    BroConn *bc = bro_conn_new_socket(accept(fd, NULL, NULL), BRO_CFLAG_NONE);

    bro_event_registry_add_compact(bc, "bye", handler, NULL);
    if (!bro_conn_connect(bc))
        _exit(0);
    return bc;
}

/* The loop of bro-spotd and others: as long as the connection is alive, process input. */
static inline void
serve(BroConn *bc)
{
    while (bro_conn_alive(bc)) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        poll(&p, 1, 50);
        bro_conn_process_input(bc);
    }
}

static inline int
say_bye(BroConn *bc)
{
    BroEvent *ev = bro_event_new("bye");
    int ok = bro_event_send(bc, ev);

    bro_event_free(ev);
    return ok;
}
