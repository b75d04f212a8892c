/*
 * Connections without a peer, the registry of events, and the rings. Where an
 * event has to come in, the test is the core: it puts records into the inbound
 * ring and signals the descriptor. An argument is the seed of what is random.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../flat.h"
#include "../process.h"
#include "../ring.h"
#include "../spool.h"
#include "check.h"

static const uint64 one = 1;
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

static BroConn *
queueing(void)
{
    return bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
}

/* --- The test as the core ---------------------------------------------------------------- */

/* Gives back what waits in the outbound ring, at most n records. */
static int
core_takes(BroConn *bc, int n)
{
    struct link_record *rec;
    uint64_t next;
    int i;

    for (i = 0; i < n && (rec = ring_next(bc->link->out, &next)); i++) {
        if (rec->kind == LINK_FAR) {
            struct link_record *at = ((struct link_far *)rec)->at;

            __atomic_sub_fetch(&bc->link->far_out, at->size, __ATOMIC_SEQ_CST);
            free(at);
        }
        ring_release(bc->link->out, next);
        __atomic_add_fetch(&bc->link->done, 1, __ATOMIC_SEQ_CST);
    }
    return i;
}

/* A handle that takes itself for connected. */
static BroConn *
pretend(int flags)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", flags | BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("opens the link");

    CHECK(bro_event_send(bc, ev));
    bro_event_free(ev);
    CHECK(core_takes(bc, 1) == 1);
    bc->link->state = LINK_UP;
    return bc;
}

/* Signals as the core does. */
static void
core_signals(BroConn *bc)
{
    uint64_t once = 1;

    if (!__atomic_exchange_n(&bc->link->host_signaled, 1, __ATOMIC_SEQ_CST))
        CHECK(write(bc->to_host, &once, sizeof once) == sizeof once);
}

/* Puts a record into the inbound ring; far says that it goes outside of it. */
static void
core_hands(BroConn *bc, const void *rec, size_t size, int far)
{
    struct link_far pointer = {{sizeof pointer, LINK_FAR}, NULL};
    uint64_t head;
    void *at;

    if (far) {
        pointer.at = malloc(size);
        memcpy(pointer.at, rec, size);
        bc->link->far_in += size;
        rec = &pointer;
        size = sizeof pointer;
    }
    if (!CHECK((at = ring_reserve(&bc->link->in, size, &head)) != NULL))
        return;
    memcpy(at, rec, size);
    ring_commit(&bc->link->in, head);
    core_signals(bc);
}

/* An event as the core would hand it over: with the wire's bytes, here "raw". */
static struct link_event *
inbound(BroEvent *ev)
{
    BroConn *bc = queueing();
    struct link_event *rec = NULL;
    struct link_record *sent;
    uint64_t next;

    if (CHECK(bro_event_send(bc, ev)) && (sent = ring_next(bc->link->out, &next))) {
        uint32_t size = sent->kind == LINK_FAR ? ((struct link_far *)sent)->at->size : sent->size;

        rec = calloc(1, size + 8);
        memcpy(rec, sent->kind == LINK_FAR ? ((struct link_far *)sent)->at : sent, size);
        memcpy((char *)rec + size, "raw", 3);
        rec->raw_len = 3;
        rec->rec.size = size + 8;
    }
    bro_conn_delete(bc);
    return rec;
}

static void
arrives(BroConn *bc, BroEvent *ev)
{
    struct link_event *rec = inbound(ev);

    core_hands(bc, rec, rec->rec.size, rec->rec.size > LINK_NEAR_MAX);
    free(rec);
}

static void
arrives_named(BroConn *bc, const char *name, uint64 n)
{
    BroEvent *ev = bro_event_new(name);

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &n);
    arrives(bc, ev);
    bro_event_free(ev);
}

