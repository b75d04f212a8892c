/*
 * Values of every type and nesting, there and back:
 *
 *   roundtrip echo PEER            answers every "case" until the peer closes
 *   roundtrip serve 0              the same, for the one peer that connects to the port that it
 *                                  prints
 *   roundtrip client PEER SEED N   sends N random cases, and compares what comes back
 *
 * The arguments of a case are a vector of strings, and any others: the values.
 * The strings are the names of the types of these, "" for none: one for each
 * value that can be given a name, in the order in which one comes to them. (A
 * receiver is not told the names of types.)
 *
 * The answer to a case is "rebuilt", the values put together anew from their
 * parts, and "copied", the values as they were handed over.
 */
#include <broccoli.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void
check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "roundtrip: %s\n", what);
    exit(1);
}

#define CHECK(cond) check(!!(cond), #cond)

/* --- The names of types ------------------------------------------------------------------ */

static BroVector *names;
static int next_name;

static const char *
take_name(void)
{
    int type = BRO_TYPE_STRING;
    BroString *str = bro_vector_get_nth_val(names, next_name++, &type);

    CHECK(str);
    return str->str_len ? (const char *)str->str_val : NULL;
}

/* --- To rebuild -------------------------------------------------------------------------- */

static void *rebuild(int type, void *val);

static int
is_record(int type)
{
    return type == BRO_TYPE_RECORD || type == BRO_TYPE_LIST;
}

static void
release(int type, void *val)
{
    if (is_record(type))
        bro_record_free(val);
    else if (type == BRO_TYPE_TABLE)
        bro_table_free(val);
    else if (type == BRO_TYPE_SET)
        bro_set_free(val);
    else if (type == BRO_TYPE_VECTOR)
        bro_vector_free(val);
}

static BroRecord *
rebuild_record(BroRecord *rec)
{
    BroRecord *copy = bro_record_new();
    uint64 other = 1;
    int i, n = bro_record_get_length(rec);

    for (i = 0; i < n; i++) {
        const char *name = bro_record_get_nth_name(rec, i), *type_name;
        int type = BRO_TYPE_UNKNOWN, again = BRO_TYPE_UNKNOWN;
        void *val = bro_record_get_nth_val(rec, i, &type), *fresh;

        CHECK(name);
        if (type == BRO_TYPE_UNKNOWN) {
            CHECK(!val);
            CHECK(bro_record_add_val(copy, name, i % 2 ? BRO_TYPE_STRING : BRO_TYPE_UNKNOWN, NULL,
                                     NULL));
            continue;
        }
        type_name = take_name();
        fresh = rebuild(type, val);
        switch (i % 3) { /* ways that come to the same */
        case 0:
            CHECK(bro_record_add_val(copy, name, type, type_name, fresh));
            break;
        case 1:
            CHECK(bro_record_add_val(copy, name, BRO_TYPE_COUNT, "count", &other));
            CHECK(bro_record_set_nth_val(copy, i, type, type_name, fresh));
            break;
        case 2:
            CHECK(bro_record_add_val(copy, name, BRO_TYPE_COUNT, NULL, &other));
            if (bro_record_get_named_val(rec, name, &again) == val) /* the first of that name */
                CHECK(bro_record_set_named_val(copy, name, type, type_name, fresh));
            else
                CHECK(bro_record_set_nth_val(copy, i, type, type_name, fresh));
        }
        release(type, fresh);
    }
    CHECK(bro_record_get_nth_name(rec, n) == NULL);
    return copy;
}

static BroVector *
rebuild_vector(BroVector *vec)
{
    BroVector *copy = bro_vector_new();
    uint64 other = 1;
    int i, n = bro_vector_get_length(vec);

    for (i = 0; i < n; i++) {
        int type = BRO_TYPE_UNKNOWN;
        void *val = bro_vector_get_nth_val(vec, i, &type), *fresh;
        const char *type_name;

        if (type == BRO_TYPE_UNKNOWN) {
            CHECK(!val && bro_vector_add_val(copy, BRO_TYPE_COUNT, NULL, NULL));
            continue;
        }
        type_name = take_name();
        fresh = rebuild(type, val);
        if (i % 2) {
            CHECK(bro_vector_add_val(copy, type, type_name, fresh));
        } else {
            CHECK(bro_vector_add_val(copy, BRO_TYPE_COUNT, NULL, &other));
            CHECK(bro_vector_set_nth_val(copy, i, type, type_name, fresh));
        }
        release(type, fresh);
    }
    return copy;
}

