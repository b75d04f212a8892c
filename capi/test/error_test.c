/*
 * Why there is no connection, and why an event was refused.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../exit.h"
#include "../log.h"
#include "child.h"
#include "fake_core.h"

static int
says(const char *text, const char *part)
{
    int ok = part[0] ? strstr(text, part) != NULL : text[0] == '\0';

    if (!ok)
        printf("\"%s\", not \"%s\"\n", text, part);
    return ok;
}

/* What the core does when it finds out something: see link.cause of internal/library/core. */
static void
core_finds(struct link *l, uint64_t ups, const char *text)
{
    uint32_t n = l->cause_published;
    struct link_cause *c = &l->causes[(n + 1) % 2];
    char words[LINK_ERROR_MAX] = "";
    uint64_t word;
    size_t i;

    snprintf(words, sizeof words, "%s", text);
    __atomic_store_n(&l->cause_begun, n + 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&c->ups, ups, __ATOMIC_SEQ_CST);
    for (i = 0; i < LINK_ERROR_MAX / sizeof word; i++) {
        memcpy(&word, words + i * sizeof word, sizeof word);
        __atomic_store_n(&c->text[i], word, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&l->cause_published, n + 1, __ATOMIC_SEQ_CST);
}

/* --- The reasons of the front ----------------------------------------------------------------- */

static const char *config;
static const char *peer = "127.0.0.1:1";

/* Connects with that configuration, in a process of its own, which prints why not. */
static void
connect_with_config(void)
{
    char path[] = "/tmp/broccoli-error-XXXXXX";
    int fd = mkstemp(path);
    size_t len = strlen(config);
    BroConn *bc;

    check_failed = 0;
    if (!CHECK(fd >= 0 && write(fd, config, len) == (ssize_t)len))
        return;
    close(fd);
    setenv("BROCCOLI_CONFIG_FILE", path, 1);
    bro_init(NULL);
    unlink(path);
    bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    CHECK(says(bro_conn_error(bc), ""));
    CHECK(!bro_conn_connect(bc));
    printf("%s\n", bro_conn_error(bc));
    bro_conn_delete(bc);
}

/* In the order of its parts; the output of the child is a file. */
static int
refusal_is(const char *settings, const char *part)
{
    char said[2048] = "", path[] = "/tmp/broccoli-said-XXXXXX";
    int out, fd = mkstemp(path), ok;
    ssize_t n;

    config = settings;
    fflush(stdout);
    out = dup(1);
    dup2(fd, 1);
    ok = in_child(connect_with_config) == 0;
    dup2(out, 1);
    close(out);
    n = pread(fd, said, sizeof said - 1, 0);
    close(fd);
    unlink(path);
    return ok && n > 0 && says(said, part);
}

static void
test_refusals_of_the_front(void)
{
    char open_to_all[] = "/tmp/broccoli-unsafe-XXXXXX", settings[128];

    CHECK(refusal_is("/broccoli/use_ssl \"maybe\"\n", "use_ssl maybe: neither yes nor no"));
    CHECK(refusal_is("/broccoli/transport pigeon\n", "transport pigeon: neither bro nor"));
    CHECK(
        refusal_is("/broccoli/spool_dir relative\n", "spool_dir relative: it must be a full path"));
    CHECK(refusal_is("/broccoli/spool_dir /nowhere/at/all\n",
                     "spool_dir /nowhere/at/all: No such file"));
    CHECK(mkdtemp(open_to_all) && chmod(open_to_all, 0777) == 0);
    snprintf(settings, sizeof settings, "/broccoli/spool_dir %s\n", open_to_all);
    CHECK(refusal_is(settings, "others can write to it"));
    rmdir(open_to_all);
    peer = "ws://127.0.0.1:1";
    CHECK(refusal_is("/broccoli/use_ssl yes\n", "is in the clear, but use_ssl"));
    peer = "127.0.0.1:1";
    CHECK(refusal_is("", "cannot load the core: "));
}

/* --- Connections ------------------------------------------------------------------------------ */

static void
test_never_tried(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);

    CHECK(says(bro_conn_error(NULL), "") && says(bro_event_error(NULL), ""));
    CHECK(says(bro_conn_error(bc), "") && says(bro_event_error(bc), ""));
    bro_conn_delete(bc);
}

