/*
 * The test as the core: it takes records from the outbound ring, puts some into
 * the inbound one, and signals the descriptor.
 */
#ifndef ROMANESCO_FAKE_CORE_H
#define ROMANESCO_FAKE_CORE_H

#include "../conn.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../flat.h"
#include "../ring.h"
#include "../spool.h"
#include "check.h"

static inline BroConn *
queueing(void)
{
    return bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
}

/* The other ends of a connection's rings. */
static inline struct ring
core_out(BroConn *bc)
{
    struct ring r;

    ring_open(&r, bc->memory.out.shared, bc->memory.out.data, bc->memory.out.size, FALSE);
    return r;
}

static inline struct ring
core_in(BroConn *bc)
{
    struct ring r;

    ring_open(&r, bc->memory.in.shared, bc->memory.in.data, bc->memory.in.size, TRUE);
    return r;
}

/* The record that one of LINK_FAR stands for. */
static inline struct link_record *
core_far(const struct link_record *rec)
{
    return (struct link_record *)(uintptr_t)((const struct link_far *)rec)->at;
}

/* Gives back what waits in the outbound ring, at most n records. */
static inline int
core_takes(BroConn *bc, int n)
{
    struct ring out = bc->link ? core_out(bc) : (struct ring){0};
    struct link_record *rec;
    uint64_t next;
    int i;

    for (i = 0; i < n && bc->link && (rec = ring_next(&out, &next)); i++) {
        if (rec->kind == LINK_FAR) {
            __atomic_sub_fetch(&bc->link->far_out_bytes, core_far(rec)->size, __ATOMIC_SEQ_CST);
            free(core_far(rec));
        }
        ring_release(&out, next);
        __atomic_add_fetch(&bc->link->done, 1, __ATOMIC_SEQ_CST);
    }
    return i;
}

/* A handle that takes itself for connected. */
static inline BroConn *
pretend(int flags)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", flags | BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("opens the link");

    CHECK(bro_event_send(bc, ev));
    bro_event_free(ev);
    CHECK(core_takes(bc, 1) == 1);
    bc->to_core = descriptor_event(&bc->to_core_id, 3);
    bc->to_host = descriptor_event(&bc->to_host_id, 3);
    bc->link->state = LINK_UP;
    return bc;
}

/* Signals as the core does. */
static inline void
core_signals(BroConn *bc)
{
    uint64_t once = 1;

    if (!__atomic_exchange_n(&bc->link->host_signaled, 1, __ATOMIC_SEQ_CST))
        CHECK(write(bc->to_host, &once, sizeof once) == sizeof once);
}

/* Puts a record into the inbound ring; far says that it goes outside of it. */
static inline void
core_hands(BroConn *bc, const void *rec, size_t size, int far)
{
    struct link_far pointer = {{sizeof pointer, LINK_FAR}, 0, size};
    struct ring in = core_in(bc);
    uint64_t head;
    void *at;

    if (far) {
        at = malloc(size);
        memcpy(at, rec, size);
        pointer.at = (uintptr_t)at;
        bc->link->far_in_bytes += size;
        rec = &pointer;
        size = sizeof pointer;
    }
    if (!CHECK((at = ring_reserve(&in, size, &head)) != NULL))
        return;
    memcpy(at, rec, size);
    ring_commit(&in, head);
    core_signals(bc);
}

/* An event as the core would hand it over: with the wire's bytes, here "raw". */
static inline struct link_event *
inbound(BroEvent *ev)
{
    BroConn *bc = queueing();
    struct link_event *rec = NULL;
    struct link_record *sent;
    uint64_t next;

    struct ring out;

    if (CHECK(bro_event_send(bc, ev)) &&
        (out = core_out(bc), sent = ring_next(&out, &next)) != NULL) {
        const struct link_record *whole = sent->kind == LINK_FAR ? core_far(sent) : sent;
        uint32_t size = whole->size;

        rec = calloc(1, size + 8);
        memcpy(rec, whole, size);
        memcpy((char *)rec + size, "raw", 3);
        rec->raw_len = 3;
        rec->rec.size = size + 8;
    }
    bro_conn_delete(bc);
    return rec;
}

static inline void
arrives(BroConn *bc, BroEvent *ev)
{
    struct link_event *rec = inbound(ev);

    core_hands(bc, rec, rec->rec.size, rec->rec.size > LINK_NEAR_MAX);
    free(rec);
}

static inline void
arrives_named(BroConn *bc, const char *name, uint64 n)
{
    BroEvent *ev = bro_event_new(name);

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &n);
    arrives(bc, ev);
    bro_event_free(ev);
}

static inline int
readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static inline BroEvent *
event_of(uint32 bytes)
{
    BroString str = {bytes, calloc(1, bytes + 1)};
    BroEvent *ev = bro_event_new("queued");

    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
    free(str.str_val);
    return ev;
}

/* Runs func with a connection that has a spool. */
static inline void
with_spool(void (*func)(BroConn *bc))
{
    char dir[] = "/tmp/broccoli-spool-XXXXXX";
    BroConn *bc = queueing();
    struct reason why;

    if (CHECK(mkdtemp(dir) != NULL))
        bc->spool = spool_new(dir, bc->peer, LINK_RING_BYTES, FALSE, &why);
    if (CHECK(bc->spool != NULL))
        func(bc);
    bro_conn_delete(bc);
    CHECK(rmdir(dir) == 0); /* it took its own with it */
}

#endif
