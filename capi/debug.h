/*
 * Messages on standard error: what only debugging asks for, and what the user
 * must hear of. All start with "libbroccoli: " and get their own line end.
 */
#ifndef ROMANESCO_DEBUG_H
#define ROMANESCO_DEBUG_H

#include "api.h"

/* A message when bro_debug_messages is on; when it is off, one test and no call. */
#define DEBUG(...) \
    do { \
        if (__builtin_expect(bro_debug_messages != 0, 0)) \
            debug_say(__VA_ARGS__); \
    } while (0)

/* Names the function that is running when bro_debug_calltrace is on. */
#define TRACE() \
    do { \
        if (__builtin_expect(bro_debug_calltrace != 0, 0)) \
            debug_say("%s()", __func__); \
    } while (0)

/* Says it in any case; errno is as before. */
void debug_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
