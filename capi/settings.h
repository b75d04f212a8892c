/*
 * Settings that are numbers, with their bounds.
 */
#ifndef ROMANESCO_SETTINGS_H
#define ROMANESCO_SETTINGS_H

#include <stdint.h>

/* The number that the configuration has under name; fallback when it has none.
 * What is no number from least to most is told, and fallback is used. */
uint64_t setting(const char *name, uint64_t fallback, uint64_t least, uint64_t most);

#endif
