#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "val.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "debug.h"
#include "flat.h"

void
val_init(struct val *v)
{
    memset(v, 0, sizeof(*v));
}

void
val_clear(struct val *v)
{
    switch (v->type) {
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
    case BRO_TYPE_FILE:
    case BRO_TYPE_FUNC:
        free(v->u.str.str_val);
        break;
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        bro_record_free(v->u.rec);
        break;
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        bro_table_free(v->u.table);
        break;
    case BRO_TYPE_VECTOR:
        bro_vector_free(v->u.vec);
        break;
    }
    free(v->type_name);
    val_init(v);
}

int
val_type_known(int type)
{
    switch (type) {
    case BRO_TYPE_TIMER:
    case BRO_TYPE_ANY:
    case BRO_TYPE_UNION:
    case BRO_TYPE_FUNC:
    case BRO_TYPE_FILE:
    case BRO_TYPE_ERROR:
    case BRO_TYPE_PACKET:
        return FALSE;
    }
    return type > BRO_TYPE_UNKNOWN && type < BRO_TYPE_MAX;
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

    memcpy(&port, data, sizeof(port));
    to->port_num = port.port_num;
    to->port_proto = port.port_proto;
    return val_port_ok(to);
}

static int
copy_subnet(BroSubnet *to, const void *data)
{
    memcpy(to, data, sizeof(*to));
    return val_subnet_ok(to);
}

