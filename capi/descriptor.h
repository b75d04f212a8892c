/*
 * Which file a descriptor is. A child may close all that it knows nothing of and
 * open its own, so that a number tells nothing there.
 */
#ifndef ROMANESCO_DESCRIPTOR_H
#define ROMANESCO_DESCRIPTOR_H

#include <stdint.h>

struct descriptor_id {
    uint64_t device, inode; /* no inode: unknown */
    uint64_t event; /* of an eventfd or epoll, since these share one inode: its number, from 1 */
    int marked;     /* of an eventfd, since their numbers are used again */
};

/* What a descriptor is now. */
struct descriptor_id descriptor_id(int fd);

/* Whether it is that file still; FALSE in doubt. */
int descriptor_is(int fd, const struct descriptor_id *id);

/* Whether it is known to be another file, or none. */
int descriptor_is_other(int fd, const struct descriptor_id *id);

/* Closes it unless it is known to be another file's, and forgets the number. */
void descriptor_close(int *fd, const struct descriptor_id *id);

/* The same, quickly: another eventfd that has our mark is not told apart. */
int descriptor_seems(int fd, const struct descriptor_id *id);

/* Closes all that have our mark of those whose numbers are the bits of what follows the
 * first word, which says how many words that are. */
void descriptor_close_marked(const uint32_t *opened);

/* A new epoll descriptor that is readable when the first is, or the other end of the second,
 * a socket or -1, is gone. */
int descriptor_epoll(struct descriptor_id *id, int readable, int ended);

/* A new eventfd from number least on, that does not block and that no program
 * inherits; -1 with errno set. */
int descriptor_event(struct descriptor_id *id, int least);

/* Moves a descriptor there, if it can be. */
int descriptor_raise(int fd);

/* From which number on the host is not in the way, nor we in its: the core does the same. */
int descriptor_high(void);

#endif
