#include "hash.h"

#include "val.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

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
    if (getrandom(sip_key, sizeof sip_key, GRND_NONBLOCK) != (ssize_t)sizeof sip_key) {
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
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* Scalars as up to three words; their number, or 0 for all other types. */
static int
scalar_words(enum type_class class, const void *data, uint64_t words[3])
{
    BroPort port;
    double dbl;
    int flag;

    words[0] = words[1] = words[2] = 0;
    switch (class) {
    case CLASS_BOOL:
        memcpy(&flag, data, sizeof flag);
        words[0] = flag != 0;
        return 1;
    case CLASS_INT:
        memcpy(words, data, sizeof words[0]);
        return 1;
    case CLASS_REAL:
        memcpy(&dbl, data, sizeof dbl);
        words[0] = double_bits(dbl);
        return 1;
    case CLASS_PORT:
        memcpy(&port, data, sizeof port);
        words[0] = port.port_num;
        words[1] = (uint64_t)port.port_proto;
        return 2;
    case CLASS_ADDR:
        memcpy(words, data, sizeof(BroAddr));
        return 2;
    case CLASS_SUBNET:
        memcpy(words, data, sizeof(BroSubnet));
        return 3;
    default:
        return 0;
    }
}

static void
hash_data(struct sip *s, int type, const void *data)
{
    enum type_class class = type_class(type);
    uint64_t words[3];
    int i, n;

    switch (class) {
    case CLASS_TEXT:
    case CLASS_NAME:
        sip_bytes(s, ((const BroString *)data)->str_val, ((const BroString *)data)->str_len);
        break;
    case CLASS_RECORD:
        hash_record(s, data);
        break;
    case CLASS_TABLE:
        hash_table(s, data);
        break;
    case CLASS_VECTOR:
        hash_vector(s, data);
        break;
    default:
        n = scalar_words(class, data, words);
        for (i = 0; i < n; i++)
            sip_word(s, words[i]);
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
    enum type_class class = type_class(type);
    uint64_t x[3], y[3];

    switch (class) {
    case CLASS_TEXT:
    case CLASS_NAME:
        return strings_equal(a, b);
    case CLASS_RECORD:
        return records_equal(a, b);
    case CLASS_TABLE:
        return tables_equal(a, b);
    case CLASS_VECTOR:
        return vectors_equal(a, b);
    default:
        return scalar_words(class, a, x) > 0 && scalar_words(class, b, y) > 0 &&
               memcmp(x, y, sizeof x) == 0;
    }
}
