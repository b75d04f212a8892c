/*
 * Records that are too large for a ring: within one process by their addresses, between
 * two in rings of their own.
 */
#ifndef ROMANESCO_FAR_H
#define ROMANESCO_FAR_H

#include "link.h"

/* Keeps a copy of a record of size bytes for the core, and completes the record that stands
 * for it. FALSE: there is no room, or no memory. */
int far_put(struct link_memory *m, const void *rec, size_t size, struct link_far *far);

/* Gives the last one back, which the core has not been told of. */
void far_unput(struct link_memory *m, const struct link_far *far);

/* The record that far stands for, NULL if it is none. Between processes it is one that
 * anybody may write to. */
struct link_record *far_record(const struct link_memory *m, const struct link_far *far);

/* The handlers are through with it. far is a copy that the core cannot change. */
void far_free(struct link_memory *m, const struct link_far *far);

#endif
