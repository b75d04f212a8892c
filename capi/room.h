/*
 * Whether there is room for the core. A Go runtime that lacks memory, threads or
 * descriptors while it starts ends the process; so we look before we load it.
 */
#ifndef ROMANESCO_ROOM_H
#define ROMANESCO_ROOM_H

#include <stddef.h>

/* FALSE with the reason in text when the limits of this process are too low. */
int room_for_core(char *text, size_t size);

#endif
