/*
 * A host whose core is killed again and again, and that would notice if it were its child:
 *
 *   deaths PEER RUN N COUNTER   sends N events "soak" as soak.c does, and prints what it has
 *                               seen of that: signals, children, how many descriptors it has
 *                               more than after the first connection, KiB of memory likewise,
 *                               the milliseconds of the longest call, and of the processor
 */
#include <romanesco.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static double longest;

static void
on_signal(int sig)
{
    (void)sig;
    signals++;
}

static double
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
note(double start)
{
    double took = now_ms() - start;

    if (took > longest)
        longest = took;
}

static uint64 *
counter(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    void *at;

    if (fd < 0 || ftruncate(fd, sizeof(uint64)) < 0)
        return NULL;
    at = mmap(NULL, sizeof(uint64), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static int
descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static int
resident(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    int pages = 0;

    if (f && fscanf(f, "%*d %d", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (int)(sysconf(_SC_PAGESIZE) / 1024);
}

static int
waiting(BroConn *bc)
{
    BroConnStats cs;

    bro_conn_get_connstats(bc, &cs);
    return cs.tx_buflen;
}

/* Whether the connection is up within that time. */
static int
comes_up(BroConn *bc, int ms)
{
    while (!bro_conn_alive(bc) && ms-- > 0)
        usleep(1000);
    return bro_conn_alive(bc);
}

/* Until it is taken. */
static void
send_event(BroConn *bc, uint64 run, uint64 number)
{
    BroEvent *ev = bro_event_new("soak");
    int sent = FALSE;

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &run);
    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
    while (!sent) {
        double start = now_ms();

        sent = bro_event_send(bc, ev);
        note(start);
        if (!sent)
            usleep(500);
    }
    bro_event_free(ev);
}

static void
look_around(BroConn *bc)
{
    double start = now_ms();

    bro_conn_process_input(bc);
    bro_conn_alive(bc);
    note(start);
}

int
main(int argc, char **argv)
{
    uint64 run, n, i, *accepted;
    int files, memory, children = 0, patience = 60000;
    BroConn *bc;

    if (argc < 5)
        return 64;
    signal(SIGPIPE, on_signal);
    signal(SIGCHLD, on_signal);
    bro_init(NULL);
    run = strtoull(argv[2], NULL, 10);
    n = strtoull(argv[3], NULL, 10);
    accepted = counter(argv[4]);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_RECONNECT | BRO_CFLAG_ALWAYS_QUEUE);
    if (!accepted || !bc || !bro_conn_connect(bc) || !comes_up(bc, 20000))
        return 1;
    files = descriptors();
    memory = resident();
    for (i = 0; i < n; i++) {
        send_event(bc, run, i);
        __atomic_store_n(accepted, i + 1, __ATOMIC_SEQ_CST);
        if (i % 16)
            continue;
        usleep(2000); /* several thousand events a second */
        look_around(bc);
        children += waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
        children += waitpid(-1, NULL, WNOHANG | __WALL) >= 0 || errno != ECHILD;
    }
    while (patience-- > 0 && (!bro_conn_alive(bc) || waiting(bc)))
        usleep(1000);
    printf("signals %d children %d descriptors %d memory %d longest %d processor %d\n", (int)signals, children,
           descriptors() - files, resident() - memory, (int)longest,
           (int)((double)clock() * 1e3 / CLOCKS_PER_SEC));
    fflush(stdout);
    bro_conn_delete(bc);
    return 0;
}
