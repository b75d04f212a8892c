/*
 * Handles without a peer, what they queue, and their use by several threads.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/socket.h>

#include "child.h"
#include "fake_core.h"

static void
test_null(void)
{
    BroConnStats cs = {5, 5};

    CHECK(bro_conn_new_str(NULL, 0) == NULL);
    CHECK(bro_conn_new_str("", 0) == NULL);
    CHECK(bro_conn_new(NULL, 1, 0) == NULL);
    CHECK(bro_conn_new6(NULL, 1, 0) == NULL);
    CHECK(bro_conn_new_socket(-1, 0) == NULL);
    CHECK(bro_conn_new_socket(INT_MIN, 0) == NULL);
    CHECK(!bro_conn_delete(NULL));
    CHECK(!bro_conn_connect(NULL));
    CHECK(!bro_conn_reconnect(NULL));
    CHECK(!bro_conn_alive(NULL));
    CHECK(bro_conn_get_fd(NULL) == -1);
    CHECK(!bro_conn_process_input(NULL));
    CHECK(bro_conn_get_peer_class(NULL) == NULL);
    bro_conn_set_class(NULL, "c");
    bro_conn_get_connstats(NULL, NULL);
    bro_conn_get_connstats(NULL, &cs);
    CHECK(cs.tx_buflen == 0 && cs.rx_buflen == 0);
    CHECK(bro_event_queue_length(NULL) == 0);
    CHECK(bro_event_queue_flush(NULL) == 0);
    CHECK(bro_event_queue_length_max(NULL) == LINK_QUEUE_MAX);
    bro_conn_adopt_events(NULL, NULL);
    bro_conn_data_set(NULL, "k", &cs);
    CHECK(bro_conn_data_get(NULL, "k") == NULL);
    CHECK(bro_conn_data_del(NULL, "k") == NULL);
    bro_event_registry_add(NULL, "e", NULL, NULL);
    bro_event_registry_add_compact(NULL, "e", NULL, NULL);
    bro_event_registry_remove(NULL, "e");
    bro_event_registry_request(NULL);
}

static int
has_peer(BroConn *bc, const char *peer)
{
    int ok = bc && bc->peer && strcmp(bc->peer, peer) == 0;

    bro_conn_delete(bc);
    return ok;
}

static void
test_peers(void)
{
    struct in_addr v4 = {htonl(0xc0000201)};
    struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;

    CHECK(has_peer(bro_conn_new_str("host:47757", 0), "host:47757"));
    CHECK(has_peer(bro_conn_new_str("host", 0), "host")); /* refused by connect */
    CHECK(has_peer(bro_conn_new_str(":", 0), ":"));
    CHECK(has_peer(bro_conn_new_str("192.0.2.1:1", 0), "192.0.2.1:1"));
    CHECK(has_peer(bro_conn_new_str("[::1]:47757", 0), "[::1]:47757"));
    CHECK(has_peer(bro_conn_new_str("::1:47757", 0), "[::1]:47757"));
    CHECK(has_peer(bro_conn_new_str("2001:db8::1:47757", 0), "[2001:db8::1]:47757"));
    CHECK(has_peer(bro_conn_new_str("0:47757", 0), "0.0.0.0:47757"));
    CHECK(has_peer(bro_conn_new_str("127.1:47757", 0), "127.0.0.1:47757"));
    CHECK(has_peer(bro_conn_new_str("2130706433:47757", 0), "127.0.0.1:47757"));
    CHECK(has_peer(bro_conn_new_str("0x7f.1:47757", 0), "127.0.0.1:47757"));
    CHECK(has_peer(bro_conn_new_str("cafe:47757", 0), "cafe:47757"));
    CHECK(has_peer(bro_conn_new_str("fe80::1%lo:47757", 0), "[fe80::1%lo]:47757"));
    CHECK(has_peer(bro_conn_new_str("[fe80::1%eth0]:47757", 0), "[fe80::1%eth0]:47757"));
    CHECK(has_peer(bro_conn_new(&v4, htons(47757), 0), "192.0.2.1:47757"));
    CHECK(has_peer(bro_conn_new(&v4, 0, 0), "192.0.2.1:0"));
    CHECK(has_peer(bro_conn_new6(&v6, htons(65535), 0), "[::1]:65535"));
}

static int
is_zeek(const char *url, const char *peer, enum zeek_peer says)
{
    BroConn *bc = bro_conn_new_str(url, 0);
    int ok = bc && bc->says == says && bc->zeek == (says != ZEEK_UNSAID);

    return has_peer(bc, peer) && ok;
}

