/*
 * Events to send, and packets: what goes into the outbound ring is looked at
 * there. Nothing is connected; BRO_CFLAG_ALWAYS_QUEUE makes the ring. An
 * argument is the seed of the random events.
 */
#include "../conn.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../flat.h"
#include "../hash.h"
#include "../ring.h"
#include "../val.h"
#include "check.h"

static const uint64 one = 1, many = UINT64_MAX;

static BroConn *
queueing(void)
{
    return bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
}

/* --- The other end of the outbound ring -------------------------------------------------- */

struct taken {
    struct ring out;
    struct link_record *near; /* what is in the ring */
    struct link_record *rec;  /* the record itself */
    uint64_t next;
};

/* The oldest record that waits, in t. */
static int
take(BroConn *bc, struct taken *t)
{
    memset(t, 0, sizeof *t);
    if (!bc->link)
        return FALSE;
    ring_open(&t->out, bc->memory.out.shared, bc->memory.out.data, bc->memory.out.size, FALSE);
    if (!(t->near = ring_next(&t->out, &t->next)))
        return FALSE;
    t->rec = t->near->kind == LINK_FAR
                 ? (struct link_record *)(uintptr_t)((struct link_far *)t->near)->at
                 : t->near;
    return TRUE;
}

/* Gives it back as the core does. */
static void
done(BroConn *bc, struct taken *t)
{
    if (t->rec != t->near) {
        __atomic_sub_fetch(&bc->link->far_out_bytes, t->rec->size, __ATOMIC_SEQ_CST);
        free(t->rec);
    }
    ring_release(&t->out, t->next);
    __atomic_add_fetch(&bc->link->done, 1, __ATOMIC_SEQ_CST);
}

/* The arguments of an event in a record; how many there are, -1 when it does not hold together. */
static int
arguments(const struct link_record *rec, struct val *vals, int room)
{
    const struct link_event *ev = (const struct link_event *)rec;
    const unsigned char *p = (const unsigned char *)(ev + 1) + flat_pad(ev->name_len + 1);
    const unsigned char *end = (const unsigned char *)rec + rec->size;
    int n = (int)ev->num_args, i;

    if (rec->kind != LINK_EVENT || rec->size % 8 != 0 || n > room || ev->raw_len != 0)
        return -1;
    for (i = 0; i < n && p; i++) {
        val_init(&vals[i]);
        p = flat_get(p, end, &vals[i]);
    }
    return p == end ? n : -1;
}

static const char *
name_of(const struct link_record *rec)
{
    return (const char *)((const struct link_event *)rec + 1);
}

/* Sends ev and compares what is in the ring: n counts. */
static int
has_counts(BroConn *bc, BroEvent *ev, int n, const uint64 *want)
{
    struct val vals[64];
    struct taken t;
    int i, got, ok;

    if (!bro_event_send(bc, ev) || !take(bc, &t))
        return FALSE;
    got = arguments(t.rec, vals, 64);
    ok = got == n;
    for (i = 0; i < got; i++) {
        if (i < n && want)
            ok &= vals[i].type == BRO_TYPE_COUNT && vals[i].u.num == want[i];
        val_clear(&vals[i]);
    }
    done(bc, &t);
    return ok;
}

/* --- Events ------------------------------------------------------------------------------ */

static void
test_new(void)
{
    double before = bro_util_current_time();
    BroConn *bc = queueing();
    BroEvent *ev = bro_event_new("mod::login");
    struct taken t;
    char *name;

    CHECK(bro_event_new(NULL) == NULL);
    CHECK(bro_event_new("") == NULL);
    bro_event_free(NULL);
    if (CHECK(ev && bro_event_send(bc, ev) && take(bc, &t))) {
        struct link_event *rec = (struct link_event *)t.rec;

        CHECK(rec->rec.kind == LINK_EVENT && strcmp(name_of(t.rec), "mod::login") == 0);
        CHECK(rec->name_len == 10 && rec->num_args == 0 && rec->raw_len == 0);
        CHECK(rec->time >= before && rec->time <= bro_util_current_time());
        CHECK(rec->rec.size == sizeof *rec + 16);
        done(bc, &t);
    }
    bro_event_free(ev);

    name = malloc(UINT16_MAX + 2);
    memset(name, 'n', UINT16_MAX + 1);
    name[UINT16_MAX + 1] = '\0';
    CHECK(bro_event_new(name) == NULL);
    name[UINT16_MAX] = '\0';
    ev = bro_event_new(name);
    CHECK(ev && bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &one));
    CHECK(has_counts(bc, ev, 1, &one));
    bro_event_free(ev);
    free(name);
    bro_conn_delete(bc);
}

