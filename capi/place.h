/*
 * Where the core is. No environment and no name of a program leads elsewhere.
 */
#ifndef ROMANESCO_PLACE_H
#define ROMANESCO_PLACE_H

#include <stddef.h>

#define CORE_NAME "libbroccoli-core.so"
#define CORE_PROGRAM "libbroccoli-core" /* the same as a process of its own */

/* The path of a file in the folder that this library was loaded from. FALSE: there
 * is no such folder, or it is not to be trusted. */
int place_beside_us(const char *name, char *path, size_t size);

#endif
