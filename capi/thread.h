/*
 * Threads of the library's own. No signal of the host is handled on one, what the
 * host has set for its own stacks does not count, and tools show its name.
 */
#ifndef ROMANESCO_THREAD_H
#define ROMANESCO_THREAD_H

#include <pthread.h>

/* Starts a thread that is to be joined or detached. 0, or why it could not be started. */
int thread_start(pthread_t *thread, void *(*func)(void *), void *arg);

#endif
