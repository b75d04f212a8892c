#include "val.h"

#include "debug.h"
#include "flat.h"
#include "hash.h"

#include <stdlib.h>

int
table_fits(const BroTable *tbl, int type)
{
    int has_values = tbl->val_type != BRO_TYPE_UNKNOWN;

    return tbl->len == 0 || has_values == (type == BRO_TYPE_TABLE);
}

/* The slot of the entry with that key, or the empty one where it belongs. */
static uint32_t *
find_slot(const BroTable *tbl, uint64_t hash, const void *key)
{
    uint32_t at = (uint32_t)hash & (tbl->num_slots - 1);

    while (tbl->slots[at] != 0) {
        struct entry *entry = tbl->entries[tbl->slots[at] - 1];

        if (entry->hash == hash && val_equal(tbl->key_type, val_data(&entry->key), key))
            break;
        at = (at + 1) & (tbl->num_slots - 1);
    }
    return &tbl->slots[at];
}

/* Whether it can be looked at: callers hand in what they like. */
static int
readable(int type, const void *key)
{
    const BroString *str = key;

    if (type_class(type) != CLASS_TEXT && type_class(type) != CLASS_NAME)
        return TRUE;
    return str->str_val || str->str_len == 0;
}

struct entry *
table_lookup(const BroTable *tbl, const void *key)
{
    uint32_t *slot;

    if (tbl->len == 0 || !readable(tbl->key_type, key))
        return NULL;
    slot = find_slot(tbl, val_hash(tbl->key_type, key), key);
    return *slot != 0 ? tbl->entries[*slot - 1] : NULL;
}

