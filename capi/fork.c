/*
 * What a child of fork() does with the connections of its parent.
 */
#include "fork.h"

#include "core.h"
#include "debug.h"
#include "handles.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many fork()s lie between this process and the one that loaded the library. */
static unsigned generation;

unsigned
fork_generation(void)
{
    return generation;
}

static void
before_fork(void)
{
    pthread_mutex_lock(&handles.lock);
}

static void
after_fork_in_parent(void)
{
    pthread_mutex_unlock(&handles.lock);
}

static void
close_once(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Closes the sockets of the core that are still what they were. */
static void
close_sockets(const struct link *l)
{
    const struct link_socket *s;
    struct stat st;

    for (s = l->sockets; s < l->sockets + LINK_SOCKETS; s++)
        if (s->inode && s->fd >= 0 && fstat(s->fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
            st.st_ino == s->inode)
            close(s->fd);
}

/*
 * Leaves the child what it can use. Closes what the parent's core has open: the
 * peer is to see the parent's end of the connection when the parent ends it, and
 * not when the last child does. Only the thread that forked is here.
 */
static void
leave_to_child(BroConn *bc)
{
    pthread_mutex_init(&bc->turn, NULL); /* a thread that is no more may have held it */
    pthread_mutex_init(&bc->lock, NULL);
    if (bc->running && !pthread_equal(bc->runner, pthread_self()))
        bc->running = FALSE;
    if (bc->spool)
        close_once(&bc->spool->lock); /* it is to be free when the parent dies */
    if (bc->link)
        close_sockets(bc->link);
    if (conn_state(bc) != LINK_NEW)
        close_once(&bc->socket);
}

static void
after_fork_in_child(void)
{
    BroConn *bc;

    for (bc = handles.first; bc; bc = bc->older)
        leave_to_child(bc);
    generation++;
    core_forget();
    log_forget();
    pthread_mutex_init(&handles.lock, NULL);
}

__attribute__((constructor)) static void
watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* --- Handles of the parent -------------------------------------------------------------------- */

int
fork_owns(const BroConn *bc)
{
    return __atomic_load_n(&bc->generation, __ATOMIC_ACQUIRE) == generation;
}

/* Whether a descriptor is still what the parent had under this number: a daemon
 * may have closed all that it knew nothing of, and opened its own. All eventfds
 * are one file, and some other things too, but these take no 8 bytes. */
static int
is_eventfd(int fd, int other)
{
    struct stat a, b;
    uint64_t nothing = 0;

    return fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino && write(fd, &nothing, sizeof nothing) == sizeof nothing;
}

/* An eventfd of our own, under the number that the host may be waiting on. */
static void
renew(int *fd)
{
    int fresh;

    if (*fd < 0)
        return;
    fresh = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fresh < 0)
        LOG_LATER(BRO_LOG_WARNING, "cannot replace a descriptor after fork(): %s", strerror(errno));
    if (fresh >= 0 && is_eventfd(*fd, fresh) && dup3(fresh, *fd, O_CLOEXEC) >= 0)
        close(fresh);
    else
        *fd = fresh; /* dup3() takes no file for itself */
}

/* The link of the parent. A handler that runs, here or in an ancestor, has
 * pointers into it, so that it stays until the handler has returned. */
static void
leave_link(BroConn *bc)
{
    struct link *l;

    pthread_mutex_lock(&bc->lock); /* other threads may be asking for its state */
    l = bc->link;
    bc->link = NULL;
    if (bc->running && !bc->inherited)
        bc->inherited = l;
    else
        link_unmap(l);
    pthread_mutex_unlock(&bc->lock);
}

static void
leave_spool(BroConn *bc)
{
    struct spool *s = bc->spool;

    bc->spool = NULL;
    if (s)
        spool_forget(s);
}

/* Has nothing of the parent's left. In turn. */
static void
take_over(BroConn *bc)
{
    leave_link(bc);
    leave_spool(bc);
    errors_forget(bc);
    renew(&bc->to_core);
    renew(&bc->to_host);
}

/* Whether the parent had a connection, or was to have one. */
static int
was_wanted(const BroConn *bc)
{
    static const uint32_t wanted = LINK_IN(LINK_UP) | LINK_IN(LINK_RETRY);
    uint32_t is = LINK_IN(conn_state(bc));

    return bc->peer && (is & wanted || (is & LINK_IN(LINK_OPENING) && bc->flags & BRO_CFLAG_RECONNECT));
}

static void
own(BroConn *bc, int reopen)
{
    int held;

    if (fork_owns(bc))
        return;
    held = conn_take_turn(bc);
    if (!fork_owns(bc)) { /* no other thread has been quicker */
        reopen = reopen && was_wanted(bc);
        take_over(bc);
        if (reopen)
            conn_open(bc, FALSE); /* if that fails, it says so */
        __atomic_store_n(&bc->generation, generation, __ATOMIC_RELEASE);
    }
    conn_end_turn(bc, held);
    log_deliver();
}

void
fork_own(BroConn *bc)
{
    own(bc, TRUE);
}

void
fork_disown(BroConn *bc)
{
    own(bc, FALSE);
}
