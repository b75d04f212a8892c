/*
 * The registry of events, and what comes in: from the inbound ring to the handlers.
 * An argument is the seed of what is random.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <fcntl.h>
#include <setjmp.h>

#include "fake_core.h"
#include "handlers.h"
#include "random.h"

static void
test_registry(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", 0);
    uint32_t len = 99;
    char *names = registry_names(bc, &len);

    CHECK(names && len == 0);
    free(names);
    bro_event_registry_add(bc, NULL, (BroEventFunc)on_expanded, "");
    bro_event_registry_add(bc, "", (BroEventFunc)on_expanded, "");
    bro_event_registry_add(bc, "e", NULL, "");
    bro_event_registry_add_compact(bc, NULL, on_compact, "");
    bro_event_registry_add_compact(bc, "e", NULL, "");
    bro_event_registry_remove(bc, NULL);
    bro_event_registry_remove(bc, "e");
    CHECK(bc->handlers == NULL);
    bro_event_registry_add(bc, "b", (BroEventFunc)on_expanded, "");
    bro_event_registry_add_compact(bc, "a", on_compact, "");
    bro_event_registry_add(bc, "b", (BroEventFunc)on_expanded, "");
    bro_event_registry_add(bc, "ab", (BroEventFunc)on_expanded, "");
    bro_event_registry_request(bc);
    names = registry_names(bc, &len);
    CHECK(names && len == 7 && memcmp(names, "b\0a\0ab\0", len) == 0);
    free(names);
    bro_event_registry_remove(bc, "no such");
    bro_event_registry_remove(bc, "b");
    names = registry_names(bc, &len);
    CHECK(names && len == 5 && memcmp(names, "a\0ab\0", len) == 0);
    free(names);
    bro_event_registry_add(bc, "b", (BroEventFunc)on_expanded, "");
    names = registry_names(bc, &len);
    CHECK(names && len == 7 && memcmp(names, "a\0ab\0b\0", len) == 0);
    free(names);
    bro_conn_delete(bc);
}

static void
test_dispatch(void)
{
    BroConn *bc = pretend(0);

    CHECK(!bro_conn_process_input(bc));
    arrives_named(bc, "nobody's", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is(""));
    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "1:");
    bro_event_registry_add_compact(bc, "b", on_compact, "2:");
    bro_event_registry_add_compact(bc, "a", on_compact, "3:");
    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "4:");
    arrives_named(bc, "a", 7);
    arrives_named(bc, "b", 8);
    arrives_named(bc, "aa", 9);
    arrives_named(bc, "a", 10);
    CHECK(readable(bro_conn_get_fd(bc)));
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("1:7 3:a 4:7 2:b 1:10 3:a 4:10 "));
    CHECK(!readable(bro_conn_get_fd(bc)) && !bro_conn_process_input(bc));
    bro_event_registry_remove(bc, "a");
    arrives_named(bc, "a", 11);
    arrives_named(bc, "b", 12);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("2:b "));
    bro_conn_delete(bc);
}

static void
test_adopt(void)
{
    BroConn *src = bro_conn_new_str("127.0.0.1:1", 0), *dst = pretend(0);

    bro_event_registry_add(src, "a", (BroEventFunc)on_expanded, "2:");
    bro_event_registry_add(src, "gone", (BroEventFunc)on_expanded, "x:");
    bro_event_registry_add_compact(src, "a", on_compact, "3:");
    bro_event_registry_remove(src, "gone");
    bro_event_registry_add(dst, "a", (BroEventFunc)on_expanded, "1:");
    bro_conn_adopt_events(src, NULL);
    bro_conn_adopt_events(NULL, dst);
    bro_conn_adopt_events(dst, dst);
    bro_conn_adopt_events(src, dst);
    CHECK(bro_conn_delete(src)); /* they are copies */
    arrives_named(dst, "a", 5);
    arrives_named(dst, "gone", 5);
    CHECK(bro_conn_process_input(dst));
    CHECK(trail_is("1:5 2:5 3:a "));
    bro_conn_delete(dst);
}

