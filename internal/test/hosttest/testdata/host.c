/*
 * A host process that does one thing and prints what came of it:
 *
 *   host connect PEER         TRUE or FALSE, and the milliseconds it took
 *   host masks PEER           SigBlk of each thread after connect, the main one first
 *   host echo PEER            sends back every "echo" event that arrives, as "echoed",
 *                             raw as well, until the peer closes
 *   host mirror PEER NAME...  builds anew every event of these names that arrives, and sends it
 *   host late PEER N          processes nothing before the inbound ring is full, then all of N events
 *                             "in", and prints how many came in the order of their numbers
 *   host flood PEER N SIZE    sends N events with a string of SIZE bytes, waiting when refused
 *   host fork PEER N          connects, then forks N children; each sends, and each child of
 *                             theirs; the parent sends before and after
 *   host steady PEER N        sends N events, each when it is accepted, over lost connections
 *   host leave PEER N [X]     sends N events to a peer that is not there, as many as are accepted,
 *                             prints their number and ends without a word; with X "settle" once the
 *                             queue is empty, with "delete" after bro_conn_delete()
 *   host exit PEER            sends and ends without bro_conn_delete()
 *   host deliver PEER         sends, waits until it is written with all that was left, and ends
 *   host background PEER      connects with BRO_CFLAG_BACKGROUND and sends, and so does a child;
 *                             prints what came of each before any answer of the peer's
 *   host orphan PEER HOW      connects with BRO_CFLAG_BACKGROUND, waits for a line, and forks a child
 *                             that stays until its input ends, with fork() or, if HOW is "unseen",
 *                             with clone(); says so, and waits, or with HOW "unseen" ends at once
 *   host idle PEER MS         connects, processes nothing for MS milliseconds, and prints the
 *                             most memory that the process has had, in KiB
 *   host careless PEER        polls one descriptor until poll() says that it is gone
 *   host again PEER           connects, processes input until the peer closes, and all of this again
 *   host crowd PEER N         N threads connect one handle and send; then a child's do so with its copy
 *   host queue PEER           sends before connect, with BRO_CFLAG_ALWAYS_QUEUE
 *   host stats PEER N         loses its peer with events of its unprocessed, sends N events, and
 *                             prints what waits at each step, received and to be sent
 *   host listen 0             prints a free port, waits for a peer there and sends it an event
 */
#include <romanesco.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static BroConn *
connected(const char *peer, int flags)
{
    BroConn *bc = bro_conn_new_str(peer, flags);

    if (!bc || !bro_conn_connect(bc)) {
        puts("FALSE");
        exit(1);
    }
    return bc;
}

static int
do_connect(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    double start = now_ms();
    int ok = bro_conn_connect(bc);

    printf("%s %.3f\n", ok ? "TRUE" : "FALSE", now_ms() - start);
    return bro_conn_delete(bc) ? 0 : 1;
}

static int
do_masks(const char *peer)
{
    BroConn *bc = connected(peer, BRO_CFLAG_NONE);
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    char path[300], line[256];

    while ((task = readdir(tasks))) {
        FILE *f;

        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (strncmp(line, "SigBlk:", 7) == 0)
                fputs(line, stdout);
        if (f)
            fclose(f);
    }
    closedir(tasks);
    return bro_conn_delete(bc) ? 0 : 1;
}

static void
on_echo(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    BroEvent *ev = bro_event_new("echoed");
    int i;

    (void)user_data;
    for (i = 0; i < meta->ev_numargs; i++)
        if (!bro_event_add_val(ev, meta->ev_args[i].arg_type, NULL, meta->ev_args[i].arg_data))
            fprintf(stderr, "argument %d of type %d was refused\n", i, meta->ev_args[i].arg_type);
    if (!bro_event_send(bc, ev) ||
        !bro_event_send_raw(bc, meta->ev_start, (int)(meta->ev_end - meta->ev_start)))
        fputs("refused\n", stderr);
    bro_event_free(ev);
}

static void
on_mirror(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    BroEvent *ev = bro_event_new(meta->ev_name);
    int i;

    (void)user_data;
    for (i = 0; i < meta->ev_numargs; i++)
        bro_event_add_val(ev, meta->ev_args[i].arg_type, NULL, meta->ev_args[i].arg_data);
    bro_event_send(bc, ev);
    bro_event_free(ev);
}

/* As old programs do: they take the descriptor once and never ask whether the
 * connection is alive. */
