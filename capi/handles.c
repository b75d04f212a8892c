/*
 * The handles of this process, for fork() and exit() to find them.
 */
#include "handles.h"

#include "fork.h"

struct handles handles = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
handles_add(BroConn *bc)
{
    pthread_mutex_lock(&handles.lock);
    bc->generation = fork_generation();
    bc->older = handles.first;
    handles.first = bc;
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
        *at = bc->older;
    pthread_mutex_unlock(&handles.lock);
}