static int
copy_data(struct val *v, int type, const void *data)
{
    int flag;

    switch (type) {
    case BRO_TYPE_BOOL:
        memcpy(&flag, data, sizeof(flag));
        v->u.flag = flag != 0;
        return TRUE;
    case BRO_TYPE_INT:
    case BRO_TYPE_COUNT:
    case BRO_TYPE_COUNTER:
    case BRO_TYPE_ENUM:
        memcpy(&v->u.num, data, sizeof(v->u.num));
        return TRUE;
    case BRO_TYPE_DOUBLE:
    case BRO_TYPE_TIME:
    case BRO_TYPE_INTERVAL:
        memcpy(&v->u.dbl, data, sizeof(v->u.dbl));
        return TRUE;
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
    case BRO_TYPE_FILE:
    case BRO_TYPE_FUNC:
        return copy_string(&v->u.str, data);
    case BRO_TYPE_PORT:
        return copy_port(&v->u.port, data);
    case BRO_TYPE_IPADDR:
        memcpy(&v->u.addr, data, sizeof(v->u.addr));
        return TRUE;
    case BRO_TYPE_SUBNET:
        return copy_subnet(&v->u.subnet, data);
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return (v->u.rec = record_copy(data)) != NULL;
    case BRO_TYPE_TABLE:
        return !table_has_members(data) && (v->u.table = table_copy(data)) != NULL;
    case BRO_TYPE_SET:
        return !table_has_values(data) && (v->u.table = table_copy(data)) != NULL;
    case BRO_TYPE_VECTOR:
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
        return type == BRO_TYPE_UNKNOWN || val_type_known(type);
    if (!val_type_known(type)) {
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
    switch (v->type) {
    case BRO_TYPE_UNKNOWN:
        return NULL;
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return v->u.rec;
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        return v->u.table;
    case BRO_TYPE_VECTOR:
        return v->u.vec;
    }
    return &v->u;
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
    switch (v->type) {
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return v->u.rec->depth;
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        return v->u.table->depth;
    case BRO_TYPE_VECTOR:
        return v->u.vec->depth;
    }
    return 0;
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

/*
 * Hashing is SipHash-1-3 over 64-bit words, with a key that differs in each
 * process: what a peer sends must not be able to make a table slow.
 */
struct sip {
    uint64_t v[4];
};

static uint64_t sip_key[2];

static void
sip_make_key(void)
{
    if (getrandom(sip_key, sizeof(sip_key), GRND_NONBLOCK) != (ssize_t)sizeof(sip_key)) {
        struct timespec now = {0, 0};

        clock_gettime(CLOCK_MONOTONIC, &now); /* early at boot: the best there is */
        sip_key[0] = (uint64_t)(uintptr_t)&now ^ (uint64_t)now.tv_sec << 32;
        sip_key[1] = (uint64_t)(uintptr_t)sip_make_key ^ (uint64_t)now.tv_nsec;
    }
}

static uint64_t
rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void
sip_init(struct sip *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, sip_make_key);
    s->v[0] = sip_key[0] ^ 0x736f6d6570736575u;
    s->v[1] = sip_key[1] ^ 0x646f72616e646f6du;
    s->v[2] = sip_key[0] ^ 0x6c7967656e657261u;
    s->v[3] = sip_key[1] ^ 0x7465646279746573u;
}

static void
sip_word(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_round(s->v);
    s->v[0] ^= word;
}

/* The bytes, and before them how many there are. */
static void
sip_bytes(struct sip *s, const void *data, size_t len)
{
    const unsigned char *p = data;

    sip_word(s, len);
    while (len > 0) {
        size_t n = len < 8 ? len : 8;
        uint64_t word = 0;

        memcpy(&word, p, n);
        sip_word(s, word);
        p += n;
        len -= n;
    }
}

static uint64_t
sip_end(struct sip *s)
{
    int i;

    s->v[2] ^= 0xff;
    for (i = 0; i < 3; i++)
        sip_round(s->v);
    return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

static void hash_data(struct sip *s, int type, const void *data);

static void
hash_val(struct sip *s, struct val *v)
{
    sip_word(s, (uint64_t)v->type);
    if (v->type != BRO_TYPE_UNKNOWN)
        hash_data(s, v->type, val_data(v));
}

/* The order of the entries does not count. */
static void
hash_table(struct sip *s, const BroTable *tbl)
{
    uint64_t sum = 0;
    int i;

    for (i = 0; i < tbl->len; i++)
        sum += tbl->entries[i]->hash;
    sip_word(s, (uint64_t)tbl->len);
    sip_word(s, sum);
}

static void
hash_record(struct sip *s, const BroRecord *rec)
{
    int i;

    sip_word(s, (uint64_t)rec->len);
    for (i = 0; i < rec->len; i++)
        hash_val(s, &rec->fields[i]->val);
}

static void
hash_vector(struct sip *s, const BroVector *vec)
{
    int i;

    sip_word(s, (uint64_t)vec->len);
    for (i = 0; i < vec->len; i++)
        hash_val(s, vec->elems[i]);
}

/* What is equal must hash the same: 0.0 and -0.0 are, NaNs are by their bits. */
static uint64_t
double_bits(double d)
{
    uint64_t bits;

    if (d == 0)
        return 0;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

/* Scalars as up to three words; their number, or 0 for all other types. */
static int
scalar_words(int type, const void *data, uint64_t words[3])
{
    BroPort port;
    double dbl;
    int flag;

    words[0] = words[1] = words[2] = 0;
    switch (type) {
    case BRO_TYPE_BOOL:
        memcpy(&flag, data, sizeof(flag));
        words[0] = flag != 0;
        return 1;
    case BRO_TYPE_INT:
    case BRO_TYPE_COUNT:
    case BRO_TYPE_COUNTER:
    case BRO_TYPE_ENUM:
        memcpy(words, data, 8);
        return 1;
    case BRO_TYPE_DOUBLE:
    case BRO_TYPE_TIME:
    case BRO_TYPE_INTERVAL:
        memcpy(&dbl, data, sizeof(dbl));
        words[0] = double_bits(dbl);
        return 1;
    case BRO_TYPE_PORT:
        memcpy(&port, data, sizeof(port));
        words[0] = port.port_num;
        words[1] = (uint64_t)port.port_proto;
        return 2;
    case BRO_TYPE_IPADDR:
        memcpy(words, data, sizeof(BroAddr));
        return 2;
    case BRO_TYPE_SUBNET:
        memcpy(words, data, sizeof(BroSubnet));
        return 3;
    }
    return 0;
}

static void
hash_data(struct sip *s, int type, const void *data)
{
    uint64_t words[3];
    int i, n = scalar_words(type, data, words);

    for (i = 0; i < n; i++)
        sip_word(s, words[i]);
    switch (type) {
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
    case BRO_TYPE_FILE:
    case BRO_TYPE_FUNC:
        sip_bytes(s, ((const BroString *)data)->str_val, ((const BroString *)data)->str_len);
        break;
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        hash_record(s, data);
        break;
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        hash_table(s, data);
        break;
    case BRO_TYPE_VECTOR:
        hash_vector(s, data);
        break;
    }
}

uint64_t
val_hash(int type, const void *data)
{
    struct sip s;

    sip_init(&s);
    hash_data(&s, type, data);
    return sip_end(&s);
}

static int
vals_equal(struct val *a, struct val *b)
{
    if (a->type != b->type)
        return FALSE;
    return a->type == BRO_TYPE_UNKNOWN || val_equal(a->type, val_data(a), val_data(b));
}

static int
records_equal(const BroRecord *a, const BroRecord *b)
{
    int i;

    if (a->len != b->len)
        return FALSE;
    for (i = 0; i < a->len; i++) {
        if (!vals_equal(&a->fields[i]->val, &b->fields[i]->val))
            return FALSE;
    }
    return TRUE;
}

static int
vectors_equal(const BroVector *a, const BroVector *b)
{
    int i;

    if (a->len != b->len)
        return FALSE;
    for (i = 0; i < a->len; i++) {
        if (!vals_equal(a->elems[i], b->elems[i]))
            return FALSE;
    }
    return TRUE;
}

static int
tables_equal(const BroTable *a, const BroTable *b)
{
    int i;

    if (a->len != b->len || a->key_type != b->key_type || a->val_type != b->val_type)
        return FALSE;
    for (i = 0; i < a->len; i++) {
        struct entry *other = table_lookup(b, val_data(&a->entries[i]->key));

        if (!other || !vals_equal(&a->entries[i]->val, &other->val))
            return FALSE;
    }
    return TRUE;
}

static int
strings_equal(const BroString *a, const BroString *b)
{
    if (a->str_len != b->str_len)
        return FALSE;
    return a->str_len == 0 || memcmp(a->str_val, b->str_val, a->str_len) == 0;
}

int
val_equal(int type, const void *a, const void *b)
{
    uint64_t x[3], y[3];

    switch (type) {
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
    case BRO_TYPE_FILE:
    case BRO_TYPE_FUNC:
        return strings_equal(a, b);
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return records_equal(a, b);
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        return tables_equal(a, b);
    case BRO_TYPE_VECTOR:
        return vectors_equal(a, b);
    }
    return scalar_words(type, a, x) > 0 && scalar_words(type, b, y) > 0 &&
           memcmp(x, y, sizeof(x)) == 0;
}
