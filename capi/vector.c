#include "val.h"

#include <stdlib.h>

#include "debug.h"
#include "flat.h"

int
vector_add(BroVector *vec, struct val *v)
{
    struct val **elems;
    struct val *elem;
    int depth = 1 + val_depth(v);

    if (depth > FLAT_MAX_DEPTH)
        return FALSE;
    if (!(elems = val_array_grow(vec->elems, vec->len, &vec->cap)))
        return FALSE;
    vec->elems = elems;
    if (!(elem = malloc(sizeof *elem)))
        return FALSE;
    *elem = *v;
    val_init(v);
    elems[vec->len++] = elem;
    if (depth > vec->depth)
        vec->depth = depth;
    return TRUE;
}

BroVector *
vector_copy(const BroVector *vec)
{
    BroVector *copy = bro_vector_new();
    int i;

    for (i = 0; copy && i < vec->len; i++) {
        struct val v;

        if (!val_copy(&v, vec->elems[i]) || !vector_add(copy, &v)) {
            val_clear(&v);
            bro_vector_free(copy);
            return NULL;
        }
    }
    return copy;
}

static struct val *
nth_elem(BroVector *vec, int num)
{
    return vec && num >= 0 && num < vec->len ? vec->elems[num] : NULL;
}

/**
 * Returns a new vector without elements, to be released with bro_vector_free(),
 * or NULL when memory is short.
 */
BRO_API BroVector *
bro_vector_new(void)
{
    TRACE();
    return calloc(1, sizeof(BroVector));
}

/**
 * Frees a vector and all that it holds. To be called for vectors that
 * bro_vector_new() returned, not for those that callbacks or other functions
 * of the library hand out. NULL is allowed.
 */
BRO_API void
bro_vector_free(BroVector *vec)
{
    int i;

    TRACE();
    if (!vec)
        return;
    for (i = 0; i < vec->len; i++) {
        val_clear(vec->elems[i]);
        free(vec->elems[i]);
    }
    free(vec->elems);
    free(vec);
}

/**
 * Returns how many elements the vector has, those that are not set among them;
 * 0 when vec is NULL.
 */
BRO_API int
bro_vector_get_length(BroVector *vec)
{
    return vec ? vec->len : 0;
}

/**
 * Adds an element to the end of a vector. type is the BRO_TYPE_* of what val
 * points to, and type_name the name of that type in the peer's scripts where it
 * goes by one, which an enum has to, and NULL otherwise. val is copied with all
 * that it holds and remains the caller's. When val is NULL the element is there
 * but not set. A vector in Bro has elements of one type; that they agree is not
 * checked here. Returns TRUE, or FALSE with the vector as it was: when vec is
 * NULL, the value is not valid (see bro_record_add_val()), containers nest
 * deeper than 64 levels, or memory is short.
 */
BRO_API int
bro_vector_add_val(BroVector *vec, int type, const char *type_name, const void *val)
{
    struct val v;

    TRACE();
    if (!vec || !val_set(&v, type, type_name, val))
        return FALSE;
    if (!vector_add(vec, &v)) {
        val_clear(&v);
        return FALSE;
    }
    return TRUE;
}

/**
 * Returns the element at position num, which counts from 0.
 *
 * type is read and written: unless it is NULL or points to BRO_TYPE_UNKNOWN,
 * the element must be of that type. If there is such an element *type is its
 * type afterwards, BRO_TYPE_UNKNOWN for one that is not set.
 *
 * The value stays the vector's: do not free or change it. It is good until the
 * element is replaced or the vector freed. NULL when there is no such element,
 * it is not set or of another type, or vec is NULL.
 */
BRO_API void *
bro_vector_get_nth_val(BroVector *vec, int num, int *type)
{
    struct val *elem = nth_elem(vec, num);

    TRACE();
    return elem ? val_read(elem, type) : NULL;
}

/**
 * Replaces the element at position num, which counts from 0, whatever type it
 * had. type and type_name have the meaning that they have for
 * bro_vector_add_val(). val is copied with all that it holds and remains the
 * caller's; it must not be NULL. Pointers to the old value are no longer good.
 * Returns TRUE, or FALSE with the vector as it was: when there is no such
 * element, vec or val is NULL, the value is not valid, containers nest deeper
 * than 64 levels, or memory is short.
 */
BRO_API int
bro_vector_set_nth_val(BroVector *vec, int num, int type, const char *type_name, const void *val)
{
    struct val *elem = nth_elem(vec, num);
    struct val v;
    int depth;

    TRACE();
    if (!elem || !val || !val_set(&v, type, type_name, val))
        return FALSE;
    if ((depth = 1 + val_depth(&v)) > FLAT_MAX_DEPTH) {
        val_clear(&v);
        return FALSE;
    }
    val_clear(elem); /* only now: val may point into it */
    *elem = v;
    if (depth > vec->depth)
        vec->depth = depth;
    return TRUE;
}
