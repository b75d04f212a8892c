#include "api.h"
#include "conn.h"
#include "debug.h"
#include "flat.h"
#include "val.h"

#include <stdlib.h>
#include <string.h>

/* As many as any event has that a policy script declares, and then some. */
#define MAX_ARGS 64

static void
add(BroConn *bc, const char *event_name, BroEventFunc expanded, BroCompactEventFunc compact,
    void *user_data)
{
    struct handler *h, **end;

    if (!bc || !event_name || !*event_name || (!expanded && !compact))
        return;
    h = calloc(1, sizeof *h);
    if (!h)
        return;
    h->event = strdup(event_name);
    if (!h->event) {
        free(h);
        return;
    }
    h->expanded = expanded;
    h->compact = compact;
    h->user_data = user_data;
    pthread_mutex_lock(&bc->lock);
    for (end = &bc->handlers; *end; end = &(*end)->next)
        ;
    *end = h;
    pthread_mutex_unlock(&bc->lock);
}

/**
 * Registers func for events of that name. It is called from
 * bro_conn_process_input(), with a pointer to each of the event's arguments
 * after user_data; these hold until it returns. Several functions may be
 * registered for one event; they run in that order. Events that are registered
 * before bro_conn_connect() are asked of the peer by it, others by
 * bro_event_registry_request().
 */
BRO_API void
bro_event_registry_add(BroConn *bc, const char *event_name, BroEventFunc func, void *user_data)
{
    add(bc, event_name, func, NULL, user_data);
}

/**
 * The same as bro_event_registry_add() for a function that takes the arguments
 * with their types, in a BroEvMeta. The BroEvMeta and what it points to hold
 * until the function returns.
 */
BRO_API void
bro_event_registry_add_compact(BroConn *bc, const char *event_name, BroCompactEventFunc func,
                               void *user_data)
{
    add(bc, event_name, NULL, func, user_data);
}

/**
 * Removes every function that is registered for events of that name. The peer
 * goes on sending them, if it was asked; they are dropped.
 */
BRO_API void
bro_event_registry_remove(BroConn *bc, const char *event_name)
{
    struct handler *h;

    if (!bc || !event_name)
        return;
    pthread_mutex_lock(&bc->lock);
    for (h = bc->handlers; h; h = h->next)
        if (strcmp(h->event, event_name) == 0)
            h->removed = TRUE;
    pthread_mutex_unlock(&bc->lock);
    registry_sweep(bc);
}

/**
 * Asks the peer for all events that are registered now. Before the connection
 * is up there is nothing to do: bro_conn_connect() asks.
 */
BRO_API void
bro_event_registry_request(BroConn *bc)
{
    struct flat rec = {NULL, 0, 0};
    struct link_raw *raw;
    uint32_t len;
    char *names;

    if (!bro_conn_alive(bc))
        return;
    names = registry_names(bc, &len);
    if (!names)
        return;
    raw = len ? flat_grow(&rec, sizeof *raw + len) : NULL;
    if (raw) {
        raw->rec.size = (uint32_t)rec.len;
        raw->rec.kind = LINK_REQUEST;
        raw->len = len;
        memcpy(raw + 1, names, len);
        pthread_mutex_lock(&bc->lock);
        if (!conn_put(bc, rec.data, rec.len))
            DEBUG("no room in the queue for a request of events; ask again later");
        pthread_mutex_unlock(&bc->lock);
    }
    flat_free(&rec);
    free(names);
}

char *
registry_names(BroConn *bc, uint32_t *len)
{
    struct handler *h, *g;
    size_t n = 0;
    char *names;

    pthread_mutex_lock(&bc->lock);
    for (h = bc->handlers; h; h = h->next)
        n += strlen(h->event) + 1;
    names = malloc(n + 1);
    n = 0;
    for (h = names ? bc->handlers : NULL; h; h = h->next) {
        for (g = bc->handlers; g != h && (g->removed || strcmp(g->event, h->event) != 0); g = g->next)
            ;
        if (h->removed || g != h)
            continue; /* named already */
        memcpy(names + n, h->event, strlen(h->event) + 1);
        n += strlen(h->event) + 1;
    }
    pthread_mutex_unlock(&bc->lock);
    *len = (uint32_t)n;
    return names;
}

