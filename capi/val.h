/*
 * A value that the library owns, and the containers that are made of such.
 *
 * A value is kept in the form in which the ABI hands it over, so that a
 * pointer to the inside of one is what a caller gets to see:
 *
 *   bool                             int, with zeros up to 64 bits behind it
 *   int, count, counter, enum        uint64
 *   double, time, interval           double
 *   string, pattern, file, func      BroString
 *   port, addr, subnet               BroPort, BroAddr, BroSubnet
 *   record, list                     BroRecord
 *   table, set                       BroTable
 *   vector                           BroVector
 *
 * Members of containers are allocated one by one: a pointer that a caller got
 * stays good while more is added, until the member itself is replaced.
 *
 * Nothing here locks. Values belong to one thread at a time.
 */
#ifndef ROMANESCO_VAL_H
#define ROMANESCO_VAL_H

#include <stddef.h>
#include <stdint.h>

#include "api.h"

struct val {
    int type;        /* BRO_TYPE_*; BRO_TYPE_UNKNOWN is not set */
    char *type_name; /* or NULL */
    union {
        int flag;
        uint64_t num;
        double dbl;
        BroString str;
        BroPort port;
        BroAddr addr;
        BroSubnet subnet;
        BroRecord *rec;
        BroTable *table;
        BroVector *vec;
    } u;
};

struct field {
    struct val val;
    char name[];
};

/* In all containers, depth is how deep their members have ever nested. */
struct bro_record {
    struct field **fields;
    int len;
    int cap;
    int depth;
};

struct bro_vector {
    struct val **elems;
    int len;
    int cap;
    int depth;
};

struct entry {
    uint64_t hash;
    struct val key;
    struct val val; /* not set in a set */
};

/* A table or a set: the entries in the order in which they came, and an index. */
struct bro_table {
    struct entry **entries;
    int len;
    int cap;
    int depth;
    int key_type;       /* BRO_TYPE_UNKNOWN while it is empty */
    int val_type;       /* the same in a set */
    uint32_t *slots;    /* 1 + an index into entries, or 0; probed one by one */
    uint32_t num_slots; /* a power of two, or 0 */
};

void val_init(struct val *v);
void val_clear(struct val *v);

/*
 * Makes v, which must be cleared, a deep copy of what a caller hands over; not
 * set when data is NULL. FALSE, and v is cleared, when the type is not one that
 * callers may hand over, the data are not good, or memory is short.
 */
int val_set(struct val *v, int type, const char *type_name, const void *data);

/* The same for another value, of whatever type. */
int val_copy(struct val *v, const struct val *from);

/* The value as the ABI hands it over, NULL when it is not set. */
void *val_data(struct val *v);

/*
 * What the functions that read a member do: checks *type, if there is any,
 * stores the type of v there and returns the data.
 */
void *val_read(struct val *v, int *type);

/* How many levels there are below a value: 0 for all but the containers. */
int val_depth(const struct val *v);

/*
 * Hash and equality of values in the form of the ABI, that is, of keys. The
 * names of types and of fields do not count: in one table they are the same.
 */
uint64_t val_hash(int type, const void *data);
int val_equal(int type, const void *a, const void *b);

/* Whether callers may hand over values of the type. */
int val_type_known(int type);

/* Whether there is such a port, and whether the width fits the address. */
int val_port_ok(const BroPort *port);
int val_subnet_ok(const BroSubnet *subnet);

/* Makes room for one more in an array of pointers; NULL without memory. */
void *val_array_grow(void *array, int len, int *cap);

/*
 * These take v (and key) over: afterwards it is cleared. On FALSE it is as
 * before, and so is the container.
 */
int record_add(BroRecord *rec, const char *name, size_t name_len, struct val *v);
int vector_add(BroVector *vec, struct val *v);
int table_put(BroTable *tbl, struct val *key, struct val *v);

BroRecord *record_copy(const BroRecord *rec);
BroVector *vector_copy(const BroVector *vec);
BroTable *table_copy(const BroTable *tbl);

/* The entry of a key in the form of the ABI, or NULL. */
struct entry *table_lookup(const BroTable *tbl, const void *key);

/* Whether it has entries, and these have values (have none). */
int table_has_values(const BroTable *tbl);
int table_has_members(const BroTable *tbl);

#endif
