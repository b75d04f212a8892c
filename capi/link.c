#include "link.h"

#include "api.h"
#include "descriptor.h"
#include "far.h"
#include "process.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

_Static_assert(sizeof(struct link_far) % 8 == 0, "a record of a ring");
_Static_assert(sizeof(struct link) <= LINK_AT_IN, "it has its place");

size_t
link_ring_bytes(uint64_t queue_bytes)
{
    size_t size = LINK_RING_BYTES;

    while (size < queue_bytes)
        size *= 2;
    return size;
}

/* Opens the rings of what lies at a place. */
static void
open_rings(struct link_memory *m, unsigned char *at, size_t own, struct spool *spool)
{
    struct link *l = (struct link *)at;

    m->link = l;
    l->generation = process_generation();
    ring_open(&m->in, &l->in, at + LINK_AT_IN, LINK_RING_BYTES, FALSE);
    if (spool)
        ring_open(&m->out, &spool->map->ring, (unsigned char *)spool->map + LINK_SPOOL_DATA,
                  spool->size - LINK_SPOOL_DATA, TRUE);
    else
        ring_open(&m->out, &l->out, at + LINK_AT_OUT, own, TRUE);
}

int
link_new(struct link_memory *m, size_t out_bytes, struct spool *spool)
{
    size_t own = spool ? 0 : out_bytes;
    size_t size = LINK_AT_OUT + own;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return FALSE;
    memset(m, 0, sizeof *m);
    m->bytes = size;
    m->fd = -1;
    open_rings(m, at, own, spool);
    return TRUE;
}

/* A file in memory whose size nobody can change: what is mapped of it stays. */
static int
sealed_memory(size_t size)
{
    struct rlimit limit;
    int fd, failed;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size) {
        errno = EFBIG; /* and not a signal */
        return -1;
    }
    fd = memfd_create("broccoli", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return descriptor_raise(fd);
    failed = errno;
    if (fd >= 0)
        close(fd);
    errno = failed;
    return -1;
}

/* Maps it so that what is never touched takes no memory, under mlockall() either. */
static void *
map_shared(int fd, size_t size)
{
    void *at = mmap(NULL, size, PROT_NONE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        return NULL;
    munlock(at, size);
    if (mprotect(at, size, PROT_READ | PROT_WRITE) == 0)
        return at;
    munmap(at, size);
    return NULL;
}

int
link_new_outside(struct link_memory *m, size_t out_bytes, uint64_t begin)
{
    size_t near = LINK_AT_OUT + out_bytes, whole = near + 2 * (size_t)LINK_FAR_RING;
    int fd = sealed_memory(whole);
    unsigned char *at = fd >= 0 ? map_shared(fd, whole) : NULL;
    int with_far = at != NULL;

    if (fd >= 0 && !at)
        at = map_shared(fd, near); /* RLIMIT_AS: then no event may be large */
    if (!at) {
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    memset(m, 0, sizeof *m);
    m->outside = TRUE;
    m->bytes = with_far ? whole : near;
    m->fd = fd;
    m->whole = whole;
    ((struct link *)at)->out.head = ((struct link *)at)->out.tail = begin;
    ((struct link *)at)->taken = begin;
    open_rings(m, at, out_bytes, NULL);
    ring_open(&m->far_out, &m->link->far_out, with_far ? at + near : NULL, LINK_FAR_RING, TRUE);
    ring_open(&m->far_in, &m->link->far_in, with_far ? at + near + LINK_FAR_RING : NULL,
              LINK_FAR_RING, FALSE);
    return TRUE;
}

/* From the consumer's end on. */
static void
free_fars(const struct ring *r)
{
    uint64_t pos = __atomic_load_n(&r->shared->tail, __ATOMIC_ACQUIRE);
    struct link_record *rec;

    while ((rec = ring_at(r, &pos)))
        if (rec->kind == LINK_FAR)
            free((void *)(uintptr_t)((struct link_far *)rec)->at);
}

void
link_unmap(struct link_memory *m)
{
    if (m->link)
        munmap(m->link, m->bytes);
    memset(m, 0, sizeof *m);
    m->fd = -1;
}

void
link_free(struct link_memory *m)
{
    if (!m->link)
        return;
    if (!m->outside) {
        free_fars(&m->in);
        if (m->out.shared == &m->link->out)
            free_fars(&m->out);
    }
    link_unmap(m);
}
