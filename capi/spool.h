/*
 * A folder of the spool: it belongs to one handle of one process, which holds
 * the lock in it. The outbound ring is a file there, so that what was accepted
 * survives the process; the core keeps its log beside it. A folder that nobody
 * has locked belongs to whoever locks it next (internal/library/spool).
 */
#ifndef ROMANESCO_SPOOL_H
#define ROMANESCO_SPOOL_H

#include "descriptor.h"
#include "error.h"
#include "shared.h"

#include <stddef.h>

struct spool {
    char *folder;
    int lock;
    struct descriptor_id lock_id;
    struct link_spool *map; /* NULL where the ring is in memory that another process has, too */
    size_t size;            /* of the file */
};

/*
 * Makes a folder in dir, with a ring of that size; NULL, and why not. outside: the core is another
 * process, which writes to the folder. It keeps what is in the ring when this one ends, and no
 * file that it can shorten is mapped here.
 */
struct spool *spool_new(const char *dir, const char *peer, size_t ring_bytes, int outside,
                        struct reason *why);

/* Notes the class of the connection. */
void spool_set_class(struct spool *s, const char *class_name);

/* Lets go of a parent's lock in a child. */
void spool_unlock(struct spool *s);

/* Removes the folder if nothing is left in it; otherwise it stays for others. */
void spool_leave(struct spool *s);

/* Frees it, and touches nothing: what a child of fork() has of its parent's. */
void spool_forget(struct spool *s);

#endif
