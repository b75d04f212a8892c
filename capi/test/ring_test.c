/* The rings. An argument is the seed of what is random. */
#include "../ring.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "random.h"

/* A ring, and both ends of it. */
struct ends {
    struct link_ring shared;
    struct ring producer, consumer;
};

static void
open_at(struct ends *r, void *data, uint64_t size, uint64_t pos)
{
    memset(r, 0, sizeof *r);
    r->shared.head = r->shared.tail = pos;
    ring_open(&r->producer, &r->shared, data, size, 1);
    ring_open(&r->consumer, &r->shared, data, size, 0);
}

static struct link_record *
put(struct ends *r, uint32_t size, uint32_t kind)
{
    uint64_t head;
    struct link_record *rec = ring_reserve(&r->producer, size, &head);

    if (rec) {
        memset(rec, (int)kind, size);
        rec->size = size;
        rec->kind = kind;
        ring_commit(&r->producer, head);
    }
    return rec;
}

static int
get(struct ends *r, uint32_t size, uint32_t kind)
{
    uint64_t next;
    struct link_record *rec = ring_next(&r->consumer, &next);
    uint32_t i;
    int ok = rec && rec->size == size && rec->kind == kind;

    for (i = sizeof *rec; ok && i < size; i++)
        ok = ((unsigned char *)rec)[i] == (unsigned char)kind;
    if (rec)
        ring_release(&r->consumer, next);
    return ok;
}

static void
test_ring(void)
{
    static uint64_t bytes[128 / 8];
    struct ends r;
    uint64_t head = 77, next;
    int i;

    open_at(&r, bytes, 128, 0);
    CHECK(ring_used(&r.producer) == 0 && ring_next(&r.consumer, &next) == NULL);
    CHECK(ring_reserve(&r.producer, 8, &head) == bytes && head == 8);
    CHECK(ring_used(&r.producer) == 0); /* not committed */
    CHECK(put(&r, 64, 1) && put(&r, 56, 2) && put(&r, 8, 3));
    CHECK(ring_used(&r.producer) == 128 && !put(&r, 8, 4)); /* full to the last byte */
    CHECK(get(&r, 64, 1));
    CHECK(ring_used(&r.producer) == 64 && put(&r, 64, 4) == (void *)bytes && !put(&r, 8, 5));
    CHECK(get(&r, 56, 2) && get(&r, 8, 3) && get(&r, 64, 4) && ring_used(&r.producer) == 0);
    CHECK(ring_next(&r.consumer, &next) == NULL);
    /* One that does not fit before the end goes to the beginning. */
    open_at(&r, bytes, 128, 96);
    CHECK(put(&r, 40, 6) == (void *)bytes);
    CHECK(ring_used(&r.producer) == 72 && !put(&r, 64, 7) && put(&r, 56, 7) && !put(&r, 8, 8));
    CHECK(get(&r, 40, 6) && get(&r, 56, 7) && ring_used(&r.producer) == 0);
    /* Not when that is not free yet. */
    open_at(&r, bytes, 128, 64);
    CHECK(put(&r, 40, 1)); /* 64 to 104 */
    CHECK(!put(&r, 72, 2));
    CHECK(put(&r, 64, 2) == (void *)bytes && !put(&r, 8, 3));
    CHECK(get(&r, 40, 1) && get(&r, 64, 2));
    /* A filler alone is no record, and gives its bytes back. */
    open_at(&r, bytes, 128, 120);
    CHECK(put(&r, 8, LINK_SKIP) != NULL);
    CHECK(ring_next(&r.consumer, &next) == NULL && ring_used(&r.producer) == 0);
    /* The counters pass 32 bits and more. */
    open_at(&r, bytes, 128, (uint64_t)-256);
    for (i = 0; i < 3; i++)
        CHECK(put(&r, 64, 9) && get(&r, 64, 9));
}

/* A random producer and consumer against a model. */
static void
test_ring_random(void)
{
    static uint64_t bytes[1024 / 8];
    struct ends r;
    uint32_t sizes[200];
    int first = 0, last = 0, i, refused = 0, ok = 1;

    open_at(&r, bytes, 1024, 0);
    for (i = 0; i < 100000 && ok; i++) {
        uint32_t size = 8 * (1 + rnd(rnd(4) ? 8 : 64));

        if (rnd(2)) {
            if (put(&r, size, 1 + (uint32_t)last % 250))
                sizes[last++ % 200] = size;
            else
                refused++;
        } else if (first < last) {
            ok = get(&r, sizes[first % 200], 1 + (uint32_t)first % 250);
            first++;
        } else {
            uint64_t next;

            ok = !ring_next(&r.consumer, &next);
        }
        ok = ok && ring_used(&r.producer) <= r.producer.size;
    }
    CHECK(ok);
    CHECK(last > 10000 && refused > 1000);
}

#define STREAM 100000

static void *
producer(void *arg)
{
    struct ends *r = arg;
    uint32_t i;

    for (i = 0; i < STREAM; i++)
        while (!put(r, 16 + i * 8 % 104, 1 + i % 250))
            sched_yield();
    return NULL;
}

static void
test_ring_threads(void)
{
    static uint64_t bytes[512 / 8];
    struct ends r;
    pthread_t thread;
    uint32_t i = 0;
    int ok = 1;

    open_at(&r, bytes, 512, 0);
    if (!CHECK(pthread_create(&thread, NULL, producer, &r) == 0))
        return;
    while (i < STREAM) {
        uint64_t next;

        if (!ring_next(&r.consumer, &next)) {
            sched_yield();
            continue;
        }
        ok &= get(&r, 16 + i * 8 % 104, 1 + i % 250);
        i++;
    }
    pthread_join(thread, NULL);
    CHECK(ok && ring_used(&r.producer) == 0);
}

int
main(int argc, char **argv)
{
    random_seed(argc, argv);
    test_ring();
    test_ring_random();
    test_ring_threads();
    return check_done();
}
