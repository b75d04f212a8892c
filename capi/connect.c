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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For resolving, connecting and the handshake together, as in the original. */
#define CONNECT_TIMEOUT_MS 10000
/* The longest pause between two attempts to reconnect, unless configured. */
#define RETRY_SECONDS 10
/* How long a peer may give no sign of life, unless configured. */
#define SILENCE_SECONDS 60
/* What all spools together may take, and how long something may be in them
 * without being synced, unless configured. */
#define SPOOL_BYTES (64u << 20)
#define SPOOL_SYNC_MS 1000
/* A core that may die by itself leaves in the ring what the peer has not confirmed: it is so
 * much larger then. A power of two. */
#define UNCONFIRMED_RINGS 4

/* The link, and the spool if there is to be one. A socket that was given leads to
 * nobody to whom another process could send what is left. */
static int
new_link(BroConn *bc, struct reason *why)
{
    const char *dir = bc->peer ? conf_str("/broccoli/spool_dir", NULL) : NULL;
    size_t bytes = link_ring_bytes(bc->queue_bytes);
    int outside = outside_wanted(why), made;

    if (why->text[0])
        return FALSE;
    if (outside && conf_int("/broccoli/confirm", FALSE) == 1)
        bytes *= UNCONFIRMED_RINGS;

    if (dir && !bc->spool)
        bc->spool = spool_new(dir, bc->peer, bytes, outside, why);
    if (dir && !bc->spool)
        return FALSE;
    made =
        outside ? link_new_outside(&bc->memory, bytes, 0) : link_new(&bc->memory, bytes, bc->spool);
    if (!made)
        return reason_set(why, "cannot get memory for a queue of %zu bytes: %s", bytes,
                          strerror(errno));
    bc->outside.memory_id = descriptor_id(bc->memory.fd);
    __atomic_store_n(&bc->link, bc->memory.link, __ATOMIC_RELEASE);
    return TRUE;
}

int
conn_make_link(BroConn *bc, struct reason *why)
{
    int held, made;

    if (bc->link)
        return TRUE;
    if (exit_has_begun())
        return reason_set(why, "exit() has begun");
    held = cancel_hold();
    made = new_link(bc, why);
    cancel_release(held);
    return made;
}

/* A host that closes all descriptors may have the number for a file of its own. */
static void
check_descriptor(int *fd, const struct descriptor_id *id)
{
    if (*fd >= 0 && descriptor_is_other(*fd, id))
        *fd = -1;
}

/* The host waits on it, or on one that tells of the core's end, too. */
static int
least_to_host(const BroConn *bc)
{
    return bc->memory.outside ? descriptor_high() : STDERR_FILENO + 1;
}

/* Makes what wakes core and host. */
static int
make_descriptors(BroConn *bc, struct reason *why)
{
    check_descriptor(&bc->to_core, &bc->to_core_id);
    check_descriptor(&bc->to_host, &bc->to_host_id);
    if (bc->to_core < 0)
        bc->to_core = descriptor_event(&bc->to_core_id, descriptor_high());
    if (bc->to_host < 0) {
        bc->to_host = descriptor_event(&bc->to_host_id, least_to_host(bc));
        __atomic_store_n(&bc->link->host_signaled, 0, __ATOMIC_SEQ_CST); /* it is not readable */
    }
    if (bc->to_core < 0 || bc->to_host < 0)
        return reason_set(why, "cannot make a descriptor: %s", strerror(errno));
    return TRUE;
}

/* Whether there is all that the core needs, and the connection may be made. */
static int
prepare(BroConn *bc, struct reason *why)
{
    int ok;

    pthread_mutex_lock(&bc->lock);
    ok = conn_make_link(bc, why) && make_descriptors(bc, why);
    if (ok)
        log_ask(bc);
    if (ok && (LINK_IN(conn_state(bc)) & (LINK_IN(LINK_NEW) | LINK_IN(LINK_DOWN))))
        link_move(&bc->link->state,
                  LINK_OPENING); /* from UP and RETRY the core does, when it lets go of these */
    pthread_mutex_unlock(&bc->lock);
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
    if (conn_state(bc) == LINK_CLOSING && !core_close(&bc, 1, timeout_ms))
        LOG_LATER(BRO_LOG_WARNING, "[%s] not everything that was accepted has been written",
                  bc->peer ? bc->peer : "");
    if (bc->link)
        link_move(&bc->link->state, LINK_CLOSED);
}

/*
 * What the configuration says of TLS. FALSE when it asks for something that is
 * not to be understood: then there is no connection at all, and never one in
 * the clear.
 */
