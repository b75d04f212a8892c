#include "val.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "debug.h"
#include "flat.h"

int
record_add(BroRecord *rec, const char *name, size_t name_len, struct val *v)
{
    struct field **fields;
    struct field *field;
    int depth = 1 + val_depth(v);

    if (depth > FLAT_MAX_DEPTH || name_len > UINT16_MAX)
        return FALSE;
    if (!(fields = val_array_grow(rec->fields, rec->len, &rec->cap)))
        return FALSE;
    rec->fields = fields;
    if (!(field = malloc(sizeof *field + name_len + 1)))
        return FALSE;
    field->val = *v;
    val_init(v);
    memcpy(field->name, name, name_len);
    field->name[name_len] = '\0';
    fields[rec->len++] = field;
    if (depth > rec->depth)
        rec->depth = depth;
    return TRUE;
}

BroRecord *
record_copy(const BroRecord *rec)
{
    BroRecord *copy = bro_record_new();
    int i;

    for (i = 0; copy && i < rec->len; i++) {
        const struct field *field = rec->fields[i];
        struct val v;

        if (!val_copy(&v, &field->val) || !record_add(copy, field->name, strlen(field->name), &v)) {
            val_clear(&v);
            bro_record_free(copy);
            return NULL;
        }
    }
    return copy;
}

static struct field *
nth_field(BroRecord *rec, int num)
{
    return rec && num >= 0 && num < rec->len ? rec->fields[num] : NULL;
}

/* The first of that name. A field without a name is not found. */
static struct field *
named_field(BroRecord *rec, const char *name)
{
    int i;

    if (!rec || !name || !*name)
        return NULL;
    for (i = 0; i < rec->len; i++) {
        if (strcmp(rec->fields[i]->name, name) == 0)
            return rec->fields[i];
    }
    return NULL;
}

static int
replace(BroRecord *rec, struct field *field, int type, const char *type_name, const void *val)
{
    struct val v;
    int depth;

    if (!field || !val || !val_set(&v, type, type_name, val))
        return FALSE;
    if ((depth = 1 + val_depth(&v)) > FLAT_MAX_DEPTH) {
        val_clear(&v);
        return FALSE;
    }
    val_clear(&field->val); /* only now: val may point into it */
    field->val = v;
    if (depth > rec->depth)
        rec->depth = depth;
    return TRUE;
}

/**
 * Returns a new record without fields, to be released with bro_record_free(),
 * or NULL when memory is short. The fields that are added make its type, by
 * their order, names and types. A record also serves as the key of a table or
 * set that is indexed by several values: see bro_table_insert().
 *
 * Records, tables, sets and vectors have no lock. Several threads may use
 * different ones at the same time; whoever shares one must see to it that no
 * other thread uses it while it is changed.
 */
BRO_API BroRecord *
bro_record_new(void)
{
    TRACE();
    return calloc(1, sizeof(BroRecord));
}

/**
 * Frees a record and all that it holds. To be called for records that
 * bro_record_new() returned, not for those that callbacks or other functions
 * of the library hand out. NULL is allowed.
 */
BRO_API void
bro_record_free(BroRecord *rec)
{
    int i;

    TRACE();
    if (!rec)
        return;
    for (i = 0; i < rec->len; i++) {
        val_clear(&rec->fields[i]->val);
        free(rec->fields[i]);
    }
    free(rec->fields);
    free(rec);
}

/**
 * Returns how many fields the record has, those that are not set among them;
 * 0 when rec is NULL.
 */
BRO_API int
bro_record_get_length(BroRecord *rec)
{
    return rec ? rec->len : 0;
}

/**
 * Adds a field to the end of a record.
 *
 * name is its name; NULL stands for "", a field that is found by its position
 * only. type is a BRO_TYPE_* that says what val points to, as with all values;
 * numbers are of 64 bits even where a smaller one would do, ports are in host
 * byte order and addresses in network byte order. A BRO_TYPE_PATTERN is a
 * BroString, the expression without its slashes, and a BRO_TYPE_LIST, which is
 * the key of a table with several indices, a BroRecord. type_name is the name of
 * the type in the peer's scripts where it goes by one, which an enum has to, and
 * NULL otherwise. val is copied with all that it holds and remains the caller's.
 * When val is NULL the field is there but not set.
 *
 * Returns TRUE, or FALSE with the record as it was: when rec is NULL, values of
 * the type cannot be handed over, a port or the width of a subnet is out of
 * range, containers nest deeper than 64 levels, or memory is short.
 */
