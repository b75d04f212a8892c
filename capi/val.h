/*
 * A value that the library owns, and the containers that are made of such.
 *
 * A value is kept in the form in which the ABI hands it over, so that a
 * pointer to the inside of one is what a caller gets to see. A bool has zeros
 * up to 64 bits behind its int.
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
#include "type.h"

struct val {
    int type;        /* BRO_TYPE_*; BRO_TYPE_UNKNOWN is not set */
    char *type_name; /* or NULL */
    union {          /* by the class of the type */
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
        void *container; /* whichever of these three it is */
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

/* The class of its type, which is one that there is: whatever sets it sees to that. */
static inline enum type_class
val_class(const struct val *v)
{
    return (enum type_class)type_classes[v->type];
}

/* Whether it is a container. */
static inline int
val_contains(const struct val *v)
{
    return val_class(v) >= CLASS_RECORD;
}

void val_init(struct val *v);
void val_clear(struct val *v);

/*
 * Makes v, which must be cleared, a deep copy of what a caller hands over; not
 * set when data is NULL. FALSE, and v is cleared, when the type is not one that
 * callers may hand over, the data are not good, or memory is short.
 */
int val_set(struct val *v, int type, const char *type_name, const void *data);

/*
 * Makes v, which must be cleared, a deep copy of another value, of whatever type,
 * or not set as that is. FALSE, and v is cleared, when memory is short.
 */
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

/*
 * Whether it is what BRO_TYPE_TABLE or BRO_TYPE_SET, whichever type is, promises:
 * entries with values or without. One that is empty is both.
 */
int table_fits(const BroTable *tbl, int type);

#endif
