/*
 * A host of a core that was taken over: victim SECONDS connects, and then sends, receives and asks for
 * whatever can be asked, again and again. Prints the milliseconds of the longest call.
 */
#include <romanesco.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double longest;
static const char *slowest = "";

static double
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
note(const char *what, double start)
{
    double took = now_ms() - start;

    if (took > longest) {
        longest = took;
        slowest = what;
    }
}

#define TIMED(call) \
    do { \
        double start = now_ms(); \
        call; \
        note(#call, start); \
    } while (0)

static char large[300000];

static void
on_any(BroConn *bc, void *data, BroEvMeta *meta)
{
    int i, sum = 0;

    (void)bc;
    (void)data;
    for (i = 0; i < meta->ev_numargs; i++)
        sum += meta->ev_args[i].arg_data != NULL;
    if (sum < 0)
        abort();
}

static void
send_one(BroConn *bc, int big)
{
    BroEvent *ev = bro_event_new("tick");
    BroString s;

    if (big)
        large[sizeof large - 1] = '\0';
    bro_string_set(&s, big ? large : "small");
    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &s);
    bro_string_cleanup(&s);
    TIMED(bro_event_send(bc, ev));
    bro_event_free(ev);
}

static void
use(BroConn *bc, int n)
{
    BroConnStats stats;

    send_one(bc, n % 50 == 0);
    TIMED(bro_conn_process_input(bc));
    TIMED(bro_conn_alive(bc));
    bro_conn_get_connstats(bc, &stats);
    bro_conn_get_peer_class(bc);
    bro_conn_error(bc);
    bro_event_error(bc);
    bro_event_queue_length(bc);
    bro_conn_get_fd(bc);
    if (n % 200 == 0)
        TIMED(bro_event_queue_flush(bc));
    if (!bro_conn_alive(bc) && n % 100 == 0)
        TIMED(bro_conn_connect(bc));
}

int
main(int argc, char **argv)
{
    double end;
    int n, i, conns = 0;

    if (argc < 2)
        return 64;
    for (i = 0; i < (int)sizeof large; i++)
        large[i] = 'x';
    signal(SIGPIPE, SIG_DFL);
    bro_init(NULL);
    end = now_ms() + atof(argv[1]) * 1e3;
    while (now_ms() < end) {
        BroConn *bc = bro_conn_new_str("127.0.0.1:1", conns++ % 2 ? BRO_CFLAG_RECONNECT : BRO_CFLAG_NONE);

        bro_event_registry_add_compact(bc, "in", on_any, NULL);
        TIMED(bro_conn_connect(bc));
        for (n = 0; n < 1000 && now_ms() < end; n++)
            use(bc, n);
        TIMED(bro_conn_delete(bc));
    }
    printf("connections %d longest %.0f %s\n", conns, longest, slowest);
    return 0;
}