static int
readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* --- Handles ----------------------------------------------------------------------------- */

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
    CHECK(has_peer(bro_conn_new_str("fe80::1%lo:47757", 0), "[fe80::1%lo]:47757"));
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
    double fine = 1.5, bad = 1e300;

    bro_vector_add_val(inner, BRO_TYPE_DOUBLE, NULL, &fine);
    bro_vector_add_val(outer, BRO_TYPE_VECTOR, NULL, inner);
    bro_event_add_val(be, BRO_TYPE_VECTOR, NULL, outer);
    ev = *(struct link_event **)be; /* the record is what an event begins with */
    CHECK(zeek_takes(ev));
    bro_vector_add_val(inner, BRO_TYPE_DOUBLE, NULL, &bad);
    bro_vector_set_nth_val(outer, 0, BRO_TYPE_VECTOR, NULL, inner);
    bro_event_set_val(be, 0, BRO_TYPE_VECTOR, NULL, outer);
    ev = *(struct link_event **)be;
    CHECK(!zeek_takes(ev));
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

/* What runs in a process of its own; the exit status of that. */
static int
in_child(void (*func)(void))
{
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        func();
        fflush(stdout);
        _exit(check_failed > 0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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

static BroConn *of_parent;

static void
use_of_parent(void)
{
    BroEvent *ev = bro_event_new("of the child");

    check_failed = 0;
    CHECK(bro_event_queue_length(of_parent) == 0);
    CHECK(bro_event_send(of_parent, ev));
    CHECK(bro_event_queue_length(of_parent) == 1);
    CHECK(bro_conn_get_fd(of_parent) == -1 && !bro_conn_process_input(of_parent));
    bro_event_free(ev);
    CHECK(bro_conn_delete(of_parent));
}

static void
test_fork(void)
{
    BroEvent *ev = bro_event_new("of the parent");

    of_parent = queueing();
    CHECK(bro_event_send(of_parent, ev) && bro_event_send(of_parent, ev));
    bro_event_free(ev);
    CHECK(in_child(use_of_parent) == 0);
    CHECK(bro_event_queue_length(of_parent) == 2);
    bro_conn_delete(of_parent);
}

static int
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct link_socket
socket_of(int fd, int other)
{
    struct stat st;

    fstat(fd, &st);
    return (struct link_socket){st.st_ino + (uint64_t)other, fd, 0};
}

static int of_core[2], of_host[2], given;

static void
look_at_sockets(void)
{
    check_failed = 0;
    CHECK(!is_open(of_core[0]) && is_open(of_core[1]));
    CHECK(is_open(of_host[0]) && is_open(of_host[1]));
    CHECK(!is_open(given) && of_parent->socket == -1);
}

/* A child closes what the core has open, and nothing that has such a number by now. */
static void
test_fork_sockets(void)
{
    of_parent = pretend(0);
    if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, of_core) == 0 && pipe(of_host) == 0))
        return;
    given = dup(of_core[1]);
    of_parent->connected = TRUE; /* as it is while the core has it */
    of_parent->socket = given;
    of_parent->link->sockets[0] = socket_of(of_core[0], FALSE);
    of_parent->link->sockets[1] = socket_of(of_core[1], TRUE);
    of_parent->link->sockets[2] = socket_of(of_host[0], FALSE);
    CHECK(in_child(look_at_sockets) == 0);
    CHECK(is_open(of_core[0]) && is_open(given));
    of_parent->connected = FALSE;
    bro_conn_delete(of_parent);
    close(of_core[0]), close(of_core[1]), close(of_host[0]), close(of_host[1]);
}

static void
look_at_link(void)
{
    struct link *l = of_parent->link;
    unsigned char page;

    check_failed = 0;
    CHECK(mincore(l, 4096, &page) == 0);
    CHECK(bro_conn_get_fd(of_parent) == -1); /* makes it the child's */
    CHECK(!of_parent->link && mincore(l, 4096, &page) < 0 && errno == ENOMEM); /* not mapped */
    CHECK(write(of_parent->to_host, &one, sizeof one) == sizeof one);
    CHECK(readable(of_parent->to_host));
    CHECK(write(of_parent->to_core, &one, sizeof one) == sizeof one);
}

