#include "conn.h"

#include "cancel.h"
#include "conf.h"
#include "core.h"
#include "debug.h"
#include "fork.h"
#include "handles.h"
#include "init.h"
#include "ring.h"
#include "romanesco.h"
#include "settings.h"
#include "spool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long bro_conn_delete() may take to write what was accepted. */
#define FLUSH_TIMEOUT_MS 5000
/* What may be configured of the queue. */
#define QUEUE_EVENTS_MOST 100000000
#define QUEUE_BYTES_LEAST 4096
#define QUEUE_BYTES_MOST ((uint64_t)1 << 30)
/* How long a send may wait for a peer that reads nothing, unless configured. */
#define SEND_WAIT_MS 50
#define SEND_WAIT_MOST_MS 60000

static BroConn *
conn_alloc(int flags)
{
    BroConn *bc = calloc(1, sizeof *bc);

    if (!bc)
        return NULL;
    bc->socket = bc->to_core = bc->to_host = bc->memory.fd = -1;
    outside_init(&bc->outside);
    bc->flags = flags & BRO_CFLAG_BACKGROUND ? flags | BRO_CFLAG_RECONNECT : flags;
    bc->zeek = zeek_wanted(ZEEK_UNSAID);
    bc->link_type = -1;
    bc->queue_events = setting("/broccoli/queue_max_events", LINK_QUEUE_MAX, 1, QUEUE_EVENTS_MOST);
    bc->queue_bytes = setting("/broccoli/queue_max_bytes", 0, QUEUE_BYTES_LEAST, QUEUE_BYTES_MOST);
    if (!(flags & BRO_CFLAG_NOWAIT))
        bc->send_wait = (int64_t)setting("/broccoli/send_wait", SEND_WAIT_MS, 0, SEND_WAIT_MOST_MS);
    pthread_mutex_init(&bc->turn, NULL);
    pthread_mutex_init(&bc->lock, NULL);
    handles_add(bc);
    log_deliver(); /* what is wrong with the settings */
    return bc;
}

/* An address of IPv4 in any of the forms of inet_aton(), which the original took: "127.1", "0", a
 * number. FALSE: it is none, and may be a name. */
static int
plain_v4(const char *host, size_t len, char *text)
{
    char copy[64];
    struct in_addr addr;

    if (len == 0 || len >= sizeof copy)
        return FALSE;
    memcpy(copy, host, len);
    copy[len] = '\0';
    return strspn(copy, "0123456789abcdefABCDEFxX.") == len && inet_aton(copy, &addr) &&
           inet_ntop(AF_INET, &addr, text, INET_ADDRSTRLEN) != NULL;
}

/* A peer as the core takes it: with brackets around an address of IPv6. */
static char *
peer_text(const char *peer, size_t len)
{
    const char *colon = memrchr(peer, ':', len);
    int host = colon ? (int)(colon - peer) : 0, rest = (int)len - host, ok;
    char v4[INET_ADDRSTRLEN], *text;

    if (!colon)
        return strndup(peer, len);
    if (peer[0] != '[' && memchr(peer, ':', (size_t)host))
        ok = asprintf(&text, "[%.*s]%.*s", host, peer, rest, colon) >= 0;
    else if (plain_v4(peer, (size_t)host, v4))
        ok = asprintf(&text, "%s%.*s", v4, rest, colon) >= 0;
    else
        return strndup(peer, len);
    return ok ? text : NULL;
}

/**
 * Makes a handle for a connection to a peer; nothing is sent until
 * bro_conn_connect(). peer is "host:port", with a name or an address of
 * IPv4 or IPv6; brackets around the latter are allowed. With "ws://" in front
 * it is a Zeek's WebSocket port, with "wss://" the same over TLS. flags:
 * BRO_CFLAG_*.
 * The caller frees it with bro_conn_delete(). Returns NULL without a peer or
 * without memory.
 */
BRO_API BroConn *
bro_conn_new_str(const char *peer, int flags)
{
    BroConn *bc;
    size_t len;

    require_init("bro_conn_new_str");
    if (!peer || !*peer)
        return NULL;
    bc = conn_alloc(flags);
    if (!bc)
        return NULL;
    peer = zeek_peer(peer, &len, &bc->says);
    bc->zeek = zeek_wanted(bc->says);
    bc->peer = peer_text(peer, len);
    if (!bc->peer) {
        bro_conn_delete(bc);
        return NULL;
    }
    return bc;
}

