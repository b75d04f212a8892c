/*
 * Messages: to the function that bro_log_set() was given, or to standard error
 * if debugging is on. A message waits in a queue until the thread that delivers
 * holds no lock of ours: the host's function may call the library.
 */
#ifndef ROMANESCO_LOG_H
#define ROMANESCO_LOG_H

#include "api.h"
#include "romanesco.h"

/* Whether there is such a function; the core looks at it too. */
extern uint32_t log_to_host;

#define LOG_IS_ON(level) \
    __builtin_expect( \
        bro_debug_messages != 0 || \
            ((level) < BRO_LOG_DEBUG && __atomic_load_n(&log_to_host, __ATOMIC_RELAXED) != 0), \
        0)

/* Where no lock of ours is held: at once. */
#define LOG(level, ...) \
    do { \
        if (LOG_IS_ON(level)) \
            log_now(level, __VA_ARGS__); \
    } while (0)

/* Where one may be held: the call delivers it when it holds none. */
#define LOG_LATER(level, ...) \
    do { \
        if (LOG_IS_ON(level)) \
            log_later(level, __VA_ARGS__); \
    } while (0)

/* Whether it is on or not; errno is as before. */
void log_now(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_later(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tells the core whether messages are wanted. Under the lock. */
void log_ask(BroConn *bc);

/* Whether a core that is another process has said something. */
int log_waits(const BroConn *bc);

/* Takes what the core has said of a connection into the queue. Takes the lock. */
void log_collect(BroConn *bc);

/* Calls the host's function with all that waits, unless that is being done. The
 * last thing that a call does: the function may do anything. No lock is held, and
 * the caller may be cancelled, if the host allows it. */
void log_deliver(void);

/* Both. */
void log_hand_over(BroConn *bc);

/* After fork(), in the child: what waits is the parent's. */
void log_forget(void);

#endif
