#include "zeek.h"

#include "api.h"
#include "conf.h"
#include "flat.h"
#include "settings.h"
#include "type.h"

#include <string.h>

/* What the front refuses no Zeek takes; of what some take only the core knows, which
 * knows the version (internal/protocol/zeek). Reals beyond these are infinite, or any number. */
#define REAL_MAX 1.797e308
#define REAL_MIN 1e-307
/* Zeek has 64 bits of nanoseconds: from 1677 to 2262. */
#define TIME_MAX 9223372036.0
#define INTERVAL_MAX 9223372035.0
/* Deeper values are beyond what Broker's reader takes. */
#define DEPTH_MAX 58

/* Memory for events that wait for the program, unless configured, and what it may be. */
#define INBOUND_BYTES (16u << 20)
#define INBOUND_LEAST (1u << 20)
#define INBOUND_MOST (1u << 30)

/* From clients to Zeek, and from Zeek to them: two topics, so
 * that sensors do not get each other's events. */
#define TOPIC "broccoli/from-clients"
#define SUBSCRIBE "broccoli/to-clients"

const char *
zeek_peer(const char *peer, size_t *len, enum zeek_peer *says)
{
    static const char *const paths[] = {"/v1/messages/json", "/"};
    size_t i;

    *says = ZEEK_UNSAID;
    *len = strlen(peer);
    if (strncmp(peer, "ws://", 5) == 0)
        *says = ZEEK_CLEAR;
    else if (strncmp(peer, "wss://", 6) == 0)
        *says = ZEEK_TLS;
    else
        return peer;
    peer += *says == ZEEK_TLS ? 6 : 5;
    *len = strlen(peer);
    for (i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t n = strlen(paths[i]);

        if (*len > n && strcmp(peer + *len - n, paths[i]) == 0)
            *len -= n;
    }
    return peer;
}

int
zeek_wanted(enum zeek_peer says)
{
    return says != ZEEK_UNSAID ||
           strcmp(conf_str("/broccoli/transport", "bro"), "zeek-websocket") == 0;
}

static int
confirm_config(uint32_t *confirm, struct reason *why)
{
    const char *by = conf_str("/broccoli/zeek_confirm", "auto");

    if (strcmp(by, "auto") == 0)
        *confirm = LINK_CONFIRM_AUTO;
    else if (strcmp(by, "script") == 0)
        *confirm = LINK_CONFIRM_SCRIPT;
    else if (strcmp(by, "ping") == 0)
        *confirm = LINK_CONFIRM_PING;
    else
        return reason_set(why, "zeek_confirm %s: neither auto, nor script, nor ping", by);
    return TRUE;
}

int
zeek_config(enum zeek_peer says, struct core_config *cfg, struct reason *why)
{
    const char *transport = conf_str("/broccoli/transport", "bro");

    if (strcmp(transport, "bro") != 0 && strcmp(transport, "zeek-websocket") != 0)
        return reason_set(why, "transport %s: neither bro nor zeek-websocket", transport);
    cfg->zeek = (uint32_t)zeek_wanted(says);
    if (says == ZEEK_CLEAR && cfg->use_tls)
        return reason_set(
            why, "peer ws://%s is in the clear, but use_ssl or host_cert asks for TLS: wss://%s",
            cfg->peer, cfg->peer);
    if (says == ZEEK_TLS)
        cfg->use_tls = TRUE;
    if (says == ZEEK_UNSAID && cfg->zeek && cfg->peer)
        cfg->peer = conf_str("/broccoli/zeek_peer", cfg->peer);
    if (!confirm_config(&cfg->zeek_confirm, why))
        return FALSE;
    cfg->zeek_exact_time = conf_int("/broccoli/zeek_exact_time", FALSE) == 1;
    cfg->zeek_topic = conf_str("/broccoli/zeek_topic", TOPIC);
    cfg->zeek_subscribe = conf_str("/broccoli/zeek_subscribe", SUBSCRIBE);
    cfg->zeek_types = conf_str("/broccoli/zeek_types", NULL);
    cfg->zeek_time_zone = conf_str("/broccoli/zeek_time_zone", NULL);
    cfg->zeek_inbound =
        setting("/broccoli/zeek_inbound", INBOUND_BYTES, INBOUND_LEAST, INBOUND_MOST);
    return TRUE;
}

static const char *
objection_to_real(const unsigned char *p, int type)
{
    double x;

    memcpy(&x, p, sizeof x);
    if (type == BRO_TYPE_DOUBLE &&
        (!(x <= REAL_MAX && x >= -REAL_MAX) || (x != 0 && x < REAL_MIN && x > -REAL_MIN)))
        return "a double is beyond what it reads";
    if (type == BRO_TYPE_TIME && !(x >= -TIME_MAX && x < TIME_MAX))
        return "a time is before 1677 or after 2262-04-11";
    if (type == BRO_TYPE_INTERVAL && !(x < INTERVAL_MAX && x > -INTERVAL_MAX))
        return "an interval is longer than 292 years";
    return NULL;
}

/* These two call each other over and over; DEPTH_MAX stops them. */
static const char *objection(const unsigned char *p, int depth);

static const char *
objection_to_members(const unsigned char *p, size_t len, int depth)
{
    const unsigned char *end = p + len;
    const char *why = NULL;

    if (depth >= DEPTH_MAX)
        return "it nests too deep";
    for (p += sizeof(struct flat_list); p < end && !why; p += ((const struct flat_header *)p)->size)
        why = objection(p, depth + 1);
    return why;
}

static const char *
objection(const unsigned char *p, int depth)
{
    int type = ((const struct flat_header *)p)->type;
    size_t len;

    p = flat_payload(p, &len);
    switch (type_class(type)) {
    case CLASS_INT:
        if (type == BRO_TYPE_ENUM && !conf_str("/broccoli/zeek_types", NULL))
            return "enum values have names only, and zeek_types gives none";
        return NULL;
    case CLASS_REAL:
        return objection_to_real(p, type);
    case CLASS_RECORD:
    case CLASS_TABLE:
    case CLASS_VECTOR:
        return objection_to_members(p, len, depth);
    default:
        return NULL;
    }
}

int
zeek_takes(const struct link_event *ev, struct reason *why)
{
    const unsigned char *p = (const unsigned char *)(ev + 1) + flat_pad((size_t)ev->name_len + 1);
    uint32_t i;

    for (i = 0; i < ev->num_args; i++) {
        const char *no = objection(p, 0);

        if (no)
            return reason_set(why, "Zeek cannot be sent event %s, argument %u: %s",
                              (const char *)(ev + 1), i, no);
        p += ((const struct flat_header *)p)->size;
    }
    return TRUE;
}