static void
test_yield(void)
{
    BroConn *bc = pretend(BRO_CFLAG_YIELD);
    int i;

    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    for (i = 0; i < 3; i++)
        arrives_named(bc, "a", (uint64)i);
    for (i = 0; i < 3; i++) {
        CHECK(readable(bro_conn_get_fd(bc)));
        CHECK(bro_conn_process_input(bc));
    }
    CHECK(trail_is("0 1 2 "));
    CHECK(!bro_conn_process_input(bc));
    CHECK(!readable(bro_conn_get_fd(bc)));
    bro_conn_delete(bc);
}

/* What the core does just after the ring was found empty. */
static void (*meanwhile)(BroConn *bc);
static BroConn *quieted;

struct link_record *__real_ring_next(struct ring *r, uint64_t *next);
struct link_record *__wrap_ring_next(struct ring *r, uint64_t *next);

struct link_record *
__wrap_ring_next(struct ring *r, uint64_t *next)
{
    struct link_record *rec = __real_ring_next(r, next);
    void (*func)(BroConn *) = meanwhile;

    if (!rec && func && r == &quieted->memory.in) {
        meanwhile = NULL;
        func(quieted);
    }
    return rec;
}

static void
event_comes(BroConn *bc)
{
    arrives_named(bc, "a", 1);
}

/* What comes in just then is processed as well, and the descriptor tells of what follows. */
static void
test_quiet(void)
{
    BroConn *bc = quieted = pretend(0);

    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    arrives_named(bc, "a", 0);
    meanwhile = event_comes;
    CHECK(bro_conn_process_input(bc));
    CHECK(!meanwhile && trail_is("0 1 "));
    CHECK(!readable(bro_conn_get_fd(bc)));
    arrives_named(bc, "a", 2);
    CHECK(readable(bro_conn_get_fd(bc)) && bro_conn_process_input(bc));
    CHECK(trail_is("2 "));
    bro_conn_delete(bc);
}

static void
event_comes_last(BroConn *bc)
{
    event_comes(bc);
    bc->link->state = LINK_DOWN;
}

/* The same at the end of the connection: the descriptor goes once it has been processed. */
static void
test_quiet_end(void)
{
    BroConn *bc = quieted = pretend(0);

    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    arrives_named(bc, "a", 0);
    meanwhile = event_comes_last;
    CHECK(bro_conn_process_input(bc));
    CHECK(!meanwhile && trail_is("0 1 "));
    CHECK(!bro_conn_process_input(bc) && bro_conn_get_fd(bc) == -1);
    bro_conn_delete(bc);
}

/* Called once when the descriptor is about to be made unreadable. */
static void (*before_quiet)(BroConn *bc);

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

ssize_t
__wrap_read(int fd, void *buf, size_t n)
{
    void (*func)(BroConn *) = before_quiet;

    if (func && fd == quieted->to_host) {
        before_quiet = NULL;
        func(quieted);
    }
    return __real_read(fd, buf, n);
}

/* What comes in then, and is left for the next call, keeps the descriptor readable. */
static void
test_yield_quiet(void)
{
    BroConn *bc = quieted = pretend(BRO_CFLAG_YIELD);

    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    arrives_named(bc, "a", 0);
    before_quiet = event_comes;
    CHECK(bro_conn_process_input(bc));
    CHECK(!before_quiet && trail_is("0 "));
    CHECK(readable(bro_conn_get_fd(bc)));
    CHECK(bro_conn_process_input(bc) && trail_is("1 "));
    CHECK(!readable(bro_conn_get_fd(bc)));
    bro_conn_delete(bc);
}

static void
peer_leaves(BroConn *bc)
{
    bc->link->state = LINK_DOWN;
    core_signals(bc);
}

/* The end comes while the descriptor is still readable for what came before, and
 * is about to be made unreadable: the host hears of it all the same. */
static void
test_quiet_loss(void)
{
    BroConn *bc = quieted = pretend(0);

    arrives_named(bc, "a", 0);
    before_quiet = peer_leaves;
    bro_conn_process_input(bc);
    CHECK(!before_quiet && bro_conn_get_fd(bc) == -1);
    bro_conn_delete(bc);
}