static BroConn *
new_addr(int family, const void *addr, uint16 port, int flags)
{
    char text[INET6_ADDRSTRLEN], peer[INET6_ADDRSTRLEN + 16];

    if (!addr || !inet_ntop(family, addr, text, sizeof text))
        return NULL;
    snprintf(peer, sizeof peer, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, ntohs(port));
    return bro_conn_new_str(peer, flags);
}

/**
 * Makes a handle for a connection to an IPv4 address, as bro_conn_new_str() does
 * for a text. Address and port are in network byte order. Returns NULL without an
 * address or without memory; the caller frees the handle with bro_conn_delete().
 */
BRO_API BroConn *
bro_conn_new(struct in_addr *ip_addr, uint16 port, int flags)
{
    return new_addr(AF_INET, ip_addr, port, flags);
}

/**
 * Makes a handle for a connection to an IPv6 address, as bro_conn_new_str() does
 * for a text. Address and port are in network byte order. Returns NULL without an
 * address or without memory; the caller frees the handle with bro_conn_delete().
 */
BRO_API BroConn *
bro_conn_new6(struct in6_addr *ip_addr, uint16 port, int flags)
{
    return new_addr(AF_INET6, ip_addr, port, flags);
}

/**
 * Makes a handle for a stream socket that is connected already, by either side.
 * The socket is the library's from here on: bro_conn_delete() closes it, and nobody
 * else is to read, write or close it. Returns NULL for a negative socket or without
 * memory; the caller frees the handle with bro_conn_delete().
 */
BRO_API BroConn *
bro_conn_new_socket(int socket, int flags)
{
    BroConn *bc;

    require_init("bro_conn_new_socket");
    if (socket < 0)
        return NULL;
    bc = conn_alloc(flags);
    if (!bc)
        return NULL;
    bc->socket = socket;
    bc->socket_id = descriptor_id(socket);
    return bc;
}

/**
 * Sets the class under which the peer knows this connection, before
 * bro_conn_connect(). A Bro requests events only from a peer whose class is the
 * one that it has configured. The name is copied; NULL takes the class away.
 */
BRO_API void
bro_conn_set_class(BroConn *bc, const char *classname)
{
    if (!bc)
        return;
    free(bc->class_name);
    bc->class_name = classname ? strndup(classname, LINK_CLASS_MAX - 1) : NULL;
}

/* Where the link is, with the lock held. */
static const struct link *
locked_link(const BroConn *bc)
{
    fork_look();
    pthread_mutex_lock((pthread_mutex_t *)&bc->lock);
    return bc->link;
}

static void
unlock(const BroConn *bc)
{
    pthread_mutex_unlock((pthread_mutex_t *)&bc->lock);
}

uint32_t
conn_state(const BroConn *bc)
{
    return bc->link ? link_state_of(__atomic_load_n(&bc->link->state, __ATOMIC_SEQ_CST)) : LINK_NEW;
}

int
conn_is(const BroConn *bc, uint32_t states)
{
    int is;

    if (!bc)
        return FALSE;
    locked_link(bc); /* in a child another thread may be leaving the parent's */
    is = (states & LINK_IN(conn_state(bc))) != 0;
    unlock(bc);
    return is;
}

/**
 * Returns the class that the peer has announced, "" for none, NULL while there
 * has been no connection. It holds until the next call of this function for the
 * connection, or bro_conn_delete().
 */
BRO_API const char *
bro_conn_get_peer_class(const BroConn *bc)
{
    static const uint32_t known = LINK_IN(LINK_UP) | LINK_IN(LINK_RETRY) | LINK_IN(LINK_DOWN);
    const struct link *l;
    BroConn *own = (BroConn *)bc;
    int is;

    if (!bc)
        return NULL;
    l = locked_link(bc);
    is = (known & LINK_IN(conn_state(bc))) != 0;
    if (is)
        memcpy(own->peer_class, l->peer_class, sizeof own->peer_class);
    unlock(bc);
    return is ? own->peer_class : NULL;
}

/* All that waits in one direction, in the rings, outside of them, in the core and on disk. */
static int
waiting(uint64_t in_ring, const uint64_t *far, const uint32_t *in_core, const uint32_t *spooled)
{
    uint64_t n = in_ring + __atomic_load_n(far, __ATOMIC_RELAXED) +
                 __atomic_load_n(in_core, __ATOMIC_RELAXED) +
                 (spooled ? __atomic_load_n(spooled, __ATOMIC_RELAXED) : 0);

    return n < INT_MAX ? (int)n : INT_MAX;
}

