/*
 * Measures whichever libbroccoli.so.5 the loader finds, and prints "name value"
 * lines; the numbers are nanoseconds, bytes or events each second.
 *
 *   bench send PEER SHAPE N   one thread sends N events; SHAPE: one seven string record
 *   bench receive PEER N      N events of seven arguments, to a compact callback
 *   bench connect PEER N      N connects and deletes, one after another
 *   bench stall PEER MS       the longest call while the peer reads nothing for MS
 *   bench linked BARE         programs that are linked and initialised and never connect, and how
 *                             much more they are than BARE, which is not linked
 *   bench idle [KEY]          is such a program; prints what the kernel says of its memory, in KiB
 */
#include <broccoli.h>

#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void
show(const char *name, double value)
{
    printf("%s %.1f\n", name, value);
}

/* What is resident is Rss, or Pss if a page that others have too counts in part. */
static long
kernel_says(const char *file, const char *key)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen(file, "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = atol(line + strlen(key));
    if (f)
        fclose(f);
    return kib;
}

static long
status_kib(const char *key)
{
    return kernel_says("/proc/self/status", key);
}

static BroConn *
connected(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);

    if (!bc || !bro_conn_connect(bc)) {
        fprintf(stderr, "cannot connect to %s\n", peer);
        exit(1);
    }
    return bc;
}

static BroEvent *
make_event(const char *shape, uint64 number)
{
    BroEvent *ev = bro_event_new("bench");
    double ts = 1126645547.25;

    if (strcmp(shape, "one") == 0) {
        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
    } else if (strcmp(shape, "string") == 0) {
        static char text[4097];
        BroString str;

        memset(text, 'x', 4096);
        str.str_len = 4096;
        str.str_val = (uchar *)text;
        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
    } else if (strcmp(shape, "record") == 0) {
        BroRecord *outer = bro_record_new(), *inner = bro_record_new();

        bro_record_add_val(inner, "a", BRO_TYPE_COUNT, NULL, &number);
        bro_record_add_val(inner, "b", BRO_TYPE_TIME, NULL, &ts);
        bro_record_add_val(outer, "id", BRO_TYPE_RECORD, NULL, inner);
        bro_record_add_val(outer, "n", BRO_TYPE_COUNT, NULL, &number);
        bro_event_add_val(ev, BRO_TYPE_RECORD, NULL, outer);
        bro_record_free(inner);
        bro_record_free(outer);
    } else {
        BroString sid = {10, (uchar *)"login1_022"};
        BroAddr addr = {{0, 0, 0xffff0000u, 0x0100007fu}};
        BroPort port = {22, 6};

        bro_event_add_val(ev, BRO_TYPE_TIME, NULL, &ts);
        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &sid);
        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
        bro_event_add_val(ev, BRO_TYPE_IPADDR, NULL, &addr);
        bro_event_add_val(ev, BRO_TYPE_PORT, NULL, &port);
        bro_event_add_val(ev, BRO_TYPE_IPADDR, NULL, &addr);
        bro_event_add_val(ev, BRO_TYPE_PORT, NULL, &port);
    }
    return ev;
}

static int
by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static double
cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
           ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

/*
 * The time of an event is that of making it, its arguments, sending and freeing.
 * When the queue is full we wait for room; the wait is not the library's.
 */
static int
do_send(const char *peer, const char *shape, int n)
{
    BroConn *bc = connected(peer);
    float *took = malloc((size_t)n * sizeof *took);
    double start, cpu, thread, clock_cost;
    int i;

    start = now();
    for (i = 0; i < 1000; i++)
        now();
    clock_cost = (now() - start) / 1000;
    start = now();
    cpu = cpu_ns();
    thread = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (i = 0; i < n; i++) {
        double before = now();
        BroEvent *ev = make_event(shape, (uint64)i);

        while (!bro_event_send(bc, ev)) {
            usleep(50);
            before = now();
        }
        bro_event_free(ev);
        took[i] = (float)(now() - before - clock_cost);
    }
    thread = clock_ns(CLOCK_THREAD_CPUTIME_ID) - thread;
    while (bro_event_queue_length(bc) > 0) {
        bro_event_queue_flush(bc);
        usleep(50);
    }
    show("events/s", n / ((now() - start) / 1e9));
    show("cpu_ns", (cpu_ns() - cpu) / n);
    show("thread_cpu_ns", thread / n);
    qsort(took, (size_t)n, sizeof *took, by_value);
    show("call_ns_median", took[n / 2]);
    show("call_ns_p99", took[(int)(n * 0.99)]);
    show("call_ns_p99.9", took[(int)(n * 0.999)]);
    show("call_ns_max", took[n - 1]);
    free(took);
    show("peak_kib", (double)status_kib("VmHWM:"));
    bro_conn_delete(bc);
    return 0;
}