/* Keeps a third of the slots empty. */
static int
reserve_slot(BroTable *tbl)
{
    uint32_t num = tbl->num_slots > 0 ? 2 * tbl->num_slots : 8;
    uint32_t *slots;
    int i;

    if ((uint64_t)tbl->num_slots * 2 >= ((uint64_t)tbl->len + 1) * 3)
        return TRUE;
    if (num == 0 || !(slots = calloc(num, sizeof *slots)))
        return FALSE;
    for (i = 0; i < tbl->len; i++) {
        uint32_t at = (uint32_t)tbl->entries[i]->hash & (num - 1);

        while (slots[at] != 0)
            at = (at + 1) & (num - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(tbl->slots);
    tbl->slots = slots;
    tbl->num_slots = num;
    return TRUE;
}

/* A key of several parts has some, and all are set: Bro knows no others. */
static int
key_ok(const struct val *key)
{
    int i;

    if (key->type == BRO_TYPE_UNKNOWN)
        return FALSE;
    if (key->type != BRO_TYPE_LIST)
        return TRUE;
    for (i = 0; i < key->u.rec->len; i++) {
        if (key->u.rec->fields[i]->val.type == BRO_TYPE_UNKNOWN)
            return FALSE;
    }
    return key->u.rec->len > 0;
}

static int
append(BroTable *tbl, uint64_t hash, struct val *key, struct val *v)
{
    struct entry **entries;
    struct entry *entry;

    if (!reserve_slot(tbl) || !(entries = val_array_grow(tbl->entries, tbl->len, &tbl->cap)))
        return FALSE;
    tbl->entries = entries;
    if (!(entry = malloc(sizeof *entry)))
        return FALSE;
    entry->hash = hash;
    entry->key = *key;
    entry->val = *v;
    val_init(key);
    val_init(v);
    tbl->key_type = entry->key.type;
    tbl->val_type = entry->val.type;
    *find_slot(tbl, hash, val_data(&entry->key)) = (uint32_t)tbl->len + 1;
    entries[tbl->len++] = entry;
    return TRUE;
}

int
table_put(BroTable *tbl, struct val *key, struct val *v)
{
    int key_depth = val_depth(key), v_depth = val_depth(v);
    int depth = 1 + (key_depth > v_depth ? key_depth : v_depth);
    struct entry *entry;

    if (!key_ok(key) || depth > FLAT_MAX_DEPTH)
        return FALSE;
    if (tbl->len > 0 && (key->type != tbl->key_type || v->type != tbl->val_type)) {
        DEBUG("a table from %d to %d takes no entry from %d to %d", tbl->key_type, tbl->val_type,
              key->type, v->type);
        return FALSE;
    }
    if ((entry = table_lookup(tbl, val_data(key)))) {
        val_clear(&entry->val);
        entry->val = *v;
        val_init(v);
        val_clear(key);
    } else if (!append(tbl, val_hash(key->type, val_data(key)), key, v)) {
        return FALSE;
    }
    if (depth > tbl->depth)
        tbl->depth = depth;
    return TRUE;
}

BroTable *
table_copy(const BroTable *tbl)
{
    BroTable *copy = bro_table_new();
    int i;

    for (i = 0; copy && i < tbl->len; i++) {
        struct val key, v;

        val_init(&v);
        if (!val_copy(&key, &tbl->entries[i]->key) || !val_copy(&v, &tbl->entries[i]->val) ||
            !table_put(copy, &key, &v)) {
            val_clear(&key);
            val_clear(&v);
            bro_table_free(copy);
            return NULL;
        }
    }
    return copy;
}

/**
 * Returns a new table without entries, to be released with bro_table_free(), or
 * NULL when memory is short. The types of its keys and of its values are those
 * of the first entry.
 */
BRO_API BroTable *
bro_table_new(void)
{
    TRACE();
    return calloc(1, sizeof(BroTable));
}

/**
 * Frees a table and all that it holds. To be called for tables that
 * bro_table_new() returned, not for those that callbacks or other functions of
 * the library hand out. NULL is allowed.
 */
BRO_API void
bro_table_free(BroTable *tbl)
{
    int i;

    TRACE();
    if (!tbl)
        return;
    for (i = 0; i < tbl->len; i++) {
        val_clear(&tbl->entries[i]->key);
        val_clear(&tbl->entries[i]->val);
        free(tbl->entries[i]);
    }
    free(tbl->entries);
    free(tbl->slots);
    free(tbl);
}

/**
 * Adds an entry to a table, or replaces the value of the entry that has the
 * same key.
 *
 * key_type and val_type are the BRO_TYPE_* of what key and val point to. A table
 * that is indexed by several values has keys of BRO_TYPE_LIST: key then points to
 * a BroRecord whose fields, all of them set, are these values in turn; their
 * names do not matter. Two records are the same key when they have the same types
 * and values, and so are two strings that have the same bytes.
 *
 * key and val are copied with all that they hold and remain the caller's.
 * Returns TRUE, or FALSE with the table as it was: when an argument is NULL, the
 * types are not those of the entries that are there, a value is not valid
 * (see bro_record_add_val()), or memory is short.
 */
BRO_API int
bro_table_insert(BroTable *tbl, int key_type, const void *key, int val_type, const void *val)
{
    struct val k, v;

    TRACE();
    if (!tbl || !key || !val || !val_set(&k, key_type, NULL, key))
        return FALSE;
    if (!val_set(&v, val_type, NULL, val) || !table_put(tbl, &k, &v)) {
        val_clear(&k);
        val_clear(&v);
        return FALSE;
    }
    return TRUE;
}

/**
 * Returns the value that belongs to a key, which is to be of the type of the
 * table's keys: a BroRecord when they are of BRO_TYPE_LIST. The value stays the
 * table's: do not free or change it. It is good until it is replaced or the
 * table freed; bro_table_get_types() tells its type. NULL when an argument is
 * NULL, there is no such entry, or tbl is a set.
 */
BRO_API void *
bro_table_find(BroTable *tbl, const void *key)
{
    struct entry *entry;

    TRACE();
    if (!tbl || !key || !(entry = table_lookup(tbl, key)))
        return NULL;
    return val_data(&entry->val);
}

/**
 * Returns how many entries the table has, -1 when tbl is NULL.
 */
BRO_API int
bro_table_get_size(BroTable *tbl)
{
    return tbl ? tbl->len : -1;
}

/**
 * Calls cb for the entries of a table, in the order in which their keys were
 * first inserted, until it returns FALSE. It gets the key, the value and
 * user_data. Key and value stay the table's: the callback must not free or
 * change them, and it must not insert into the table or free it. Nothing
 * happens when tbl or cb is NULL.
 */
BRO_API void
bro_table_foreach(BroTable *tbl, BroTableCallback cb, void *user_data)
{
    int i;

    TRACE();
    if (!tbl || !cb)
        return;
    for (i = 0; i < tbl->len; i++) {
        struct entry *entry = tbl->entries[i];

        if (!cb(val_data(&entry->key), val_data(&entry->val), user_data))
            return;
    }
}

/**
 * Stores the types of a table's keys and values in *key_type and *val_type,
 * each of which may be NULL. Both are BRO_TYPE_UNKNOWN while the table is empty.
 * Nothing is stored when tbl is NULL.
 */
BRO_API void
bro_table_get_types(BroTable *tbl, int *key_type, int *val_type)
{
    if (!tbl)
        return;
    if (key_type)
        *key_type = tbl->key_type;
    if (val_type)
        *val_type = tbl->val_type;
}