/* What is in front of a peer's name, and the path of the API behind it. */
static void
test_zeek_peers(void)
{
    CHECK(is_zeek("host:9997", "host:9997", ZEEK_UNSAID));
    CHECK(is_zeek("ws://host:9997", "host:9997", ZEEK_CLEAR));
    CHECK(is_zeek("wss://host:9997", "host:9997", ZEEK_TLS));
    CHECK(is_zeek("ws://host:9997/", "host:9997", ZEEK_CLEAR));
    CHECK(is_zeek("wss://host:9997/v1/messages/json", "host:9997", ZEEK_TLS));
    CHECK(is_zeek("ws://host:9997/v2", "host:9997/v2", ZEEK_CLEAR)); /* refused by connect */
    CHECK(is_zeek("ws://[::1]:9997/", "[::1]:9997", ZEEK_CLEAR));
    CHECK(is_zeek("ws://::1:9997/", "[::1]:9997", ZEEK_CLEAR));
    CHECK(is_zeek("ws://", "", ZEEK_CLEAR));
    CHECK(is_zeek("ws:///", "/", ZEEK_CLEAR));
}

/* A value that is not fit for Zeek is found wherever it is. */
static void
test_zeek_takes(void)
{
    struct link_event *ev;
    BroEvent *be = bro_event_new("e");
    BroVector *inner = bro_vector_new(), *outer = bro_vector_new();
    double fine = 1e300, bad = HUGE_VAL;
    struct reason why;

    bro_vector_add_val(inner, BRO_TYPE_DOUBLE, NULL, &fine);
    bro_vector_add_val(outer, BRO_TYPE_VECTOR, NULL, inner);
    bro_event_add_val(be, BRO_TYPE_VECTOR, NULL, outer);
    ev = *(struct link_event **)be; /* the record is what an event begins with */
    CHECK(zeek_takes(ev, &why));
    bro_vector_add_val(inner, BRO_TYPE_DOUBLE, NULL, &bad);
    bro_vector_set_nth_val(outer, 0, BRO_TYPE_VECTOR, NULL, inner);
    bro_event_set_val(be, 0, BRO_TYPE_VECTOR, NULL, outer);
    ev = *(struct link_event **)be;
    CHECK(!zeek_takes(ev, &why));
    CHECK(strstr(why.text, "event e, argument 0: a double is beyond") != NULL);
    bad = 5e-324;
    bro_vector_set_nth_val(inner, 1, BRO_TYPE_DOUBLE, NULL, &bad);
    bro_vector_set_nth_val(outer, 0, BRO_TYPE_VECTOR, NULL, inner);
    bro_event_set_val(be, 0, BRO_TYPE_VECTOR, NULL, outer);
    ev = *(struct link_event **)be;
    CHECK(!zeek_takes(ev, &why));
    CHECK(strstr(why.text, "event e, argument 0: a double is beyond") != NULL);
    bro_vector_free(inner);
    bro_vector_free(outer);
    bro_event_free(be);
}

/* Before a connection there is nothing, and nothing goes wrong. */
static void
test_before_connect(void)
{
    static const int flags[] = {BRO_CFLAG_NONE,
                                BRO_CFLAG_RECONNECT,
                                BRO_CFLAG_SHAREABLE,
                                BRO_CFLAG_DONTCACHE,
                                BRO_CFLAG_YIELD,
                                BRO_CFLAG_CACHE,
                                -1};
    size_t i;

    for (i = 0; i < sizeof flags / sizeof *flags; i++) {
        BroConn *bc = bro_conn_new_str("127.0.0.1:1", flags[i]);
        BroConnStats cs = {5, 5};

        CHECK(bc->flags == flags[i]);
        CHECK(!bro_conn_alive(bc));
        CHECK(bro_conn_get_fd(bc) == -1);
        CHECK(!bro_conn_process_input(bc));
        CHECK(bro_conn_get_peer_class(bc) == NULL);
        bro_conn_get_connstats(bc, NULL);
        bro_conn_get_connstats(bc, &cs);
        CHECK(cs.tx_buflen == 0 && cs.rx_buflen == 0);
        CHECK(bro_event_queue_length(bc) == 0);
        CHECK(bro_event_queue_flush(bc) == 0);
        bro_event_registry_request(bc);
        CHECK(bro_conn_delete(bc));
    }
}

