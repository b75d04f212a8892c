/*
 * Making links, and freeing what is in them.
 */
#ifndef ROMANESCO_LINK_H
#define ROMANESCO_LINK_H

#include "shared.h"

#include <stddef.h>

struct spool;

/* A link whose outbound ring has out_bytes, or is the spool's; NULL without memory. */
struct link *link_new(size_t out_bytes, struct spool *spool);
void link_free(struct link *l);

/* The same for the link of a parent in a child of fork(): a thread of the parent
 * may have been freeing a far record, so these are left to the end of the process. */
void link_unmap(struct link *l);

/* How large the outbound ring has to be for a queue of that many bytes. */
size_t link_ring_bytes(uint64_t queue_bytes);

/* Frees what a record points to, if it is a far one; waiting counts such bytes. */
void link_free_far(struct link_record *rec, uint64_t *waiting);

#endif
