#include "far.h"

#include "api.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((uint64_t)4096)

static uint64_t
offset(uint64_t at)
{
    return at & (LINK_FAR_RING - 1);
}

/* Room for size bytes in one piece, and its place. */
static void *
reserve(struct ring *r, size_t size, uint64_t *at)
{
    uint64_t used = r->pos - __atomic_load_n(&r->shared->tail, __ATOMIC_ACQUIRE);
    uint64_t to_end = LINK_FAR_RING - offset(r->pos);
    uint64_t skip = to_end < size ? to_end : 0;

    if (!r->data || used > LINK_FAR_RING || LINK_FAR_RING - used < skip + size)
        return NULL;
    *at = r->pos + skip;
    r->pos = *at + size;
    return r->data + offset(*at);
}

int
far_put(struct link_memory *m, const void *rec, size_t size, struct link_far *far)
{
    uint64_t at = 0;
    void *to = m->outside ? reserve(&m->far_out, size, &at) : malloc(size);

    if (!to)
        return FALSE;
    memcpy(to, rec, size);
    far->rec.size = sizeof *far;
    far->rec.kind = LINK_FAR;
    far->at = m->outside ? at : (uintptr_t)to;
    far->size = size;
    __atomic_add_fetch(&m->link->far_out_bytes, size, __ATOMIC_SEQ_CST);
    return TRUE;
}

void
far_unput(struct link_memory *m, const struct link_far *far)
{
    __atomic_sub_fetch(&m->link->far_out_bytes, far->size, __ATOMIC_SEQ_CST);
    if (m->outside)
        m->far_out.pos = far->at;
    else
        free((void *)(uintptr_t)far->at);
}

struct link_record *
far_record(const struct link_memory *m, const struct link_far *far)
{
    if (!m->outside)
        return (struct link_record *)(uintptr_t)far->at;
    if (!m->far_in.data || far->size < sizeof(struct link_event) || far->at % 8 != 0 ||
        far->size > LINK_FAR_RING - offset(far->at))
        return NULL;
    return (struct link_record *)(m->far_in.data + offset(far->at));
}

/* The pages that nothing else is in go back to the system. */
static void
give_back(unsigned char *from, uint64_t size)
{
    uintptr_t begin = ((uintptr_t)from + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)from + size) & ~(uintptr_t)(PAGE - 1);

    if (begin < end)
        madvise((void *)begin, end - begin, MADV_REMOVE);
}

void
far_free(struct link_memory *m, const struct link_far *far)
{
    struct link_record *rec = far_record(m, far);

    if (!rec)
        return;
    __atomic_sub_fetch(&m->link->far_in_bytes, far->size, __ATOMIC_SEQ_CST);
    if (!m->outside) {
        free(rec);
        return;
    }
    give_back((unsigned char *)rec, far->size);
    __atomic_store_n(&m->far_in.shared->tail, far->at + far->size, __ATOMIC_RELEASE);
}
