#include "cancel.h"
#include "conn.h"
#include "debug.h"
#include "flat.h"
#include "fork.h"
#include "val.h"

#include <stdlib.h>
#include <string.h>

/* As many as any event has that a policy script declares, and then some. */
#define MAX_ARGS 64

/* What follows takes the list as it is, while others add to it and take away. */
static struct handler *
next_of(struct handler *const *at, const char *event_name)
{
    struct handler *h = __atomic_load_n(at, __ATOMIC_ACQUIRE);

    while (h &&
           (__atomic_load_n(&h->removed, __ATOMIC_RELAXED) || strcmp(h->event, event_name) != 0))
        h = __atomic_load_n(&h->next, __ATOMIC_ACQUIRE);
    return h;
}

void
registry_sweep(BroConn *bc)
{
    struct handler **at, *h;

    if (bc->depth)
        return;
    for (at = &bc->handlers; (h = *at);) {
        if (!h->removed) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        free(h->event);
        free(h);
    }
}

static struct handler *
new_handler(const char *event_name, BroEventFunc expanded, BroCompactEventFunc compact,
            void *user_data)
{
    struct handler *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    h->event = strdup(event_name);
    if (!h->event) {
        free(h);
        return NULL;
    }
    h->expanded = expanded;
    h->compact = compact;
    h->user_data = user_data;
    return h;
}

/* Puts a list behind those that are registered; handlers may be running. */
static void
append(BroConn *bc, struct handler *list)
{
    struct handler **end;

    fork_look();
    pthread_mutex_lock(&bc->lock);
    for (end = &bc->handlers; *end; end = &(*end)->next)
        ;
    __atomic_store_n(end, list, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&bc->lock);
}

static void
add(BroConn *bc, const char *event_name, BroEventFunc expanded, BroCompactEventFunc compact,
    void *user_data)
{
    struct handler *h;

    if (!bc || !event_name || !*event_name || (!expanded && !compact))
        return;
    h = new_handler(event_name, expanded, compact, user_data);
    if (h)
        append(bc, h);
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
 * Registers func for events of that name, as bro_event_registry_add() does. It is
 * called with all arguments and their types in a BroEvMeta. The BroEvMeta and what it points to
 * hold until the function returns.
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
    fork_look();
    pthread_mutex_lock(&bc->lock);
    for (h = bc->handlers; h; h = h->next)
        if (strcmp(h->event, event_name) == 0)
            __atomic_store_n(&h->removed, TRUE, __ATOMIC_RELAXED);
    registry_sweep(bc);
    pthread_mutex_unlock(&bc->lock);
}

/**
 * Registers the events of src, with their functions, at dst as well.
 */
BRO_API void
bro_conn_adopt_events(BroConn *src, BroConn *dst)
{
    struct handler *h, *list = NULL, **end = &list;

    if (!src || !dst || src == dst)
        return;
    fork_look();
    pthread_mutex_lock(&src->lock); /* never both: another thread may adopt the other way */
    for (h = src->handlers; h; h = h->next)
        if (!h->removed && (*end = new_handler(h->event, h->expanded, h->compact, h->user_data)))
            end = &(*end)->next;
    pthread_mutex_unlock(&src->lock);
    append(dst, list);
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

    if (!bc)
        return;
    fork_own(bc);
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
        if (conn_put(bc, rec.data, rec.len) != REFUSED_NOT)
            LOG_LATER(BRO_LOG_WARNING,
                      "[%s] no room in the queue for a request of events; ask again later",
                      bc->peer ? bc->peer : "");
        pthread_mutex_unlock(&bc->lock);
    }
    flat_free(&rec);
    free(names);
    log_hand_over(bc);
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
        for (g = bc->handlers; g != h && (g->removed || strcmp(g->event, h->event) != 0);
             g = g->next)
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
#define A4(i) a[i], a[(i) + 1], a[(i) + 2], a[(i) + 3]
#define A16(i) A4(i), A4((i) + 4), A4((i) + 8), A4((i) + 12)

static void
call_expanded(BroConn *bc, const struct handler *h, const BroEvArg *args, uint32_t n)
{
    uint32_t i, room = n <= 4 ? 4 : n <= 16 ? 16 : MAX_ARGS;
    void *a[MAX_ARGS];

    for (i = 0; i < room; i++)
        a[i] = i < n ? args[i].arg_data : NULL;
    if (room == 4)
        h->expanded(bc, h->user_data, A4(0));
    else if (room == 16)
        h->expanded(bc, h->user_data, A16(0));
    else
        h->expanded(bc, h->user_data, A16(0), A16(16), A16(32), A16(48));
}

