/*
 * Starts the core's program as a good guest does: no child that wait() of the host could see,
 * no signal, nothing inherited but a socket.
 */
#ifndef ROMANESCO_SPAWN_H
#define ROMANESCO_SPAWN_H

#include "error.h"

/* Returns a socket to the program, which sees its end; -1, and why not. */
int spawn_core(struct reason *why);

#endif