/* Every type, with a value that may be sent where there is one. */
static const void *
value_of(int type)
{
    static BroString str = {3, (uchar *)"a|b"};
    static BroPort port = {22, IPPROTO_TCP};
    static BroSubnet subnet = {{{0, 0, 0, 0}}, 128};
    static int flag = 7;
    static double dbl = -1.5;
    static BroRecord *rec;
    static BroTable *tbl, *set;
    static BroVector *vec;

    if (!rec) {
        rec = bro_record_new();
        bro_record_add_val(rec, "n", BRO_TYPE_COUNT, NULL, &one);
        tbl = bro_table_new();
        bro_table_insert(tbl, BRO_TYPE_COUNT, &one, BRO_TYPE_COUNT, &many);
        set = bro_set_new();
        bro_set_insert(set, BRO_TYPE_COUNT, &one);
        vec = bro_vector_new();
        bro_vector_add_val(vec, BRO_TYPE_COUNT, NULL, &one);
    }
    switch (type) {
    case -1: /* the end */
        bro_record_free(rec);
        bro_table_free(tbl);
        bro_set_free(set);
        bro_vector_free(vec);
        return NULL;
    case BRO_TYPE_BOOL:
        return &flag;
    case BRO_TYPE_DOUBLE:
    case BRO_TYPE_TIME:
    case BRO_TYPE_INTERVAL:
        return &dbl;
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
        return &str;
    case BRO_TYPE_PORT:
        return &port;
    case BRO_TYPE_SUBNET:
    case BRO_TYPE_IPADDR:
        return &subnet;
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return rec;
    case BRO_TYPE_TABLE:
        return tbl;
    case BRO_TYPE_SET:
        return set;
    case BRO_TYPE_VECTOR:
        return vec;
    }
    return &many;
}

static int
sendable(int type)
{
    switch (type) {
    case BRO_TYPE_TIMER:
    case BRO_TYPE_ANY:
    case BRO_TYPE_UNION:
    case BRO_TYPE_FUNC:
    case BRO_TYPE_FILE:
    case BRO_TYPE_ERROR:
    case BRO_TYPE_PACKET:
        return FALSE;
    }
    return type > BRO_TYPE_UNKNOWN && type < BRO_TYPE_MAX;
}

static void
test_types(void)
{
    BroConn *bc = queueing();
    struct val vals[2];
    struct taken t;
    int type;

    for (type = -2; type < BRO_TYPE_MAX + 3; type++) {
        BroEvent *ev = bro_event_new("typed");
        const void *val = value_of(type == -1 ? -2 : type);
        int ok = sendable(type);

        CHECK(bro_event_add_val(ev, type, "mod::T", val) == ok);
        CHECK(!bro_event_add_val(ev, type, NULL, NULL));
        CHECK(!bro_event_set_val(ev, 0, type, NULL, NULL));
        CHECK(bro_event_set_val(ev, 0, type, "mod::T", val) == ok);
        CHECK(bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &one));
        CHECK(bro_event_set_val(ev, 0, type, "mod::T", val) == ok);
        if (!CHECK(bro_event_send(bc, ev) && take(bc, &t))) {
            bro_event_free(ev);
            continue;
        }
        if (CHECK(arguments(t.rec, vals, 2) == 1 + ok)) {
            CHECK(vals[ok].type == BRO_TYPE_COUNT && vals[ok].u.num == 1);
            if (ok) {
                CHECK(vals[0].type == type && strcmp(vals[0].type_name, "mod::T") == 0);
                CHECK(type == BRO_TYPE_BOOL ? vals[0].u.flag == 1
                                            : val_equal(type, val_data(&vals[0]), val));
                val_clear(&vals[0]);
            }
            val_clear(&vals[ok]);
        }
        done(bc, &t);
        bro_event_free(ev);
    }
    value_of(-1);
    bro_conn_delete(bc);
}

