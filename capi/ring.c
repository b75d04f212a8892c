#include "ring.h"

uint64_t
ring_used(const struct link_ring *r)
{
    uint64_t tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) - tail;
}

void *
ring_reserve(struct link_ring *r, size_t size, uint64_t *head)
{
    uint64_t pos = r->head; /* ours alone to write */
    uint64_t off = pos & (r->size - 1);
    uint64_t free_bytes = r->size - (pos - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE));
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
ring_commit(struct link_ring *r, uint64_t head)
{
    /* Ordered before the look at core_asleep that follows. */
    __atomic_store_n(&r->head, head, __ATOMIC_SEQ_CST);
}

struct link_record *
ring_next(struct link_ring *r, uint64_t *next)
{
    uint64_t pos = r->tail; /* ours alone to write */
    uint64_t head = __atomic_load_n(&r->head, __ATOMIC_SEQ_CST);

    while (pos < head) {
        struct link_record *rec = (struct link_record *)(r->data + (pos & (r->size - 1)));

        pos += rec->size;
        if (rec->kind != LINK_SKIP) {
            *next = pos;
            return rec;
        }
    }
    if (pos != r->tail)
        ring_release(r, pos);
    return NULL;
}

void
ring_release(struct link_ring *r, uint64_t next)
{
    __atomic_store_n(&r->tail, next, __ATOMIC_RELEASE);
}
