/*
 * A process that has children, and what becomes of these:
 *
 *   heir crash PEER SIG HOW USE  a child ends by SIG; HOW is "bare", or when a handler that says
 *                                "handler" is set: "before" or "after" the connect; USE is "used"
 *                                when the child has used the handle, or "unused". Prints by which
 *                                signal it ended, and whether it dumped core
 *   heir readers N               N children, in each of which one thread asks for the state of the
 *                                handle while another makes the first use of it. Prints how many
 *                                of them ended badly
 *   heir refused PEER            connects, waits for a line of input, and has a child use the handle
 */
#include <romanesco.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int
sends(BroConn *bc)
{
    BroEvent *ev = bro_event_new("child");
    int ok = bro_event_send(bc, ev);

    bro_event_free(ev);
    return ok;
}

static void
on_crash(int sig)
{
    if (write(STDOUT_FILENO, "handler\n", 8) != 8)
        return;
    signal(sig, SIG_DFL);
    raise(sig);
}

static void
crash(int sig)
{
    volatile int zero = 0;

    if (sig == SIGSEGV)
        *(volatile int *)16 = 1;
    else if (sig == SIGFPE)
        zero = 7 / zero;
    else
        raise(sig);
}

static int
do_crash(const char *peer, int sig, const char *how, int use)
{
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    int status;
    pid_t child;

    setrlimit(RLIMIT_CORE, &unlimited);
    if (strcmp(how, "before") == 0)
        signal(sig, on_crash);
    if (!bro_conn_connect(bc))
        return 1;
    if (strcmp(how, "after") == 0)
        signal(sig, on_crash);
    child = fork();
    if (child == 0) {
        alarm(60);
        if (use && !sends(bc))
            _exit(1);
        crash(sig);
        _exit(2);
    }
    waitpid(child, &status, 0);
    printf("%d %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0, WCOREDUMP(status) != 0);
    return bro_conn_delete(bc) ? 0 : 1;
}

#define READERS 4

static pthread_barrier_t together;

static int used;

static void *
ask(void *arg)
{
    BroConnStats stats;

    pthread_barrier_wait(&together);
    while (!__atomic_load_n(&used, __ATOMIC_RELAXED)) {
        bro_conn_alive(arg);
        bro_conn_get_connstats(arg, &stats);
        bro_conn_get_peer_class(arg);
    }
    return NULL;
}

static void *
use_first(void *arg)
{
    pthread_barrier_wait(&together);
    sends(arg);
    __atomic_store_n(&used, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void
be_asked(BroConn *bc)
{
    pthread_t threads[READERS + 1];
    int i;

    alarm(60);
    pthread_barrier_init(&together, NULL, READERS + 1);
    for (i = 0; i <= READERS; i++)
        pthread_create(&threads[i], NULL, i ? ask : use_first, bc);
    for (i = 0; i <= READERS; i++)
        pthread_join(threads[i], NULL);
    _exit(bro_conn_delete(bc) ? 0 : 1);
}

static int
do_readers(int n)
{
    /* Without a peer: the first use is as quick as can be, and the parent has a link to leave. */
    BroConn *bc = bro_conn_new_str("127.0.0.1:1", BRO_CFLAG_ALWAYS_QUEUE);
    int i, status, bad = 0;

    if (!sends(bc))
        return 1;
    for (i = 0; i < n; i++) {
        pid_t child = fork();

        if (child == 0)
            be_asked(bc);
        bad += waitpid(child, &status, 0) != child || status != 0;
    }
    printf("%d\n", bad);
    return bro_conn_delete(bc) ? 0 : 1;
}

static int
do_refused(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    char c;

    if (!bro_conn_connect(bc))
        return 1;
    puts("connected");
    fflush(stdout);
    if (read(STDIN_FILENO, &c, 1) != 1)
        return 1;
    if (fork() == 0)
        _exit(sends(bc));
    wait(NULL);
    return bro_conn_delete(bc) ? 0 : 1;
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    bro_init(NULL);
    if (strcmp(argv[1], "crash") == 0 && argc > 5)
        return do_crash(argv[2], atoi(argv[3]), argv[4], strcmp(argv[5], "used") == 0);
    if (strcmp(argv[1], "readers") == 0)
        return do_readers(atoi(argv[2]));
    if (strcmp(argv[1], "refused") == 0)
        return do_refused(argv[2]);
    return 64;
}