/* What cannot be sent leaves the event as it was. */
static void
test_refused(void)
{
    const uint64 want[] = {1, UINT64_MAX};
    BroString broken = {5, NULL}, huge = {UINT32_MAX, (uchar *)""};
    BroSubnet wide = {{{0, 0, htonl(0xffff), 0}}, 33};
    BroPort port = {65536, IPPROTO_TCP}, proto = {1, 99};
    BroConn *bc = queueing();
    BroEvent *ev = bro_event_new("refused");
    BroSet *set = bro_set_new();
    BroTable *tbl = bro_table_new();
    struct {
        int type;
        const void *val;
    } bad[] = {
        {BRO_TYPE_STRING, &broken}, {BRO_TYPE_STRING, &huge}, {BRO_TYPE_PATTERN, &broken},
        {BRO_TYPE_SUBNET, &wide},   {BRO_TYPE_PORT, &port},   {BRO_TYPE_PORT, &proto},
        {BRO_TYPE_TABLE, set},      {BRO_TYPE_SET, tbl},      {BRO_TYPE_UNKNOWN, &one},
    };
    size_t i;

    bro_set_insert(set, BRO_TYPE_COUNT, &one);
    bro_table_insert(tbl, BRO_TYPE_COUNT, &one, BRO_TYPE_COUNT, &one);
    CHECK(!bro_event_add_val(NULL, BRO_TYPE_COUNT, NULL, &one));
    CHECK(!bro_event_set_val(NULL, 0, BRO_TYPE_COUNT, NULL, &one));
    CHECK(!bro_event_set_val(ev, 0, BRO_TYPE_COUNT, NULL, &one));
    CHECK(bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &one));
    CHECK(bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &many));
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!bro_event_add_val(ev, bad[i].type, NULL, bad[i].val));
        CHECK(!bro_event_set_val(ev, 0, bad[i].type, NULL, bad[i].val));
        CHECK(!bro_event_set_val(ev, 1, bad[i].type, NULL, bad[i].val));
    }
    CHECK(!bro_event_set_val(ev, 2, BRO_TYPE_COUNT, NULL, &one));
    CHECK(!bro_event_set_val(ev, -1, BRO_TYPE_COUNT, NULL, &one));
    CHECK(!bro_event_set_val(ev, INT_MAX, BRO_TYPE_COUNT, NULL, &one));
    CHECK(!bro_event_set_val(ev, INT_MIN, BRO_TYPE_COUNT, NULL, &one));
    CHECK(has_counts(bc, ev, 2, want));
    bro_event_free(ev);
    bro_set_free(set);
    bro_table_free(tbl);
    bro_conn_delete(bc);
}

static void
test_set(void)
{
    const uint64 want[] = {1, 5, UINT64_MAX};
    BroString str = {0, NULL};
    BroConn *bc = queueing();
    BroEvent *ev = bro_event_new("set");
    uint64 five = 5;
    char *bytes = malloc(100000);
    int i;

    memset(bytes, 'x', 100000);
    for (i = 0; i < 3; i++)
        CHECK(bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &five));
    for (i = 0; i < 3; i++) { /* larger and smaller, over and over, at every place */
        str = (BroString){(uint32)i, (uchar *)bytes};
        CHECK(bro_event_set_val(ev, i, BRO_TYPE_STRING, NULL, &str));
        str.str_len = 100000;
        CHECK(bro_event_set_val(ev, i, BRO_TYPE_STRING, "with::a_name", &str));
        str.str_len = 1;
        CHECK(bro_event_set_val(ev, i, BRO_TYPE_STRING, NULL, &str));
        CHECK(bro_event_set_val(ev, i, BRO_TYPE_COUNT, NULL, &want[i]));
    }
    CHECK(has_counts(bc, ev, 3, want));
    /* The event does not look at the value again, nor the queue at the event. */
    CHECK(bro_event_set_val(ev, 1, BRO_TYPE_COUNT, NULL, &five));
    CHECK(bro_event_send(bc, ev));
    five = 9;
    CHECK(bro_event_set_val(ev, 1, BRO_TYPE_COUNT, NULL, &five));
    CHECK(bro_event_send(bc, ev));
    bro_event_free(ev);
    for (i = 0; i < 2; i++) {
        struct val vals[3];
        struct taken t;

        if (CHECK(take(bc, &t))) {
            CHECK(arguments(t.rec, vals, 3) == 3 && vals[1].u.num == (i == 0 ? 5 : 9));
            done(bc, &t);
        }
    }
    free(bytes);
    bro_conn_delete(bc);
}

