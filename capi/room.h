/*
 * Whether there is room for the core. A Go runtime that lacks memory, threads,
 * descriptors or its C library while it starts ends the process; so we look
 * before we load it.
 */
#ifndef ROMANESCO_ROOM_H
#define ROMANESCO_ROOM_H

#include <stddef.h>

/* FALSE with the reason in text when this process cannot have it, by its limits
 * or by how it was linked. */
int room_for_core(char *text, size_t size);

#endif
