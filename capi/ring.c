#include "ring.h"

void
ring_open(struct ring *r, struct link_ring *shared, unsigned char *data, uint64_t size,
          int of_producer)
{
    r->shared = shared;
    r->data = data;
    r->size = size;
    r->pos = __atomic_load_n(of_producer ? &shared->head : &shared->tail, __ATOMIC_ACQUIRE);
}

uint64_t
ring_used(const struct ring *r)
{
    uint64_t tail = __atomic_load_n(&r->shared->tail, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&r->shared->head, __ATOMIC_ACQUIRE) - tail;
}

void *
ring_reserve(struct ring *r, size_t size, uint64_t *head)
{
    uint64_t pos = r->pos;
    uint64_t off = pos & (r->size - 1);
    uint64_t used = pos - __atomic_load_n(&r->shared->tail, __ATOMIC_ACQUIRE);
    uint64_t free_bytes = used < r->size ? r->size - used : 0;
    uint64_t to_end = r->size - off;

    if (to_end < size) {
        struct link_record *skip = (struct link_record *)(r->data + off);

        if (free_bytes < to_end + size)
            return NULL;
        skip->size = (uint32_t)to_end;
        skip->kind = LINK_SKIP;
        pos += to_end;
        off = 0;
    } else if (free_bytes < size) {
        return NULL;
    }
    *head = pos + size;
    return r->data + off;
}

void
ring_commit(struct ring *r, uint64_t head)
{
    r->pos = head;
    /* Ordered before the look at core_asleep that follows. */
    __atomic_store_n(&r->shared->head, head, __ATOMIC_SEQ_CST);
}

/* The record at pos, which is no filler, and its end; NULL where there is none before head. */
static struct link_record *
record_at(const struct ring *r, uint64_t *pos, uint64_t head)
{
    while (*pos < head && head - *pos <= r->size && *pos % 8 == 0) {
        uint64_t off = *pos & (r->size - 1);
        struct link_record *rec = (struct link_record *)(r->data + off);
        uint32_t size = __atomic_load_n(&rec->size, __ATOMIC_RELAXED);

        if (size < sizeof *rec || size % 8 != 0 || size > r->size - off || size > head - *pos)
            return NULL;
        *pos += size;
        if (__atomic_load_n(&rec->kind, __ATOMIC_RELAXED) != LINK_SKIP)
            return rec;
    }
    return NULL;
}

struct link_record *
ring_next(struct ring *r, uint64_t *next)
{
    uint64_t head = __atomic_load_n(&r->shared->head, __ATOMIC_SEQ_CST);
    struct link_record *rec;

    *next = r->pos;
    rec = record_at(r, next, head);
    if (!rec && *next != r->pos) { /* a filler; what comes before it may not be released */
        int clear = __atomic_load_n(&r->shared->tail, __ATOMIC_RELAXED) == r->pos;

        ring_advance(r, *next);
        if (clear)
            ring_release(r, *next);
    }
    return rec;
}

struct link_record *
ring_at(const struct ring *r, uint64_t *pos)
{
    return record_at(r, pos, __atomic_load_n(&r->shared->head, __ATOMIC_ACQUIRE));
}

void
ring_advance(struct ring *r, uint64_t next)
{
    r->pos = next;
}

void
ring_release(struct ring *r, uint64_t next)
{
    r->pos = next;
    __atomic_store_n(&r->shared->tail, next, __ATOMIC_RELEASE);
}
