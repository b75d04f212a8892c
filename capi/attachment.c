#include "conn.h"

#include "fork.h"

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

static struct attachment *
new_attachment(const char *key, void *val)
{
    struct attachment *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->val = val;
    a->key = strdup(key);
    if (a->key)
        return a;
    free(a);
    return NULL;
}

/**
 * Attaches a pointer of the caller's to a connection under a key, in place of
 * one that is there. The key is copied. What val points to stays the caller's:
 * the library never looks at it, nor frees it, not even in bro_conn_delete().
 * Any thread may call this. Nothing happens when bc or key is NULL; without
 * memory nothing is attached.
 */
BRO_API void
bro_conn_data_set(BroConn *bc, const char *key, void *val)
{
    struct attachment **at;

    if (!bc || !key)
        return;
    fork_look();
    pthread_mutex_lock(&bc->lock);
    at = find(bc, key);
    if (*at)
        (*at)->val = val;
    else
        *at = new_attachment(key, val);
    pthread_mutex_unlock(&bc->lock);
}

/**
 * Returns the pointer that bro_conn_data_set() attached to the connection under
 * the key; it is still the caller's. NULL when there is none, or bc or key is
 * NULL. Any thread may call this.
 */
BRO_API void *
bro_conn_data_get(BroConn *bc, const char *key)
{
    struct attachment *a;
    void *val = NULL;

    if (!bc || !key)
        return NULL;
    fork_look();
    pthread_mutex_lock(&bc->lock);
    a = *find(bc, key);
    if (a)
        val = a->val;
    pthread_mutex_unlock(&bc->lock);
    return val;
}

/**
 * Detaches from the connection the pointer that bro_conn_data_set() attached
 * under the key, and returns it; what it points to is the caller's to free.
 * NULL when there is none, or bc or key is NULL. Any thread may call this.
 */
BRO_API void *
bro_conn_data_del(BroConn *bc, const char *key)
{
    struct attachment **at, *a;
    void *val = NULL;

    if (!bc || !key)
        return NULL;
    fork_look();
    pthread_mutex_lock(&bc->lock);
    at = find(bc, key);
    a = *at;
    if (a) {
        *at = a->next;
        val = a->val;
        free(a->key);
        free(a);
    }
    pthread_mutex_unlock(&bc->lock);
    return val;
}

void
attachments_free(BroConn *bc)
{
    while (bc->attachments)
        bro_conn_data_del(bc, bc->attachments->key);
}
