/*
 * What exit() does: programs that end without bro_conn_delete() have sent their
 * events all the same.
 */
#include "exit.h"

#include "fork.h"
#include "handles.h"
#include "process.h"
#include "spool.h"

#include <time.h>

/* What exit() may take to write what a connection has accepted, since nobody asked for it. */
#define EXIT_TIMEOUT_MS 1000

/* FALSE when another thread still has it after EXIT_TIMEOUT_MS: no lock is worth waiting for. */
static int
lock_to_exit(pthread_mutex_t *lock)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += EXIT_TIMEOUT_MS / 1000;
    return pthread_mutex_timedlock(lock, &until) == 0;
}

void
exit_flush(BroConn *bc)
{
    if (!fork_owns(bc) || !lock_to_exit(&bc->turn))
        return;
    conn_hang_up(bc, EXIT_TIMEOUT_MS);
    if (bc->spool)
        spool_leave(bc->spool);
    pthread_mutex_unlock(&bc->turn);
}

/* Another thread that deletes one meanwhile waits. */
__attribute__((destructor)) static void
flush_at_exit(void)
{
    BroConn *bc;

    if (!handles.first || process_is_guest())
        return; /* a child of vfork() ends nothing of its parent's */
    fork_look();
    if (!lock_to_exit(&handles.lock))
        return;
    for (bc = handles.first; bc; bc = bc->older)
        exit_flush(bc);
    pthread_mutex_unlock(&handles.lock);
}
