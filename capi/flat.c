/* Writing flat values; flat_read.c reads them. */
#include "flat.h"

#include "debug.h"
#include "shared.h"
#include "type.h"
#include "val.h"

#include <stdlib.h>
#include <string.h>

/* This and put_value call each other over and over; FLAT_MAX_DEPTH stops them. */
static int put_payload(struct flat *f, int type, const void *data, int depth);

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

    if (n == 0 || n > LINK_EVENT_MAX || f->len + room > LINK_EVENT_MAX)
        return NULL;
    if (f->len + room > f->cap && !enlarge(f, f->len + room))
        return NULL;
    p = f->data + f->len;
    f->len += room;
    memset(p + room - 8, 0, 8);
    return p;
}

void
flat_free(struct flat *f)
{
    free(f->data);
    memset(f, 0, sizeof *f);
}

/* Most values go through here: the compiler is not to make a call of it. */
static inline int
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
    uint64_t *p = flat_grow(f, sizeof *p);
    int flag;

    if (!p)
        return FALSE;
    memcpy(&flag, data, sizeof flag);
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

    memcpy(&port, data, sizeof port);
    if (!val_port_ok(&port) || !(p = flat_grow(f, sizeof *p)))
        return FALSE;
    p->port_num = port.port_num;
    p->port_proto = port.port_proto;
    return TRUE;
}

static int
put_subnet(struct flat *f, const void *data)
{
    BroSubnet subnet;

    memcpy(&subnet, data, sizeof subnet);
    return val_subnet_ok(&subnet) && put_bytes(f, &subnet, sizeof subnet);
}

static int
put_count(struct flat *f, int count)
{
    struct flat_list list = {(uint32_t)count, 0};

    return put_bytes(f, &list, sizeof list);
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
    if (!(h = flat_grow(f, sizeof *h + (name_len > 0 ? name_len + 1 : 0))))
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
    switch (type_class(type)) {
    case CLASS_NONE:
    case CLASS_NAME:
        break;
    case CLASS_BOOL:
        return put_bool(f, data);
    case CLASS_INT:
    case CLASS_REAL:
        return put_bytes(f, data, 8);
    case CLASS_TEXT:
        return put_string(f, data);
    case CLASS_PORT:
        return put_port(f, data);
    case CLASS_ADDR:
        return put_bytes(f, data, sizeof(BroAddr));
    case CLASS_SUBNET:
        return put_subnet(f, data);
    case CLASS_RECORD:
        return type == BRO_TYPE_LIST ? put_list(f, data, depth) : put_record(f, data, depth);
    case CLASS_TABLE:
        return table_fits(data, type) && put_table(f, data, depth);
    case CLASS_VECTOR:
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
