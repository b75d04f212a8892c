#include "conn.h"

#include "conf.h"
#include "core.h"
#include "debug.h"
#include "init.h"
#include "process.h"
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
#include <sys/eventfd.h>
#include <unistd.h>

/* For resolving, connecting and the handshake together, as in the original. */
#define CONNECT_TIMEOUT_MS 10000
/* How long bro_conn_delete() may take to write what was accepted. */
#define FLUSH_TIMEOUT_MS 5000
/* The longest pause between two attempts to reconnect, unless configured. */
#define RETRY_SECONDS 10
/* How long a peer may give no sign of life, unless configured. */
#define SILENCE_SECONDS 60
/* The same at exit(), where nobody asked for it. */
#define EXIT_TIMEOUT_MS 1000
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
    bc->generation = process_generation();
    bc->queue_events = setting("/broccoli/queue_max_events", LINK_QUEUE_MAX, 1, QUEUE_EVENTS_MOST);
    bc->queue_bytes = setting("/broccoli/queue_max_bytes", 0, QUEUE_BYTES_LEAST, QUEUE_BYTES_MOST);
    pthread_mutex_init(&bc->lock, NULL);
    process_add(bc);
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

    return l ? __atomic_load_n(&l->state, __ATOMIC_ACQUIRE) : LINK_IDLE;
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
    if (!l || bc->generation != process_generation())
        return; /* nothing yet, or all of it the parent's */
    cs->tx_buflen = waiting(l->out, &l->far_out, &l->tx_buffered, &l->tx_spooled);
    cs->rx_buflen = waiting(&l->in, &l->far_in, &l->rx_buffered, NULL);
}

/* Makes the link, and the spool if there is to be one. A socket that was given
 * leads to nobody to whom another process could send what is left. */
static void
make_link(BroConn *bc)
{
    const char *dir = bc->peer ? conf_str("/broccoli/spool_dir", NULL) : NULL;
    size_t bytes = link_ring_bytes(bc->queue_bytes);

    if (dir && !bc->spool)
        bc->spool = spool_new(dir, bc->peer, bytes);
    if (!dir || bc->spool)
        __atomic_store_n(&bc->link, link_new(bytes, bc->spool), __ATOMIC_RELEASE);
}

int
conn_prepare(BroConn *bc)
{
    if (!bc->link)
        make_link(bc);
    if (bc->to_core < 0)
        bc->to_core = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bc->to_host < 0)
        bc->to_host = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bc->link && bc->to_core >= 0 && bc->to_host >= 0)
        return TRUE;
    DEBUG("cannot prepare a connection to %s", bc->peer ? bc->peer : "a socket");
    return FALSE;
}

/* Ends what the core has of a connection, so that the link may be used again. */
static void
hang_up(BroConn *bc, uint32_t timeout_ms)
{
    if (!bc->connected)
        return;
    bc->connected = FALSE;
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
        DEBUG("use_ssl %s: neither yes nor no", use_ssl);
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

static int
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
        return FALSE;
    if (bc->spool) {
        snprintf(bc->spool->map->class_name, LINK_CLASS_MAX, "%s",
                 bc->class_name ? bc->class_name : "");
        cfg.spool_folder = bc->spool->folder;
        cfg.spool_max_bytes =
            setting("/broccoli/spool_max_bytes", SPOOL_BYTES, LINK_RING_BYTES, UINT64_MAX / 2);
        cfg.spool_sync_ms = (uint32_t)setting("/broccoli/spool_sync", SPOOL_SYNC_MS, 0, 3600000);
    }
    __atomic_store_n(&bc->link->state, LINK_CONNECTING, __ATOMIC_RELEASE);
    result = core_connect(bc->link, &cfg);
    bc->connected = result != LINK_REFUSED;
    if (result == LINK_CONNECTED)
        return TRUE;
    if (result == LINK_REFUSED)
        __atomic_store_n(&bc->link->state, LINK_DOWN, __ATOMIC_RELEASE);
    if (result == LINK_REFUSED || !(bc->flags & BRO_CFLAG_BACKGROUND))
        DEBUG("%s", bc->link->error);
    return FALSE;
}