static int received;

static void
on_event(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    (void)user_data;
    received += meta->ev_numargs == 7;
}

static int
do_receive(const char *peer, int n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    double start = 0, cpu = 0;

    bro_event_registry_add_compact(bc, "bench", on_event, NULL);
    if (!bro_conn_connect(bc))
        return 1;
    while (received < n) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        if (poll(&p, 1, 10000) <= 0)
            return 2;
        if (!start) {
            start = now();
            cpu = cpu_ns();
        }
        bro_conn_process_input(bc);
    }
    show("received/s", n / ((now() - start) / 1e9));
    show("received_cpu_ns", (cpu_ns() - cpu) / n);
    bro_conn_delete(bc);
    return 0;
}

static int
do_connect(const char *peer, int n)
{
    double best = 0, first = 0;
    int i;

    for (i = 0; i < n; i++) {
        double start = now(), took;
        BroConn *bc = connected(peer);

        took = now() - start;
        if (i == 0)
            first = took;
        else if (best == 0 || took < best)
            best = took;
        bro_conn_delete(bc);
    }
    show("connect_first_ns", first);
    show("connect_ns", best);
    return 0;
}

/* How often the kernel has given the processor to somebody else. */
static long
preempted(void)
{
    struct rusage u;

    getrusage(RUSAGE_THREAD, &u);
    return u.ru_nivcsw;
}

/* A call in which somebody else ran tells of the machine, not of the library. */
static int
do_stall(const char *peer, int ms)
{
    BroConn *bc = connected(peer);
    double end = now() + ms * 1e6, longest = 0, longest_of_all = 0;

    while (now() < end) {
        BroEvent *ev = make_event("string", 1);
        long others = preempted();
        double before = now(), took;

        bro_event_send(bc, ev);
        took = now() - before;
        if (took > longest_of_all)
            longest_of_all = took;
        if (took > longest && preempted() == others)
            longest = took;
        bro_event_free(ev);
        usleep(100);
    }
    show("held_ns", longest);
    show("held_preempted_ns", longest_of_all);
    _exit(0); /* nobody reads any more */
}

/* What the kernel says of an idle program. */
static double
idle_kib(const char *program, const char *key)
{
    char command[4200];
    double kib = 0;
    FILE *f;

    snprintf(command, sizeof command, "'%s' idle %s", program, key);
    f = popen(command, "r");
    if (!f || fscanf(f, "%lf", &kib) != 1 || pclose(f) != 0)
        fprintf(stderr, "%s does not tell its memory\n", program);
    return kib;
}

/* From the start of a program to its end, the shortest of many. */
static double
start_ns(char *program)
{
    char *args[] = {program, "idle", NULL};
    double best = 0, took;
    int i, status;
    pid_t child;

    for (i = 0; i < 50; i++) {
        took = now();
        if (posix_spawn(&child, program, NULL, NULL, args, environ) != 0 ||
            waitpid(child, &status, 0) != child || status != 0)
            fprintf(stderr, "%s cannot be started\n", program);
        took = now() - took;
        if (i == 0 || took < best)
            best = took;
    }
    return best;
}

static int
do_linked(char *self, char *bare)
{
    double rss = idle_kib(self, "Rss:"), start = start_ns(self);

    show("linked_kib", rss);
    show("linked_more_kib", rss - idle_kib(bare, "Rss:"));
    show("linked_more_pss_kib", idle_kib(self, "Pss:") - idle_kib(bare, "Pss:"));
    show("linked_threads", (double)status_kib("Threads:"));
    show("start_ns", start);
    show("start_more_ns", start - start_ns(bare));
    return 0;
}

static int
do_idle(const char *key)
{
    if (key)
        printf("%ld\n", kernel_says("/proc/self/smaps_rollup", key));
    return 0;
}

int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    bro_init(NULL);
    if (argc > 4 && strcmp(argv[1], "send") == 0)
        return do_send(argv[2], argv[3], atoi(argv[4]));
    if (argc > 3 && strcmp(argv[1], "receive") == 0)
        return do_receive(argv[2], atoi(argv[3]));
    if (argc > 3 && strcmp(argv[1], "connect") == 0)
        return do_connect(argv[2], atoi(argv[3]));
    if (argc > 3 && strcmp(argv[1], "stall") == 0)
        return do_stall(argv[2], atoi(argv[3]));
    if (argc > 2 && strcmp(argv[1], "linked") == 0)
        return do_linked(argv[0], argv[2]);
    if (argc > 1 && strcmp(argv[1], "idle") == 0)
        return do_idle(argv[2]);
    return 64;
}
