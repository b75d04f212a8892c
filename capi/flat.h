/*
 * Flat values: how an argument travels between front and core.
 *
 * A value is a header of eight bytes, the name of its type if it has one
 * (with a NUL, padded to 8), and a payload that is padded to 8:
 *
 *   bool, int, count, counter, enum  uint64_t
 *   double, time, interval           double
 *   port, addr, subnet               BroPort, BroAddr, BroSubnet
 *   string, pattern                  uint32_t length, the bytes, a NUL
 *   file, func                       the same, holding the name
 *   vector, list, set                struct flat_list, then the members
 *   record                           struct flat_list, then for each field its
 *                                    name (a string value) and its value
 *   table                            struct flat_list, then keys and values in turn
 *   unknown (not set)                nothing
 *
 * The index of a set or table is a list when it has several parts.
 */
#ifndef ROMANESCO_FLAT_H
#define ROMANESCO_FLAT_H

#include "api.h"

#include <stddef.h>
#include <stdint.h>

/* Values deeper than this are refused: nobody writes them by hand. */
#define FLAT_MAX_DEPTH 64

struct flat_header {
    uint32_t size; /* of the whole value; a multiple of 8 */
    uint8_t type;  /* BRO_TYPE_* */
    uint8_t reserved;
    uint16_t name_len; /* of the type's name without the NUL, 0 for none */
};

struct flat_list {
    uint32_t count; /* members; fields of a record; pairs of a table */
    uint32_t reserved;
};

/* Bytes that grow; the memory is eight-byte aligned. */
struct flat {
    unsigned char *data;
    size_t len;
    size_t cap;
};

struct val;

/*
 * Room for n more bytes, one or more (rounded up to 8, zeroed at the end). NULL
 * when memory is short, and when it would be more than a record may have.
 */
void *flat_grow(struct flat *f, size_t n);
void flat_free(struct flat *f);

/* Appends a value in the form that the ABI hands over: FALSE leaves f as it was. */
int flat_put(struct flat *f, int type, const char *type_name, const void *data);

/*
 * Reads the value at p into v, which must be cleared, and returns the place
 * behind it; NULL when it does not hold together or memory is short.
 */
const unsigned char *flat_get(const unsigned char *p, const unsigned char *end, struct val *v);

/*
 * Reads the value at p as an argument of a handler, which lasts only as long as
 * the record: arg points into that where it can, and into v otherwise, which must
 * be cleared and needs clearing afterwards only if its type is set. Returns the
 * place behind the value; NULL when it does not hold together or memory is short.
 */
const unsigned char *flat_arg(const unsigned char *p, const unsigned char *end, BroEvArg *arg,
                              struct val *v);

/* The payload of the value at p, and how many bytes it has. */
const unsigned char *flat_payload(const unsigned char *p, size_t *len);

static inline size_t
flat_pad(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

#endif
