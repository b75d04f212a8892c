/* A set is a table whose entries have no values. */
#include "val.h"

#include "debug.h"

/**
 * Returns a new set without members, to be released with bro_set_free(), or
 * NULL when memory is short. The type of its members is that of the first one.
 */
BRO_API BroSet *
bro_set_new(void)
{
    TRACE();
    return bro_table_new();
}

/**
 * Frees a set and all that it holds. To be called for sets that bro_set_new()
 * returned, not for those that callbacks or other functions of the library hand
 * out. NULL is allowed.
 */
BRO_API void
bro_set_free(BroSet *set)
{
    TRACE();
    bro_table_free(set);
}

/**
 * Adds a member to a set; one that is there already counts once. type is the
 * BRO_TYPE_* of what val points to. A set that is indexed by several values has
 * members of BRO_TYPE_LIST: val then points to a BroRecord whose fields, all of
 * them set, are these values in turn; their names do not matter. val is copied
 * and remains the caller's. Returns TRUE, or FALSE with the set as it was: when
 * an argument is NULL, the type is not that of the other members, the value is
 * not valid, or memory is short.
 */
BRO_API int
bro_set_insert(BroSet *set, int type, const void *val)
{
    struct val key, none;

    TRACE();
    if (!set || !val || !val_set(&key, type, NULL, val))
        return FALSE;
    val_init(&none);
    if (!table_put(set, &key, &none)) {
        val_clear(&key);
        return FALSE;
    }
    return TRUE;
}

/**
 * Returns TRUE when the set has the member that key points to, which is to be
 * of the type of the set's members, and FALSE otherwise or when an argument is
 * NULL.
 */
BRO_API int
bro_set_find(BroSet *set, const void *key)
{
    TRACE();
    return set && key && table_lookup(set, key) != NULL;
}

/**
 * Returns how many members the set has, -1 when set is NULL.
 */
BRO_API int
bro_set_get_size(BroSet *set)
{
    return bro_table_get_size(set);
}

/**
 * Calls cb for the members of a set, in the order in which they were inserted,
 * until it returns FALSE. It gets the member and user_data. The member stays the
 * set's: the callback must not free or change it, and it must not insert into
 * the set or free it. Nothing happens when set or cb is NULL.
 */
BRO_API void
bro_set_foreach(BroSet *set, BroSetCallback cb, void *user_data)
{
    int i;

    TRACE();
    if (!set || !cb)
        return;
    for (i = 0; i < set->len; i++) {
        if (!cb(val_data(&set->entries[i]->key), user_data))
            return;
    }
}

/**
 * Stores the type of a set's members in *type: BRO_TYPE_UNKNOWN while it is
 * empty. Nothing is stored when an argument is NULL.
 */
BRO_API void
bro_set_get_type(BroSet *set, int *type)
{
    bro_table_get_types(set, type, NULL);
}