static void
test_first_cause(void)
{
    BroConn *bc = pretend(BRO_CFLAG_RECONNECT);
    struct reason refused = {"connection refused"}, again = {"no route"};

    core_finds(bc->link, 1, "");
    CHECK(says(bro_conn_error(bc), ""));
    core_finds(bc->link, 1, "the peer closed the connection");
    CHECK(says(bro_conn_error(bc), "")); /* it is up as long as the state says so */
    bc->link->state = LINK_RETRY;
    CHECK(strcmp(bro_conn_error(bc), "the peer closed the connection") == 0);
    errors_unconnected(bc, 1, &refused);
    CHECK(strcmp(bro_conn_error(bc), "the peer closed the connection; then: connection refused") ==
          0);
    errors_unconnected(bc, 1, &again);
    CHECK(strcmp(bro_conn_error(bc), "the peer closed the connection; then: no route") == 0);

    core_finds(bc->link, 2, "");
    bc->link->state = LINK_UP;
    CHECK(says(bro_conn_error(bc), ""));
    core_finds(bc->link, 2, "peer is silent");
    bc->link->state = LINK_DOWN;
    CHECK(strcmp(bro_conn_error(bc), "peer is silent") == 0);
    errors_unconnected(bc, 1, &refused); /* it was late: the connection has been up since */
    CHECK(strcmp(bro_conn_error(bc), "peer is silent") == 0);
    bro_conn_delete(bc);
}

static void
test_first_connect(void)
{
    BroConn *bc = pretend(BRO_CFLAG_RECONNECT);
    struct reason refused = {"connection refused"}, other = {"no route"};

    bc->link->state = LINK_RETRY;
    CHECK(says(bro_conn_error(bc), "connecting in the background"));
    errors_unconnected(bc, 0, &refused);
    CHECK(strcmp(bro_conn_error(bc), "connection refused") == 0);
    errors_unconnected(bc, 0, &refused);
    CHECK(strcmp(bro_conn_error(bc), "connection refused") == 0);
    errors_unconnected(bc, 0, &other);
    CHECK(strcmp(bro_conn_error(bc), "connection refused; then: no route") == 0);
    bro_conn_delete(bc);
}

/* Each text has one number all over, so that one that is torn is seen. */
#define ROUNDS 20000

static void *
find_and_find(void *arg)
{
    struct link *l = arg;
    char text[401];
    int i;

    for (i = 1; i <= ROUNDS; i++) {
        memset(text, 'a' + i % 26, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        core_finds(l, (uint64_t)i, text);
    }
    return NULL;
}

static void
test_whole(void)
{
    BroConn *bc = pretend(0);
    pthread_t core;
    int i, whole = 0, n = 0;

    core_finds(bc->link, 0, "");
    bc->link->state = LINK_RETRY;
    CHECK(pthread_create(&core, NULL, find_and_find, bc->link) == 0);
    for (i = 0; i < ROUNDS; i++) {
        const char *text = bro_conn_error(bc);

        if (text[0] == 'c' && text[1] == 'o')
            continue; /* nothing found yet */
        n++;
        whole += strspn(text, (char[]){text[0], '\0'}) == 400 && text[400] == '\0';
    }
    pthread_join(core, NULL);
    CHECK(whole == n);
    bro_conn_delete(bc);
}

/* --- Events ----------------------------------------------------------------------------------- */

static void
fill(BroConn *bc, uint32 bytes)
{
    BroEvent *ev = event_of(bytes);

    while (bro_event_send(bc, ev))
        ;
    bro_event_free(ev);
}

static void
test_refused_events(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_NONE);
    struct reason why = {"the peer closed the connection"};
    BroEvent *ev = event_of(10);
    static uchar large[LINK_EVENT_MAX + 1];

    CHECK(!bro_event_send(bc, ev) &&
          says(bro_event_error(bc), "there is no connection; BRO_CFLAG_ALWAYS_QUEUE"));
    errors_unconnected(bc, 0, &why);
    CHECK(says(bro_event_error(bc), "wait: the peer closed the connection"));
    CHECK(!bro_event_send(bc, NULL) && says(bro_event_error(bc), "no event"));
    CHECK(!bro_event_send_raw(bc, large, sizeof large) &&
          says(bro_event_error(bc), "the event has 16777217 bytes"));
    bro_conn_delete(bc);

    bc = pretend(0);
    CHECK(bro_event_send(bc, ev) && says(bro_event_error(bc), ""));
    fill(bc, 1000);
    CHECK(says(bro_event_error(bc), "the queue is full: ") &&
          says(bro_event_error(bc), "queue_max_bytes sets more"));
    CHECK(core_takes(bc, 1) == 1 && bro_event_send(bc, ev));
    CHECK(says(bro_event_error(bc), "the queue is full: ")); /* a TRUE takes nothing away */
    core_takes(bc, INT_MAX);
    fill(bc, 4 << 20);
    CHECK(says(bro_event_error(bc), "33554432 of events above 131072"));
    bc->queue_bytes = 10000;
    CHECK(!bro_event_send(bc, ev) &&
          says(bro_event_error(bc), "queue_max_bytes is the bound, 10000"));
    bc->queue_events = 1;
    CHECK(!bro_event_send(bc, ev) && says(bro_event_error(bc), "queue_max_events is the bound"));
    bc->link->state = LINK_CLOSING;
    CHECK(!bro_event_send(bc, ev) && says(bro_event_error(bc), "exit() has begun"));
    CHECK(!bro_conn_connect(bc) && says(bro_conn_error(bc), "exit() has begun"));
    bro_conn_delete(bc);
    bro_event_free(ev);
}

