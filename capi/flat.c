#include "flat.h"

#include <stdlib.h>
#include <string.h>

#include "debug.h"
#include "link.h"
#include "val.h"

/* What is left of a value or of several while they are read. */
struct reader {
    const unsigned char *p;
    const unsigned char *end;
};

/* These call each other over and over; FLAT_MAX_DEPTH stops them. */
static int put_payload(struct flat *f, int type, const void *data, int depth);
static int get_value(struct reader *r, struct val *v, int depth);

__attribute__((noinline, cold)) static int
enlarge(struct flat *f, size_t need)
{
    size_t cap = f->cap > 0 ? 2 * f->cap : 1024;
    unsigned char *data;

    while (cap < need)
        cap *= 2;
    if (!(data = realloc(f->data, cap)))
        return FALSE;
    f->data = data;
    f->cap = cap;
    return TRUE;
}

void *
flat_grow(struct flat *f, size_t n)
{
    size_t room = flat_pad(n);
    unsigned char *p;

    if (n > LINK_EVENT_MAX || f->len + room > LINK_EVENT_MAX)
        return NULL;
    if ((f->len + room > f->cap || !f->data) && !enlarge(f, f->len + room))
        return NULL;
    p = f->data + f->len;
    f->len += room;
    if (room > 0)
        memset(p + room - 8, 0, 8);
    return p;
}

void
flat_free(struct flat *f)
{
    free(f->data);
    memset(f, 0, sizeof(*f));
}

static int
put_bytes(struct flat *f, const void *data, size_t len)
{
    void *p = flat_grow(f, len);

    if (!p)
        return FALSE;
    memcpy(p, data, len);
    return TRUE;
}

static int
put_bool(struct flat *f, const void *data)
{
    uint64_t *p = flat_grow(f, sizeof(*p));
    int flag;

    if (!p)
        return FALSE;
    memcpy(&flag, data, sizeof(flag));
    *p = flag != 0;
    return TRUE;
}

static int
put_string(struct flat *f, const BroString *str)
{
    unsigned char *p;

    if (!str->str_val && str->str_len > 0)
        return FALSE;
    if (!(p = flat_grow(f, sizeof(uint32_t) + (size_t)str->str_len + 1)))
        return FALSE;
    memcpy(p, &str->str_len, sizeof(uint32_t));
    if (str->str_len > 0)
        memcpy(p + sizeof(uint32_t), str->str_val, str->str_len);
    return TRUE;
}

/* Member by member, so that what is between them is zero. */
static int
put_port(struct flat *f, const void *data)
{
    BroPort *p, port;

    memcpy(&port, data, sizeof(port));
    if (!val_port_ok(&port) || !(p = flat_grow(f, sizeof(*p))))
        return FALSE;
    p->port_num = port.port_num;
    p->port_proto = port.port_proto;
    return TRUE;
}

static int
put_subnet(struct flat *f, const void *data)
{
    BroSubnet subnet;

    memcpy(&subnet, data, sizeof(subnet));
    return val_subnet_ok(&subnet) && put_bytes(f, &subnet, sizeof(subnet));
}

static int
put_count(struct flat *f, int count)
{
    struct flat_list list = {(uint32_t)count, 0};

    return put_bytes(f, &list, sizeof(list));
}

/* data is NULL for a value that is not set. */
static int
put_value(struct flat *f, int type, const char *type_name, const void *data, int depth)
{
    size_t start = f->len;
    size_t name_len = type_name ? strlen(type_name) : 0;
    struct flat_header *h;

    if (depth > FLAT_MAX_DEPTH || name_len > UINT16_MAX)
        return FALSE;
    if (!(h = flat_grow(f, sizeof(*h) + (name_len > 0 ? name_len + 1 : 0))))
        return FALSE;
    h->type = (uint8_t)type;
    h->reserved = 0;
    h->name_len = (uint16_t)name_len;
    if (name_len > 0)
        memcpy(h + 1, type_name, name_len + 1);
    if (data && !put_payload(f, type, data, depth))
        return FALSE;
    h = (struct flat_header *)(void *)(f->data + start); /* it may have moved */
    h->size = (uint32_t)(f->len - start);
    return TRUE;
}

static int
put_val(struct flat *f, struct val *v, int depth)
{
    return put_value(f, v->type, v->type_name, val_data(v), depth);
}

static int
put_record(struct flat *f, const BroRecord *rec, int depth)
{
    int i;

    if (!put_count(f, rec->len))
        return FALSE;
    for (i = 0; i < rec->len; i++) {
        struct field *field = rec->fields[i];
        BroString name = {(uint32)strlen(field->name), (uchar *)field->name};

        if (!put_value(f, BRO_TYPE_STRING, NULL, &name, depth + 1) ||
            !put_val(f, &field->val, depth + 1))
            return FALSE;
    }
    return TRUE;
}

/* The parts of an index, all of which are set, without their names. */
static int
put_list(struct flat *f, const BroRecord *rec, int depth)
{
    int i;

    if (!put_count(f, rec->len))
        return FALSE;
    for (i = 0; i < rec->len; i++) {
        struct val *v = &rec->fields[i]->val;

        if (v->type == BRO_TYPE_UNKNOWN || !put_val(f, v, depth + 1))
            return FALSE;
    }
    return TRUE;
}

