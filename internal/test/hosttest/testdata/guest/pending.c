/*
 * Threads with a pending cancellation call each function of the API in turn;
 * another thread uses the handle after each.
 *
 *   pending P STATE      STATE: up, lost (P closes after the handshake), or
 *                        stalled (P reads nothing after it)
 *
 * Expected: no call hangs, and each handle can be deleted.
 */
#include "common.h"

static BroConn *bc, *other;
static BroEvMeta raw;
static const char *doing = "nothing";

static void
on_event(BroConn *from, void *user_data, BroEvMeta *meta)
{
    (void)from, (void)user_data, (void)meta;
}

static void
on_alarm(int sig)
{
    (void)sig;
    (void)!write(STDOUT_FILENO, "hangs: ", 7);
    (void)!write(STDOUT_FILENO, doing, strlen(doing));
    _exit(1);
}

static void
call_connect(void)
{
    bro_conn_connect(bc);
}

static void
call_reconnect(void)
{
    bro_conn_reconnect(bc);
}

static void
call_alive(void)
{
    bro_conn_alive(bc);
}

static void
call_get_fd(void)
{
    bro_conn_get_fd(bc);
}

static void
call_process_input(void)
{
    bro_conn_process_input(bc);
}

static void
call_send(void)
{
    sendn(bc, "tick", 1);
}

static void
call_send_raw(void)
{
    bro_event_send_raw(bc, raw.ev_start, (int)(raw.ev_end - raw.ev_start));
}

static void
call_flush(void)
{
    bro_event_queue_flush(bc);
}

static void
call_queue_length(void)
{
    bro_event_queue_length(bc);
}

static void
call_registry_add(void)
{
    bro_event_registry_add_compact(bc, "more", on_event, NULL);
}

static void
call_registry_remove(void)
{
    bro_event_registry_remove(bc, "in");
}

static void
call_registry_request(void)
{
    bro_event_registry_request(bc);
}

static void
call_data_set(void)
{
    bro_conn_data_set(bc, "key", &bc);
}

static void
call_data_get(void)
{
    bro_conn_data_get(bc, "key");
}

static void
call_data_del(void)
{
    bro_conn_data_del(bc, "key");
}

static void
call_adopt_events(void)
{
    bro_conn_adopt_events(other, bc);
}

static void
call_get_connstats(void)
{
    BroConnStats stats;

    bro_conn_get_connstats(bc, &stats);
}

static void
call_get_peer_class(void)
{
    bro_conn_get_peer_class(bc);
}

static void
call_set_packet_ctxt(void)
{
    bro_conn_set_packet_ctxt(bc, 1);
}

static void
call_packet_send(void)
{
    /* As libpcap has it, whose header may be missing. */
    struct {
        struct timeval ts;
        uint32 caplen, len;
    } header = {{1, 0}, 4, 4};
    BroPacket *packet;

    packet = bro_packet_new((const struct pcap_pkthdr *)&header, (const uchar *)"data", NULL);
    bro_conn_set_packet_ctxt(bc, 1);
    bro_packet_send(bc, packet);
    bro_packet_free(packet);
}

static void
call_delete_other(void)
{
    BroConn *gone = other;

    other = NULL; /* it is gone, wherever the call ends */
    bro_conn_delete(gone);
}

static const struct {
    const char *name;
    void (*call)(void);
} calls[] = {
    {"connect", call_connect},
    {"reconnect", call_reconnect},
    {"alive", call_alive},
    {"get_fd", call_get_fd},
    {"process_input", call_process_input},
    {"send", call_send},
    {"send_raw", call_send_raw},
    {"flush", call_flush},
    {"queue_length", call_queue_length},
    {"registry_add", call_registry_add},
    {"registry_remove", call_registry_remove},
    {"registry_request", call_registry_request},
    {"data_set", call_data_set},
    {"data_get", call_data_get},
    {"data_del", call_data_del},
    {"adopt_events", call_adopt_events},
    {"get_connstats", call_get_connstats},
    {"get_peer_class", call_get_peer_class},
    {"set_packet_ctxt", call_set_packet_ctxt},
    {"packet_send", call_packet_send},
    {"delete of another", call_delete_other},
};

static void *
with_pending(void *call)
{
    pthread_cancel(pthread_self());
    (*(void (**)(void))call)();
    pthread_testcancel();
    return NULL;
}

static BroConn *
in_state(const char *peer, const char *state)
{
    BroConn *made = bro_conn_new_str(peer, BRO_CFLAG_NONE);

    bro_event_registry_add_compact(made, "in", on_event, NULL);
    bro_conn_connect(made);
    if (strcmp(state, "lost") == 0)
        await_loss(made);
    if (strcmp(state, "stalled") == 0)
        fill(made);
    return made;
}

int
main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    size_t i, n = sizeof(calls) / sizeof(calls[0]), deleted = 0;
    uchar nothing[1] = {0};

    need(argc, 2);
    raw.ev_start = nothing;
    raw.ev_end = nothing;
    sigaction(SIGALRM, &sa, NULL);
    bro_init(NULL);
    for (i = 0; i < n; i++) {
        void (*call)(void) = calls[i].call;
        pthread_t thread;

        doing = calls[i].name;
        alarm(20);
        other = in_state(argv[1], strcmp(argv[2], "stalled") == 0 ? "up" : argv[2]);
        bc = in_state(argv[1], argv[2]);
        pthread_create(&thread, NULL, with_pending, &call);
        pthread_join(thread, NULL);
        call_send();
        call_alive();
        call_flush();
        call_process_input();
        call_get_connstats();
        call_registry_request();
        if (strcmp(argv[2], "stalled") == 0) {
            deleted++; /* that waits for its five seconds, and is tested elsewhere */
            continue;
        }
        deleted += bro_conn_delete(bc) != 0;
        if (other)
            bro_conn_delete(other);
    }
    printf("%s\n", deleted == n ? "all deleted" : "not all deleted");
    _exit(0);
}
