/*
 * A thread of the host's that is cancelled in a call of ours would leave locks
 * behind that nobody opens, and its stack to a thread of ours. So it is
 * cancelled later: between these two, where a call holds a lock or waits.
 */
#ifndef ROMANESCO_CANCEL_H
#define ROMANESCO_CANCEL_H

#include <pthread.h>

static inline int
cancel_hold(void)
{
    int was;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
    return was;
}

static inline void
cancel_release(int was)
{
    pthread_setcancelstate(was, &was);
}

/* At the beginning of a call that a thread may make again and again without any other
 * that acts on a cancellation: nothing is held yet. */
static inline void
cancel_point(void)
{
    pthread_testcancel();
}

#endif
