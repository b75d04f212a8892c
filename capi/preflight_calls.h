/*
 * The part of preflight() that asks for system calls.
 */
#ifndef ROMANESCO_PREFLIGHT_CALLS_H
#define ROMANESCO_PREFLIGHT_CALLS_H

#include <stddef.h>

/* What each reason begins with. */
#define PREFLIGHT "cannot load the core: "

/* FALSE with the reason in text when one does not work whose failure ends the core. */
int preflight_calls(char *text, size_t size);

#endif
