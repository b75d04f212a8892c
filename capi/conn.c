#include "conn.h"

#include "cancel.h"
#include "conf.h"
#include "core.h"
#include "debug.h"
#include "init.h"
#include "fork.h"
#include "handles.h"
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

/* For resolving, connecting and the handshake together, as in the original. */
#define CONNECT_TIMEOUT_MS 10000
/* How long bro_conn_delete() may take to write what was accepted. */
#define FLUSH_TIMEOUT_MS 5000
/* The longest pause between two attempts to reconnect, unless configured. */
#define RETRY_SECONDS 10
/* How long a peer may give no sign of life, unless configured. */
#define SILENCE_SECONDS 60
/* What all spools together may take, and how long something may be in them
 * without being synced, unless configured. */
#define SPOOL_BYTES (64u << 20)
#define SPOOL_SYNC_MS 1000
/* What may be configured of the queue. */
#define QUEUE_EVENTS_MOST 100000000
#define QUEUE_BYTES_LEAST 4096
#define QUEUE_BYTES_MOST ((uint64_t)1 << 30)

static BroConn *
conn_alloc(int flags)
{
    BroConn *bc = calloc(1, sizeof *bc);

    if (!bc)
        return NULL;
    bc->socket = bc->to_core = bc->to_host = -1;
    bc->flags = flags & BRO_CFLAG_BACKGROUND ? flags | BRO_CFLAG_RECONNECT : flags;
    bc->zeek = zeek_wanted(ZEEK_UNSAID);
    bc->link_type = -1;
    bc->queue_events = setting("/broccoli/queue_max_events", LINK_QUEUE_MAX, 1, QUEUE_EVENTS_MOST);
    bc->queue_bytes = setting("/broccoli/queue_max_bytes", 0, QUEUE_BYTES_LEAST, QUEUE_BYTES_MOST);
    pthread_mutex_init(&bc->turn, NULL);
    pthread_mutex_init(&bc->lock, NULL);
    handles_add(bc);
    return bc;
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
    const char *colon;
    BroConn *bc;
    int bare_v6;
    size_t len;

    require_init("bro_conn_new_str");
    if (!peer || !*peer)
        return NULL;
    bc = conn_alloc(flags);
    if (!bc)
        return NULL;
    peer = zeek_peer(peer, &len, &bc->says);
    bc->zeek = zeek_wanted(bc->says);
    colon = memrchr(peer, ':', len);
    bare_v6 = colon && peer[0] != '[' && memchr(peer, ':', (size_t)(colon - peer));
    if (bare_v6) {
        if (asprintf(&bc->peer, "[%.*s]%.*s", (int)(colon - peer), peer, (int)(peer + len - colon),
                     colon) < 0)
            bc->peer = NULL;
    } else {
        bc->peer = strndup(peer, len);
    }
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
 * The same as bro_conn_new_str() for an IPv4 address. Address and port are in
 * network byte order.
 */
BRO_API BroConn *
bro_conn_new(struct in_addr *ip_addr, uint16 port, int flags)
{
    return new_addr(AF_INET, ip_addr, port, flags);
}

/**
 * The same as bro_conn_new_str() for an IPv6 address. Address and port are in
 * network byte order.
 */
BRO_API BroConn *
bro_conn_new6(struct in6_addr *ip_addr, uint16 port, int flags)
{
    return new_addr(AF_INET6, ip_addr, port, flags);
}

/**
 * The same for a stream socket that is connected already, by either side. The
 * socket is the library's from here on: bro_conn_delete() closes it, and nobody
 * else is to read, write or close it.
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

uint32_t
conn_state(const BroConn *bc)
{
    const struct link *l = bc ? __atomic_load_n(&bc->link, __ATOMIC_ACQUIRE) : NULL;

    return l ? __atomic_load_n(&l->state, __ATOMIC_SEQ_CST) : LINK_IDLE;
}

int
conn_is_over(const BroConn *bc)
{
    return conn_state(bc) >= LINK_DOWN && !(bc->flags & BRO_CFLAG_RECONNECT);
}

/**
 * Returns the class that the peer has announced, "" for none, NULL while there
 * has been no connection. It holds until the next connect or bro_conn_delete().
 */
BRO_API const char *
bro_conn_get_peer_class(const BroConn *bc)
{
    uint32_t state = conn_state(bc);

    return state == LINK_UP || state == LINK_DOWN ? bc->link->peer_class : NULL;
}

/* All that waits in one direction, in the rings, outside of them, in the core and on disk. */
static int
waiting(const struct link_ring *ring, const uint64_t *far, const uint32_t *in_core,
        const uint32_t *spooled)
{
    uint64_t n = ring_used(ring) + __atomic_load_n(far, __ATOMIC_RELAXED) +
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
    const struct link *l = bc ? bc->link : NULL;

    if (!cs)
        return;
    memset(cs, 0, sizeof *cs);
    if (!l || !fork_owns(bc))
        return; /* nothing yet, or all of it the parent's */
    cs->tx_buflen = waiting(l->out, &l->far_out, &l->tx_buffered, &l->tx_spooled);
    cs->rx_buflen = waiting(&l->in, &l->far_in, &l->rx_buffered, NULL);
}

/* The link, and the spool if there is to be one. A socket that was given leads to
 * nobody to whom another process could send what is left. */
static struct link *
new_link(BroConn *bc)
{
    const char *dir = bc->peer ? conf_str("/broccoli/spool_dir", NULL) : NULL;
    size_t bytes = link_ring_bytes(bc->queue_bytes);

    if (dir && !bc->spool)
        bc->spool = spool_new(dir, bc->peer, bytes);
    return !dir || bc->spool ? link_new(bytes, bc->spool) : NULL;
}

int
conn_make_link(BroConn *bc)
{
    int held;

    if (bc->link)
        return TRUE;
    held = cancel_hold();
    __atomic_store_n(&bc->link, new_link(bc), __ATOMIC_RELEASE);
    cancel_release(held);
    return bc->link != NULL;
}

/* Makes what wakes core and host. */
static int
make_descriptors(BroConn *bc)
{
    if (bc->to_core < 0)
        bc->to_core = descriptor_event(&bc->to_core_id);
    if (bc->to_host < 0) {
        bc->to_host = descriptor_event(&bc->to_host_id);
        __atomic_store_n(&bc->link->host_signaled, 0, __ATOMIC_SEQ_CST); /* it is not readable */
    }
    return bc->to_core >= 0 && bc->to_host >= 0;
}

/* Whether there is all that the core needs; from here on it is connecting. */
static int
prepare(BroConn *bc)
{
    int ok;

    pthread_mutex_lock(&bc->lock);
    ok = conn_make_link(bc) && make_descriptors(bc);
    if (ok)
        __atomic_store_n(&bc->link->state, LINK_CONNECTING, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&bc->lock);
    if (!ok)
        DEBUG("cannot prepare a connection to %s", bc->peer ? bc->peer : "a socket");
    return ok;
}

int
conn_take_turn(BroConn *bc)
{
    int held = cancel_hold();

    pthread_mutex_lock(&bc->turn);
    return held;
}

void
conn_end_turn(BroConn *bc, int held)
{
    pthread_mutex_unlock(&bc->turn);
    cancel_release(held);
}

void
conn_hang_up(BroConn *bc, uint32_t timeout_ms)
{
    if (!bc->connected)
        return;
    __atomic_store_n(&bc->connected, FALSE, __ATOMIC_RELAXED);
    if (!core_close(bc->link, timeout_ms))
        DEBUG("not everything that was accepted has been written");
}

/*
 * What the configuration says of TLS. FALSE when it asks for something that is
 * not to be understood: then there is no connection at all, and never one in
 * the clear.
 */
static int
tls_config(struct link_config *cfg)
{
    const char *use_ssl = conf_str("/broccoli/use_ssl", NULL);
    int wish = conf_int("/broccoli/use_ssl", -1);

    cfg->host_cert = conf_str("/broccoli/host_cert", NULL);
    if (use_ssl && wish < 0) {
        DEBUG("use_ssl %s: neither yes nor no, which are written without quotes", use_ssl);
        return FALSE;
    }
    /* A certificate without use_ssl asks for TLS too, as it always has. */
    cfg->use_tls = use_ssl ? wish != 0 : cfg->host_cert != NULL;
    cfg->tls_rsa_key_exchange = conf_int("/broccoli/tls_rsa_key_exchange", FALSE) == 1;
    cfg->ca_cert = conf_str("/broccoli/ca_cert", NULL);
    cfg->host_key = conf_str("/broccoli/host_key", NULL);
    cfg->host_pass = conf_str("/broccoli/host_pass", NULL);
    cfg->tls_min_version = conf_str("/broccoli/tls_min_version", NULL);
    cfg->peer_name = conf_str("/broccoli/peer_name", NULL);
    return TRUE;
}

static enum link_result
connect_with(BroConn *bc, const char *requests, uint32_t len)
{
    struct link_config cfg = {
        .peer = bc->peer,
        .socket = bc->socket,
        .to_core = bc->to_core,
        .to_host = bc->to_host,
        .class_name = bc->class_name,
        .requests = requests,
        .requests_len = len,
        .use_cache = (bc->flags & BRO_CFLAG_CACHE) != 0,
        .debug = bro_debug_messages != 0,
        .reconnect = (bc->flags & BRO_CFLAG_RECONNECT) != 0,
        .background = (bc->flags & BRO_CFLAG_BACKGROUND) != 0,
        .confirm = conf_int("/broccoli/confirm", FALSE) == 1,
        .timeout_ms = CONNECT_TIMEOUT_MS,
        .retry_ms = 1000 * (uint32_t)setting("/broccoli/retry", RETRY_SECONDS, 1, 3600),
        .stats_s = (uint32_t)setting("/broccoli/stats_interval", 0, 0, 86400),
        .stats_file = conf_str("/broccoli/stats_file", NULL),
        .silence_ms = 1000 * (uint32_t)setting("/broccoli/peer_timeout", SILENCE_SECONDS, 0, 86400),
    };
    enum link_result result;

    if (!tls_config(&cfg) || !zeek_config(bc->says, &cfg))
        return LINK_REFUSED;
    if (bc->spool) {
        snprintf(bc->spool->map->class_name, LINK_CLASS_MAX, "%s",
                 bc->class_name ? bc->class_name : "");
        cfg.spool_folder = bc->spool->folder;
        cfg.spool_max_bytes =
            setting("/broccoli/spool_max_bytes", SPOOL_BYTES, LINK_RING_BYTES, UINT64_MAX / 2);
        cfg.spool_sync_ms = (uint32_t)setting("/broccoli/spool_sync", SPOOL_SYNC_MS, 0, 3600000);
    }
    result = core_connect(bc->link, &cfg);
    if (result == LINK_REFUSED || (result == LINK_TRYING && !cfg.background))
        DEBUG("%s", bc->link->error);
    return result;
}

int
conn_open(BroConn *bc)
{
    enum link_result result = LINK_REFUSED;
    uint32_t len;
    char *requests;

    if (!prepare(bc))
        return FALSE;
    requests = registry_names(bc, &len);
    if (requests)
        result = connect_with(bc, requests, len);
    free(requests);
    __atomic_store_n(&bc->connected, result != LINK_REFUSED, __ATOMIC_RELAXED);
    if (result == LINK_REFUSED)
        __atomic_store_n(&bc->link->state, LINK_DOWN, __ATOMIC_RELEASE);
    return result == LINK_CONNECTED;
}

static int
connect_in_turn(BroConn *bc)
{
    if (conn_state(bc) == LINK_UP)
        return TRUE;
    if (bc->connected && bc->flags & BRO_CFLAG_BACKGROUND)
        return FALSE; /* the core is at it */
    if (!bc->peer && bc->socket < 0)
        return FALSE; /* the parent of a fork() has the socket */
    conn_hang_up(bc, 0);
    return conn_open(bc);
}

/**
 * Connects to the peer and does the handshake; asks for the events that are
 * registered. Waits, for at most 10 seconds; a peer that refuses is known at
 * once. Returns TRUE when the connection is up, or was already. With
 * bro_debug_messages set, the reason of a FALSE goes to standard error.
 * With BRO_CFLAG_RECONNECT, a FALSE is not the end: the library goes on trying
 * in the background, and does so whenever the connection is lost;
 * bro_conn_alive() tells. With BRO_CFLAG_BACKGROUND (romanesco.h) it does so from the first
 * attempt on: this function does not wait for the peer, and FALSE means that
 * the connection is not up yet.
 */
BRO_API int
bro_conn_connect(BroConn *bc)
{
    int held, ok;

    if (!bc)
        return FALSE;
    fork_own(bc);
    held = conn_take_turn(bc);
    ok = connect_in_turn(bc);
    conn_end_turn(bc, held);
    return ok;
}

/**
 * Ends the connection, if there is one, and connects anew. Events that wait
 * to be sent are kept.
 */
BRO_API int
bro_conn_reconnect(BroConn *bc)
{
    int held, ok;

    if (!bc)
        return FALSE;
    fork_own(bc);
    held = conn_take_turn(bc);
    conn_hang_up(bc, 0);
    if (bc->link)
        __atomic_store_n(&bc->link->state, LINK_IDLE, __ATOMIC_RELEASE);
    ok = connect_in_turn(bc);
    conn_end_turn(bc, held);
    return ok;
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
}

static void
conn_free(BroConn *bc)
{
    leave_files(bc); /* first: what is not in the list no child closes */
    handles_remove(bc);
    registry_free(bc);
    attachments_free(bc);
    link_free(bc->link);
    link_unmap(bc->inherited);
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
    fork_look();       /* what was running may be a thread of the parent */
    if (bc->running) { /* bro_conn_process_input frees it */
        bc->doomed = TRUE;
        return TRUE;
    }
    fork_disown(bc);
    held = conn_take_turn(bc);
    conn_hang_up(bc, FLUSH_TIMEOUT_MS);
    conn_end_turn(bc, held);
    conn_free(bc);
    return TRUE;
}

/**
 * Reports whether the connection is up. Any thread may ask.
 */
BRO_API int
bro_conn_alive(const BroConn *bc)
{
    return conn_state(bc) == LINK_UP;
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
    uint32_t state;

    if (!bc)
        return -1;
    fork_own(bc);
    state = conn_state(bc);
    return state == LINK_UP || (state == LINK_DOWN && bc->connected) ? bc->to_host : -1;
}
