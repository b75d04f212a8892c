/*
 * What the front hands to the core within one process, and what comes of it. Read by cgo,
 * with shared.h.
 */
#ifndef ROMANESCO_CORE_CALL_H
#define ROMANESCO_CORE_CALL_H

#include "shared.h"

/* What front and core share, as it lies in this process. */
struct core_memory {
    struct link *link;
    struct link_ring *out; /* the link's, or the spool's */
    unsigned char *out_data, *in_data;
    uint64_t out_bytes, in_bytes; /* powers of two */
    struct link_spool *spool;     /* or NULL */
    struct core_memory *next;     /* of several that end together */
};

/* What a connection is to be; the core copies it before its function returns. */
struct core_request {
    const struct core_memory *memory;
    const char *settings; /* as config_text() writes them */
    uint64_t settings_len;
    int socket;  /* connected stream socket to take a copy of, or -1 */
    int to_core; /* eventfds; the core takes copies of them */
    int to_host;
    const uint32_t *log; /* while this is not 0, messages go into the link's log */
};

/* What came of a connect. */
enum link_result {
    LINK_REFUSED = 0, /* link.error says why */
    LINK_CONNECTED = 1,
    LINK_TRYING = 2 /* the same, but the core goes on in the background */
};

#endif