/* An event is of at most LINK_EVENT_MAX bytes, whichever way it grows. */
static void
test_size(void)
{
    BroString str = {LINK_EVENT_MAX, NULL};
    BroConn *bc = queueing();
    BroEvent *ev = bro_event_new("large");
    size_t room = LINK_EVENT_MAX - sizeof(struct link_event) - 8 - sizeof(struct flat_header);
    struct val vals[2];
    struct taken t;
    BroConnStats cs;

    str.str_val = malloc(LINK_EVENT_MAX);
    memset(str.str_val, 'x', LINK_EVENT_MAX);
    CHECK(!bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str));
    str.str_len = (uint32)(room - sizeof(uint32_t)); /* the NUL is one too many */
    CHECK(!bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str));
    str.str_len--;
    CHECK(bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str));
    CHECK(!bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &one));
    CHECK(!bro_event_set_val(ev, 0, BRO_TYPE_STRING, "a name", &str));
    if (CHECK(bro_event_send(bc, ev) && take(bc, &t))) {
        CHECK(t.near->kind == LINK_FAR && t.rec->size == LINK_EVENT_MAX);
        CHECK(bc->link->far_out_bytes == LINK_EVENT_MAX);
        CHECK(arguments(t.rec, vals, 1) == 1 && vals[0].u.str.str_len == str.str_len);
        val_clear(&vals[0]);
        done(bc, &t);
        CHECK(bc->link->far_out_bytes == 0);
    }
    str.str_len = 1;
    CHECK(bro_event_set_val(ev, 0, BRO_TYPE_STRING, NULL, &str));
    CHECK(bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &one));
    if (CHECK(bro_event_send(bc, ev) && take(bc, &t))) {
        CHECK(t.near->kind == LINK_EVENT);
        CHECK(arguments(t.rec, vals, 2) == 2 && vals[1].u.num == 1);
        val_clear(&vals[0]);
        done(bc, &t);
    }
    bro_conn_get_connstats(bc, &cs);
    CHECK(cs.tx_buflen == 0 && cs.rx_buflen == 0);
    CHECK(bro_event_send(bc, ev)); /* freed with the connection */
    bro_event_free(ev);
    free(str.str_val);
    bro_conn_delete(bc);
}

static void
test_send(void)
{
    BroConn *never = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);
    BroEvent *ev = bro_event_new("unheard");

    CHECK(!bro_event_send(NULL, ev));
    CHECK(!bro_event_send(never, NULL));
    CHECK(!bro_event_send(NULL, NULL));
    CHECK(!bro_event_send(never, ev));
    CHECK(bro_event_queue_length(never) == 0 && never->link == NULL);
    bro_event_free(ev);
    bro_conn_delete(never);
}

static int
is_raw(const struct link_record *rec, char kind, const void *bytes, size_t len)
{
    const struct link_raw *raw = (const struct link_raw *)rec;
    const char *p = (const char *)(raw + 1);

    return rec->kind == LINK_RAW && rec->size % 8 == 0 && rec->size >= sizeof *raw + 1 + len &&
           raw->len == 1 + len && *p == kind && memcmp(p + 1, bytes, len) == 0;
}

static void
test_send_raw(void)
{
    uchar bytes[] = {0, 1, 2, 0, 0xff, 'x', 0};
    BroConn *never = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);
    BroConn *bc = queueing();
    uchar *large = calloc(1, LINK_EVENT_MAX + 1);
    int most = (int)(LINK_EVENT_MAX - sizeof(struct link_raw) - 1), len;
    struct taken t;

    CHECK(!bro_event_send_raw(NULL, bytes, 1));
    CHECK(!bro_event_send_raw(bc, NULL, 1));
    CHECK(!bro_event_send_raw(bc, NULL, 0));
    CHECK(!bro_event_send_raw(bc, bytes, -1));
    CHECK(!bro_event_send_raw(bc, bytes, INT_MIN));
    CHECK(!bro_event_send_raw(never, bytes, 1));
    CHECK(bro_event_send_raw(bc, bytes, 0));
    CHECK(!take(bc, &t) && bro_event_queue_length(bc) == 0);
    for (len = 1; len <= (int)sizeof bytes; len++) {
        CHECK(bro_event_send_raw(bc, bytes, len));
        CHECK(bro_event_queue_length(bc) == 1);
        if (CHECK(take(bc, &t))) {
            CHECK(is_raw(t.rec, 'e', bytes, (size_t)len));
            done(bc, &t);
        }
    }
    CHECK(!bro_event_send_raw(bc, large, LINK_EVENT_MAX + 1));
    CHECK(!bro_event_send_raw(bc, large, most + 1));
    large[most - 1] = 'z';
    if (CHECK(bro_event_send_raw(bc, large, most) && take(bc, &t))) {
        CHECK(t.near->kind == LINK_FAR && is_raw(t.rec, 'e', large, (size_t)most));
        done(bc, &t);
    }
    free(large);
    bro_conn_delete(never);
    bro_conn_delete(bc);
}