/**
 * Tells how many bytes wait to be sent and to be processed: what was accepted
 * and has not been handed to the network, and what has come in and no handler
 * has seen. What the peer has not confirmed waits again once its connection is lost.
 */
BRO_API void
bro_conn_get_connstats(const BroConn *bc, BroConnStats *cs)
{
    const struct link *l;

    if (!cs)
        return;
    memset(cs, 0, sizeof *cs);
    if (!bc || !fork_owns(bc))
        return; /* all of it is the parent's */
    l = locked_link(bc);
    if (l) {
        cs->tx_buflen =
            waiting(conn_untaken(bc), &l->far_out_bytes, &l->tx_buffered, &l->tx_spooled);
        cs->rx_buflen = waiting(ring_used(&bc->memory.in), &l->far_in_bytes, &l->rx_buffered, NULL);
    }
    unlock(bc);
}

static void
leave_files(BroConn *bc)
{
    if (bc->spool) {
        spool_leave(bc->spool);
        spool_unlock(bc->spool);
    }
    descriptor_close(&bc->socket, &bc->socket_id);
    descriptor_close(&bc->to_core, &bc->to_core_id);
    descriptor_close(&bc->to_host, &bc->to_host_id);
    outside_leave(bc);
}

static void
conn_free(BroConn *bc)
{
    int i;

    leave_files(bc); /* first: what is not in the list no child closes */
    handles_remove(bc);
    registry_free(bc);
    attachments_free(bc);
    for (i = 0; i < INPUT_DEPTH; i++)
        free(bc->levels[i].arrival.copy);
    free(bc->outside.settings);
    link_free(&bc->memory);
    link_unmap(&bc->inherited);
    if (bc->spool)
        spool_forget(bc->spool);
    pthread_mutex_destroy(&bc->turn);
    pthread_mutex_destroy(&bc->lock);
    free(bc->class_name);
    free(bc->peer);
    free(bc);
}

/**
 * Writes what has been accepted, for at most 5 seconds, ends the connection
 * and frees the handle. A callback may delete its own connection. Returns
 * FALSE for NULL.
 */
BRO_API int
bro_conn_delete(BroConn *bc)
{
    int held;

    if (!bc)
        return FALSE;
    fork_look();
    if (input_runs(bc, __builtin_frame_address(0))) { /* bro_conn_process_input frees it */
        bc->doomed = TRUE;
        return TRUE;
    }
    fork_disown(bc);
    held = conn_take_turn(bc);
    conn_close(bc, FLUSH_TIMEOUT_MS);
    pthread_mutex_unlock(&bc->turn);
    log_hand_over(bc); /* the host's function may look at it */
    conn_free(bc);
    cancel_release(held);
    return TRUE;
}

/* Whether something has come that no handler has seen, over a connection that is lost for good. */
static int
has_unseen(const BroConn *bc)
{
    int some;

    if (!conn_is(bc, LINK_IN(LINK_DOWN)) || !fork_owns(bc))
        return FALSE;
    locked_link(bc);
    some = bc->link && bc->handlers && ring_used(&bc->memory.in) > 0;
    unlock(bc);
    return some;
}

/**
 * Reports whether the connection is up, or lost with events that have come before
 * and that bro_conn_process_input() has not processed yet. Any thread may ask.
 */
BRO_API int
bro_conn_alive(const BroConn *bc)
{
    int up;

    if (bc)
        outside_look((BroConn *)bc, FALSE);
    up = conn_is(bc, LINK_IN(LINK_UP)) || (bc && has_unseen(bc));
    if (bc)
        log_hand_over((BroConn *)bc);
    return up;
}

/**
 * Returns a descriptor that is readable exactly when bro_conn_process_input()
 * has something to do, for select(), poll() and the like; nothing else may be
 * done with it. Returns -1 while there is no connection. Once the connection is
 * lost and bro_conn_process_input() has processed all that had arrived, it
 * closes the descriptor.
 */
BRO_API int
bro_conn_get_fd(BroConn *bc)
{
    int fd = -1;

    if (!bc)
        return -1;
    fork_own(bc);
    outside_look(bc, FALSE);
    if (conn_is(bc, LINK_IN(LINK_UP) | LINK_IN(LINK_RETRY) | LINK_IN(LINK_DOWN)))
        fd = bc->memory.outside ? bc->outside.visible : bc->to_host;
    log_hand_over(bc);
    return fd;
}
