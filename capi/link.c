#include "link.h"

#include "api.h"
#include "process.h"
#include "spool.h"

#include <stdlib.h>
#include <string.h>
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

int
link_new(struct link_memory *m, size_t out_bytes, struct spool *spool)
{
    size_t own = spool ? 0 : out_bytes;
    size_t size = LINK_AT_IN + LINK_RING_BYTES + own;
    unsigned char *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return FALSE;
    m->link = (struct link *)at;
    m->bytes = size;
    m->link->generation = process_generation();
    ring_open(&m->in, &m->link->in, at + LINK_AT_IN, LINK_RING_BYTES, FALSE);
    if (spool)
        ring_open(&m->out, &spool->map->ring, (unsigned char *)spool->map + LINK_SPOOL_DATA,
                  spool->size - LINK_SPOOL_DATA, TRUE);
    else
        ring_open(&m->out, &m->link->out, at + LINK_AT_IN + LINK_RING_BYTES, own, TRUE);
    return TRUE;
}

struct link_record *
link_far_record(const struct link_record *rec)
{
    return (struct link_record *)(uintptr_t)((const struct link_far *)rec)->at;
}

void
link_free_far(struct link_record *rec, uint64_t *waiting)
{
    struct link_record *at;

    if (rec->kind != LINK_FAR)
        return;
    at = link_far_record(rec);
    __atomic_sub_fetch(waiting, at->size, __ATOMIC_SEQ_CST);
    free(at);
}

/* From the consumer's end on. */
static void
ring_clear(const struct ring *r, uint64_t *waiting)
{
    uint64_t pos = __atomic_load_n(&r->shared->tail, __ATOMIC_ACQUIRE);
    struct link_record *rec;

    while ((rec = ring_at(r, &pos)))
        link_free_far(rec, waiting);
}

void
link_unmap(struct link_memory *m)
{
    if (m->link)
        munmap(m->link, m->bytes);
    memset(m, 0, sizeof *m);
}

void
link_free(struct link_memory *m)
{
    if (!m->link)
        return;
    if (m->out.shared == &m->link->out)
        ring_clear(&m->out, &m->link->far_out);
    ring_clear(&m->in, &m->link->far_in);
    link_unmap(m);
}
