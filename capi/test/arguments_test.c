/*
 * The arguments of an event that comes in, as its handlers get them.
 */
#include "../conn.h"

#include "fake_core.h"
#include "handlers.h"

static const uint64 one = 1;

struct meta_check {
    int calls;
    int numargs;
    double ts;
};

static void
on_meta(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    struct meta_check *c = user_data;
    int i;

    (void)bc;
    c->calls++;
    c->numargs = meta->ev_numargs;
    c->ts = meta->ev_ts;
    for (i = 0; i < meta->ev_numargs; i++) {
        CHECK(meta->ev_args[i].arg_type == BRO_TYPE_COUNT);
        CHECK(*(uint64 *)meta->ev_args[i].arg_data == (uint64)i);
    }
    CHECK(meta->ev_end - meta->ev_start == 3 && memcmp(meta->ev_start, "raw", 3) == 0);
    memset(meta, 0, sizeof *meta); /* ours: the next handler has another */
}

static void *last_user_data;
static uint64 *last_args[64];

#define P4(n) void *a##n##0, void *a##n##1, void *a##n##2, void *a##n##3
#define S4(n) \
    last_args[4 * n] = a##n##0, last_args[4 * n + 1] = a##n##1, last_args[4 * n + 2] = a##n##2, \
                  last_args[4 * n + 3] = a##n##3

static void
on_none(BroConn *bc, void *user_data)
{
    (void)bc;
    last_user_data = user_data;
}

static void
on_4(BroConn *bc, void *user_data, P4(0))
{
    on_none(bc, user_data);
    S4(0);
}

static void
on_16(BroConn *bc, void *user_data, P4(0), P4(1), P4(2), P4(3))
{
    on_none(bc, user_data);
    S4(0), S4(1), S4(2), S4(3);
}

static void
on_64(BroConn *bc, void *user_data, P4(0), P4(1), P4(2), P4(3), P4(4), P4(5), P4(6), P4(7), P4(8),
      P4(9), P4(10), P4(11), P4(12), P4(13), P4(14), P4(15))
{
    on_none(bc, user_data);
    S4(0), S4(1), S4(2), S4(3), S4(4), S4(5), S4(6), S4(7);
    S4(8), S4(9), S4(10), S4(11), S4(12), S4(13), S4(14), S4(15);
}

static void
test_arguments(void)
{
    int n, i;

    for (n = 0; n <= 70; n++) {
        BroConn *bc = pretend(0);
        BroEvent *ev = bro_event_new("args");
        struct meta_check c = {0, -1, 0};
        int room = n <= 4 ? 4 : n <= 16 ? 16 : 64;
        BroEventFunc func = (BroEventFunc)(n <= 4 ? (void *)on_4 : n <= 16 ? (void *)on_16 : on_64);

        last_user_data = NULL;
        memset(last_args, 0xff, sizeof last_args);
        bro_event_registry_add_compact(bc, "args", on_meta, &c);
        bro_event_registry_add(bc, "args", (BroEventFunc)on_none, bc);
        bro_event_registry_add(bc, "args", func, &last_user_data);
        bro_event_registry_add_compact(bc, "args", on_meta, &c);
        for (i = 0; i < n; i++) {
            uint64 num = (uint64)i;

            bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &num);
        }
        arrives(bc, ev);
        bro_event_free(ev);
        /* The values are gone when the call returns: on_meta looks at them in time. */
        CHECK(bro_conn_process_input(bc));
        CHECK(c.calls == 2 && c.numargs == n && c.ts > 0);
        CHECK(last_user_data == (n <= 64 ? &last_user_data : NULL));
        for (i = 0; i < room; i++)
            CHECK(n > 64 ? last_args[i] == (uint64 *)-1 : (last_args[i] != NULL) == (i < n));
        bro_conn_delete(bc);
    }
}

/* An event that is not well-formed is dropped, and the next one is not. */
static void
test_malformed(void)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = bro_event_new("a");
    struct link_event *good, *bad;
    size_t args_at = sizeof *good + 8, at;
    uint32_t size;
    int before, calls = 0;

    bro_event_registry_add_compact(bc, "a", on_compact, "");
    bro_event_add_val(ev, BRO_TYPE_COUNT, "count", &one);
    good = inbound(ev);
    bro_event_free(ev);
    size = good->rec.size;
    bad = malloc(size);
    for (at = 0; at < size - args_at; at++) { /* each byte of the argument and behind it */
        memcpy(bad, good, size);
        ((uchar *)bad)[args_at + at] ^= 0x80;
        core_hands(bc, bad, size, FALSE);
        core_hands(bc, good, size, FALSE);
        before = (int)strlen(trail);
        CHECK(bro_conn_process_input(bc));
        calls = ((int)strlen(trail) - before) / 2;
        CHECK(calls == 1 || calls == 2); /* some bytes do not matter */
        trail[0] = '\0';
    }
    memcpy(bad, good, size);
    bad->raw_len = 9;
    core_hands(bc, bad, size, FALSE);
    bad->raw_len = UINT32_MAX;
    core_hands(bc, bad, size, FALSE);
    bad->raw_len = 3;
    bad->num_args = 3;
    core_hands(bc, bad, size, FALSE);
    bad->num_args = 1;
    bad->rec.kind = 99; /* not an event */
    core_hands(bc, bad, size, FALSE);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is(""));
    free(bad);
    free(good);
    bro_conn_delete(bc);
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    test_arguments();
    test_malformed();
    return check_done();
}