/* What the parent and its core share takes no memory of a child, and is not woken by one. */
static void
test_fork_link(void)
{
    of_parent = pretend(0);
    CHECK(in_child(look_at_link) == 0);
    CHECK(!readable(of_parent->to_host) && !readable(of_parent->to_core));
    bro_conn_delete(of_parent);
}

static struct {
    int watched, begun, added;
    BroConn conn;
} beside_fork;

static void *
add_beside_fork(void *arg)
{
    while (!__atomic_load_n(&beside_fork.begun, __ATOMIC_SEQ_CST))
        sched_yield();
    process_add(&beside_fork.conn);
    __atomic_store_n(&beside_fork.added, TRUE, __ATOMIC_SEQ_CST);
    return arg;
}

static void
fork_begins(void)
{
    int i;

    if (!beside_fork.watched)
        return;
    __atomic_store_n(&beside_fork.begun, TRUE, __ATOMIC_SEQ_CST);
    for (i = 0; i < 200 && !__atomic_load_n(&beside_fork.added, __ATOMIC_SEQ_CST); i++)
        usleep(1000);
    CHECK(!__atomic_load_n(&beside_fork.added, __ATOMIC_SEQ_CST));
}

/* Before the library's own, so that this is the last to be called before fork(). */
__attribute__((constructor(101))) static void
watch_forks_too(void)
{
    pthread_atfork(fork_begins, NULL, NULL);
}

static void
add_in_child(void)
{
    check_failed = 0;
    CHECK(bro_conn_delete(queueing()));
}

/* No thread changes the list of connections while it is copied. */
static void
test_fork_beside_new(void)
{
    pthread_t thread;

    if (!CHECK(pthread_create(&thread, NULL, add_beside_fork, NULL) == 0))
        return;
    beside_fork.watched = TRUE;
    CHECK(in_child(add_in_child) == 0);
    beside_fork.watched = FALSE;
    pthread_join(thread, NULL);
    CHECK(beside_fork.added);
    process_remove(&beside_fork.conn);
}

/* A thread that the child has not holds a lock meanwhile: from one meeting to the next. */
static pthread_barrier_t meeting;

static void
hold(void)
{
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
}

static void *
hold_lock_of_parent(void *arg)
{
    pthread_mutex_lock(&of_parent->lock);
    hold();
    pthread_mutex_unlock(&of_parent->lock);
    return arg;
}

static void
fork_while(void *(*holds)(void *), void (*child)(void))
{
    pthread_t thread;

    pthread_barrier_init(&meeting, NULL, 2);
    if (!CHECK(pthread_create(&thread, NULL, holds, NULL) == 0))
        return;
    pthread_barrier_wait(&meeting);
    CHECK(in_child(child) == 0);
    pthread_barrier_wait(&meeting);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&meeting);
}

static void
handler_of_child(BroConn *bc, void *user_data)
{
    (void)bc, (void)user_data;
}

static void
register_in_child(void)
{
    alarm(60);
    check_failed = 0;
    bro_event_registry_add(of_parent, "a", (BroEventFunc)handler_of_child, NULL);
    bro_event_registry_remove(of_parent, "a");
    CHECK(bro_conn_delete(of_parent));
}

static void
send_in_child(void)
{
    alarm(60);
    use_of_parent();
}

/* What a thread of the parent's does with a connection holds no child. */
static void
test_fork_while_locked(void)
{
    of_parent = queueing();
    fork_while(hold_lock_of_parent, register_in_child);
    fork_while(hold_lock_of_parent, send_in_child);
    bro_conn_delete(of_parent);
}

static int loading;

void *__real_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags);

void *
__wrap_dlopen(const char *path, int flags)
{
    int first = loading;

    loading = FALSE;
    if (first)
        hold();
    return __real_dlopen(path, flags);
}

static void *
connect_one(void *arg)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);

    CHECK(!bro_conn_connect(bc));
    bro_conn_delete(bc);
    return arg;
}

static void
connect_in_child(void)
{
    alarm(60);
    check_failed = 0;
    connect_one(NULL);
    if (check_failed == 0) /* valgrind is not to look for what the other thread had */
        execl("/bin/true", "true", (char *)NULL);
}