/* --- Random events ----------------------------------------------------------------------- */

static uint64 random_state;

/* xorshift64* */
static uint32
rnd(uint32 below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32)(random_state * 0x2545f4914f6cdd1du >> 32) % below;
}

/* The model of an argument: a count, or a string of that many bytes. */
struct model {
    int is_text;
    uint32 n;
    const char *type_name;
};

static int
matches(struct val *v, const struct model *m)
{
    if (strcmp(v->type_name ? v->type_name : "", m->type_name ? m->type_name : "") != 0)
        return FALSE;
    if (!m->is_text)
        return v->type == BRO_TYPE_COUNT && v->u.num == m->n;
    return v->type == BRO_TYPE_STRING && v->u.str.str_len == m->n &&
           (m->n == 0 || (v->u.str.str_val[0] == 'x' && v->u.str.str_val[m->n - 1] == 'x'));
}

static void
test_random(int times)
{
    static const char *const names[] = {NULL, NULL, "t", "seven::", "more::than_eight"};
    static const uint32 sizes[] = {1, 8, 20, 1000, 200000};
    uchar *bytes = malloc(200000);
    BroConn *bc = queueing();
    int round;

    memset(bytes, 'x', 200000);
    for (round = 0; round < times; round++) {
        char name[16] = "nnnnnnnnnnnnnnn";
        struct model want[12];
        struct val vals[12];
        struct taken t;
        BroEvent *ev;
        int i, n = 0, steps = (int)rnd(25), ok = TRUE;

        name[1 + rnd(14)] = '\0';
        ev = bro_event_new(name);
        while (steps-- > 0) {
            struct model m = {(int)rnd(2), rnd(sizes[rnd(5)]), names[rnd(5)]};
            BroString str = {m.n, bytes};
            uint64 num = m.n;
            int type = m.is_text ? BRO_TYPE_STRING : BRO_TYPE_COUNT;
            const void *val = m.is_text ? (void *)&str : (void *)&num;
            int at = (int)rnd(12);

            if (n < 12 && rnd(2)) {
                want[n++] = m;
                ok &= bro_event_add_val(ev, type, m.type_name, val);
            } else {
                ok &= bro_event_set_val(ev, at, type, m.type_name, val) == (at < n);
                if (at < n)
                    want[at] = m;
            }
        }
        ok &= bro_event_send(bc, ev) && take(bc, &t);
        bro_event_free(ev);
        if (!CHECK(ok))
            continue;
        ok = strcmp(name_of(t.rec), name) == 0 && arguments(t.rec, vals, 12) == n;
        for (i = 0; i < n && ok; i++) {
            ok = matches(&vals[i], &want[i]);
            val_clear(&vals[i]);
        }
        CHECK(ok);
        done(bc, &t);
    }
    free(bytes);
    bro_conn_delete(bc);
}

/* --- Packets ----------------------------------------------------------------------------- */

