/*
 * The handles of this process, for fork() and exit() to find them.
 */
#include "handles.h"

#include "process.h"

struct handles handles = {.lock = PTHREAD_MUTEX_INITIALIZER};

BroConn *
handles_first(void)
{
    return __atomic_load_n(&handles.first, __ATOMIC_ACQUIRE);
}

void
handles_add(BroConn *bc)
{
    process_begin();
    bc->generation = process_generation();
    pthread_mutex_lock(&handles.lock);
    __atomic_store_n(&bc->older, handles.first, __ATOMIC_RELAXED);
    __atomic_store_n(&handles.first, bc, __ATOMIC_RELEASE); /* now it is in the list */
    pthread_mutex_unlock(&handles.lock);
}

BroConn *
handles_older(const BroConn *bc)
{
    return __atomic_load_n(&bc->older, __ATOMIC_ACQUIRE);
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