static int
tls_config(struct core_config *cfg, struct reason *why)
{
    const char *use_ssl = conf_str("/broccoli/use_ssl", NULL);
    int wish = conf_int("/broccoli/use_ssl", -1);

    cfg->host_cert = conf_str("/broccoli/host_cert", NULL);
    if (use_ssl && wish < 0)
        return reason_set(why, "use_ssl %s: neither yes nor no, which are written without quotes",
                          use_ssl);
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
connect_with(BroConn *bc, int anew, const char *requests, uint32_t len, struct reason *why)
{
    struct core_config cfg = {
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
        .refused_file = conf_str("/broccoli/refused_file", NULL),
        .core_user = conf_str("/broccoli/core_user", NULL),
        .core_sandbox = conf_str("/broccoli/core_sandbox", NULL),
        .core_socket = conf_str("/broccoli/core_socket", NULL),
        .core_share = conf_int("/broccoli/core_share", FALSE) == 1,
        .silence_ms = 1000 * (uint32_t)setting("/broccoli/peer_timeout", SILENCE_SECONDS, 0, 86400),
    };

    if (!tls_config(&cfg, why) || !zeek_config(bc->says, &cfg, why))
        return LINK_REFUSED;
    __atomic_store_n(&bc->confirms, (int)cfg.confirm, __ATOMIC_RELAXED);
    if (bc->spool) {
        spool_set_class(bc->spool, bc->class_name);
        cfg.spool_folder = bc->spool->folder;
        cfg.spool_max_bytes =
            setting("/broccoli/spool_max_bytes", SPOOL_BYTES, LINK_RING_BYTES, UINT64_MAX / 2);
        cfg.spool_sync_ms = (uint32_t)setting("/broccoli/spool_sync", SPOOL_SYNC_MS, 0, 3600000);
    }
    return core_connect(bc, &cfg, why->text);
}

/* A descriptor that nothing will ever make readable is none. */
static void
refused(BroConn *bc)
{
    pthread_mutex_lock(&bc->lock);
    link_move(&bc->link->state, LINK_DOWN); /* unless the core has done so */
    if (ring_used(&bc->memory.in) == 0) {
        descriptor_close(&bc->to_host, &bc->to_host_id);
        outside_close_visible(bc);
    }
    pthread_mutex_unlock(&bc->lock);
}

static enum link_result
make_attempt(BroConn *bc, int anew, struct reason *why)
{
    enum link_result result = LINK_REFUSED;
    uint32_t len;
    char *requests;

    if (!prepare(bc, why))
        return LINK_REFUSED;
    requests = registry_names(bc, &len);
    if (requests)
        result = connect_with(bc, anew, requests, len, why);
    else
        reason_set(why, "no memory");
    free(requests);
    if (result == LINK_REFUSED)
        refused(bc);
    return result;
}

/* A host that tries again and again, while the reason is the same, is told once. */
static void
tell(BroConn *bc, const struct reason *why)
{
    int known;

    pthread_mutex_lock(&bc->lock);
    known = strcmp(bc->errors.last.text, why->text) == 0;
    pthread_mutex_unlock(&bc->lock);
    LOG_LATER(known ? BRO_LOG_DEBUG : BRO_LOG_WARNING, "[%s] %s", bc->peer ? bc->peer : "",
              why->text);
}

int
conn_open(BroConn *bc, int anew)
{
    struct reason why = {""};
    uint64_t ups = errors_ups(bc);
    enum link_result result = make_attempt(bc, anew, &why);

    if (result == LINK_REFUSED || (result == LINK_TRYING && !(bc->flags & BRO_CFLAG_BACKGROUND))) {
        tell(bc, &why);
        errors_unconnected(bc, ups, &why);
    }
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
    if (!bc->peer && bc->socket < 0) {
        static const struct reason why = {"the socket that the handle was made of is the parent's"};

        errors_unconnected(bc, errors_ups(bc), &why);
        return FALSE;
    }
    return conn_open(bc, anew);
}

static int
attempt(BroConn *bc, int anew)
{
    int held, ok;

    if (!bc)
        return FALSE;
    fork_own(bc);
    outside_look(bc, TRUE);
    held = conn_take_turn(bc);
    ok = connect_in_turn(bc, anew);
    conn_end_turn(bc, held);
    log_hand_over(bc);
    return ok;
}

/**
 * Connects to the peer and does the handshake; asks for the events that are
 * registered. Waits, for at most 10 seconds; a peer that refuses is known at
 * once. Returns TRUE when the connection is up, or was already;
 * bro_conn_error() (romanesco.h) has the reason of a FALSE, which goes to standard
 * error too with bro_debug_messages set.
 * With BRO_CFLAG_RECONNECT, a FALSE is not the end: the library goes on trying
 * in the background, and does so whenever the connection is lost;
 * bro_conn_alive() tells. With BRO_CFLAG_BACKGROUND (romanesco.h) it does so from the first
 * attempt on: this function does not wait for the peer, and FALSE means that
 * the connection is not up yet.
 */
BRO_API int
bro_conn_connect(BroConn *bc)
{
    cancel_point();
    return attempt(bc, FALSE);
}

/**
 * Connects to the peer anew, also when the connection is up: writes what it has
 * begun to write, for at most 5 seconds, ends the connection, and does what
 * bro_conn_connect() does. What is queued, or not confirmed, waits for the new
 * connection. Returns TRUE when that is up.
 */
BRO_API int
bro_conn_reconnect(BroConn *bc)
{
    cancel_point();
    return attempt(bc, TRUE);
}
