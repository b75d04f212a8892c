/*
 * The handles of this process, for fork() and exit() to find them.
 */
#include "handles.h"

#include "fork.h"

struct handles handles = {.lock = PTHREAD_MUTEX_INITIALIZER};

BroConn *
handles_first(void)
{
    return __atomic_load_n(&handles.first, __ATOMIC_ACQUIRE);
}

void
handles_add(BroConn *bc)
{
    pthread_mutex_lock(&handles.lock);
    bc->generation = fork_generation();
    bc->older = handles.first;
    __atomic_store_n(&handles.first, bc, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&handles.lock);
}

void
handles_remove(BroConn *bc)
{
    BroConn **at;

    pthread_mutex_lock(&handles.lock);
    for (at = &handles.first; *at && *at != bc; at = &(*at)->older)
        ;
    if (*at)
        __atomic_store_n(at, bc->older, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&handles.lock);
}