/* Neither does one that is loading the core. ThreadSanitizer takes no new threads
 * in such a child. */
static void
test_fork_while_loading(void)
{
#ifndef __SANITIZE_THREAD__
    loading = TRUE;
    fork_while(connect_one, connect_in_child);
#else
    (void)connect_one, (void)connect_in_child;
#endif
}

static void
exit_as_child(void)
{
    struct spool *s = of_parent->spool;

    check_failed = 0;
    CHECK(s->lock == -1 && !is_open(given)); /* free once the parent is gone */
    conn_flush_at_exit(of_parent);
    CHECK(access(s->folder, F_OK) == 0);
    CHECK(bro_conn_delete(of_parent));
}

/* Runs func with a connection that has a spool. */
static void
with_spool(void (*func)(BroConn *bc))
{
    char dir[] = "/tmp/broccoli-spool-XXXXXX";
    BroConn *bc = queueing();

    if (CHECK(mkdtemp(dir) != NULL))
        bc->spool = spool_new(dir, bc->peer, LINK_RING_BYTES);
    if (CHECK(bc->spool != NULL))
        func(bc);
    bro_conn_delete(bc);
    CHECK(rmdir(dir) == 0); /* it took its own with it */
}

/* A child that ends leaves its parent's spool alone, though nothing is in it. */
static void
test_fork_spool(BroConn *bc)
{
    of_parent = bc;
    given = bc->spool->lock;
    CHECK(in_child(exit_as_child) == 0);
    CHECK(is_open(given) && access(bc->spool->folder, F_OK) == 0);
}

/* --- The queue --------------------------------------------------------------------------- */

static BroEvent *
event_of(uint32 bytes)
{
    BroString str = {bytes, calloc(1, bytes + 1)};
    BroEvent *ev = bro_event_new("queued");

    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
    free(str.str_val);
    return ev;
}

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
        CHECK(core_takes(bc, INT_MAX) == n && bc->link->far_out == 0);
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

/* --- Handlers ---------------------------------------------------------------------------- */

static char trail[4096];

static void
leave(const char *what)
{
    strncat(trail, what, sizeof trail - strlen(trail) - 1);
}

static int
trail_is(const char *want)
{
    int ok = strcmp(trail, want) == 0;

    if (!ok)
        printf("trail: \"%s\", not \"%s\"\n", trail, want);
    trail[0] = '\0';
    return ok;
}

static void
on_compact(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    leave(user_data);
    leave(meta->ev_name);
    leave(" ");
}

static void
on_expanded(BroConn *bc, void *user_data, uint64 *n)
{
    char text[32];

    (void)bc;
    snprintf(text, sizeof text, "%s%" PRIu64 " ", (char *)user_data, *n);
    leave(text);
}

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

struct link_record *__real_ring_next(struct link_ring *r, uint64_t *next);
struct link_record *__wrap_ring_next(struct link_ring *r, uint64_t *next);