struct rebuilding {
    BroTable *copy;
    int key_type, val_type;
};

static int
rebuild_entry(void *key, void *val, void *user_data)
{
    struct rebuilding *r = user_data;
    void *k = rebuild(r->key_type, key), *v = rebuild(r->val_type, val);

    CHECK(bro_table_insert(r->copy, r->key_type, k, r->val_type, v));
    release(r->key_type, k);
    release(r->val_type, v);
    return TRUE;
}

static int
rebuild_member(void *val, void *user_data)
{
    struct rebuilding *r = user_data;
    void *v = rebuild(r->key_type, val);

    CHECK(bro_set_insert(r->copy, r->key_type, v));
    release(r->key_type, v);
    return TRUE;
}

static void *
rebuild(int type, void *val)
{
    struct rebuilding r;

    CHECK(val);
    if (is_record(type))
        return rebuild_record(val);
    if (type == BRO_TYPE_VECTOR)
        return rebuild_vector(val);
    if (type == BRO_TYPE_TABLE) {
        r.copy = bro_table_new();
        bro_table_get_types(val, &r.key_type, &r.val_type);
        bro_table_foreach(val, rebuild_entry, &r);
        CHECK(bro_table_get_size(r.copy) == bro_table_get_size(val));
        return r.copy;
    }
    if (type == BRO_TYPE_SET) {
        r.copy = bro_set_new();
        bro_set_get_type(val, &r.key_type);
        bro_set_foreach(val, rebuild_member, &r);
        CHECK(bro_set_get_size(r.copy) == bro_set_get_size(val));
        return r.copy;
    }
    return val;
}

static void
send_event(BroConn *bc, BroEvent *ev)
{
    while (!bro_event_send(bc, ev)) {
        CHECK(bro_conn_alive(bc));
        usleep(100);
    }
    bro_event_free(ev);
}

static void
on_case(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    BroEvent *rebuilt = bro_event_new("rebuilt"), *copied = bro_event_new("copied");
    uint64 other = 1;
    int i;

    (void)user_data;
    CHECK(meta->ev_numargs > 0 && meta->ev_args[0].arg_type == BRO_TYPE_VECTOR);
    names = meta->ev_args[0].arg_data;
    next_name = 0;
    for (i = 1; i < meta->ev_numargs; i++) {
        BroEvArg *arg = &meta->ev_args[i];
        const char *type_name = take_name();
        void *fresh = rebuild(arg->arg_type, arg->arg_data);

        if (i % 2) {
            CHECK(bro_event_add_val(rebuilt, arg->arg_type, type_name, fresh));
        } else {
            CHECK(bro_event_add_val(rebuilt, BRO_TYPE_COUNT, NULL, &other));
            CHECK(bro_event_set_val(rebuilt, i - 1, arg->arg_type, type_name, fresh));
        }
        CHECK(bro_event_add_val(copied, arg->arg_type, type_name, arg->arg_data));
        release(arg->arg_type, fresh);
    }
    CHECK(next_name == bro_vector_get_length(names));
    send_event(bc, rebuilt);
    send_event(bc, copied);
}

/* Until the peer closes. */
static int
answer(BroConn *bc)
{
    bro_event_registry_add_compact(bc, "case", on_case, NULL);
    CHECK(bro_conn_connect(bc));
    for (;;) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        if (p.fd < 0)
            break;
        CHECK(poll(&p, 1, 30000) > 0);
        bro_conn_process_input(bc);
    }
    return bro_conn_delete(bc) ? 0 : 1;
}

static int
serve(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0), peer;

    CHECK(bind(s, (struct sockaddr *)&at, len) == 0 && listen(s, 1) == 0);
    CHECK(getsockname(s, (struct sockaddr *)&at, &len) == 0);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    peer = accept(s, NULL, NULL);
    close(s);
    return answer(bro_conn_new_socket(peer, BRO_CFLAG_NONE));
}

/* --- To generate ------------------------------------------------------------------------- */

static uint64 random_state;

/* xorshift64* */
static uint64
bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1du;
}

static uint32
rnd(uint32 below)
{
    return (uint32)(bits() >> 32) % below;
}

static const int scalars[] = {BRO_TYPE_BOOL,    BRO_TYPE_INT,  BRO_TYPE_COUNT,    BRO_TYPE_COUNTER,
                              BRO_TYPE_DOUBLE,  BRO_TYPE_TIME, BRO_TYPE_INTERVAL, BRO_TYPE_STRING,
                              BRO_TYPE_PATTERN, BRO_TYPE_ENUM, BRO_TYPE_PORT,     BRO_TYPE_IPADDR,
                              BRO_TYPE_SUBNET};