static void
test_packet_new(void)
{
    uchar bytes[] = {1, 2, 3, 4};
    struct pcap_pkthdr hdr = {{1000, 5}, sizeof bytes, 1500}, big = {{0, 0}, (1u << 20) + 1, 0};
    BroPacket *p, *q;
    uchar *mib;

    CHECK(bro_packet_new(NULL, bytes, "tag") == NULL);
    CHECK(bro_packet_new(&hdr, NULL, "tag") == NULL);
    CHECK(bro_packet_clone(NULL) == NULL);
    bro_packet_free(NULL);
    p = bro_packet_new(&hdr, bytes, "tag");
    CHECK(p && p->pkt_pcap_hdr.caplen == 4 && p->pkt_pcap_hdr.len == 1500);
    CHECK(p && p->pkt_pcap_hdr.ts.tv_sec == 1000 && p->pkt_pcap_hdr.ts.tv_usec == 5);
    CHECK(p && p->pkt_data != bytes && memcmp(p->pkt_data, bytes, 4) == 0);
    CHECK(p && strcmp(p->pkt_tag, "tag") == 0);
    p->pkt_time = 1.5;
    p->pkt_hdr_size = 14;
    p->pkt_link_type = 1;
    q = bro_packet_clone(p);
    CHECK(q && q->pkt_data != p->pkt_data && q->pkt_tag != p->pkt_tag);
    CHECK(q && memcmp(q->pkt_data, bytes, 4) == 0 && strcmp(q->pkt_tag, "tag") == 0);
    CHECK(q && q->pkt_time == 1.5 && q->pkt_hdr_size == 14 && q->pkt_link_type == 1);
    bro_packet_free(p);
    CHECK(memcmp(q->pkt_data, bytes, 4) == 0);
    bro_packet_free(q);

    hdr.caplen = 0;
    p = bro_packet_new(&hdr, bytes, NULL);
    q = bro_packet_clone(p);
    CHECK(p && q && strcmp(q->pkt_tag, "") == 0 && q->pkt_pcap_hdr.caplen == 0);
    bro_packet_free(p);
    bro_packet_free(q);

    mib = calloc(1, big.caplen);
    CHECK(bro_packet_new(&big, mib, "") == NULL);
    big.caplen--;
    p = bro_packet_new(&big, mib, "");
    CHECK(p != NULL);
    bro_packet_free(p);
    free(mib);
}

static void
test_packet_ctxt(void)
{
    BroConn *bc = queueing();
    int type = 99;

    bro_conn_set_packet_ctxt(NULL, 1);
    bro_conn_get_packet_ctxt(NULL, &type);
    CHECK(type == 99);
    bro_conn_get_packet_ctxt(bc, NULL);
    bro_conn_get_packet_ctxt(bc, &type);
    CHECK(type == -1);
    bro_conn_set_packet_ctxt(bc, 113);
    bro_conn_get_packet_ctxt(bc, &type);
    CHECK(type == 113);
    bro_conn_delete(bc);
}

static void
test_packet_send(void)
{
    const uchar want[] = {
        0, 0, 3, 0xe8, 0,   0,   0,   5, 0, 0, 5, 0xdc, 0, 0, 0, 1, /* time, length, link type */
        0, 0, 0, 3,    't', 'a', 'g', 0, 0, 0, 4, 1,    2, 3, 4,
    };
    static const int known[] = {0, 1, 10, 12, 113}, unknown[] = {-1, 2, 9, 11, 105, 114, INT_MAX};
    uchar bytes[] = {1, 2, 3, 4};
    struct pcap_pkthdr hdr = {{1000, 5}, sizeof bytes, 1500};
    BroPacket *p = bro_packet_new(&hdr, bytes, "tag");
    BroConn *never = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);
    BroConn *bc = queueing();
    struct taken t;
    size_t i;

    bro_conn_set_packet_ctxt(never, 1);
    CHECK(!bro_packet_send(NULL, p));
    CHECK(!bro_packet_send(bc, NULL));
    CHECK(!bro_packet_send(bc, p)); /* no link type */
    CHECK(!bro_packet_send(never, p));
    for (i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        bro_conn_set_packet_ctxt(bc, unknown[i]);
        CHECK(!bro_packet_send(bc, p));
    }
    CHECK(bro_event_queue_length(bc) == 0);
    for (i = 0; i < sizeof known / sizeof *known; i++) {
        uchar with_type[sizeof want];

        bro_conn_set_packet_ctxt(bc, known[i]);
        memcpy(with_type, want, sizeof want);
        with_type[15] = (uchar)known[i];
        if (CHECK(bro_packet_send(bc, p) && take(bc, &t))) {
            CHECK(is_raw(t.rec, 'p', with_type, sizeof with_type));
            done(bc, &t);
        }
    }
    bro_packet_free(p);
    bro_conn_delete(never);
    bro_conn_delete(bc);
}

int
main(int argc, char **argv)
{
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
    if (random_state == 0)
        random_state = 0x9e3779b97f4a7c15u;
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    test_new();
    test_types();
    test_refused();
    test_set();
    test_size();
    test_send();
    test_send_raw();
    test_random(argc > 2 ? atoi(argv[2]) : 500);
    test_packet_new();
    test_packet_ctxt();
    test_packet_send();
    return check_done();
}
