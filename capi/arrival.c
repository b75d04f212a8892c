#include "arrival.h"

#include "api.h"
#include "far.h"

#include <stdlib.h>
#include <string.h>

/* A copy is kept for the next one unless it is a large one's. */
#define KEEP ((size_t)64 << 10)

static int
make_room(struct arrival *a, size_t size)
{
    struct link_record *more;

    if (size <= a->room)
        return TRUE;
    more = realloc(a->copy, size);
    if (!more)
        return FALSE;
    a->copy = more;
    a->room = size;
    return TRUE;
}

/* Whether what is at rec has size bytes, as far as anybody can tell. */
static void
copy(struct arrival *a, const struct link_record *rec, size_t size)
{
    if (size < sizeof *rec || !make_room(a, size))
        return;
    memcpy(a->copy, rec, size);
    a->copy->size = (uint32_t)size; /* whatever it has become meanwhile */
    a->rec = a->copy;
}

static void
copy_far(struct arrival *a, const struct link_memory *m)
{
    const struct link_record *rec = far_record(m, &a->far);

    if (rec && a->far.size <= LINK_EVENT_MAX + LINK_NEAR_MAX)
        copy(a, rec, a->far.size);
}

static void
take_alien(struct arrival *a, const struct link_memory *m, const struct link_record *rec)
{
    size_t size = __atomic_load_n(&rec->size, __ATOMIC_RELAXED);
    size_t most = (size_t)(m->in.data + m->in.size - (const unsigned char *)rec);

    a->rec = NULL;
    copy(a, rec, size < most ? size : most);
    if (a->rec && a->rec->kind == LINK_FAR && a->rec->size >= sizeof a->far) {
        memcpy(&a->far, a->rec, sizeof a->far);
        a->rec = NULL;
        copy_far(a, m);
    }
}

int
arrival_take(struct arrival *a, struct link_memory *m)
{
    struct link_record *rec = ring_next(&m->in, &a->next);

    a->rec = NULL;
    a->far.size = 0;
    if (!rec)
        return FALSE;
    if (m->outside) {
        take_alien(a, m, rec);
    } else if (rec->kind == LINK_FAR) {
        a->far = *(struct link_far *)rec;
        a->rec = far_record(m, &a->far);
    } else {
        a->rec = rec;
    }
    return TRUE;
}

void
arrival_begin(struct arrival *a, struct link_memory *m)
{
    if (m->outside && a->far.size) { /* rec is a copy */
        far_free(m, &a->far);
        a->far.size = 0;
    }
    ring_advance(&m->in, a->next);
}

void
arrival_release(struct arrival *a, struct link_memory *m, int last)
{
    if (a->far.size)
        far_free(m, &a->far);
    if (last)
        ring_release(&m->in, m->in.pos);
    if (a->room > KEEP) {
        free(a->copy);
        a->copy = NULL;
        a->room = 0;
    }
}