static const int compounds[] = {BRO_TYPE_RECORD, BRO_TYPE_LIST, BRO_TYPE_VECTOR, BRO_TYPE_TABLE,
                                BRO_TYPE_SET};

#define PICK(array) ((array)[rnd(sizeof(array) / sizeof *(array))])

static void *make(int type, int depth);

/* The name of a type, noted among names; NULL for none. */
static const char *
make_name(int type)
{
    static const char *const some[] = {"conn_state", "Notice::Type", "a", "x::yyyyyyy"};
    const char *name = type == BRO_TYPE_ENUM && rnd(4) ? PICK(some) : "";
    BroString str = {(uint32)strlen(name), (uchar *)name};

    CHECK(bro_vector_add_val(names, BRO_TYPE_STRING, NULL, &str));
    return *name ? name : NULL;
}

/* Takes back names that were noted for what is not used after all. */
static void
forget_names(int n)
{
    BroVector *fewer = bro_vector_new();
    int i;

    for (i = 0; i < n; i++) {
        int type = BRO_TYPE_STRING;

        CHECK(bro_vector_add_val(fewer, type, NULL, bro_vector_get_nth_val(names, i, &type)));
    }
    bro_vector_free(names);
    names = fewer;
}

static int
make_type(int depth)
{
    return depth > 0 && rnd(2) ? PICK(compounds) : PICK(scalars);
}

static void
discard(int type, void *val)
{
    if (type == BRO_TYPE_STRING || type == BRO_TYPE_PATTERN)
        free(((BroString *)val)->str_val);
    release(type, val);
    if (!is_record(type) && type != BRO_TYPE_TABLE && type != BRO_TYPE_SET &&
        type != BRO_TYPE_VECTOR)
        free(val);
}

static BroRecord *
make_record(int type, int depth, int n)
{
    BroRecord *rec = bro_record_new();
    int i;

    for (i = 0; i < n; i++) {
        char name[16];
        int t = make_type(depth);
        const char *type_name;
        void *val;

        snprintf(name, sizeof name, "f%d", rnd(20)); /* some twice */
        if (type == BRO_TYPE_RECORD && rnd(5) == 0) {
            CHECK(bro_record_add_val(rec, rnd(2) ? name : NULL, t, NULL, NULL));
            continue;
        }
        type_name = make_name(t);
        val = make(t, depth - 1);
        CHECK(bro_record_add_val(rec, type == BRO_TYPE_RECORD ? name : NULL, t, type_name, val));
        discard(t, val);
    }
    return rec;
}

static BroVector *
make_vector(int depth)
{
    BroVector *vec = bro_vector_new();
    int i, n = (int)rnd(6), t = make_type(depth);

    for (i = 0; i < n; i++) {
        const char *type_name;
        void *val;

        if (rnd(5) == 0) {
            CHECK(bro_vector_add_val(vec, t, NULL, NULL));
            continue;
        }
        type_name = make_name(t);
        val = make(t, depth - 1);
        CHECK(bro_vector_add_val(vec, t, type_name, val));
        discard(t, val);
    }
    return vec;
}

static BroTable *
make_table(int depth, int with_values)
{
    BroTable *tbl = bro_table_new();
    int i, n = (int)rnd(8), composite = rnd(2);
    int kt = composite ? BRO_TYPE_LIST : PICK(scalars), vt = make_type(depth);

    if (!composite && depth > 0 && rnd(6) == 0)
        kt = rnd(2) ? BRO_TYPE_RECORD : BRO_TYPE_VECTOR;
    for (i = 0; i < n; i++) {
        int so_far = bro_vector_get_length(names);
        void *key =
            composite ? make_record(BRO_TYPE_LIST, 0, 2 + (int)rnd(3)) : make(kt, depth - 1);
        void *val;

        if (with_values ? bro_table_find(tbl, key) != NULL : bro_set_find(tbl, key)) {
            forget_names(so_far);
        } else if (with_values) {
            val = make(vt, depth - 1);
            CHECK(bro_table_insert(tbl, kt, key, vt, val));
            discard(vt, val);
        } else {
            CHECK(bro_set_insert(tbl, kt, key));
        }
        discard(kt, key);
    }
    return tbl;
}

