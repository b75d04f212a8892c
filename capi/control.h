/*
 * Sockets to a core in another process: whole messages, with descriptors, by a deadline. No
 * signal is raised, and nothing waits for longer.
 */
#ifndef ROMANESCO_CONTROL_H
#define ROMANESCO_CONTROL_H

#include <stddef.h>
#include <stdint.h>

/* Sends all of it, and n descriptors with its first byte. FALSE with errno. */
int control_send(int fd, const void *data, size_t size, const int *fds, int n, int64_t deadline);

/* Receives size bytes. generation is of the process that waits: a child of fork() made meanwhile
 * takes nothing of its parent's. FALSE with errno; EPIPE: the other end is gone. */
int control_receive(int fd, void *data, size_t size, int64_t deadline, unsigned generation);

/* Whether the other end is gone. */
int control_ended(int fd);

#endif