struct link_record *
__wrap_ring_next(struct link_ring *r, uint64_t *next)
{
    struct link_record *rec = __real_ring_next(r, next);
    void (*func)(BroConn *) = meanwhile;

    if (!rec && func && r == &quieted->link->in) {
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

    bc->connected = TRUE; /* as it was while the core had it */
    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    arrives_named(bc, "a", 0);
    meanwhile = event_comes_last;
    CHECK(bro_conn_process_input(bc));
    CHECK(!meanwhile && trail_is("0 1 "));
    CHECK(!bro_conn_process_input(bc) && bro_conn_get_fd(bc) == -1);
    bc->connected = FALSE;
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
    uint64_t next;

    bro_event_registry_add_compact(bc, "a", on_adding, "b");
    arrives_named(bc, "b", 0);
    arrives_named(bc, "a", 0);
    arrives_named(bc, "b", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("+:a new:b "));
    rec = ring_next(bc->link->out, &next);
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

static void
on_recursing(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    on_compact(bc, user_data, meta);
    CHECK(!bro_conn_process_input(bc));
}

static void
test_process_in_handler(void)
{
    BroConn *bc = pretend(0);

    bro_event_registry_add_compact(bc, "a", on_recursing, "");
    arrives_named(bc, "a", 0);
    arrives_named(bc, "a", 0);
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("a a "));
    bro_conn_delete(bc);
}

static pid_t forked;

/* What a child does with its copy of the connection in a handler: user_data. */
static void
on_forking(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    BroString *arg = meta->ev_args[0].arg_data;
    BroEvent *ev;
    int status;

    on_compact(bc, "", meta);
    if ((forked = fork()) != 0) {
        CHECK(waitpid(forked, &status, 0) == forked && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return;
    }
    check_failed = 0;
    if (strcmp(user_data, "sends") == 0) {
        ev = bro_event_new("of the child");
        CHECK(bro_event_send(bc, ev) && bro_event_queue_length(bc) == 1);
        bro_event_free(ev);
    } else if (strcmp(user_data, "deletes") == 0) {
        CHECK(bro_conn_delete(bc));
    }
    CHECK(arg->str_len == 3 && strcmp((char *)arg->str_val, "arg") == 0 && strcmp(meta->ev_name, "forks") == 0);
}

/* A handler forks, and the child returns from it too: the parent's events stay the parent's. */
static void
test_fork_in_handler(void)
{
    static char *const ways[] = {"returns", "sends", "deletes"};
    BroString arg = {3, (uchar *)"arg"};
    size_t i;

    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        BroConn *bc = pretend(0);
        BroEvent *ev = bro_event_new("forks");

        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &arg);
        bro_event_registry_add_compact(bc, "forks", on_forking, ways[i]);
        bro_event_registry_add_compact(bc, "a", on_compact, "");
        arrives(bc, ev);
        arrives_named(bc, "a", 0);
        bro_event_free(ev);
        CHECK(bro_conn_process_input(bc));
        if (forked == 0) {
            CHECK(trail_is("forks "));
            if (strcmp(ways[i], "deletes") != 0)
                CHECK(!bro_conn_process_input(bc) && bro_conn_delete(bc));
            _exit(check_failed != 0);
        }
        CHECK(trail_is("forks a "));
        bro_conn_delete(bc);
    }
}

static pthread_barrier_t in_handler;

static void
on_waiting(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
    pthread_barrier_wait(&in_handler); /* it runs */
    pthread_barrier_wait(&in_handler); /* and has been forked meanwhile */
}

static void *
process_once(void *arg)
{
    return bro_conn_process_input(arg) ? NULL : "nothing";
}

static void
process_as_child(void)
{
    check_failed = 0;
    CHECK(bro_conn_get_fd(of_parent) == -1); /* makes it the child's */
    of_parent->link = link_new(LINK_RING_BYTES, NULL);
    of_parent->link->state = LINK_UP;
    bro_event_registry_add_compact(of_parent, "a", on_compact, "");
    arrives_named(of_parent, "a", 0);
    CHECK(bro_conn_process_input(of_parent) && trail_is("a "));
}

static void
delete_as_child(void)
{
    int fd = of_parent->to_host;

    check_failed = 0;
    CHECK(bro_conn_delete(of_parent) && !is_open(fd));
}

/* A process forks while a handler runs in another thread of it, which the child has not. */
static void
test_fork_beside_handler(void)
{
    pthread_t thread;
    void *result;

    of_parent = pretend(0);
    pthread_barrier_init(&in_handler, NULL, 2);
    bro_event_registry_add_compact(of_parent, "waits", on_waiting, "");
    arrives_named(of_parent, "waits", 0);
    if (!CHECK(pthread_create(&thread, NULL, process_once, of_parent) == 0))
        return;
    pthread_barrier_wait(&in_handler);
    CHECK(in_child(process_as_child) == 0);
    CHECK(in_child(delete_as_child) == 0);
    pthread_barrier_wait(&in_handler);
    CHECK(pthread_join(thread, &result) == 0 && !result);
    pthread_barrier_destroy(&in_handler);
    bro_conn_delete(of_parent);
}

