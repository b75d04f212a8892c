/*
 * Hash and equality of values in the form of the ABI, as tables need them for
 * their keys. The names of types and of fields do not count: in one table they
 * are the same. Values that are equal have the same hash, in this process only.
 */
#ifndef ROMANESCO_HASH_H
#define ROMANESCO_HASH_H

#include <stdint.h>

uint64_t val_hash(int type, const void *data);
int val_equal(int type, const void *a, const void *b);

#endif
