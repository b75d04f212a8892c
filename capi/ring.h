/*
 * The C end of the rings between host and core (shared.h has the layout,
 * internal/library/ring the Go end). The other end may be in another process, and
 * write what it likes: that never leads outside of the ring.
 */
#ifndef ROMANESCO_RING_H
#define ROMANESCO_RING_H

#include "shared.h"

#include <stddef.h>

/* One end of a ring. */
struct ring {
    struct link_ring *shared;
    unsigned char *data;
    uint64_t size; /* of the data; a power of two */
    uint64_t pos;  /* the producer's head, or the consumer's tail: ours alone */
};

/* An end that begins where the ring is; of_producer says which. */
void ring_open(struct ring *r, struct link_ring *shared, unsigned char *data, uint64_t size,
               int of_producer);

/* Room for a record of size bytes (a multiple of 8, at most half the ring), or
 * NULL when there is none now. ring_commit makes it the consumer's. */
void *ring_reserve(struct ring *r, size_t size, uint64_t *head);
void ring_commit(struct ring *r, uint64_t head);

/* The next record and its size, or NULL when the ring is empty, or does not hold together;
 * *next is the place behind it. Who releases needs a fence before he looks whether the
 * producer waits for room. */
struct link_record *ring_next(struct ring *r, uint64_t *next);
void ring_release(struct ring *r, uint64_t next);

/* Goes on behind a record that is not released yet. */
void ring_advance(struct ring *r, uint64_t next);

/* The record at *pos of those that were produced, and *pos behind it: for who looks without
 * consuming. NULL at the end. */
struct link_record *ring_at(const struct ring *r, uint64_t *pos);

/* What is in it, by what both ends have published. */
uint64_t ring_used(const struct ring *r);

#endif
