#include "debug.h"

#include "cancel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/**
 * Set to 1 to have the calls into the library reported on standard error, to 0
 * (the default) for silence. May be changed at any time; /broccoli/debug_calltrace
 * in the configuration file sets it during bro_init().
 */
BRO_API int bro_debug_calltrace = 0;

/**
 * Set to 1 to have the library explain on standard error what it does and why
 * it refuses something, to 0 (the default) for silence. May be changed at any
 * time; /broccoli/debug_messages in the configuration file sets it during
 * bro_init().
 */
BRO_API int bro_debug_messages = 0;

void
debug_say(const char *fmt, ...)
{
    int saved = errno;
    int held = cancel_hold();
    va_list ap;

    va_start(ap, fmt);
    flockfile(stderr);
    fputs("libbroccoli: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(ap);
    cancel_release(held);
    errno = saved;
}
