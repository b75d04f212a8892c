/*
 * The record that the handlers have: where it lies within one process, a copy between two,
 * for another process may write to what it shares with us at any moment.
 */
#ifndef ROMANESCO_ARRIVAL_H
#define ROMANESCO_ARRIVAL_H

#include "link.h"

struct arrival {
    struct link_record *rec; /* NULL: the handlers have none */
    struct link_far far;     /* what stands for it in the ring, if size is not 0 */
    uint64_t next;           /* where the ring goes on behind it */
    struct link_record *copy;
    size_t room; /* of that */
};

/* The next record. FALSE: there is none. One that does not hold together, or for which there
 * is no memory, is passed over: rec is NULL then. */
int arrival_take(struct arrival *a, struct link_memory *m);

/* The handlers get it: what is taken from now on comes behind it. */
void arrival_begin(struct arrival *a, struct link_memory *m);

/* They are through with it. last: nobody has one that came before. */
void arrival_release(struct arrival *a, struct link_memory *m, int last);

#endif
