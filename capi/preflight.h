/*
 * Looks before the core is loaded whether it can run here. A Go runtime that lacks
 * memory, threads, descriptors, a system call or its C library while it starts ends
 * the process.
 */
#ifndef ROMANESCO_PREFLIGHT_H
#define ROMANESCO_PREFLIGHT_H

#include <stddef.h>

/* Whether this program can load the core at all, and has the room for it: a quick look, for
 * a choice between that and a core of its own process. */
int preflight_can_load(void);

/* FALSE with the reason in text when this process cannot have it: by what the kernel
 * refuses to it, or by how it was linked. First, and without a thread of ours: the C
 * library ends the process when it cannot start one. */
int preflight_alone(char *text, size_t size);

/* The same by its limits. */
int preflight(char *text, size_t size);

#endif
