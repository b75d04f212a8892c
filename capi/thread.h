/*
 * Threads of the library's own. No signal of the host is handled on one, what the
 * host has set for its own stacks does not count, and tools show its name.
 */
#ifndef ROMANESCO_THREAD_H
#define ROMANESCO_THREAD_H

#include <pthread.h>

/* Starts a thread that is to be joined or detached. 0, or why it could not be started. */
int thread_start(pthread_t *thread, void *(*func)(void *), void *arg);

/* None is started in between: for who loads a library. */
void thread_hold(void);
void thread_release(void);

/* After fork(), in the child: nobody holds it. */
void thread_forget(void);

#endif