BRO_API int
bro_record_add_val(BroRecord *rec, const char *name, int type, const char *type_name,
                   const void *val)
{
    struct val v;

    TRACE();
    if (!rec || !val_set(&v, type, type_name, val))
        return FALSE;
    if (!name)
        name = "";
    if (!record_add(rec, name, strlen(name), &v)) {
        val_clear(&v);
        return FALSE;
    }
    return TRUE;
}

/**
 * Returns the value of the field at position num, which counts from 0.
 *
 * type is read and written: unless it is NULL or points to BRO_TYPE_UNKNOWN,
 * the field must be of that type. In any case *type is the type of the field
 * afterwards, BRO_TYPE_UNKNOWN for one that is not set. What the result points
 * to depends on the type as with bro_record_add_val(), only that a
 * BRO_TYPE_BOOL may also be read as a uint64 on little-endian machines.
 *
 * The value stays the record's: do not free or change it. It is good until the
 * field is replaced or the record freed. NULL when there is no such field, it
 * is not set or of another type, or an argument is not valid.
 */
BRO_API void *
bro_record_get_nth_val(BroRecord *rec, int num, int *type)
{
    struct field *field = nth_field(rec, num);

    TRACE();
    return field ? val_read(&field->val, type) : NULL;
}

/**
 * Returns the name of the field at position num, "" for one without a name. It
 * is the record's and good until that is freed. NULL when there is no such
 * field.
 */
BRO_API const char *
bro_record_get_nth_name(BroRecord *rec, int num)
{
    struct field *field = nth_field(rec, num);

    return field ? field->name : NULL;
}

/**
 * Returns the value of the first field that is called name.
 *
 * type is read and written: unless it is NULL or points to BRO_TYPE_UNKNOWN,
 * the field must be of that type. If there is such a field *type is its type
 * afterwards, BRO_TYPE_UNKNOWN for one that is not set.
 *
 * The value stays the record's: do not free or change it. It is good until the
 * field is replaced or the record freed. NULL when there is no such field, it
 * is not set or of another type, rec is NULL, or name is NULL or empty.
 */
BRO_API void *
bro_record_get_named_val(BroRecord *rec, const char *name, int *type)
{
    struct field *field = named_field(rec, name);

    TRACE();
    return field ? val_read(&field->val, type) : NULL;
}

/**
 * Replaces the value of the field at position num, which counts from 0, whatever
 * type it had; the name stays. type and type_name have the meaning that they
 * have for bro_record_add_val(). val is copied with all that it holds and
 * remains the caller's; it must not be NULL. Pointers to the old value are no
 * longer good. Returns TRUE, or FALSE with the record as it was: when there is
 * no such field, rec or val is NULL, the value is not valid, containers nest
 * deeper than 64 levels, or memory is short.
 */
BRO_API int
bro_record_set_nth_val(BroRecord *rec, int num, int type, const char *type_name, const void *val)
{
    TRACE();
    return replace(rec, nth_field(rec, num), type, type_name, val);
}

/**
 * Replaces the value of the first field that is called name, whatever type it
 * had. type and type_name have the meaning that they have for
 * bro_record_add_val(). val is copied with all that it holds and remains the
 * caller's; it must not be NULL. Pointers to the old value are no longer good.
 * Returns TRUE, or FALSE with the record as it was: when there is no field of
 * that name (none is added), rec or val is NULL, name is NULL or empty, the
 * value is not valid, containers nest deeper than 64 levels, or memory is short.
 */
BRO_API int
bro_record_set_named_val(BroRecord *rec, const char *name, int type, const char *type_name,
                         const void *val)
{
    TRACE();
    return replace(rec, named_field(rec, name), type, type_name, val);
}