static int
do_careless(const char *peer)
{
    BroConn *bc = connected(peer, BRO_CFLAG_NONE);
    struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};
    int rounds = 0;

    while (poll(&p, 1, 10000) > 0 && !(p.revents & POLLNVAL)) {
        bro_conn_process_input(bc);
        rounds++;
    }
    printf("%d %d\n", p.revents & POLLNVAL ? 1 : 0, bro_conn_get_fd(bc));
    return bro_conn_delete(bc) && rounds < 10 ? 0 : 1;
}

/* Calls func for every event of these names until the peer closes. */
static int
do_receive(const char *peer, BroCompactEventFunc func, char **names)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);

    for (; *names; names++)
        bro_event_registry_add_compact(bc, *names, func, NULL);
    if (!bro_conn_connect(bc))
        return 1;
    for (;;) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        if (p.fd < 0)
            break;
        if (poll(&p, 1, 10000) <= 0)
            return 2;
        bro_conn_process_input(bc);
    }
    return bro_conn_delete(bc) ? 0 : 1;
}

/* Waits until the kernel has all that was accepted: bro_conn_delete() waits for
 * 5 seconds only, which a busy machine may need for a part of it. */
static void
await_written(BroConn *bc)
{
    BroConnStats stats;

    do {
        usleep(1000);
        bro_conn_get_connstats(bc, &stats);
    } while (stats.tx_buflen > 0 && bro_conn_alive(bc));
}

static int
do_flood(const char *peer, int n, int size)
{
    BroConn *bc = connected(peer, BRO_CFLAG_NONE);
    BroString str;
    char *text = malloc((size_t)size + 1);
    double longest = 0;
    int i;

    memset(text, 'x', (size_t)size);
    text[size] = 0;
    bro_string_init(&str);
    bro_string_set(&str, text);
    for (i = 0; i < n; i++) {
        uint64 number = (uint64)i;
        BroEvent *ev = bro_event_new("flood");
        double start;
        int ok;

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
        do {
            struct timespec pause = {0, 100000};

            start = now_ms();
            ok = bro_event_send(bc, ev);
            if (now_ms() - start > longest)
                longest = now_ms() - start;
            if (!ok && !bro_conn_alive(bc))
                return 3;
            if (!ok)
                nanosleep(&pause, NULL);
        } while (!ok);
        bro_event_free(ev);
    }
    bro_string_cleanup(&str);
    free(text);
    await_written(bc);
    bro_conn_delete(bc);
    printf("sent %d, longest call %.3f ms\n", n, longest);
    return 0;
}

static void
on_any(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data;
    puts(meta->ev_name);
}

static int
do_again(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    struct pollfd p = {-1, POLLIN, 0};
    int i;

    bro_event_registry_add_compact(bc, "in", on_any, NULL);
    for (i = 0; i < 2; i++) {
        if (!bro_conn_connect(bc))
            return 1;
        while ((p.fd = bro_conn_get_fd(bc)) >= 0) {
            if (poll(&p, 1, 10000) <= 0)
                return 2;
            bro_conn_process_input(bc);
        }
    }
    return bro_conn_delete(bc) ? 0 : 3;
}

static void *
connect_and_send(void *arg)
{
    BroConn *bc = arg;
    BroEvent *ev = bro_event_new("together");

    if (!bro_conn_connect(bc) || !bro_event_send(bc, ev))
        puts("refused");
    bro_event_free(ev);
    return NULL;
}

static void
crowd(BroConn *bc, int n)
{
    pthread_t threads[64];
    int i;

    for (i = 0; i < n && i < 64; i++)
        pthread_create(&threads[i], NULL, connect_and_send, bc);
    while (i > 0)
        pthread_join(threads[--i], NULL);
}

static int
do_crowd(const char *peer, int n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    int status = 0;
    pid_t child;

    crowd(bc, n);
    child = fork();
    if (child == 0) {
        crowd(bc, n);
        _exit(bro_conn_delete(bc) ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return bro_conn_delete(bc) && status == 0 ? 0 : 1;
}

static int
do_queue(const char *peer)
{
    BroConn *never = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_ALWAYS_QUEUE);
    BroEvent *ev = bro_event_new("queued");
    int refused = !bro_event_send(never, ev), taken = bro_event_send(bc, ev);

    printf("%d %d %d\n", refused, taken, bro_event_queue_length(bc));
    bro_event_free(ev);
    bro_conn_delete(never);
    if (!bro_conn_connect(bc))
        return 1;
    return bro_conn_delete(bc) ? 0 : 1;
}

static int
do_listen(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0), peer;
    BroEvent *ev = bro_event_new("from_listener");
    BroConn *bc;
    int ok;

    if (bind(s, (struct sockaddr *)&at, len) < 0 || listen(s, 1) < 0 ||
        getsockname(s, (struct sockaddr *)&at, &len) < 0)
        return 1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    peer = accept(s, NULL, NULL);
    bc = bro_conn_new_socket(peer, BRO_CFLAG_NONE);
    ok = bro_conn_connect(bc) && bro_event_send(bc, ev);
    bro_event_free(ev);
    bro_conn_delete(bc);
    close(s);
    return ok && fcntl(peer, F_GETFD) < 0 ? 0 : 1; /* the library had taken it over */
}