/* Nobody listens: port 1 of the loop-back, or no core to be found beside this program. */
static void
test_dead_port(void)
{
    static const char *const peers[] = {"127.0.0.1:1", "localhost", "[::1]:1", ":"};
    size_t i;

    for (i = 0; i < sizeof peers / sizeof *peers; i++) {
        BroConn *bc = bro_conn_new_str(peers[i], BRO_CFLAG_NONE);

        CHECK(!bro_conn_reconnect(bc));
        CHECK(!bro_conn_connect(bc));
        CHECK(!bro_conn_reconnect(bc));
        CHECK(!bro_conn_alive(bc));
        CHECK(bro_conn_get_fd(bc) == -1);
        CHECK(!bro_conn_process_input(bc));
        CHECK(bro_event_queue_length(bc) == 0);
        CHECK(bro_conn_delete(bc));
    }
}

/* A socket is the library's: it closes it. */
static void
test_socket(void)
{
    int s[2], pipes[2];
    BroConn *bc;

    if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(pipes) == 0))
        return;
    bc = bro_conn_new_socket(s[0], BRO_CFLAG_NONE);
    CHECK(bc && bc->socket == s[0] && !bc->peer);
    CHECK(!bro_conn_alive(bc) && bro_conn_get_fd(bc) == -1);
    CHECK(bro_conn_delete(bc));
    CHECK(fcntl(s[0], F_GETFD) < 0 && errno == EBADF);
    close(s[1]);
    bc = bro_conn_new_socket(pipes[0], BRO_CFLAG_NONE);
    CHECK(!bro_conn_connect(bc)); /* no socket */
    CHECK(bro_conn_delete(bc));
    close(pipes[1]);
    bc = bro_conn_new_socket(INT_MAX, BRO_CFLAG_NONE);
    CHECK(!bro_conn_connect(bc)); /* not open */
    CHECK(bro_conn_delete(bc));
}

static void
test_class(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", 0);
    char name[2 * LINK_CLASS_MAX] = "";

    bro_conn_set_class(bc, NULL);
    CHECK(bc->class_name == NULL);
    strcpy(name, "sensor");
    bro_conn_set_class(bc, name);
    name[0] = 'S';
    CHECK(strcmp(bc->class_name, "sensor") == 0);
    bro_conn_set_class(bc, "");
    CHECK(strcmp(bc->class_name, "") == 0);
    memset(name, 'c', sizeof name - 1);
    bro_conn_set_class(bc, name);
    CHECK(strlen(bc->class_name) == LINK_CLASS_MAX - 1);
    bro_conn_set_class(bc, NULL);
    CHECK(bc->class_name == NULL);
    bro_conn_set_class(bc, "left behind");
    bro_conn_delete(bc);
}

static void
test_data(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", 0);
    int values[100], i;
    char key[16] = "key";

    bro_conn_data_set(bc, NULL, values);
    CHECK(bro_conn_data_get(bc, NULL) == NULL && bro_conn_data_del(bc, NULL) == NULL);
    CHECK(bro_conn_data_get(bc, "key") == NULL && bro_conn_data_del(bc, "key") == NULL);
    bro_conn_data_set(bc, key, &values[0]);
    key[0] = 'K';
    CHECK(bro_conn_data_get(bc, "key") == &values[0] && bro_conn_data_get(bc, "Key") == NULL);
    bro_conn_data_set(bc, "key", &values[1]);
    CHECK(bro_conn_data_get(bc, "key") == &values[1]);
    bro_conn_data_set(bc, "key", NULL);
    CHECK(bro_conn_data_get(bc, "key") == NULL);
    CHECK(bro_conn_data_del(bc, "key") == NULL);
    bro_conn_data_set(bc, "", &values[2]);
    CHECK(bro_conn_data_get(bc, "") == &values[2] && bro_conn_data_del(bc, "") == &values[2]);
    CHECK(bro_conn_data_del(bc, "") == NULL);
    for (i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        bro_conn_data_set(bc, key, &values[i]);
    }
    for (i = 0; i < 100; i += 3) { /* the first, the last and some between */
        snprintf(key, sizeof key, "%d", i);
        CHECK(bro_conn_data_del(bc, key) == &values[i]);
    }
    for (i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(bro_conn_data_get(bc, key) == (i % 3 ? &values[i] : NULL));
    }
    bro_conn_delete(bc);
}

static void
new_conn_first(void)
{
    (void)!freopen("/dev/null", "w", stderr);
    bro_conn_new_str("127.0.0.1:1", 0);
}

