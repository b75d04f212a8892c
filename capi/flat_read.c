/*
 * Reading flat values. They may come from a peer that lies: whatever does not
 * hold together is refused.
 */
#include "flat.h"

#include "debug.h"
#include "shared.h"
#include "type.h"
#include "val.h"

#include <string.h>

/* What is left of a value or of several while they are read. */
struct reader {
    const unsigned char *p;
    const unsigned char *end;
};

/* This and get_payload call each other over and over; FLAT_MAX_DEPTH stops them. */
static int get_value(struct reader *r, struct val *v, int depth);

static size_t
left(const struct reader *r)
{
    return (size_t)(r->end - r->p);
}

/* The next n bytes, padding included, or NULL. */
static const void *
take(struct reader *r, size_t n)
{
    const unsigned char *p = r->p;

    if (flat_pad(n) > left(r))
        return NULL;
    r->p += flat_pad(n);
    return p;
}

static int
get_bytes(struct reader *r, void *to, size_t n)
{
    const void *p = take(r, n);

    if (!p)
        return FALSE;
    memcpy(to, p, n);
    return TRUE;
}

/* The size of values that are the same bytes here and in the ABI; 0 for others. */
static size_t plain_size(enum type_class class)
{
    switch (class) {
    case CLASS_INT:
        return sizeof(uint64_t);
    case CLASS_REAL:
        return sizeof(double);
    case CLASS_PORT:
        return sizeof(BroPort);
    case CLASS_ADDR:
        return sizeof(BroAddr);
    case CLASS_SUBNET:
        return sizeof(BroSubnet);
    default:
        return 0;
    }
}

static int
get_bool(struct reader *r, struct val *v)
{
    uint64_t bits;

    if (!get_bytes(r, &bits, sizeof bits))
        return FALSE;
    v->u.flag = bits != 0;
    return TRUE;
}

/* The bytes of a string, in place. */
static const uchar *
take_string(struct reader *r, uint32_t *len)
{
    const unsigned char *p;

    if (left(r) < sizeof *len)
        return NULL;
    memcpy(len, r->p, sizeof *len);
    if (*len > LINK_EVENT_MAX || !(p = take(r, sizeof *len + (size_t)*len + 1)))
        return NULL;
    return p + sizeof *len;
}

static int
get_string(struct reader *r, BroString *str)
{
    uint32_t len;
    const uchar *p = take_string(r, &len);

    return p && bro_string_set_data(str, p, (int)len);
}

/* The number of members; each has a header at least. */
static int
get_count(struct reader *r, uint32_t *count)
{
    struct flat_list list;

    if (!get_bytes(r, &list, sizeof list))
        return FALSE;
    *count = list.count;
    return list.count <= left(r) / sizeof(struct flat_header);
}

/* Narrows r to the payload of the value that it begins with, and returns its header. */
static const struct flat_header *
open_value(struct reader *r, const char **type_name)
{
    const struct flat_header *h = (const void *)r->p;

    *type_name = NULL;
    if (left(r) < sizeof *h || h->size < sizeof *h || h->size % 8 != 0 || h->size > left(r))
        return NULL;
    r->end = r->p + h->size;
    r->p += sizeof *h;
    if (h->name_len > 0) {
        *type_name = take(r, (size_t)h->name_len + 1);
        if (!*type_name || (*type_name)[h->name_len] != '\0')
            return NULL;
    }
    return h;
}

/* The name of a field, which is a string value before the field. */
static int
get_name(struct reader *r, const uchar **name, uint32_t *len)
{
    struct reader value = *r;
    const char *type_name;
    const struct flat_header *h = open_value(&value, &type_name);

    if (!h || h->type != BRO_TYPE_STRING || !(*name = take_string(&value, len)))
        return FALSE;
    r->p += h->size;
    return TRUE;
}

/* A record, or a list, whose fields have no names. */
static int
get_record(struct reader *r, struct val *v, int type, int depth)
{
    uint32_t i, count;

    if (!(v->u.rec = bro_record_new()))
        return FALSE;
    v->type = type;
    if (!get_count(r, &count))
        return FALSE;
    for (i = 0; i < count; i++) {
        const uchar *name = (const uchar *)"";
        uint32_t len = 0;
        struct val field;

        if (type == BRO_TYPE_RECORD && !get_name(r, &name, &len))
            return FALSE;
        if (!get_value(r, &field, depth + 1))
            return FALSE;
        if (!record_add(v->u.rec, (const char *)name, len, &field)) {
            val_clear(&field);
            return FALSE;
        }
    }
    return TRUE;
}