static int
do_idle(const char *peer, int ms)
{
    BroConn *bc = connected(peer, BRO_CFLAG_CACHE);
    FILE *f;
    char line[256];

    usleep((useconds_t)ms * 1000);
    f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            printf("%d\n", atoi(line + 6));
    if (f)
        fclose(f);
    return bro_conn_delete(bc) ? 0 : 1;
}

static void
send_named(BroConn *bc, const char *name, int number)
{
    BroEvent *ev = bro_event_new(name);
    uint64 n = (uint64)number;

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &n);
    if (!bro_event_send(bc, ev))
        printf("%s %d was refused\n", name, number);
    bro_event_free(ev);
}

static int
do_fork(const char *peer, int n)
{
    BroConn *bc = connected(peer, BRO_CFLAG_NONE);
    int i, status, failed = 0;

    send_named(bc, "parent", 0);
    for (i = 0; i < n; i++) {
        pid_t child = fork();

        if (child == 0) {
            alarm(60);
            send_named(bc, "child", i);
            if (fork() == 0) {
                alarm(60);
                send_named(bc, "grandchild", i);
                exit(bro_conn_delete(bc) ? 0 : 1);
            }
            wait(&status);
            bro_conn_delete(bc);
            exit(status ? 1 : 0);
        }
    }
    send_named(bc, "parent", 1);
    while (wait(&status) > 0)
        failed += status != 0;
    send_named(bc, "parent", 2);
    return bro_conn_delete(bc) && !failed ? 0 : 1;
}

static int
do_steady(const char *peer, int n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_RECONNECT);
    double longest = 0, start = now_ms();
    int i = 0, connected = bro_conn_connect(bc);

    printf("%d\n", connected);
    fflush(stdout);
    while (i < n && now_ms() - start < 30000) {
        BroEvent *ev = bro_event_new("steady");
        uint64 number = (uint64)i;
        double before;
        int ok;

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
        before = now_ms();
        ok = bro_event_send(bc, ev);
        if (now_ms() - before > longest)
            longest = now_ms() - before;
        bro_event_free(ev);
        i += ok;
        usleep(2000);
    }
    printf("%.3f\n", longest);
    return bro_conn_delete(bc) && i == n ? 0 : 1;
}

static void
on_nothing(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
}

static BroConnStats
waiting(BroConn *bc)
{
    BroConnStats cs;

    bro_conn_get_connstats(bc, &cs);
    return cs;
}

static void
print_waiting(BroConn *bc)
{
    BroConnStats cs = waiting(bc);

    printf("%d %d\n", cs.rx_buflen, cs.tx_buflen);
    fflush(stdout);
}

static int
do_stats(const char *peer, int n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_RECONNECT);
    double start = now_ms();
    int i;

    bro_event_registry_add_compact(bc, "in", on_nothing, NULL);
    if (!bro_conn_connect(bc))
        return 1;
    while (bro_conn_alive(bc) && now_ms() - start < 20000)
        usleep(1000);
    print_waiting(bc);
    for (i = 0; i < n; i++)
        send_named(bc, "steady", i);
    print_waiting(bc);
    bro_conn_process_input(bc);
    print_waiting(bc);
    while ((!bro_conn_alive(bc) || waiting(bc).tx_buflen) && now_ms() - start < 40000)
        usleep(1000);
    print_waiting(bc);
    return bro_conn_delete(bc) ? 0 : 1;
}

static uint64 next_number;

static void
on_number(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data;
    if (*(uint64 *)meta->ev_args[0].arg_data == next_number)
        next_number++;
}

static int
do_late(const char *peer, uint64 n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    double start = now_ms();

    bro_event_registry_add_compact(bc, "in", on_number, NULL);
    if (!bro_conn_connect(bc))
        return 1;
    while (waiting(bc).rx_buflen < 1000000 && now_ms() - start < 40000)
        usleep(1000);
    while (next_number < n && now_ms() - start < 40000) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        if (poll(&p, 1, 10000) <= 0)
            break;
        bro_conn_process_input(bc);
    }
    printf("%d\n", (int)next_number);
    return bro_conn_delete(bc) ? 0 : 1;
}