static BroString *
make_text(int nul_too)
{
    BroString *str = malloc(sizeof *str);
    uint32 i, n = rnd(100) ? rnd(rnd(10) ? 20 : 3000) : rnd(300000);
    uchar *bytes = malloc(n + 1);

    for (i = 0; i < n; i++) {
        bytes[i] = (uchar)bits();
        if (!bytes[i] && !nul_too)
            bytes[i] = 1;
    }
    CHECK(bro_string_set_data(str, bytes, (int)n));
    free(bytes);
    return str;
}

static void
make_addr(BroAddr *addr)
{
    int i;

    for (i = 0; i < 4; i++)
        addr->addr[i] = (uint32)bits();
    if (rnd(2))
        memcpy(addr, BRO_IPV4_MAPPED_PREFIX, 12);
}

static double
make_double(void)
{
    static const double some[] = {0.0, -0.0, 1.5, -1e300, 5e-324, 1126645547.25};
    double d;
    uint64 b = bits();

    if (rnd(3))
        return PICK(some);
    memcpy(&d, &b, sizeof d);
    return d;
}

static void *
make(int type, int depth)
{
    static const int protos[] = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
    BroSubnet *subnet;
    BroPort *port;
    void *val;

    switch (type) {
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return make_record(type, depth, (int)rnd(6));
    case BRO_TYPE_VECTOR:
        return make_vector(depth);
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        return make_table(depth, type == BRO_TYPE_TABLE);
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
        return make_text(type == BRO_TYPE_STRING);
    case BRO_TYPE_BOOL:
        val = malloc(sizeof(int));
        *(int *)val = (int)rnd(2);
        return val;
    case BRO_TYPE_DOUBLE:
    case BRO_TYPE_TIME:
    case BRO_TYPE_INTERVAL:
        val = malloc(sizeof(double));
        *(double *)val = make_double();
        return val;
    case BRO_TYPE_PORT:
        port = malloc(sizeof *port);
        port->port_num = rnd(65536);
        port->port_proto = PICK(protos);
        return port;
    case BRO_TYPE_IPADDR:
        val = malloc(sizeof(BroAddr));
        make_addr(val);
        return val;
    case BRO_TYPE_SUBNET:
        subnet = malloc(sizeof *subnet);
        make_addr(&subnet->sn_net);
        subnet->sn_width = rnd(bro_util_is_v4_addr(&subnet->sn_net) ? 33 : 129);
        return subnet;
    }
    val = malloc(sizeof(uint64));
    *(uint64 *)val = rnd(2) ? bits() : rnd(10);
    return val;
}

/* --- To compare -------------------------------------------------------------------------- */

static int same(int type, void *a, void *b);

static int
same_records(int type, BroRecord *a, BroRecord *b)
{
    int i, n = bro_record_get_length(a);

    if (n != bro_record_get_length(b))
        return FALSE;
    for (i = 0; i < n; i++) {
        int t = BRO_TYPE_UNKNOWN, u = BRO_TYPE_UNKNOWN;
        void *x = bro_record_get_nth_val(a, i, &t), *y = bro_record_get_nth_val(b, i, &u);

        if (t != u || (x ? !y || !same(t, x, y) : y != NULL))
            return FALSE;
        if (type == BRO_TYPE_RECORD &&
            strcmp(bro_record_get_nth_name(a, i), bro_record_get_nth_name(b, i)) != 0)
            return FALSE;
    }
    return TRUE;
}

static int
same_vectors(BroVector *a, BroVector *b)
{
    int i, n = bro_vector_get_length(a);

    if (n != bro_vector_get_length(b))
        return FALSE;
    for (i = 0; i < n; i++) {
        int t = BRO_TYPE_UNKNOWN, u = BRO_TYPE_UNKNOWN;
        void *x = bro_vector_get_nth_val(a, i, &t), *y = bro_vector_get_nth_val(b, i, &u);

        if (t != u || (x ? !y || !same(t, x, y) : y != NULL))
            return FALSE;
    }
    return TRUE;
}

struct other {
    BroTable *tbl;
    int val_type;
    int found;
};

static int
has_entry(void *key, void *val, void *user_data)
{
    struct other *o = user_data;
    void *there = bro_table_find(o->tbl, key);

    o->found += there && same(o->val_type, val, there);
    return TRUE;
}

static int
has_member(void *val, void *user_data)
{
    struct other *o = user_data;

    o->found += bro_set_find(o->tbl, val);
    return TRUE;
}

