/*
 * Messages that only debugging asks for.
 */
#ifndef ROMANESCO_DEBUG_H
#define ROMANESCO_DEBUG_H

#include "log.h"

/* A message when bro_debug_messages is on; when it is off, one test and no call.
 * Where no lock of ours is held; LOG_LATER(BRO_LOG_DEBUG, ...) where one may be. */
#define DEBUG(...) LOG(BRO_LOG_DEBUG, __VA_ARGS__)

/* Names the function that is running when bro_debug_calltrace is on. */
#define TRACE() \
    do { \
        if (__builtin_expect(bro_debug_calltrace != 0, 0)) \
            log_now(BRO_LOG_DEBUG, "%s()", __func__); \
    } while (0)

#endif