static void
core_starves(BroConn *bc)
{
    __atomic_store_n(&bc->link->core_asleep, TRUE, __ATOMIC_SEQ_CST);
    __atomic_store_n(&bc->link->core_starved, TRUE, __ATOMIC_SEQ_CST);
}

static void
on_told(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)user_data, (void)meta;
    leave(readable(bc->to_core) ? "told " : "not yet ");
}

/* A core that waits for room in the ring is told of the first that there is. */
static void
test_room(void)
{
    BroConn *bc = pretend(0);

    bro_event_registry_add_compact(bc, "a", on_told, "");
    arrives_named(bc, "a", 0);
    arrives_named(bc, "a", 1);
    core_starves(bc);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("not yet told ") && !bc->link->core_starved);
    bro_conn_delete(bc);

    bc = quieted = pretend(0);
    arrives_named(bc, "a", 0);
    meanwhile = core_starves; /* it had looked before the last record was released */
    CHECK(bro_conn_process_input(bc));
    CHECK(!meanwhile && readable(bc->to_core) && !bc->link->core_starved);
    bro_conn_delete(bc);
}

/* user_data is the name of an event to remove. */
static void
on_removing(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    on_compact(bc, "r:", meta);
    bro_event_registry_remove(bc, user_data);
}

static void
test_remove_in_handler(void)
{
    BroConn *bc = pretend(0);

    bro_event_registry_add_compact(bc, "a", on_compact, "1:");
    bro_event_registry_add_compact(bc, "a", on_removing, "a");
    bro_event_registry_add_compact(bc, "a", on_compact, "2:"); /* removed before its turn */
    bro_event_registry_add_compact(bc, "b", on_removing, "c");
    bro_event_registry_add_compact(bc, "c", on_compact, "3:");
    arrives_named(bc, "a", 0);
    arrives_named(bc, "a", 0);
    arrives_named(bc, "c", 0);
    arrives_named(bc, "b", 0);
    arrives_named(bc, "c", 0);
    arrives_named(bc, "b", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("1:a r:a 3:c r:b r:b "));
    CHECK(bc->handlers && !bc->handlers->next);
    bro_conn_delete(bc);
}

/* user_data is the name of an event to add a handler for. */
static void
on_adding(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    on_compact(bc, "+:", meta);
    bro_event_registry_add_compact(bc, user_data, on_compact, "new:");
    bro_event_registry_request(bc);
}

static void
test_add_in_handler(void)
{
    BroConn *bc = pretend(0);
    struct link_record *rec;
    struct ring out;
    uint64_t next;

    bro_event_registry_add_compact(bc, "a", on_adding, "b");
    arrives_named(bc, "b", 0);
    arrives_named(bc, "a", 0);
    arrives_named(bc, "b", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("+:a new:b "));
    out = core_out(bc);
    rec = ring_next(&out, &next);
    if (CHECK(rec && rec->kind == LINK_REQUEST)) {
        CHECK(((struct link_raw *)rec)->len == 4);
        CHECK(memcmp((struct link_raw *)rec + 1, "a\0b", 4) == 0);
    }
    CHECK(bro_event_queue_length(bc) == 0); /* a request is no event */
    bro_conn_delete(bc);
}

static int again;

/* One that takes its own place: as programs do that wait for one thing after another. */
static void
on_replacing(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    on_compact(bc, user_data, meta);
    bro_event_registry_remove(bc, "a");
    if (++again < 5)
        bro_event_registry_add_compact(bc, "a", on_replacing, "again:");
}

/* What is registered while an event is being handled is for those that follow. */
static void
test_add_for_same_event(void)
{
    BroConn *bc = pretend(0);

    again = 0;
    bro_event_registry_add_compact(bc, "a", on_replacing, "first:");
    arrives_named(bc, "a", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("first:a "));
    arrives_named(bc, "a", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("again:a "));
    bro_conn_delete(bc);
}