static void
call(BroConn *bc, const struct handler *h, BroEvMeta *meta, int held)
{
    BroEvMeta copy = *meta; /* theirs to write to */

    if (h->compact || (uint32_t)meta->ev_numargs <= MAX_ARGS) {
        cancel_release(held);
        if (h->compact)
            h->compact(bc, h->user_data, &copy);
        else
            call_expanded(bc, h, meta->ev_args, (uint32_t)meta->ev_numargs);
        cancel_hold();
    } else
        LOG(BRO_LOG_WARNING,
            "event %s has %d arguments, a callback takes %d: register a compact one", meta->ev_name,
            meta->ev_numargs, MAX_ARGS);
}

/* Every argument as C wants it: where it lies in the record if it has that form
 * there, or else in vals. Returns the place behind them, NULL on an error. */
static const unsigned char *
read_args(const struct link_event *ev, BroEvArg *args, struct val *vals)
{
    const unsigned char *p = (const unsigned char *)(ev + 1) + flat_pad(ev->name_len + 1);
    const unsigned char *end = (const unsigned char *)ev + ev->rec.size;
    uint32_t i;

    for (i = 0; i < ev->num_args; i++)
        vals[i].type = BRO_TYPE_UNKNOWN;
    for (i = 0; p && i < ev->num_args; i++)
        p = flat_arg(p, end, &args[i], &vals[i]);
    return p;
}

/* Calls the handlers from first on, but none that is registered meanwhile. */
static void
call_all(BroConn *bc, struct handler *first, BroEvMeta *meta, int held)
{
    struct handler *h, *last = NULL;

    for (h = first; h; h = next_of(&h->next, meta->ev_name))
        last = h;
    for (h = first; h && !bc->doomed;
         h = h == last ? NULL : __atomic_load_n(&h->next, __ATOMIC_ACQUIRE))
        if (!__atomic_load_n(&h->removed, __ATOMIC_RELAXED) && strcmp(h->event, meta->ev_name) == 0)
            call(bc, h, meta, held);
}

/* Few arguments and values need no memory of their own. */
#define FEW 16

/* The arguments of an event, as handlers get them. */
struct args {
    uint32_t n;
    BroEvArg few[FEW], *args;
    struct val few_vals[FEW], *vals;
};

static void
args_free(struct args *a)
{
    uint32_t i;

    for (i = 0; a->args && a->vals && i < a->n; i++)
        if (a->vals[i].type != BRO_TYPE_UNKNOWN)
            val_clear(&a->vals[i]);
    if (a->args != a->few)
        free(a->args);
    if (a->vals != a->few_vals)
        free(a->vals);
}

/* Whether name and arguments can be in a record of that size: the core may be another process. */
static int
holds_together(const struct link_event *ev)
{
    size_t left;

    if (ev->rec.size < sizeof *ev)
        return FALSE;
    left = ev->rec.size - sizeof *ev;
    return ev->name_len < left && flat_pad((size_t)ev->name_len + 1) <= left &&
           ((const char *)(ev + 1))[ev->name_len] == '\0' &&
           ev->num_args <= left / sizeof(struct flat_header) && ev->raw_len <= left;
}

void
registry_dispatch(BroConn *bc, const struct link_event *ev, int held)
{
    const char *name = (const char *)(ev + 1);
    struct handler *first = holds_together(ev) ? next_of(&bc->handlers, name) : NULL;
    __attribute__((cleanup(args_free))) struct args a; /* also when a handler does not return */
    const unsigned char *p = NULL;

    a.n = 0;
    a.args = a.few;
    a.vals = a.few_vals;
    if (!first)
        return;
    if (ev->num_args > FEW) {
        a.args = malloc(ev->num_args * sizeof *a.args);
        a.vals = malloc(ev->num_args * sizeof *a.vals);
    }
    if (a.args && a.vals) {
        a.n = ev->num_args;
        p = read_args(ev, a.args, a.vals);
    }
    if (p && ev->raw_len <= (size_t)((const unsigned char *)ev + ev->rec.size - p)) {
        BroEvMeta meta = {
            .ev_name = name, .ev_ts = ev->time, .ev_numargs = (int)a.n, .ev_args = a.args};

        meta.ev_start = (uchar *)p;
        meta.ev_end = (uchar *)p + ev->raw_len;
        call_all(bc, first, &meta, held);
    } else {
        LOG(BRO_LOG_WARNING,
            "event %s is lost: not enough memory, or a table of mixed types, which C has no "
            "form for",
            name);
    }
}