/* The end of a connection: what had come in is processed, then the descriptor goes. */
static void
test_loss(void)
{
    BroConn *bc = pretend(0);
    int fd = bro_conn_get_fd(bc);

    bc->connected = TRUE; /* as it was while the core had it */
    bro_event_registry_add(bc, "a", (BroEventFunc)on_expanded, "");
    arrives_named(bc, "a", 1);
    bc->link->state = LINK_DOWN;
    CHECK(!bro_conn_alive(bc));
    CHECK(bro_conn_get_fd(bc) == fd && readable(fd));
    CHECK(bro_conn_process_input(bc));
    CHECK(trail_is("1 "));
    CHECK(bro_conn_get_fd(bc) == -1);
    CHECK(fcntl(fd, F_GETFD) < 0);
    CHECK(!bro_conn_process_input(bc));
    bc->connected = FALSE;
    bro_conn_delete(bc);
}

/* --- Arguments --------------------------------------------------------------------------- */

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
        if (rnd(3) == 0 || ring_used(&bc->link->in) > LINK_RING_BYTES / 2)
            CHECK(bro_conn_process_input(bc) && got == want && bc->link->far_in == 0);
    }
    CHECK(bc->link->in.head > 2 * LINK_RING_BYTES);
    arrives_named(bc, "left behind", 0);
    bro_conn_delete(bc);
}

/* --- Rings ------------------------------------------------------------------------------- */

static struct link_record *
put(struct link_ring *r, uint32_t size, uint32_t kind)
{
    uint64_t head;
    struct link_record *rec = ring_reserve(r, size, &head);

    if (rec) {
        memset(rec, (int)kind, size);
        rec->size = size;
        rec->kind = kind;
        ring_commit(r, head);
    }
    return rec;
}

static int
get(struct link_ring *r, uint32_t size, uint32_t kind)
{
    uint64_t next;
    struct link_record *rec = ring_next(r, &next);
    uint32_t i;
    int ok = rec && rec->size == size && rec->kind == kind;

    for (i = sizeof *rec; ok && i < size; i++)
        ok = ((uchar *)rec)[i] == (uchar)kind;
    if (rec)
        ring_release(r, next);
    return ok;
}

static void
test_ring(void)
{
    static uint64_t bytes[128 / 8];
    struct link_ring r = {.size = 128, .data = (unsigned char *)bytes};
    uint64_t head = 77, next;
    int i;

    CHECK(ring_used(&r) == 0 && ring_next(&r, &next) == NULL);
    CHECK(ring_reserve(&r, 8, &head) == bytes && head == 8);
    CHECK(ring_used(&r) == 0); /* not committed */
    CHECK(put(&r, 64, 1) && put(&r, 56, 2) && put(&r, 8, 3));
    CHECK(ring_used(&r) == 128 && !put(&r, 8, 4)); /* full to the last byte */
    CHECK(get(&r, 64, 1));
    CHECK(ring_used(&r) == 64 && put(&r, 64, 4) == (void *)bytes && !put(&r, 8, 5));
    CHECK(get(&r, 56, 2) && get(&r, 8, 3) && get(&r, 64, 4) && ring_used(&r) == 0);
    CHECK(ring_next(&r, &next) == NULL);
    /* One that does not fit before the end goes to the beginning. */
    r.head = r.tail = 96;
    CHECK(put(&r, 40, 6) == (void *)bytes);
    CHECK(ring_used(&r) == 72 && !put(&r, 64, 7) && put(&r, 56, 7) && !put(&r, 8, 8));
    CHECK(get(&r, 40, 6) && get(&r, 56, 7) && ring_used(&r) == 0);
    /* Not when that is not free yet. */
    r.head = r.tail = 64;
    CHECK(put(&r, 40, 1)); /* 64 to 104 */
    CHECK(!put(&r, 72, 2));
    CHECK(put(&r, 64, 2) == (void *)bytes && !put(&r, 8, 3));
    CHECK(get(&r, 40, 1) && get(&r, 64, 2));
    /* A filler alone is no record, and gives its bytes back. */
    r.head = r.tail = 120;
    CHECK(put(&r, 8, LINK_SKIP) != NULL);
    CHECK(ring_next(&r, &next) == NULL && ring_used(&r) == 0);
    /* The counters pass 32 bits and more. */
    r.head = r.tail = (uint64_t)-256;
    for (i = 0; i < 3; i++)
        CHECK(put(&r, 64, 9) && get(&r, 64, 9));
}