static void
on_deleting(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    on_compact(bc, user_data, meta);
    CHECK(bro_conn_delete(bc));
    CHECK(bro_conn_delete(bc)); /* only a note */
}

static void
test_delete_in_handler(void)
{
    BroConn *bc = pretend(0);
    BroEvent *large = event_of(1 << 20);

    bro_event_registry_add_compact(bc, "a", on_deleting, "");
    bro_event_registry_add_compact(bc, "a", on_compact, "not ");
    arrives_named(bc, "a", 0);
    arrives(bc, large);
    arrives_named(bc, "a", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("a "));
    bro_event_free(large);
}

/* What is sent after the end waits, and gives the host no descriptor to wait for. */
static void
sent_too_late(BroConn *bc)
{
    BroEvent *ev = bro_event_new("too late");

    CHECK(bro_event_send(bc, ev) && bro_conn_get_fd(bc) == -1);
    bro_event_free(ev);
}

/* --- Handlers that wait for an answer ------------------------------------------------------- */

static int deepest, questions;
static jmp_buf away;

/* Asks, and processes the answer within: the text of its own event stays what it is, whatever
 * comes into the ring meanwhile. */
static void
on_question(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    static int depth;
    const BroString *own = meta->ev_args[0].arg_data;
    char before[16];
    int i;

    (void)user_data;
    snprintf(before, sizeof before, "%.10s", own->str_val);
    if (++depth > deepest)
        deepest = depth;
    if (questions-- > 0) {
        BroEvent *next = bro_event_new("question"), *filler = event_of(30000);
        BroString text;

        bro_string_set(&text, "deeper");
        bro_event_add_val(next, BRO_TYPE_STRING, NULL, &text);
        for (i = 0; i < 3; i++)
            arrives(bc, filler);
        arrives(bc, next);
        bro_conn_process_input(bc);
        bro_event_free(next);
        bro_event_free(filler);
        bro_string_cleanup(&text);
    }
    CHECK(strncmp(before, (const char *)own->str_val, strlen(before)) == 0);
    depth--;
}

static void
ask(BroConn *bc, const char *text)
{
    BroEvent *ev = bro_event_new("question");
    BroString str;

    bro_string_set(&str, text);
    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
    arrives(bc, ev);
    bro_event_free(ev);
    bro_string_cleanup(&str);
}

static void
on_answer(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    (void)meta;
    leave(user_data);
}

static void
on_waiting(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)user_data;
    (void)meta;
    leave("asked ");
    arrives_named(bc, "answer", 0);
    CHECK(bro_conn_process_input(bc));
    leave("done ");
}

static void
on_leaving(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    (void)user_data;
    (void)meta;
    longjmp(away, 1);
}

static void
on_leaving_within(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)user_data;
    (void)meta;
    arrives_named(bc, "leaves", 0);
    bro_conn_process_input(bc);
}

static void
test_nested(void)
{
    BroConn *bc = pretend(0);
    int i;

    bro_event_registry_add_compact(bc, "waits", on_waiting, NULL);
    bro_event_registry_add_compact(bc, "answer", on_answer, "answer ");
    bro_event_registry_add_compact(bc, "question", on_question, NULL);
    bro_event_registry_add_compact(bc, "leaves", on_leaving, NULL);
    bro_event_registry_add_compact(bc, "leaves within", on_leaving_within, NULL);
    arrives_named(bc, "waits", 0);
    CHECK(bro_conn_process_input(bc) && trail_is("asked answer done "));

    /* As deep as may be, round the ring. */
    for (i = 1; i <= 3; i++) {
        deepest = 0;
        questions = 4 * i - 1;
        ask(bc, "the first");
        CHECK(bro_conn_process_input(bc));
        while (bro_conn_process_input(bc))
            ;
        CHECK(deepest == (i < 2 ? 4 * i : INPUT_DEPTH));
        CHECK(ring_used(&bc->memory.in) == 0);
    }

    /* Out of two handlers at once. */
    for (i = 0; i < 2 * INPUT_DEPTH; i++) {
        arrives_named(bc, "leaves within", 0);
        if (!setjmp(away))
            bro_conn_process_input(bc);
        arrives_named(bc, "answer", 0);
        CHECK(bro_conn_process_input(bc) && trail_is("answer "));
        CHECK(ring_used(&bc->memory.in) == 0);
    }
    bro_conn_delete(bc);
}

