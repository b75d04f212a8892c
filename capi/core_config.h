/*
 * What a connection is to be, and how the core is told of it: as text, so that one reader
 * serves a core within the process and one in another.
 */
#ifndef ROMANESCO_CORE_CONFIG_H
#define ROMANESCO_CORE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

struct core_config {
    const char *peer; /* "host:port", or NULL when socket is given */
    int socket;       /* connected stream socket to take a copy of, or -1 */
    int to_core;      /* what wakes core and host; the core takes copies of them */
    int to_host;
    const char *class_name; /* or NULL */
    const char *requests;   /* event names, each with its NUL, one after another */
    uint32_t requests_len;
    uint32_t use_cache;  /* let the peer refer to objects that it sent before */
    uint32_t debug;      /* tell stderr what happens, or the link's log */
    uint32_t reconnect;  /* keep trying when the peer is lost or cannot be reached */
    uint32_t background; /* the same, and do not wait for the first attempt */
    uint32_t anew;       /* end a connection that is up, and connect again */
    uint32_t confirm;    /* keep events until the peer has confirmed them */
    uint32_t timeout_ms; /* for resolving, connecting and the handshake together */
    uint32_t retry_ms;   /* longest pause between two attempts */
    uint32_t silence_ms; /* how long a peer may give no sign of life; 0: for ever */

    uint32_t use_tls; /* what follows is for TLS only; texts are NULL when not set */
    uint32_t tls_rsa_key_exchange;
    const char *ca_cert;
    const char *host_cert;
    const char *host_key;
    const char *host_pass;
    const char *tls_min_version;
    const char *peer_name;

    const char *spool_folder; /* what link.spool is in; NULL without one */
    uint64_t spool_max_bytes; /* that all spools beside it may take together */
    uint32_t spool_sync_ms;   /* how long something may be there without being synced */

    uint32_t stats_s;       /* seconds between two lines of statistics; 0: none */
    const char *stats_file; /* where they go; NULL: where debugging goes */

    const char *refused_file; /* where events go that the peer refuses, or NULL */

    const char *core_user;    /* of a core that is a process of its own: as whom it runs, or NULL */
    const char *core_sandbox; /* what it does where it cannot be confined, or NULL */

    const char *core_socket; /* the path by which other processes find it, or NULL */
    uint32_t core_share;     /* connections of several processes that are for the same are one */

    uint32_t zeek;         /* the peer speaks Zeek's WebSocket API; what follows is for that only */
    uint32_t zeek_confirm; /* enum link_zeek_confirm */
    uint32_t zeek_exact_time;   /* put the exact time beside each time */
    const char *zeek_topic;     /* of what is sent */
    const char *zeek_subscribe; /* prefixes of topics, separated by spaces */
    const char *zeek_types;     /* file of declarations, or NULL */
    const char *zeek_time_zone; /* that an old Zeek has times in, or NULL */
    uint64_t zeek_inbound;      /* bytes of memory for events that the host has not processed */
};

/* What confirms events; websocket.Confirm has the same. */
enum link_zeek_confirm {
    LINK_CONFIRM_PING = 0,
    LINK_CONFIRM_AUTO = 1, /* a script of ours in Zeek if it answers, pongs otherwise */
    LINK_CONFIRM_SCRIPT = 2
};

/*
 * Names and values in turn, each with a NUL; behind an empty name the requests. What is
 * NULL or 0 is left out, and so are descriptors. The caller frees it; NULL without memory.
 */
char *config_text(const struct core_config *cfg, size_t *len);

#endif
