/*
 * Settings that are numbers, and the queue that they bound.
 */
#include "../settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../conn.h"
#include "../ring.h"
#include "check.h"

static const char config[] = "/broccoli/queue_max_events 5\n"
                             "/broccoli/queue_max_bytes 4194304\n"
                             "/t/fine 7\n"
                             "/t/quoted \"8\"\n"
                             "/t/huge \"18446744073709551615\"\n"
                             "/t/beyond \"18446744073709551616\"\n"
                             "/t/negative -1\n"
                             "/t/word plenty\n"
                             "/t/unit 7k\n"
                             "[small]\n"
                             "/broccoli/queue_max_bytes 8192\n"
                             "/broccoli/queue_max_events 0\n"
                             "[large]\n"
                             "/broccoli/queue_max_bytes 67108864\n"
                             "/broccoli/queue_max_events 1000\n"
                             "[below]\n"
                             "/broccoli/queue_max_bytes 4095\n"
                             "/broccoli/queue_max_events 2000\n"
                             "[beyond]\n"
                             "/broccoli/queue_max_bytes 1073741825\n"
                             "/broccoli/queue_max_events 2000\n";

static void
configure(void)
{
    char path[] = "/tmp/broccoli-settings-XXXXXX";
    int fd = mkstemp(path);

    if (!CHECK(fd >= 0 && write(fd, config, sizeof config - 1) == (ssize_t)sizeof config - 1))
        return;
    close(fd);
    setenv("BROCCOLI_CONFIG_FILE", path, 1);
    bro_init(NULL);
    unlink(path);
}

static void
test_numbers(void)
{
    CHECK(setting("/t/none", 3, 0, 10) == 3);
    CHECK(setting("/t/fine", 3, 0, 10) == 7);
    CHECK(setting("/t/fine", 3, 7, 7) == 7);
    CHECK(setting("/t/fine", 3, 8, 10) == 3);
    CHECK(setting("/t/fine", 3, 0, 6) == 3);
    CHECK(setting("/t/quoted", 3, 0, 10) == 8);
    CHECK(setting("/t/huge", 3, 0, UINT64_MAX) == UINT64_MAX);
    CHECK(setting("/t/beyond", 3, 0, UINT64_MAX) == 3);
    CHECK(setting("/t/negative", 3, 0, UINT64_MAX) == 3);
    CHECK(setting("/t/word", 3, 0, 10) == 3);
    CHECK(setting("/t/unit", 3, 0, 10) == 3);
}

static BroEvent *
event_of(uint32 bytes)
{
    BroString str = {bytes, calloc(1, bytes + 1)};
    BroEvent *ev = bro_event_new("queued");

    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
    free(str.str_val);
    return ev;
}

/* How many events of that size are accepted; what was refused is counted. */
static int
accepted(BroConn *bc, uint32 bytes)
{
    BroEvent *ev = event_of(bytes);
    int n = 0;

    while (n < 100000 && bro_event_send(bc, ev))
        n++;
    CHECK(bc->link->full == 1);
    CHECK(bro_event_queue_length(bc) == n);
    bro_event_free(ev);
    return n;
}

static int
queue_of(uint32 bytes)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    int n = accepted(bc, bytes);

    bro_conn_delete(bc);
    return n;
}

static void
test_events(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);

    CHECK(bro_event_queue_length_max(bc) == 5);
    bro_conn_delete(bc);
    CHECK(queue_of(10) == 5);
    CHECK(queue_of(700000) == 5); /* five times that is below 4 MiB */
    CHECK(queue_of(1000000) == 4);
    CHECK(queue_of(5000000) == 1); /* one always */
}

static void
test_bytes(void)
{
    int n;

    bro_conf_set_domain("small");
    n = queue_of(1000); /* each with its name and headers */
    CHECK(n == 7);
    CHECK(queue_of(200000) == 1);
    bro_conf_set_domain("large"); /* than the bound that large events have otherwise */
    CHECK(queue_of(1000000) == 67);
    bro_conf_set_domain("below"); /* what is refused is as not set */
    n = queue_of(1000);
    CHECK(n > 900 && n < 1049);
    bro_conf_set_domain("beyond");
    n = queue_of(1000);
    CHECK(n > 900 && n < 1049);
    bro_conf_set_domain(NULL);
}

/* A ring that is larger than the usual one, used to its end and beyond it. */
static void
test_large_ring(void)
{
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = event_of(100000);
    struct link_record *rec;
    struct ring out;
    uint64_t next;
    int i;

    bc->queue_events = 1000;
    for (i = 0; i < 30; i++)
        CHECK(bro_event_send(bc, ev)); /* 3 MB */
    CHECK(bc->link->far_out_bytes == 0 && bc->memory.out.size == 4 << 20);
    for (; i < 1000; i++) {
        ring_open(&out, bc->memory.out.shared, bc->memory.out.data, bc->memory.out.size, FALSE);
        if (!CHECK((rec = ring_next(&out, &next)) && rec->kind == LINK_EVENT))
            break;
        ring_release(&out, next);
        CHECK(bro_event_send(bc, ev));
    }
    bro_event_free(ev);
    bro_conn_delete(bc);
}

int
main(void)
{
    configure();
    test_numbers();
    test_events();
    test_bytes();
    test_large_ring();
    return check_done();
}