void
registry_sweep(BroConn *bc)
{
    struct handler **at, *h;

    if (bc->running)
        return;
    pthread_mutex_lock(&bc->lock);
    for (at = &bc->handlers; (h = *at);) {
        if (!h->removed) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        free(h->event);
        free(h);
    }
    pthread_mutex_unlock(&bc->lock);
}

void
registry_free(BroConn *bc)
{
    struct handler *h;

    for (h = bc->handlers; h; h = h->next)
        h->removed = TRUE;
    registry_sweep(bc);
}

/*
 * The function was written with as many pointers as its event has arguments.
 * Handing over more is what every calling convention that we know allows: the
 * caller lays them out and takes them back.
 */
#define A(i) args[i].arg_data
#define A4(i) A(i), A((i) + 1), A((i) + 2), A((i) + 3)
#define A16(i) A4(i), A4((i) + 4), A4((i) + 8), A4((i) + 12)

static void
call_expanded(BroConn *bc, const struct handler *h, const BroEvArg *args, uint32_t n)
{
    if (n <= 4)
        h->expanded(bc, h->user_data, A4(0));
    else if (n <= 16)
        h->expanded(bc, h->user_data, A16(0));
    else
        h->expanded(bc, h->user_data, A16(0), A16(16), A16(32), A16(48));
}

static void
call(BroConn *bc, const struct handler *h, BroEvMeta *meta)
{
    BroEvMeta copy = *meta; /* theirs to write to */

    if (h->compact)
        h->compact(bc, h->user_data, &copy);
    else if ((uint32_t)meta->ev_numargs <= MAX_ARGS)
        call_expanded(bc, h, meta->ev_args, (uint32_t)meta->ev_numargs);
    else
        DEBUG("event %s has %d arguments, a callback takes %d: register a compact one",
              meta->ev_name, meta->ev_numargs, MAX_ARGS);
}

static void
call_all(BroConn *bc, BroEvMeta *meta)
{
    struct handler *h;

    bc->running++;
    for (h = bc->handlers; h && !bc->doomed; h = h->next)
        if (!h->removed && strcmp(h->event, meta->ev_name) == 0)
            call(bc, h, meta);
    bc->running--;
    registry_sweep(bc);
}

static int
wanted(BroConn *bc, const char *name)
{
    struct handler *h;

    for (h = bc->handlers; h; h = h->next)
        if (!h->removed && strcmp(h->event, name) == 0)
            return TRUE;
    return FALSE;
}

void
registry_dispatch(BroConn *bc, const struct link_event *ev)
{
    const unsigned char *p = (const unsigned char *)(ev + 1);
    const unsigned char *end = (const unsigned char *)ev + ev->rec.size;
    const char *name = (const char *)p;
    /* One more than MAX_ARGS at least, so that all of A16 are there. */
    uint32_t room = ev->num_args > MAX_ARGS ? ev->num_args : MAX_ARGS;
    BroEvArg few[MAX_ARGS], *args = few;
    struct val few_vals[16], *vals = few_vals;
    uint32_t n = 0;

    if (!wanted(bc, name))
        return;
    if (room > MAX_ARGS)
        args = malloc(room * sizeof *args);
    if (ev->num_args > 16)
        vals = malloc(ev->num_args * sizeof *vals);
    if (args && vals) {
        BroEvMeta meta = {.ev_name = name, .ev_ts = ev->time, .ev_args = args};

        memset(args, 0, room * sizeof *args);
        for (p += flat_pad(ev->name_len + 1); p && n < ev->num_args; n++) {
            memset(&vals[n], 0, sizeof vals[n]);
            p = flat_get(p, end, &vals[n]);
            args[n].arg_data = val_data(&vals[n]);
            args[n].arg_type = vals[n].type;
        }
        meta.ev_numargs = (int)n;
        if (p && p + ev->raw_len <= end) {
            meta.ev_start = (uchar *)p;
            meta.ev_end = (uchar *)p + ev->raw_len;
            call_all(bc, &meta);
        } else {
            DEBUG("event %s is lost: not enough memory, or a table of mixed types, which C has no form for", name);
        }
    }
    while (n-- > 0)
        val_clear(&vals[n]);
    if (args != few)
        free(args);
    if (vals != few_vals)
        free(vals);
}
