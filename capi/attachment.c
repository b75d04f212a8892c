#include "conn.h"

#include <stdlib.h>
#include <string.h>

static struct attachment **
find(BroConn *bc, const char *key)
{
    struct attachment **at = &bc->attachments;

    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

/**
 * Attaches a pointer of the caller's to a connection under a key, in place of
 * one that is there. The key is copied, the value stays the caller's.
 */
BRO_API void
bro_conn_data_set(BroConn *bc, const char *key, void *val)
{
    struct attachment **at, *a;

    if (!bc || !key)
        return;
    at = find(bc, key);
    if (*at) {
        (*at)->val = val;
        return;
    }
    a = calloc(1, sizeof *a);
    if (!a)
        return;
    a->key = strdup(key);
    if (!a->key) {
        free(a);
        return;
    }
    a->val = val;
    *at = a;
}

/**
 * Returns what was attached under the key, or NULL.
 */
BRO_API void *
bro_conn_data_get(BroConn *bc, const char *key)
{
    struct attachment *a = bc && key ? *find(bc, key) : NULL;

    return a ? a->val : NULL;
}

/**
 * Takes away what was attached under the key, and returns it, or NULL.
 */
BRO_API void *
bro_conn_data_del(BroConn *bc, const char *key)
{
    struct attachment **at, *a;
    void *val;

    if (!bc || !key)
        return NULL;
    at = find(bc, key);
    a = *at;
    if (!a)
        return NULL;
    *at = a->next;
    val = a->val;
    free(a->key);
    free(a);
    return val;
}

void
attachments_free(BroConn *bc)
{
    while (bc->attachments)
        bro_conn_data_del(bc, bc->attachments->key);
}