static int
connect_now(BroConn *bc)
{
    uint32_t len;
    char *requests;
    int ok;

    pthread_mutex_lock(&bc->lock);
    ok = conn_prepare(bc);
    pthread_mutex_unlock(&bc->lock);
    if (!ok)
        return FALSE;
    requests = registry_names(bc, &len);
    ok = requests && connect_with(bc, requests, len);
    free(requests);
    return ok;
}

/* An eventfd of our own under the number that the host may be waiting on. */
static void
renew(int *fd)
{
    int fresh;

    if (*fd < 0)
        return;
    fresh = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fresh < 0 || dup3(fresh, *fd, O_CLOEXEC) < 0)
        DEBUG("cannot replace a descriptor after fork(): %s", strerror(errno));
    if (fresh >= 0)
        close(fresh);
}

/* Whether a handler runs, and not in a thread that only the parent has. */
static int
handlers_run(const BroConn *bc)
{
    return bc->running &&
           (bc->generation == process_generation() || pthread_equal(bc->runner, pthread_self()));
}

/* The link of the parent. A handler that runs, here or in an ancestor, has
 * pointers into it, so that it stays until the handler has returned. */
static void
disown(BroConn *bc)
{
    if (bc->running && !bc->inherited)
        bc->inherited = bc->link;
    else
        link_free(bc->link);
    bc->link = NULL;
}

void
conn_own(BroConn *bc)
{
    int was_up;

    if (bc->generation == process_generation())
        return;
    was_up = bc->connected && (conn_state(bc) == LINK_UP || bc->flags & BRO_CFLAG_RECONNECT);
    bc->running = handlers_run(bc);
    bc->generation = process_generation();
    bc->connected = FALSE;
    disown(bc);
    if (bc->spool)
        spool_forget(bc->spool);
    bc->spool = NULL;
    renew(&bc->to_core);
    renew(&bc->to_host);
    if (was_up && bc->peer && !connect_now(bc))
        DEBUG("cannot connect again after fork(): %s", bc->link ? bc->link->error : "no memory");
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
    if (!bc)
        return FALSE;
    conn_own(bc);
    if (conn_state(bc) == LINK_UP)
        return TRUE;
    if (bc->connected && bc->flags & BRO_CFLAG_BACKGROUND)
        return FALSE; /* the core is at it */
    if (!bc->peer && bc->socket < 0)
        return FALSE; /* the parent of a fork() has the socket */
    hang_up(bc, 0);
    return connect_now(bc);
}

/**
 * Ends the connection, if there is one, and connects anew. Events that wait
 * to be sent are kept.
 */
BRO_API int
bro_conn_reconnect(BroConn *bc)
{
    if (!bc)
        return FALSE;
    conn_own(bc);
    hang_up(bc, 0);
    if (bc->link)
        bc->link->state = LINK_IDLE;
    return bro_conn_connect(bc);
}

static void
conn_free(BroConn *bc)
{
    process_remove(bc);
    registry_free(bc);
    attachments_free(bc);
    link_free(bc->link);
    link_free(bc->inherited);
    if (bc->spool && bc->generation == process_generation())
        spool_leave(bc->spool);
    if (bc->spool)
        spool_forget(bc->spool);
    if (bc->socket >= 0)
        close(bc->socket);
    if (bc->to_core >= 0)
        close(bc->to_core);
    if (bc->to_host >= 0)
        close(bc->to_host);
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
    if (!bc)
        return FALSE;
    if (handlers_run(bc)) { /* bro_conn_process_input frees it */
        bc->doomed = TRUE;
        return TRUE;
    }
    bc->running = FALSE; /* it may be of a thread that only the parent has */
    if (bc->generation == process_generation())
        hang_up(bc, FLUSH_TIMEOUT_MS);
    conn_free(bc);
    return TRUE;
}

void
conn_flush_at_exit(BroConn *bc)
{
    if (bc->generation != process_generation())
        return;
    hang_up(bc, EXIT_TIMEOUT_MS);
    if (bc->spool)
        spool_leave(bc->spool);
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
    conn_own(bc);
    state = conn_state(bc);
    return state == LINK_UP || (state == LINK_DOWN && bc->connected) ? bc->to_host : -1;
}
