/*
 * Memory that runs out: what the API does is done again and again, with the
 * first allocation refused, then the second, and so on. Each call says so and
 * leaves everything sound; the sanitizers look for what is lost. Linked so that
 * the front's allocations come here (see the Makefile).
 */
#include "../conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "../exit.h"
#include "../ring.h"
#include "check.h"
#include "child.h"
#include "fake_core.h"

/* --- Allocations ------------------------------------------------------------------------- */

static long granted = -1; /* this many more, then one is refused; negative: all */
static int refused;

static int
refuse(void)
{
    if (granted < 0 || granted-- > 0)
        return FALSE;
    refused++;
    return TRUE;
}

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
char *__real_strdup(const char *);

void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);

void *
__wrap_malloc(size_t n)
{
    return refuse() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
    return refuse() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *s)
{
    return refuse() ? NULL : __real_strdup(s);
}

/* Does it until it is not refused anything; it must be that often at least. */
static void
starve(void (*what)(void), const char *name, int least)
{
    int n, last = 0;

    for (n = 0; last == 0 && n < 10000; n++) {
        granted = n;
        refused = 0;
        what();
        granted = -1;
        last = refused == 0;
    }
    if (!CHECK(last && n > least))
        printf("%s: %d allocations\n", name, n - 1);
}

/* --- Values ------------------------------------------------------------------------------ */

static const uint64 one = 1, two = 2;

static BroString
text_of(const char *s)
{
    BroString str = {(uint32)strlen(s), (uchar *)s};

    return str;
}

/* What was taken is there, what was not is not. */
static void
build_record(void)
{
    BroString text = text_of("a text that takes memory of its own");
    BroRecord *rec = bro_record_new(), *outer = bro_record_new();
    int taken = 0, type = 0;

    if (rec) {
        taken += bro_record_add_val(rec, "first", BRO_TYPE_COUNT, NULL, &one);
        taken += bro_record_add_val(rec, "second", BRO_TYPE_STRING, "named", &text);
        taken += bro_record_add_val(rec, NULL, BRO_TYPE_ENUM, "Type", &two);
        CHECK(bro_record_get_length(rec) == taken);
        if (taken > 0 && bro_record_set_nth_val(rec, 0, BRO_TYPE_STRING, NULL, &text))
            CHECK(bro_record_get_nth_val(rec, 0, &type) && type == BRO_TYPE_STRING);
        if (outer && bro_record_add_val(outer, "inner", BRO_TYPE_RECORD, NULL, rec))
            CHECK(bro_record_get_length(bro_record_get_named_val(outer, "inner", NULL)) == taken);
    }
    bro_record_free(rec);
    bro_record_free(outer);
}

static void
build_vector(void)
{
    BroString text = text_of("text");
    BroVector *vec = bro_vector_new(), *outer = bro_vector_new();
    int i, taken = 0;

    for (i = 0; vec && i < 20; i++)
        taken += bro_vector_add_val(vec, BRO_TYPE_STRING, NULL, &text);
    if (vec)
        CHECK(bro_vector_get_length(vec) == taken);
    if (vec && outer && bro_vector_add_val(outer, BRO_TYPE_VECTOR, NULL, vec))
        bro_vector_set_nth_val(outer, 0, BRO_TYPE_COUNT, NULL, &one);
    bro_vector_free(vec);
    bro_vector_free(outer);
}

static void
build_table(void)
{
    BroTable *tbl = bro_table_new();
    BroSet *set = bro_set_new();
    BroRecord *holder = bro_record_new();
    int taken = 0, members = 0;
    uint64 i;

    for (i = 0; i < 40; i++) {
        BroString text = text_of("value");
        BroRecord *key = bro_record_new();

        if (key && bro_record_add_val(key, NULL, BRO_TYPE_COUNT, NULL, &i) &&
            bro_record_add_val(key, NULL, BRO_TYPE_STRING, NULL, &text)) {
            if (tbl && bro_table_insert(tbl, BRO_TYPE_LIST, key, BRO_TYPE_STRING, &text)) {
                taken++;
                CHECK(bro_table_find(tbl, key) != NULL);
            }
            members += set && bro_set_insert(set, BRO_TYPE_LIST, key);
        }
        bro_record_free(key);
    }
    if (tbl)
        CHECK(bro_table_get_size(tbl) == taken);
    if (set)
        CHECK(bro_set_get_size(set) == members);
    if (holder && tbl && set) {
        bro_record_add_val(holder, "table", BRO_TYPE_TABLE, NULL, tbl);
        bro_record_add_val(holder, "set", BRO_TYPE_SET, NULL, set);
    }
    bro_record_free(holder);
    bro_table_free(tbl);
    bro_set_free(set);
}