static int
do_leave(const char *peer, int n, const char *how)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_RECONNECT);
    uint64 i;
    int refused = 0;

    bro_conn_connect(bc);
    for (i = 0; i < (uint64)n && refused < 2000; i += !refused) {
        BroEvent *ev = bro_event_new("left");

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &i);
        refused = bro_event_send(bc, ev) ? 0 : refused + 1;
        bro_event_free(ev);
        if (refused)
            usleep(1000);
    }
    while (strcmp(how, "settle") == 0 && bro_event_queue_length(bc) > 0)
        usleep(1000);
    if (strcmp(how, "delete") == 0)
        bro_conn_delete(bc);
    printf("%d\n", (int)i);
    fflush(stdout);
    _exit(0);
}

static int
do_exit(const char *peer)
{
    send_named(connected(peer, BRO_CFLAG_NONE), "last", 1);
    return 0;
}

static int
do_deliver(const char *peer)
{
    BroConn *bc = connected(peer, BRO_CFLAG_NONE);

    send_named(bc, "last", 1);
    await_written(bc);
    return bro_conn_delete(bc) ? 0 : 1;
}

/* Sends, says so, and waits for the connection. */
static int
send_early(BroConn *bc, const char *name)
{
    double start = now_ms();

    send_named(bc, name, 1); /* in the child, this is what connects */
    printf("%d %d\n", bro_conn_connect(bc), bro_conn_alive(bc));
    fflush(stdout);
    while (!bro_conn_alive(bc) && now_ms() - start < 30000)
        usleep(5000);
    return bro_conn_alive(bc) && bro_conn_delete(bc) ? 0 : 1;
}

static int
do_background(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_BACKGROUND | BRO_CFLAG_ALWAYS_QUEUE);
    int status, connected = bro_conn_connect(bc);

    if (connected)
        return 1;
    if (fork() == 0)
        exit(send_early(bc, "child"));
    status = send_early(bc, "parent");
    return status || wait(&status) < 0 || status ? 1 : 0;
}

/* A process that is copied while the core is shaking hands, with the core's socket. */
static int
do_orphan(const char *peer, const char *how)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_BACKGROUND);
    int unseen = strcmp(how, "unseen") == 0;
    char c;

    bro_conn_connect(bc);
    if (read(0, &c, 1) != 1)
        return 1;
    if ((unseen ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork()) == 0) {
        while (read(0, &c, 1) > 0)
            ;
        _exit(0);
    }
    puts("forked");
    fflush(stdout);
    if (!unseen)
        pause();
    return !bro_conn_delete(bc);
}

int
main(int argc, char **argv)
{
    char *echo[] = {"echo", NULL};

    if (argc < 3)
        return 64;
    bro_init(NULL);
    if (strcmp(argv[1], "connect") == 0)
        return do_connect(argv[2]);
    if (strcmp(argv[1], "masks") == 0)
        return do_masks(argv[2]);
    if (strcmp(argv[1], "echo") == 0)
        return do_receive(argv[2], on_echo, echo);
    if (strcmp(argv[1], "mirror") == 0)
        return do_receive(argv[2], on_mirror, argv + 3);
    if (strcmp(argv[1], "fork") == 0 && argc > 3)
        return do_fork(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "idle") == 0 && argc > 3)
        return do_idle(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "steady") == 0 && argc > 3)
        return do_steady(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "leave") == 0 && argc > 3)
        return do_leave(argv[2], atoi(argv[3]), argc > 4 ? argv[4] : "");
    if (strcmp(argv[1], "late") == 0 && argc > 3)
        return do_late(argv[2], (uint64)atoi(argv[3]));
    if (strcmp(argv[1], "stats") == 0 && argc > 3)
        return do_stats(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "background") == 0)
        return do_background(argv[2]);
    if (strcmp(argv[1], "orphan") == 0 && argc > 3)
        return do_orphan(argv[2], argv[3]);
    if (strcmp(argv[1], "exit") == 0)
        return do_exit(argv[2]);
    if (strcmp(argv[1], "deliver") == 0)
        return do_deliver(argv[2]);
    if (strcmp(argv[1], "careless") == 0)
        return do_careless(argv[2]);
    if (strcmp(argv[1], "again") == 0)
        return do_again(argv[2]);
    if (strcmp(argv[1], "crowd") == 0 && argc > 3)
        return do_crowd(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "queue") == 0)
        return do_queue(argv[2]);
    if (strcmp(argv[1], "listen") == 0)
        return do_listen();
    if (strcmp(argv[1], "flood") == 0 && argc > 4)
        return do_flood(argv[2], atoi(argv[3]), atoi(argv[4]));
    return 64;
}