static int
put_vector(struct flat *f, const BroVector *vec, int depth)
{
    int i;

    if (!put_count(f, vec->len))
        return FALSE;
    for (i = 0; i < vec->len; i++) {
        if (!put_val(f, vec->elems[i], depth + 1))
            return FALSE;
    }
    return TRUE;
}

/* Keys, and for a table each followed by its value. */
static int
put_table(struct flat *f, const BroTable *tbl, int depth)
{
    int i;

    if (!put_count(f, tbl->len))
        return FALSE;
    for (i = 0; i < tbl->len; i++) {
        struct entry *entry = tbl->entries[i];

        if (!put_val(f, &entry->key, depth + 1))
            return FALSE;
        if (entry->val.type != BRO_TYPE_UNKNOWN && !put_val(f, &entry->val, depth + 1))
            return FALSE;
    }
    return TRUE;
}

static int
put_payload(struct flat *f, int type, const void *data, int depth)
{
    switch (type) {
    case BRO_TYPE_BOOL:
        return put_bool(f, data);
    case BRO_TYPE_INT:
    case BRO_TYPE_COUNT:
    case BRO_TYPE_COUNTER:
    case BRO_TYPE_ENUM:
    case BRO_TYPE_DOUBLE:
    case BRO_TYPE_TIME:
    case BRO_TYPE_INTERVAL:
        return put_bytes(f, data, 8);
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
        return put_string(f, data);
    case BRO_TYPE_PORT:
        return put_port(f, data);
    case BRO_TYPE_IPADDR:
        return put_bytes(f, data, sizeof(BroAddr));
    case BRO_TYPE_SUBNET:
        return put_subnet(f, data);
    case BRO_TYPE_RECORD:
        return put_record(f, data, depth);
    case BRO_TYPE_LIST:
        return put_list(f, data, depth);
    case BRO_TYPE_TABLE:
        return !table_has_members(data) && put_table(f, data, depth);
    case BRO_TYPE_SET:
        return !table_has_values(data) && put_table(f, data, depth);
    case BRO_TYPE_VECTOR:
        return put_vector(f, data, depth);
    }
    DEBUG("a value of type %d cannot be sent", type);
    return FALSE;
}

int
flat_put(struct flat *f, int type, const char *type_name, const void *data)
{
    size_t start = f->len;

    if (data && put_value(f, type, type_name, data, 0))
        return TRUE;
    f->len = start;
    return FALSE;
}

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
static size_t
plain_size(int type)
{
    switch (type) {
    case BRO_TYPE_INT:
    case BRO_TYPE_COUNT:
    case BRO_TYPE_COUNTER:
    case BRO_TYPE_ENUM:
        return sizeof(uint64_t);
    case BRO_TYPE_DOUBLE:
    case BRO_TYPE_TIME:
    case BRO_TYPE_INTERVAL:
        return sizeof(double);
    case BRO_TYPE_PORT:
        return sizeof(BroPort);
    case BRO_TYPE_IPADDR:
        return sizeof(BroAddr);
    case BRO_TYPE_SUBNET:
        return sizeof(BroSubnet);
    }
    return 0;
}

static int
get_bool(struct reader *r, struct val *v)
{
    uint64_t bits;

    if (!get_bytes(r, &bits, sizeof(bits)))
        return FALSE;
    v->u.flag = bits != 0;
    return TRUE;
}

/* The bytes of a string, in place. */
static const uchar *
take_string(struct reader *r, uint32_t *len)
{
    const unsigned char *p;

    if (left(r) < sizeof(*len))
        return NULL;
    memcpy(len, r->p, sizeof(*len));
    if (*len > LINK_EVENT_MAX || !(p = take(r, sizeof(*len) + (size_t)*len + 1)))
        return NULL;
    return p + sizeof(*len);
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

    if (!get_bytes(r, &list, sizeof(list)))
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
    if (left(r) < sizeof(*h) || h->size < sizeof(*h) || h->size % 8 != 0 || h->size > left(r))
        return NULL;
    r->end = r->p + h->size;
    r->p += sizeof(*h);
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
    size_t n = plain_size(type);

    if (n > 0)
        return get_bytes(r, &v->u, n);
    switch (type) {
    case BRO_TYPE_UNKNOWN:
        return TRUE;
    case BRO_TYPE_BOOL:
        return get_bool(r, v);
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
    case BRO_TYPE_FILE:
    case BRO_TYPE_FUNC:
        return get_string(r, &v->u.str);
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return get_record(r, v, type, depth);
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        return get_table(r, v, type, depth);
    case BRO_TYPE_VECTOR:
        return get_vector(r, v, depth);
    }
    return FALSE;
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

static int
is_text(int type)
{
    return type == BRO_TYPE_STRING || type == BRO_TYPE_PATTERN || type == BRO_TYPE_FILE ||
           type == BRO_TYPE_FUNC;
}

const unsigned char *
flat_arg(const unsigned char *p, const unsigned char *end, BroEvArg *arg, struct val *v)
{
    struct reader value = {p, end};
    const char *type_name;
    const struct flat_header *h = open_value(&value, &type_name);
    size_t n = h ? plain_size(h->type) : 0;

    if (n > 0 && (arg->arg_data = (void *)take(&value, n))) {
        arg->arg_type = h->type;
        return p + h->size;
    }
    if (h && is_text(h->type) &&
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
    size_t head = sizeof(*h);

    if (h->name_len > 0)
        head += flat_pad((size_t)h->name_len + 1);
    *len = h->size - head;
    return p + head;
}