static int
get_vector(struct reader *r, struct val *v, int depth)
{
    uint32_t i, count;

    if (!(v->u.vec = bro_vector_new()))
        return FALSE;
    v->type = BRO_TYPE_VECTOR;
    if (!get_count(r, &count))
        return FALSE;
    for (i = 0; i < count; i++) {
        struct val elem;

        if (!get_value(r, &elem, depth + 1))
            return FALSE;
        if (!vector_add(v->u.vec, &elem)) {
            val_clear(&elem);
            return FALSE;
        }
    }
    return TRUE;
}

/*
 * All keys have to be of one type, and so have all values: callers look at the
 * types of the table once, and then take every pointer for one to these.
 */
static int
get_entry(struct reader *r, BroTable *tbl, int type, int depth)
{
    struct val key, v;
    int ok;

    val_init(&v);
    if (!get_value(r, &key, depth + 1))
        return FALSE;
    ok = type == BRO_TYPE_SET || (get_value(r, &v, depth + 1) && v.type != BRO_TYPE_UNKNOWN);
    if (ok && table_put(tbl, &key, &v))
        return TRUE;
    val_clear(&key);
    val_clear(&v);
    return FALSE;
}

static int
get_table(struct reader *r, struct val *v, int type, int depth)
{
    uint32_t i, count;

    if (!(v->u.table = bro_table_new()))
        return FALSE;
    v->type = type;
    if (!get_count(r, &count))
        return FALSE;
    for (i = 0; i < count; i++) {
        if (!get_entry(r, v->u.table, type, depth))
            return FALSE;
    }
    return TRUE;
}

/*
 * Containers set their type themselves, as soon as there is something to clear;
 * get_value sets that of all others.
 */
static int
get_payload(struct reader *r, struct val *v, int type, int depth)
{
    enum type_class class = type_class(type);

    switch (class) {
    case CLASS_NONE:
        return type == BRO_TYPE_UNKNOWN;
    case CLASS_BOOL:
        return get_bool(r, v);
    case CLASS_TEXT:
    case CLASS_NAME:
        return get_string(r, &v->u.str);
    case CLASS_RECORD:
        return get_record(r, v, type, depth);
    case CLASS_TABLE:
        return get_table(r, v, type, depth);
    case CLASS_VECTOR:
        return get_vector(r, v, depth);
    default:
        return get_bytes(r, &v->u, plain_size(class));
    }
}

/* On FALSE v is cleared. */
static int
get_value(struct reader *r, struct val *v, int depth)
{
    struct reader value = *r;
    const char *type_name;
    const struct flat_header *h = open_value(&value, &type_name);

    val_init(v);
    if (!h || depth > FLAT_MAX_DEPTH || !get_payload(&value, v, h->type, depth))
        goto fail;
    v->type = h->type;
    if (type_name && v->type != BRO_TYPE_UNKNOWN && !(v->type_name = strdup(type_name)))
        goto fail;
    r->p += h->size;
    return TRUE;
fail:
    val_clear(v);
    return FALSE;
}

const unsigned char *
flat_get(const unsigned char *p, const unsigned char *end, struct val *v)
{
    struct reader r = {p, end};

    if (get_value(&r, v, 0))
        return r.p;
    DEBUG("a value cannot be handed out: it is not valid, or memory is short");
    return NULL;
}

const unsigned char *
flat_arg(const unsigned char *p, const unsigned char *end, BroEvArg *arg, struct val *v)
{
    struct reader value = {p, end};
    const char *type_name;
    const struct flat_header *h = open_value(&value, &type_name);
    enum type_class class = h ? type_class(h->type) : CLASS_NONE;
    size_t n = plain_size(class);

    if (n > 0 && (arg->arg_data = (void *)take(&value, n))) {
        arg->arg_type = h->type;
        return p + h->size;
    }
    if ((class == CLASS_TEXT || class == CLASS_NAME) &&
        (v->u.str.str_val = (uchar *)take_string(&value, &v->u.str.str_len))) {
        arg->arg_type = h->type;
        arg->arg_data = &v->u.str;
        return p + h->size;
    }
    p = flat_get(p, end, v);
    arg->arg_type = v->type;
    arg->arg_data = val_data(v);
    return p;
}

const unsigned char *
flat_payload(const unsigned char *p, size_t *len)
{
    const struct flat_header *h = (const void *)p;
    size_t head = sizeof *h;

    if (h->name_len > 0)
        head += flat_pad((size_t)h->name_len + 1);
    *len = h->size - head;
    return p + head;
}
