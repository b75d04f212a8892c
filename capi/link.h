/*
 * The memory that front and core share of one connection: making it, and freeing what is in it.
 */
#ifndef ROMANESCO_LINK_H
#define ROMANESCO_LINK_H

#include "ring.h"
#include "shared.h"

#include <stddef.h>

struct spool;

/* As it lies in this process. */
struct link_memory {
    struct link *link; /* NULL: there is none */
    size_t bytes;      /* that are mapped */
    struct ring out;   /* the host is the producer of the first, and the consumer of the other */
    struct ring in;
    /* For a core in another process: */
    int outside;
    int fd;                      /* of the memory; -1: none */
    size_t whole;                /* bytes of that */
    struct ring far_out, far_in; /* without data where there was no room for them */
};

/* Makes one whose outbound ring has out_bytes, or is the spool's. FALSE without memory. */
int link_new(struct link_memory *m, size_t out_bytes, struct spool *spool);

/* The same for a core in another process. The outbound ring begins at a place: a spool notes how
 * far the last one was taken. */
int link_new_outside(struct link_memory *m, size_t out_bytes, uint64_t begin);

/* Frees what is in it, too. The descriptor is the caller's. */
void link_free(struct link_memory *m);

/* The same for the link of a parent in a child of fork(): a thread of the parent
 * may have been freeing a far record, so these are left to the end of the process. */
void link_unmap(struct link_memory *m);

/* How large the outbound ring has to be for a queue of that many bytes. */
size_t link_ring_bytes(uint64_t queue_bytes);

#endif
