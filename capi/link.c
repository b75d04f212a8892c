#include "link.h"

#include "process.h"
#include "ring.h"
#include "spool.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(struct link_far) % 8 == 0, "a record of a ring");

size_t
link_ring_bytes(uint64_t queue_bytes)
{
    size_t size = LINK_RING_BYTES;

    while (size < queue_bytes)
        size *= 2;
    return size;
}

struct link *
link_new(size_t out_bytes, struct spool *spool)
{
    size_t own = spool ? 0 : out_bytes;
    size_t size = sizeof(struct link) + LINK_RING_BYTES + own;
    struct link *l = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (l == MAP_FAILED)
        return NULL;
    l->generation = process_generation();
    l->in.size = LINK_RING_BYTES;
    l->in.data = (unsigned char *)(l + 1);
    l->own_out.size = own;
    l->own_out.data = l->in.data + LINK_RING_BYTES;
    l->out = &l->own_out;
    if (spool) {
        l->spool = spool->map;
        l->out = &spool->map->ring;
    }
    return l;
}

void
link_free_far(struct link_record *rec, uint64_t *waiting)
{
    struct link_record *at;

    if (rec->kind != LINK_FAR)
        return;
    at = ((struct link_far *)rec)->at;
    __atomic_sub_fetch(waiting, at->size, __ATOMIC_SEQ_CST);
    free(at);
}

static void
ring_clear(struct link_ring *r, uint64_t *waiting)
{
    struct link_record *rec;
    uint64_t next;

    while ((rec = ring_next(r, &next))) {
        link_free_far(rec, waiting);
        ring_release(r, next);
    }
}

void
link_unmap(struct link *l)
{
    if (l)
        munmap(l, sizeof(struct link) + l->in.size + l->own_out.size);
}

void
link_free(struct link *l)
{
    if (!l)
        return;
    ring_clear(&l->own_out, &l->far_out);
    ring_clear(&l->in, &l->far_in);
    link_unmap(l);
}