static void
build_others(void)
{
    struct pcap_pkthdr hdr = {{1, 2}, 4, 4};
    BroPacket *packet = bro_packet_new(&hdr, (const uchar *)"data", "tag");
    BroPacket *copy = bro_packet_clone(packet);
    BroBuf *buf = bro_buf_new();
    BroString str = {0, NULL}, *again;
    int i;

    bro_packet_free(packet);
    bro_packet_free(copy);
    for (i = 0; buf && i < 300; i++)
        bro_buf_append(buf, "some bytes", 10);
    bro_buf_free(buf);
    if (bro_string_set(&str, "text") && (again = bro_string_copy(&str)))
        bro_string_free(again);
    bro_string_cleanup(&str);
}

/* --- Connections ------------------------------------------------------------------------- */

/* The event goes into the queue as a whole or not at all. */
static void
send_event(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("event");
    BroString text = text_of("text");
    BroVector *vec = bro_vector_new();
    int taken = 0, i;

    for (i = 0; vec && i < 100; i++)
        bro_vector_add_val(vec, BRO_TYPE_STRING, NULL, &text);
    if (ev) {
        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &text);
        if (vec)
            bro_event_add_val(ev, BRO_TYPE_VECTOR, NULL, vec);
        bro_event_set_val(ev, 0, BRO_TYPE_COUNT, NULL, &one);
    }
    for (i = 0; bc && ev && i < 3; i++)
        taken += bro_event_send(bc, ev);
    if (bc)
        CHECK(bro_event_queue_length(bc) == taken);
    bro_event_free(ev);
    bro_vector_free(vec);
    bro_conn_delete(bc);
}

static int dispatched;

static void
on_event(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    (void)user_data;
    dispatched++;
    CHECK(meta->ev_numargs == 20);
    CHECK(bro_vector_get_length(meta->ev_args[19].arg_data) == 10);
}

/* An event as the core hands it over, made without being refused anything. */
static struct link_record *
large_inbound(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("event");
    BroString text = text_of("text");
    BroVector *vec = bro_vector_new();
    struct link_record *rec = NULL, *sent = NULL;
    uint64_t next;
    int i;

    for (i = 0; i < 10; i++)
        bro_vector_add_val(vec, BRO_TYPE_STRING, NULL, &text);
    for (i = 0; i < 20; i++)
        bro_event_add_val(ev, BRO_TYPE_VECTOR, NULL, vec);
    struct ring out;

    if (CHECK(bro_event_send(bc, ev))) {
        ring_open(&out, bc->memory.out.shared, bc->memory.out.data, bc->memory.out.size, FALSE);
        sent = ring_next(&out, &next);
    }
    if (CHECK(sent)) {
        rec = malloc(sent->size);
        memcpy(rec, sent, sent->size);
    }
    bro_event_free(ev);
    bro_vector_free(vec);
    bro_conn_delete(bc);
    return rec;
}

static struct link_record *arriving;

/* A handler sees the whole event or nothing of it. */
static void
receive_event(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("opens the link");
    struct ring in;
    uint64_t head;
    void *at;

    dispatched = 0;
    if (bc && ev && bro_event_send(bc, ev)) {
        bro_conn_data_set(bc, "key", &dispatched);
        bro_event_registry_add_compact(bc, "event", on_event, NULL);
        bro_conn_set_class(bc, "class");
        ring_open(&in, bc->memory.in.shared, bc->memory.in.data, bc->memory.in.size, TRUE);
        at = ring_reserve(&in, arriving->size, &head);
        memcpy(at, arriving, arriving->size);
        ring_commit(&in, head);
        bc->to_host = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        bc->link->state = LINK_UP;
        bro_conn_process_input(bc);
        CHECK(dispatched == 1 || refused > 0);
    }
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* --- exit() ------------------------------------------------------------------------------ */

/* More than the 64 that exit() ends without memory. ThreadSanitizer knows of so many
 * locks of a thread only. */
#ifndef __SANITIZE_THREAD__
#define ENDED 64
#define LEFT 3
#else
#define ENDED 3
#define LEFT 0
#endif

static BroConn *ending[ENDED + LEFT];

static int
in_state(uint32_t state)
{
    int i, n = 0;

    for (i = 0; i < ENDED + LEFT; i++)
        n += conn_state(ending[i]) == state;
    return n;
}

/* The memory for what is to be ended is refused. No handle accepts anything afterwards, and
 * as many as can be noted are ended. */
static void
exit_without_memory(void)
{
    int i;

    check_failed = 0;
    for (i = 0; i < ENDED + LEFT; i++)
        ending[i] = pretend(0);
    granted = refused = 0;
    exit_close_all();
    granted = -1;
    CHECK(refused == (LEFT > 0)); /* a few ask for none */
    CHECK(in_state(LINK_CLOSED) == ENDED && in_state(LINK_CLOSING) == LEFT);
    for (i = 0; i < ENDED + LEFT; i++)
        bro_conn_delete(ending[i]);
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    starve(build_record, "records", 10);
    starve(build_vector, "vectors", 40);
    starve(build_table, "tables", 200);
    starve(build_others, "others", 8);
    starve(send_event, "sending", 100);
    arriving = large_inbound();
    starve(receive_event, "receiving", 200);
    free(arriving);
    CHECK(in_child(exit_without_memory) == 0);
    return check_done();
}