static int
same_tables(int type, BroTable *a, BroTable *b)
{
    struct other o = {b, 0, 0};
    int kt = 0, ku = 0, vu = 0;

    if (type == BRO_TYPE_SET) {
        bro_set_get_type(a, &kt);
        bro_set_get_type(b, &ku);
        bro_set_foreach(a, has_member, &o);
    } else {
        bro_table_get_types(a, &kt, &o.val_type);
        bro_table_get_types(b, &ku, &vu);
        bro_table_foreach(a, has_entry, &o);
    }
    return kt == ku && o.val_type == vu && o.found == bro_table_get_size(a) &&
           o.found == bro_table_get_size(b);
}

static int
same(int type, void *a, void *b)
{
    BroString *s = a, *t = b;
    BroPort *p = a, *q = b;

    switch (type) {
    case BRO_TYPE_RECORD:
    case BRO_TYPE_LIST:
        return same_records(type, a, b);
    case BRO_TYPE_VECTOR:
        return same_vectors(a, b);
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        return same_tables(type, a, b);
    case BRO_TYPE_STRING:
    case BRO_TYPE_PATTERN:
        return s->str_len == t->str_len && memcmp(s->str_val, t->str_val, s->str_len) == 0;
    case BRO_TYPE_PORT:
        return p->port_num == q->port_num && p->port_proto == q->port_proto;
    case BRO_TYPE_BOOL:
        return *(int *)a == *(int *)b;
    case BRO_TYPE_IPADDR:
        return memcmp(a, b, sizeof(BroAddr)) == 0;
    case BRO_TYPE_SUBNET:
        return memcmp(a, b, sizeof(BroSubnet)) == 0;
    }
    return memcmp(a, b, 8) == 0; /* doubles by their bits */
}

/* --- The client -------------------------------------------------------------------------- */

static struct {
    int n;
    BroEvArg args[48];
    int answers, bad;
} sent;

static void
on_answer(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    int i, ok = meta->ev_numargs == sent.n;

    (void)bc;
    for (i = 0; ok && i < sent.n; i++)
        ok = meta->ev_args[i].arg_type == sent.args[i].arg_type &&
             same(sent.args[i].arg_type, sent.args[i].arg_data, meta->ev_args[i].arg_data);
    if (!ok)
        fprintf(stderr, "%s of case %d differs\n", meta->ev_name, *(int *)user_data);
    sent.answers++;
    sent.bad += !ok;
}

static void
send_case(BroConn *bc, int number)
{
    BroEvent *ev = bro_event_new("case");
    int i;

    names = bro_vector_new();
    CHECK(bro_event_add_val(ev, BRO_TYPE_VECTOR, NULL, names));
    sent.n = number % 50 == 0 ? 48 : (int)rnd(7);
    for (i = 0; i < sent.n; i++) {
        BroEvArg *arg = &sent.args[i];
        const char *type_name;

        arg->arg_type = make_type(4);
        type_name = make_name(arg->arg_type);
        arg->arg_data = make(arg->arg_type, 4);
        CHECK(bro_event_add_val(ev, arg->arg_type, type_name, arg->arg_data));
    }
    CHECK(bro_event_set_val(ev, 0, BRO_TYPE_VECTOR, NULL, names));
    bro_vector_free(names);
    send_event(bc, ev);
}

static int
client(const char *peer, const char *seed, int n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    int number, i;

    random_state = strtoull(seed, NULL, 0) | 1;
    bro_event_registry_add_compact(bc, "rebuilt", on_answer, &number);
    bro_event_registry_add_compact(bc, "copied", on_answer, &number);
    CHECK(bro_conn_connect(bc));
    for (number = 0; number < n; number++) {
        send_case(bc, number);
        for (sent.answers = 0; sent.answers < 2;) {
            struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

            CHECK(p.fd >= 0 && poll(&p, 1, 30000) > 0);
            bro_conn_process_input(bc);
        }
        for (i = 0; i < sent.n; i++)
            discard(sent.args[i].arg_type, sent.args[i].arg_data);
    }
    printf("%d cases, %d answers differ\n", number, sent.bad);
    return bro_conn_delete(bc) && sent.bad == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    bro_init(NULL);
    if (argc > 2 && strcmp(argv[1], "echo") == 0)
        return answer(bro_conn_new_str(argv[2], BRO_CFLAG_NONE));
    if (argc > 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc > 4 && strcmp(argv[1], "client") == 0)
        return client(argv[2], argv[3], atoi(argv[4]));
    return 64;
}
