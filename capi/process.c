#include "process.h"

#include "core.h"
#include "spool.h"

#include <sys/stat.h>
#include <unistd.h>

static unsigned generation;

static struct {
    pthread_mutex_t lock;
    BroConn *first;
} live = {.lock = PTHREAD_MUTEX_INITIALIZER};

unsigned
process_generation(void)
{
    return generation;
}

void
process_add(BroConn *bc)
{
    pthread_mutex_lock(&live.lock);
    bc->older = live.first;
    live.first = bc;
    pthread_mutex_unlock(&live.lock);
}

void
process_remove(BroConn *bc)
{
    BroConn **at;

    pthread_mutex_lock(&live.lock);
    for (at = &live.first; *at && *at != bc; at = &(*at)->older)
        ;
    if (*at)
        *at = bc->older;
    pthread_mutex_unlock(&live.lock);
}

static void
before_fork(void)
{
    pthread_mutex_lock(&live.lock);
}

static void
after_fork_in_parent(void)
{
    pthread_mutex_unlock(&live.lock);
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

/* Closes what the parent's core has open: the peer is to see the parent's end
 * of the connection when the parent ends it, and not when the last child does. */
static void
after_fork_in_child(void)
{
    BroConn *bc;

    for (bc = live.first; bc; bc = bc->older) {
        pthread_mutex_init(&bc->lock, NULL); /* a thread that is no more may have held it */
        if (bc->generation != generation)
            continue;
        if (bc->spool)
            close_once(&bc->spool->lock); /* it is to be free when the parent dies */
        if (!bc->connected)
            continue;
        close_sockets(bc->link);
        close_once(&bc->socket);
    }
    generation++;
    core_forget();
    pthread_mutex_init(&live.lock, NULL);
}

__attribute__((constructor)) static void
watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* Programs that end without bro_conn_delete() have sent their events all the same. */
__attribute__((destructor)) static void
flush_at_exit(void)
{
    BroConn *bc;

    for (bc = live.first; bc; bc = bc->older)
        conn_flush_at_exit(bc);
}