static void
test_packet(void)
{
    struct pcap_pkthdr hdr = {{0, 0}, 4, 4};
    BroConn *bc = pretend(0);
    BroPacket *packet = bro_packet_new(&hdr, (const unsigned char *)"1234", NULL);

    CHECK(!bro_packet_send(bc, packet) && says(bro_event_error(bc), "bro_conn_set_packet_ctxt"));
    bro_packet_free(packet);
    bro_conn_delete(bc);
}

static void
test_zeek(void)
{
    BroConn *bc = bro_conn_new_str("ws://127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("beyond");
    double bad = HUGE_VAL;

    bro_event_add_val(ev, BRO_TYPE_DOUBLE, NULL, &bad);
    CHECK(!bro_event_send(bc, ev) &&
          says(bro_event_error(bc), "event beyond, argument 0: a double"));
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* --- fork() ----------------------------------------------------------------------------------- */

static BroConn *of_parent;
static char inherited[1000];

/* In a child of a child, too: the reason is told with where it is from, once. */
static void
ask_in_grandchild(void)
{
    check_failed = 0;
    CHECK(!bro_conn_process_input(of_parent)); /* makes it the child's */
    CHECK(strcmp(bro_conn_error(of_parent), inherited) == 0);
}

static void
ask_in_child(void)
{
    BroEvent *ev = event_of(10);

    check_failed = 0;
    CHECK(says(bro_conn_error(of_parent), "") && says(bro_event_error(of_parent), ""));
    of_parent->flags &= ~BRO_CFLAG_ALWAYS_QUEUE;
    CHECK(!bro_event_send(of_parent, ev)); /* makes it the child's */
    CHECK(strcmp(bro_conn_error(of_parent), inherited) == 0);
    CHECK(says(bro_event_error(of_parent), inherited));
    CHECK(in_child(ask_in_grandchild) == 0);
    CHECK(!bro_conn_connect(of_parent) && says(bro_conn_error(of_parent), "cannot load the core"));
    CHECK(bro_conn_error(of_parent)[0] == 'c'); /* and not the parent's before it */
    bro_event_free(ev);
    bro_conn_delete(of_parent);
    if (check_failed == 0) /* valgrind is not to look for what a thread has that ends just now */
        execl("/bin/true", "true", (char *)NULL);
}

/* What the core has found out, or what a thread of the parent's was told. */
static void
inherits(void)
{
    snprintf(inherited, sizeof inherited, "before the fork(): %s", bro_conn_error(of_parent));
    CHECK(in_child(ask_in_child) == 0);
}

static void
test_fork(void)
{
    static const struct reason why = {"connecting: Connection refused"};

    of_parent = pretend(0);
    core_finds(of_parent->link, 1, "the peer closed the connection");
    of_parent->link->state = LINK_DOWN;
    CHECK(!bro_event_send(of_parent, NULL));
    inherits();
    CHECK(strcmp(bro_conn_error(of_parent), "the peer closed the connection") == 0);
    CHECK(says(bro_event_error(of_parent), "no event"));
    bro_conn_delete(of_parent);

    of_parent = queueing();
    errors_unconnected(of_parent, 0, &why);
    inherits();
    bro_conn_delete(of_parent);
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    test_refusals_of_the_front();
    bro_init(NULL);
    test_fork(); /* before there are threads: a child has their stacks, and nothing that points to
                    them */
    test_never_tried();
    test_first_cause();
    test_first_connect();
    test_whole();
    test_refused_events();
    test_packet();
    test_zeek();
    return check_done();
}