static void
new_socket_first(void)
{
    (void)!freopen("/dev/null", "w", stderr);
    bro_conn_new_socket(0, 0);
}

static void
new_event_first(void)
{
    (void)!freopen("/dev/null", "w", stderr);
    bro_event_new("e");
}

/* As always: such a call ends the program. */
static void
test_before_init(void)
{
    CHECK(in_child(new_conn_first) == 255);
    CHECK(in_child(new_socket_first) == 255);
    CHECK(in_child(new_event_first) == 255);
}

/* --- The queue ------------------------------------------------------------------------------- */

static int
send_until_full(BroConn *bc, BroEvent *ev)
{
    int n = 0;

    while (n < 100000 && bro_event_send(bc, ev))
        n++;
    return n;
}

static void
test_queue(void)
{
    static const struct {
        uint32 size;
        int least, most;
    } cases[] = {
        {0, 10000, LINK_QUEUE_MAX}, /* 72 bytes each */
        {1000, 900, 1048},          {100000, 8, 10},
        {200000, 160, 167}, /* these are outside of the ring */
        {15 << 20, 2, 2},
    };
    size_t i;
    int n;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        BroConn *bc = queueing();
        BroEvent *ev = event_of(cases[i].size);

        CHECK(bro_event_queue_length(bc) == 0);
        n = send_until_full(bc, ev);
        CHECK(n >= cases[i].least && n <= cases[i].most);
        CHECK(bro_event_queue_length(bc) == n);
        CHECK(bro_event_queue_flush(bc) == n);
        CHECK(bro_event_queue_length_max(bc) == LINK_QUEUE_MAX);
        CHECK(!bro_event_send(bc, ev) && bro_event_queue_length(bc) == n);
        CHECK(core_takes(bc, 2) == 2);
        CHECK(bro_event_queue_length(bc) == n - 2);
        CHECK(bro_event_send(bc, ev) && bro_event_send(bc, ev));
        CHECK(bro_event_queue_length(bc) == n);
        CHECK(core_takes(bc, INT_MAX) == n && bc->link->far_out_bytes == 0);
        CHECK(bro_event_queue_length(bc) == 0);
        CHECK(send_until_full(bc, ev) >= cases[i].least);
        bro_event_free(ev);
        bro_conn_delete(bc);
    }
}

/* A spool takes no event for which there may never be room. */
static void
test_queue_spool(BroConn *bc)
{
    BroEvent *half = event_of(LINK_RING_BYTES / 2 - 1000), *more = event_of(LINK_RING_BYTES / 2);

    CHECK(!bro_event_send(bc, more));
    CHECK(bro_event_send(bc, half) && !bro_event_send(bc, more));
    CHECK(core_takes(bc, INT_MAX) == 1);
    bro_event_free(half);
    bro_event_free(more);
}

/* The smallest events: their number is the limit. */
static void
test_queue_number(void)
{
    BroConn *bc = queueing();
    BroEvent *ev = bro_event_new("e");
    int n = send_until_full(bc, ev);

    CHECK(n == LINK_QUEUE_MAX && n == bro_event_queue_length_max(bc));
    CHECK(core_takes(bc, 1) == 1);
    CHECK(bro_event_send(bc, ev) && !bro_event_send(bc, ev));
    CHECK(!bro_conn_connect(bc)); /* a peer that is not there takes nothing away */
    CHECK(bro_event_queue_length(bc) == n);
    CHECK(!bro_conn_reconnect(bc));
    CHECK(bro_event_queue_length(bc) == n);
    CHECK(core_takes(bc, INT_MAX) == n);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

static void
test_stats(void)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = event_of(1000);
    BroConnStats cs;

    CHECK(bro_event_send(bc, ev));
    bro_conn_get_connstats(bc, &cs);
    CHECK(cs.tx_buflen >= 1000 && cs.tx_buflen < 1200 && cs.rx_buflen == 0);
    arrives(bc, ev);
    bro_conn_get_connstats(bc, &cs);
    CHECK(cs.rx_buflen >= 1000 && cs.rx_buflen < 1200);
    CHECK(bro_conn_process_input(bc)); /* nobody wants it */
    core_takes(bc, 1);
    bro_conn_get_connstats(bc, &cs);
    CHECK(cs.tx_buflen == 0 && cs.rx_buflen == 0);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* The same before the connection, and for what is outside of the ring. */
static void
test_stats_queued(void)
{
    BroConn *bc = queueing();
    BroEvent *ev = event_of(1000), *large = event_of(1000000);
    BroConnStats cs;

    CHECK(bro_event_send(bc, ev));
    bro_conn_get_connstats(bc, &cs);
    CHECK(cs.tx_buflen >= 1000 && cs.tx_buflen < 1200);
    CHECK(bro_event_send(bc, large));
    bro_conn_get_connstats(bc, &cs);
    CHECK(cs.tx_buflen >= 1001000);
    bro_event_free(ev);
    bro_event_free(large);
    bro_conn_delete(bc);
}

/* --- Threads --------------------------------------------------------------------------------- */

#define THREADS 4

struct shared {
    BroConn *bc;
    pthread_barrier_t start;
};

static void
run_threads(BroConn *bc, void *(*func)(void *))
{
    struct shared s = {.bc = bc};
    pthread_t threads[THREADS];
    int i;

    pthread_barrier_init(&s.start, NULL, THREADS);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, func, &s) == 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&s.start);
}

