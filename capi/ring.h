/*
 * The C end of the rings between host and core (shared.h has the layout,
 * internal/library/ring the Go end).
 */
#ifndef ROMANESCO_RING_H
#define ROMANESCO_RING_H

#include "shared.h"

#include <stddef.h>

/* Room for a record of size bytes (a multiple of 8, at most half the ring), or
 * NULL when there is none now. ring_commit makes it the consumer's. */
void *ring_reserve(struct link_ring *r, size_t size, uint64_t *head);
void ring_commit(struct link_ring *r, uint64_t head);

/* The next record, or NULL when the ring is empty; *next is the place behind it.
 * Who releases needs a fence before he looks whether the producer waits for room. */
struct link_record *ring_next(struct link_ring *r, uint64_t *next);
void ring_release(struct link_ring *r, uint64_t next);

uint64_t ring_used(const struct link_ring *r);

#endif