/* The end of a connection: what had come in is processed, then the descriptor
 * goes; that of the next connection is one that the core signals anew. */
static void
test_loss(void)
{
    BroConn *bc = pretend(0);
    int fd = bro_conn_get_fd(bc);

    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    arrives_named(bc, "a", 1);
    bc->link->state = LINK_DOWN;
    CHECK(bro_conn_alive(bc)); /* what has come is to be seen before */
    CHECK(bro_conn_get_fd(bc) == fd && readable(fd));
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("1 ") && !bro_conn_alive(bc));
    CHECK(bro_conn_get_fd(bc) == -1);
    CHECK(fcntl(fd, F_GETFD) < 0);
    CHECK(!bro_conn_process_input(bc));
    sent_too_late(bc);
    CHECK(!bro_conn_connect(bc) && bro_conn_get_fd(bc) == -1); /* no core here */
    bc->to_host = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(bc->to_host >= 0 && !readable(bc->to_host));
    bro_conn_delete(bc);
}

/* --- Around the ring ------------------------------------------------------------------------- */

static void
on_length(BroConn *bc, void *user_data, BroString *str)
{
    (void)bc;
    *(uint64 *)user_data += str->str_len;
}

/* Events inside and outside of the ring, many times around it. */
static void
test_inbound_ring(void)
{
    BroConn *bc = pretend(0);
    uint64 got = 0, want = 0;
    int i;

    bro_event_registry_add(bc, "queued", (BroEventFunc)on_length, &got);
    for (i = 0; i < 300; i++) {
        uint32 size = rnd(5) ? rnd(60000) : rnd(400000);
        BroEvent *ev = event_of(size);

        arrives(bc, ev);
        bro_event_free(ev);
        want += size;
        if (rnd(3) == 0 || ring_used(&bc->memory.in) > LINK_RING_BYTES / 2)
            CHECK(bro_conn_process_input(bc) && got == want && bc->link->far_in_bytes == 0);
    }
    CHECK(bc->link->in.head > 2 * LINK_RING_BYTES);
    arrives_named(bc, "left behind", 0);
    bro_conn_delete(bc);
}

/* --- Threads --------------------------------------------------------------------------------- */

static void
on_nothing(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
}

static int handlers_done;

static void *
use_handlers(void *arg)
{
    BroConn *bc = arg;
    char name[32];
    int i;

    snprintf(name, sizeof name, "%p", (void *)name);
    for (i = 0; i < 20000; i++) {
        bro_event_registry_add_compact(bc, name, on_nothing, NULL);
        bro_event_registry_remove(bc, name);
    }
    __atomic_store_n(&handlers_done, TRUE, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Handlers come and go on one thread while another one runs them. */
static void
test_threads_handlers(void)
{
    BroConn *bc = pretend(0);
    pthread_t thread;

    bro_event_registry_add_compact(bc, "a", on_nothing, NULL);
    handlers_done = FALSE;
    if (!CHECK(pthread_create(&thread, NULL, use_handlers, bc) == 0))
        return;
    while (!__atomic_load_n(&handlers_done, __ATOMIC_SEQ_CST)) {
        arrives_named(bc, "a", 0);
        CHECK(bro_conn_process_input(bc));
    }
    pthread_join(thread, NULL);
    bro_conn_delete(bc);
}

int
main(int argc, char **argv)
{
    random_seed(argc, argv);
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    test_registry();
    test_dispatch();
    test_adopt();
    test_yield();
    test_yield_quiet();
    test_quiet();
    test_quiet_end();
    test_quiet_loss();
    test_room();
    test_remove_in_handler();
    test_add_in_handler();
    test_delete_in_handler();
    test_nested();
    test_loss();
    test_inbound_ring();
    test_add_for_same_event();
    test_threads_handlers();
    return check_done();
}
