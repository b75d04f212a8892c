#include "api.h"
#include "conn.h"
#include "debug.h"
#include "flat.h"
#include "init.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * An event is built as the record in which it travels: sending it is a copy.
 */
struct bro_event {
    struct flat rec; /* struct link_event, the name, the arguments */
};

static struct link_event *
head(const BroEvent *be)
{
    return (struct link_event *)be->rec.data;
}

static size_t
args_at(const BroEvent *be)
{
    return sizeof(struct link_event) + flat_pad(head(be)->name_len + 1);
}

/**
 * Makes an event of that name, which is copied, without arguments. Its time is
 * the time of the call. The caller frees it with bro_event_free(), also after
 * sending it. Returns NULL when event_name is NULL, empty or longer than 65535
 * bytes, or memory is short.
 */
BRO_API BroEvent *
bro_event_new(const char *event_name)
{
    BroEvent *be;
    size_t len = event_name ? strlen(event_name) : 0;
    unsigned char *at;

    require_init("bro_event_new");
    if (len == 0 || len > UINT16_MAX)
        return NULL;
    be = calloc(1, sizeof *be);
    if (!be)
        return NULL;
    at = flat_grow(&be->rec, sizeof(struct link_event) + len + 1);
    if (!at) {
        free(be);
        return NULL;
    }
    memset(at, 0, sizeof(struct link_event));
    head(be)->name_len = (uint32_t)len;
    head(be)->time = bro_util_current_time();
    memcpy(at + sizeof(struct link_event), event_name, len + 1);
    return be;
}

/**
 * Frees an event. Values that were added to it were copied and stay the caller's.
 * NULL is allowed.
 */
BRO_API void
bro_event_free(BroEvent *be)
{
    if (!be)
        return;
    flat_free(&be->rec);
    free(be);
}

/**
 * Adds an argument: a deep copy of *val, whose C type goes with type
 * (BRO_TYPE_*). Ports are in host byte order, addresses in network byte order,
 * times and intervals in seconds. type_name names the type where Bro's scripts
 * do, as for enums; NULL otherwise. val and type_name stay the caller's.
 * Returns TRUE, or FALSE with the event as it was: when be or val is NULL, a
 * value of the type cannot be sent or is not valid, the event would get too
 * large, or memory is short.
 */
BRO_API int
bro_event_add_val(BroEvent *be, int type, const char *type_name, const void *val)
{
    if (!be || !flat_put(&be->rec, type, type_name, val))
        return FALSE;
    head(be)->num_args++;
    return TRUE;
}

/* The place of the nth argument. */
static size_t
nth_arg(const BroEvent *be, int n)
{
    size_t at = args_at(be);

    while (n-- > 0)
        at += ((struct flat_header *)(be->rec.data + at))->size;
    return at;
}

/**
 * Replaces argument val_num, counted from 0, by a deep copy of *val, whatever
 * type it had. type, type_name and val, which stay the caller's, have the
 * meaning that they have for bro_event_add_val(). Returns TRUE, or FALSE with
 * the event as it was: when there is no such argument, be or val is NULL, the
 * value cannot be sent or is not valid, or memory is short.
 */
BRO_API int
bro_event_set_val(BroEvent *be, int val_num, int type, const char *type_name, const void *val)
{
    struct flat fresh = {NULL, 0, 0};
    size_t at, old, tail;

    if (!be || val_num < 0 || (uint32_t)val_num >= head(be)->num_args)
        return FALSE;
    if (!flat_put(&fresh, type, type_name, val)) {
        flat_free(&fresh); /* it may have grown all the same */
        return FALSE;
    }
    at = nth_arg(be, val_num);
    old = ((struct flat_header *)(be->rec.data + at))->size;
    tail = be->rec.len - at - old;
    if (fresh.len > old && !flat_grow(&be->rec, fresh.len - old)) {
        flat_free(&fresh);
        return FALSE;
    }
    memmove(be->rec.data + at + fresh.len, be->rec.data + at + old, tail);
    memcpy(be->rec.data + at, fresh.data, fresh.len);
    be->rec.len = at + fresh.len + tail;
    flat_free(&fresh);
    return TRUE;
}

/**
 * Sends an event. TRUE means that the event was accepted and will be written
 * in the background (or that the peer did not ask for it), FALSE that it was
 * not: the queue is full, and the peer does not make room for it in time, or there is no connection
 * and neither BRO_CFLAG_RECONNECT nor BRO_CFLAG_ALWAYS_QUEUE was given. With the former the events
 * wait for the next connection once the first connect has been called, with the latter always. Or
 * the peer is a Zeek, and has no counterpart of a value. bro_event_error() (romanesco.h) has the
 * reason. The event stays the caller's. May be called from several threads.
 */
BRO_API int
bro_event_send(BroConn *bc, BroEvent *be)
{
    struct reason why;

    if (!bc)
        return FALSE;
    if (!be)
        return errors_refuse_unlocked(bc, REFUSED_NO_EVENT, 0);
    if (be->rec.len > LINK_EVENT_MAX)
        return errors_refuse_unlocked(bc, REFUSED_TOO_LARGE, be->rec.len);
    head(be)->rec.size = (uint32_t)be->rec.len;
    head(be)->rec.kind = LINK_EVENT;
    if (bc->zeek && !zeek_takes(head(be), &why)) {
        errors_refuse_for(bc, &why);
        DEBUG("%s", why.text);
        return FALSE;
    }
    return conn_put_event(bc, be->rec.data, be->rec.len);
}

/**
 * Sends an event as it came in: data_len bytes at data, from ev_start to ev_end
 * of a BroEvMeta. They are copied. TRUE means that the event was
 * accepted and will be written in the background, or that data_len is 0. FALSE
 * means that it was not: an argument is NULL, data_len is negative or too large,
 * memory is short, the queue is full, or the state of the connection does not
 * allow it, by the rules of bro_event_send(). Any thread may call this.
 */
BRO_API int
bro_event_send_raw(BroConn *bc, const uchar *data, int data_len)
{
    struct flat rec = {NULL, 0, 0};
    struct link_raw *raw;
    int ok;

    if (!bc)
        return FALSE;
    if (!data || data_len < 0)
        return errors_refuse_unlocked(bc, REFUSED_NO_EVENT, 0);
    if ((unsigned)data_len > LINK_EVENT_MAX)
        return errors_refuse_unlocked(bc, REFUSED_TOO_LARGE, (unsigned)data_len);
    if (data_len == 0)
        return TRUE;
    raw = flat_grow(&rec, sizeof *raw + 1 + (size_t)data_len);
    if (!raw)
        return errors_refuse_unlocked(bc, REFUSED_MEMORY, (unsigned)data_len);
    raw->rec.size = (uint32_t)rec.len;
    raw->rec.kind = LINK_RAW;
    raw->len = 1 + (uint64_t)data_len;
    *(char *)(raw + 1) = 'e';
    memcpy((char *)(raw + 1) + 1, data, (size_t)data_len);
    ok = conn_put_event(bc, rec.data, rec.len);
    flat_free(&rec);
    return ok;
}
