/*
 * Peers that speak Zeek's WebSocket API instead of Bro's protocol.
 */
#ifndef ROMANESCO_ZEEK_H
#define ROMANESCO_ZEEK_H

#include "core_config.h"
#include "error.h"
#include "shared.h"

#include <stddef.h>

/* What the name of a peer says of its protocol. */
enum zeek_peer {
    ZEEK_UNSAID = 0, /* nothing: the configuration decides */
    ZEEK_CLEAR = 1,  /* ws:// */
    ZEEK_TLS = 2     /* wss:// */
};

/* Takes ws:// or wss:// off a peer, and the path of the API if that follows. */
const char *zeek_peer(const char *peer, size_t *len, enum zeek_peer *says);

/* Whether a connection to such a peer speaks to Zeek. */
int zeek_wanted(enum zeek_peer says);

/*
 * Completes a configuration for such a peer, after what it says of TLS. FALSE,
 * and why, when it is not to be understood or contradicts itself.
 */
int zeek_config(enum zeek_peer says, struct core_config *cfg, struct reason *why);

/* Whether Zeek has counterparts of all that an event holds; if not, why. */
int zeek_takes(const struct link_event *ev, struct reason *why);

#endif