static void *
send_one(void *arg)
{
    struct shared *s = arg;
    BroEvent *ev = bro_event_new("together");

    pthread_barrier_wait(&s->start);
    if (!bro_event_send(s->bc, ev))
        bro_conn_data_set(s->bc, "refused", ev);
    bro_event_free(ev);
    return NULL;
}

/* The first events of a handle, from several threads at once. */
static void
test_threads_first(void)
{
    int i, lost = 0;

    for (i = 0; i < 300; i++) {
        BroConn *bc = queueing();

        run_threads(bc, send_one);
        lost += core_takes(bc, INT_MAX) != THREADS;
        bro_conn_delete(bc);
    }
    CHECK(lost == 0);
}

static void *
use_data(void *arg)
{
    struct shared *s = arg;
    char key[32];
    int i, slot;

    pthread_barrier_wait(&s->start);
    for (i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "%p %d", (void *)&slot, i % 7);
        bro_conn_data_set(s->bc, key, &slot);
        if (bro_conn_data_get(s->bc, key) != &slot || bro_conn_data_del(s->bc, key) != &slot)
            return "lost";
    }
    return NULL;
}

static void
test_threads_data(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", 0);

    run_threads(bc, use_data);
    CHECK(bc->attachments == NULL);
    bro_conn_delete(bc);
}

static void *
send_when_cancelled(void *arg)
{
    BroConn *bc = arg;
    BroEvent *ev = bro_event_new("the last");

    pthread_cancel(pthread_self());
    bro_event_send(bc, ev);
    bro_event_free(ev);
    pthread_testcancel();
    return NULL;
}

/* A thread that is cancelled while it wakes the core has sent its event, and
 * holds no lock that others wait for. */
static void
test_threads_cancelled(void)
{
    BroConn *bc = pretend(0);
    pthread_t thread;
    void *result;

    bc->link->core_asleep = TRUE;
    CHECK(pthread_create(&thread, NULL, send_when_cancelled, bc) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    if (CHECK(pthread_mutex_trylock(&bc->lock) == 0))
        pthread_mutex_unlock(&bc->lock);
    CHECK(readable(bc->to_core) && core_takes(bc, INT_MAX) == 1);
    bro_conn_delete(bc);
}

static void *
adopt_and_take_away(void *arg)
{
    struct shared *s = arg;
    BroConn *mine = queueing();
    int i;

    pthread_barrier_wait(&s->start);
    for (i = 0; i < 300; i++) {
        bro_event_registry_add(s->bc, "a", (BroEventFunc)abort, NULL);
        bro_conn_adopt_events(s->bc, mine);
        bro_conn_adopt_events(mine, s->bc);
        bro_event_registry_remove(s->bc, "a");
        bro_event_registry_remove(mine, "a");
    }
    bro_conn_delete(mine);
    return NULL;
}

/* Registrations that come and go while others take them over. */
static void
test_threads_adopt(void)
{
    BroConn *bc = queueing();

    run_threads(bc, adopt_and_take_away);
    CHECK(bc->handlers == NULL);
    bro_conn_delete(bc);
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    test_before_init();
    bro_init(NULL);
    bro_init(NULL);
    test_null();
    test_peers();
    test_zeek_peers();
    test_zeek_takes();
    test_before_connect();
    test_dead_port();
    test_socket();
    test_class();
    test_data();
    test_queue();
    test_queue_number();
    with_spool(test_queue_spool);
    test_stats();
    test_stats_queued();
    test_threads_first();
    test_threads_data();
    test_threads_cancelled();
    test_threads_adopt();
    return check_done();
}
