/*
 * Connecting, and ending a connection: what the state of conn.h becomes by what
 * the host wants.
 */
#include "conn.h"

#include "cancel.h"
#include "conf.h"
#include "core.h"
#include "debug.h"
#include "exit.h"
#include "fork.h"
#include "ring.h"
#include "romanesco.h"
#include "settings.h"
#include "spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For resolving, connecting and the handshake together, as in the original. */
#define CONNECT_TIMEOUT_MS 10000
/* How long bro_conn_reconnect() may take to write what was accepted before. */
#define FLUSH_TIMEOUT_MS 5000
/* The longest pause between two attempts to reconnect, unless configured. */
#define RETRY_SECONDS 10
/* How long a peer may give no sign of life, unless configured. */
#define SILENCE_SECONDS 60
/* What all spools together may take, and how long something may be in them
 * without being synced, unless configured. */
#define SPOOL_BYTES (64u << 20)
#define SPOOL_SYNC_MS 1000

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
    if (exit_has_begun())
        return FALSE;
    held = cancel_hold();
    __atomic_store_n(&bc->link, new_link(bc), __ATOMIC_RELEASE);
    cancel_release(held);
    return bc->link != NULL;
}

/* A host that closes all descriptors may have the number for a file of its own. */
static void
check_descriptor(int *fd, const struct descriptor_id *id)
{
    if (*fd >= 0 && descriptor_is_other(*fd, id))
        *fd = -1;
}

/* Makes what wakes core and host. */
static int
make_descriptors(BroConn *bc)
{
    check_descriptor(&bc->to_core, &bc->to_core_id);
    check_descriptor(&bc->to_host, &bc->to_host_id);
    if (bc->to_core < 0)
        bc->to_core = descriptor_event(&bc->to_core_id);
    if (bc->to_host < 0) {
        bc->to_host = descriptor_event(&bc->to_host_id);
        __atomic_store_n(&bc->link->host_signaled, 0, __ATOMIC_SEQ_CST); /* it is not readable */
    }
    return bc->to_core >= 0 && bc->to_host >= 0;
}

/* Whether there is all that the core needs, and the connection may be made. */
static int
prepare(BroConn *bc)
{
    int ok;

    pthread_mutex_lock(&bc->lock);
    ok = conn_make_link(bc) && make_descriptors(bc);
    if (ok && (LINK_IN(conn_state(bc)) & (LINK_IN(LINK_NEW) | LINK_IN(LINK_DOWN))))
        link_move(&bc->link->state, LINK_OPENING); /* from UP and RETRY the core does, when it lets go of these */
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

int
conn_stop(BroConn *bc)
{
    int ok;

    pthread_mutex_lock(&bc->lock);
    ok = bc->link && link_move(&bc->link->state, LINK_CLOSING);
    pthread_mutex_unlock(&bc->lock);
    return ok;
}

void
conn_close(BroConn *bc, uint32_t timeout_ms)
{
    conn_stop(bc);
    if (conn_state(bc) == LINK_CLOSING && !core_close(&bc->link, 1, timeout_ms))
        DEBUG("not everything that was accepted has been written");
    if (bc->link)
        link_move(&bc->link->state, LINK_CLOSED);
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
connect_with(BroConn *bc, int anew, const char *requests, uint32_t len)
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
        .anew = (uint32_t)anew,
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

/* A descriptor that nothing will ever make readable is none. */
static void
refused(BroConn *bc)
{
    pthread_mutex_lock(&bc->lock);
    link_move(&bc->link->state, LINK_DOWN); /* unless the core has done so */
    if (ring_used(&bc->link->in) == 0) {
        close(bc->to_host);
        bc->to_host = -1;
    }
    pthread_mutex_unlock(&bc->lock);
}

int
conn_open(BroConn *bc, int anew)
{
    enum link_result result = LINK_REFUSED;
    uint32_t len;
    char *requests;

    if (!prepare(bc))
        return FALSE;
    requests = registry_names(bc, &len);
    if (requests)
        result = connect_with(bc, anew, requests, len);
    free(requests);
    if (result == LINK_REFUSED)
        refused(bc);
    return result == LINK_CONNECTED;
}

static int
connect_in_turn(BroConn *bc, int anew)
{
    int background = (bc->flags & BRO_CFLAG_BACKGROUND) != 0;

    switch (conn_state(bc)) {
    case LINK_UP:
        if (!anew)
            return TRUE;
        break;
    case LINK_RETRY:
        if (!anew && background)
            return FALSE; /* the core is at it */
        break;
    case LINK_CLOSING:
    case LINK_CLOSED:
        return FALSE;
    }
    if (!bc->peer && bc->socket < 0)
        return FALSE; /* the parent of a fork() has the socket */
    return conn_open(bc, anew);
}

static int
attempt(BroConn *bc, int anew)
{
    int held, ok;

    if (!bc)
        return FALSE;
    fork_own(bc);
    held = conn_take_turn(bc);
    if (anew)
        conn_flush(bc, FLUSH_TIMEOUT_MS);
    ok = connect_in_turn(bc, anew);
    conn_end_turn(bc, held);
    return ok;
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
    return attempt(bc, FALSE);
}

/**
 * Connects to the peer anew, also when the connection is up: writes what was
 * accepted, for at most 5 seconds, ends the connection, and does what
 * bro_conn_connect() does. What is still queued then, or not confirmed, waits for
 * the new connection. Returns TRUE when that is up.
 */
BRO_API int
bro_conn_reconnect(BroConn *bc)
{
    return attempt(bc, TRUE);
}
