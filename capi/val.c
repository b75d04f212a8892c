#include "val.h"

#include "debug.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void
val_init(struct val *v)
{
    memset(v, 0, sizeof *v);
}

void
val_clear(struct val *v)
{
    switch (val_class(v)) {
    case CLASS_TEXT:
    case CLASS_NAME:
        free(v->u.str.str_val);
        break;
    case CLASS_RECORD:
        bro_record_free(v->u.rec);
        break;
    case CLASS_TABLE:
        bro_table_free(v->u.table);
        break;
    case CLASS_VECTOR:
        bro_vector_free(v->u.vec);
        break;
    default: /* nothing of it is elsewhere */
        break;
    }
    free(v->type_name);
    val_init(v);
}

int
val_port_ok(const BroPort *port)
{
    switch (port->port_proto) {
    case 0: /* what Bro calls unknown/0 */
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_ICMP:
        return port->port_num <= UINT16_MAX;
    }
    return FALSE;
}

int
val_subnet_ok(const BroSubnet *subnet)
{
    return subnet->sn_width <= (bro_util_is_v4_addr(&subnet->sn_net) ? 32u : 128u);
}

static int
copy_string(BroString *to, const BroString *from)
{
    const uchar *data = from->str_val;

    if (!data && from->str_len == 0)
        data = (const uchar *)""; /* as bro_string_init() leaves it */
    return from->str_len <= INT_MAX && bro_string_set_data(to, data, (int)from->str_len);
}

/*
 * Member by member: what is between them is then zero. The data may be at any
 * address: callers of the original got away with that.
 */
static int
copy_port(BroPort *to, const void *data)
{
    BroPort port;

    memcpy(&port, data, sizeof port);
    to->port_num = port.port_num;
    to->port_proto = port.port_proto;
    return val_port_ok(to);
}

static int
copy_subnet(BroSubnet *to, const void *data)
{
    memcpy(to, data, sizeof *to);
    return val_subnet_ok(to);
}

static int
copy_data(struct val *v, int type, const void *data)
{
    int flag;

    switch (type_class(type)) {
    case CLASS_NONE:
        break;
    case CLASS_BOOL:
        memcpy(&flag, data, sizeof flag);
        v->u.flag = flag != 0;
        return TRUE;
    case CLASS_INT:
        memcpy(&v->u.num, data, sizeof v->u.num);
        return TRUE;
    case CLASS_REAL:
        memcpy(&v->u.dbl, data, sizeof v->u.dbl);
        return TRUE;
    case CLASS_TEXT:
    case CLASS_NAME:
        return copy_string(&v->u.str, data);
    case CLASS_PORT:
        return copy_port(&v->u.port, data);
    case CLASS_ADDR:
        memcpy(&v->u.addr, data, sizeof v->u.addr);
        return TRUE;
    case CLASS_SUBNET:
        return copy_subnet(&v->u.subnet, data);
    case CLASS_RECORD:
        return (v->u.rec = record_copy(data)) != NULL;
    case CLASS_TABLE:
        return table_fits(data, type) && (v->u.table = table_copy(data)) != NULL;
    case CLASS_VECTOR:
        return (v->u.vec = vector_copy(data)) != NULL;
    }
    return FALSE;
}

static int
copy_any(struct val *v, int type, const char *type_name, const void *data)
{
    val_init(v);
    if (type_name && *type_name) {
        if (strlen(type_name) > UINT16_MAX)
            return FALSE;
        if (!(v->type_name = strdup(type_name)))
            return FALSE;
    }
    if (!copy_data(v, type, data)) {
        val_clear(v);
        return FALSE;
    }
    v->type = type;
    return TRUE;
}

int
val_set(struct val *v, int type, const char *type_name, const void *data)
{
    val_init(v);
    if (!data)
        return type == BRO_TYPE_UNKNOWN || type_sendable(type);
    if (!type_sendable(type)) {
        DEBUG("a value of type %d cannot be handed over", type);
        return FALSE;
    }
    if (!copy_any(v, type, type_name, data)) {
        DEBUG("the value of type %d is not valid, or memory is short", type);
        return FALSE;
    }
    return TRUE;
}

int
val_copy(struct val *v, const struct val *from)
{
    if (from->type == BRO_TYPE_UNKNOWN) {
        val_init(v);
        return TRUE;
    }
    return copy_any(v, from->type, from->type_name, val_data((struct val *)from));
}

void *
val_data(struct val *v)
{
    if (v->type == BRO_TYPE_UNKNOWN)
        return NULL;
    return val_contains(v) ? v->u.container : &v->u;
}

void *
val_read(struct val *v, int *type)
{
    int wanted = BRO_TYPE_UNKNOWN;

    if (type) {
        wanted = *type;
        if (wanted < BRO_TYPE_UNKNOWN || wanted >= BRO_TYPE_MAX)
            return NULL;
        *type = v->type;
    }
    if (wanted != BRO_TYPE_UNKNOWN && wanted != v->type) {
        DEBUG("a value of type %d was asked for, but it is of type %d", wanted, v->type);
        return NULL;
    }
    return val_data(v);
}

int
val_depth(const struct val *v)
{
    switch (val_class(v)) {
    case CLASS_RECORD:
        return v->u.rec->depth;
    case CLASS_TABLE:
        return v->u.table->depth;
    case CLASS_VECTOR:
        return v->u.vec->depth;
    default:
        return 0;
    }
}

void *
val_array_grow(void *array, int len, int *cap)
{
    void *grown;
    int more;

    if (len < *cap)
        return array;
    if (len > INT_MAX / 2)
        return NULL;
    more = len > 0 ? 2 * len : 4;
    if ((grown = realloc(array, (size_t)more * sizeof(void *))))
        *cap = more;
    return grown;
}