/* A random producer and consumer against a model. */
static void
test_ring_random(void)
{
    static uint64_t bytes[1024 / 8];
    struct link_ring r = {.size = 1024, .data = (unsigned char *)bytes};
    uint32_t sizes[200];
    int first = 0, last = 0, i, refused = 0, ok = TRUE;

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

            ok = !ring_next(&r, &next);
        }
        ok = ok && ring_used(&r) <= r.size;
    }
    CHECK(ok);
    CHECK(last > 10000 && refused > 1000);
}

#define STREAM 100000

static void *
producer(void *arg)
{
    struct link_ring *r = arg;
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
    struct link_ring r = {.size = 512, .data = (unsigned char *)bytes};
    pthread_t thread;
    uint32_t i = 0;
    int ok = TRUE;

    if (!CHECK(pthread_create(&thread, NULL, producer, &r) == 0))
        return;
    while (i < STREAM) {
        uint64_t next;

        if (!ring_next(&r, &next)) {
            sched_yield();
            continue;
        }
        ok &= get(&r, 16 + i * 8 % 104, 1 + i % 250);
        i++;
    }
    pthread_join(thread, NULL);
    CHECK(ok && ring_used(&r) == 0);
}

/* --- Threads ----------------------------------------------------------------------------- */

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

static void
on_nothing(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
}

static int handlers_done;

static void *
use_handlers(void *arg)
{
    struct shared *s = arg;
    char name[32];
    int i;

    snprintf(name, sizeof name, "%p", (void *)name);
    for (i = 0; i < 20000; i++) {
        bro_event_registry_add_compact(s->bc, name, on_nothing, NULL);
        bro_event_registry_remove(s->bc, name);
    }
    __atomic_store_n(&handlers_done, TRUE, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Handlers come and go on one thread while another one runs them. */
static void
test_threads_handlers(void)
{
    struct shared s = {.bc = pretend(0)};
    pthread_t thread;

    bro_event_registry_add_compact(s.bc, "a", on_nothing, NULL);
    handlers_done = FALSE;
    if (!CHECK(pthread_create(&thread, NULL, use_handlers, &s) == 0))
        return;
    while (!__atomic_load_n(&handlers_done, __ATOMIC_SEQ_CST)) {
        arrives_named(s.bc, "a", 0);
        CHECK(bro_conn_process_input(s.bc));
    }
    pthread_join(thread, NULL);
    bro_conn_delete(s.bc);
}

int
main(int argc, char **argv)
{
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
    if (random_state == 0)
        random_state = 0x9e3779b97f4a7c15u;
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
    test_fork();
    test_fork_sockets();
    test_fork_link();
    test_fork_beside_new();
    test_fork_while_locked();
    test_fork_while_loading();
    with_spool(test_fork_spool);
    test_queue();
    test_queue_number();
    with_spool(test_queue_spool);
    test_stats();
    test_stats_queued();
    test_registry();
    test_dispatch();
    test_adopt();
    test_yield();
    test_quiet();
    test_quiet_end();
    test_room();
    test_remove_in_handler();
    test_add_in_handler();
    test_delete_in_handler();
    test_process_in_handler();
    test_fork_in_handler();
    test_fork_beside_handler();
    test_loss();
    test_arguments();
    test_malformed();
    test_inbound_ring();
    test_ring();
    test_ring_random();
    test_ring_threads();
    test_add_for_same_event();
    test_threads_first();
    test_threads_data();
    test_threads_handlers();
    return check_done();
}
