/*
 * What a child of fork() does with the connections of its parent.
 */
#include "fork.h"

#include "core.h"
#include "debug.h"
#include "descriptor.h"
#include "handles.h"
#include "process.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Closes what the core has open and no child is to have. */
static void
close_private(const struct link *l)
{
    const struct link_private *p;

    for (p = l->privates; p < l->privates + LINK_PRIVATES; p++) {
        struct descriptor_id id = {.device = p->device, .inode = p->inode};
        int fd = p->fd;

        if (id.inode)
            descriptor_close(&fd, &id);
    }
}

/*
 * Leaves the child what it can use. Closes what the parent's core has open: the
 * peer is to see the parent's end of the connection when the parent ends it, and
 * not when the last child does. The child may have opened files of its own before
 * it looks, so that no number is trusted.
 */
static void
leave_to_child(BroConn *bc)
{
    pthread_mutex_init(&bc->turn, NULL); /* a thread that is no more may have held it */
    pthread_mutex_init(&bc->lock, NULL);
    if (bc->depth && !pthread_equal(bc->runner, pthread_self()))
        bc->depth = 0;
    if (bc->spool)
        spool_unlock(bc->spool); /* it is to be free when the parent dies */
    if (bc->link && !bc->memory.outside)
        close_private(bc->link);
    outside_forget(bc);
    if (conn_state(bc) != LINK_NEW)
        descriptor_close(&bc->socket, &bc->socket_id);
}

void
fork_settle(int clean)
{
    BroConn *bc;

    for (bc = handles_first(); bc; bc = handles_older(bc))
        leave_to_child(bc);
    core_forget(clean);
    log_forget();
    pthread_mutex_init(&handles.lock, NULL);
}

void
fork_look(void)
{
    process_generation();
}

/* --- Handles of the parent -------------------------------------------------------------------- */

int
fork_owns(const BroConn *bc)
{
    return process_is(__atomic_load_n(&bc->generation, __ATOMIC_ACQUIRE));
}

/* An eventfd of our own, under the number that the host may be waiting on. */
static void
renew(int *fd, struct descriptor_id *id, int least)
{
    struct descriptor_id fresh_id;
    int fresh;

    if (*fd < 0)
        return;
    fresh = descriptor_event(&fresh_id, least);
    if (fresh < 0)
        LOG_LATER(BRO_LOG_WARNING, "cannot replace a descriptor after fork(): %s", strerror(errno));
    if (fresh >= 0 && descriptor_is(*fd, id) && dup3(fresh, *fd, O_CLOEXEC) >= 0)
        close(fresh);
    else
        *fd = fresh;
    *id = fresh_id;
}

/* The link of the parent. A handler that runs, here or in an ancestor, has
 * pointers into it, so that it stays until the handler has returned. */
static void
leave_link(BroConn *bc)
{
    pthread_mutex_lock(&bc->lock); /* other threads may be asking for its state */
    bc->link = NULL;
    if (bc->depth && !bc->inherited.link)
        bc->inherited = bc->memory;
    else
        link_unmap(&bc->memory);
    memset(&bc->memory, 0, sizeof bc->memory);
    bc->memory.fd = -1;
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
    errors_inherit(bc);
    leave_link(bc);
    leave_spool(bc);
    renew(&bc->to_core, &bc->to_core_id, descriptor_high());
    renew(&bc->to_host, &bc->to_host_id,
          bc->outside.visible >= 0 ? descriptor_high() : STDERR_FILENO + 1);
    if (bc->outside.visible >= 0 && bc->to_host >= 0 && !outside_make_visible(bc))
        LOG_LATER(BRO_LOG_WARNING, "cannot replace a descriptor after fork(): %s", strerror(errno));
}

/* Whether the parent had a connection, or was to have one. */
static int
was_wanted(BroConn *bc)
{
    static const uint32_t wanted = LINK_IN(LINK_UP) | LINK_IN(LINK_RETRY);
    uint32_t is = LINK_IN(outside_state(bc));

    if (is & LINK_IN(LINK_OPENING) && (bc->flags & BRO_CFLAG_RECONNECT || errors_ups(bc) > 0))
        return bc->peer != NULL; /* the second: another thread of the parent's reconnects */
    return bc->peer && is & wanted;
}

static void
own(BroConn *bc, int reopen)
{
    unsigned generation;
    int held;

    if (fork_owns(bc))
        return;
    generation = process_generation();
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
