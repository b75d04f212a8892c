/*
 * A daemon that does what daemons do, and prints what went wrong, if anything:
 *
 *   daemon ppoll PEER N     waits as OpenSSH's listener does for N children to end
 *   daemon storm PEER N     N signals while events are sent: handlers run on the main thread
 *   daemon kept PEER        dispositions and masks are as they were after a connect
 *   daemon limit PEER WHAT N  connects with at most N: MiB of memory, files, processes; or, with
 *                           WHAT "jail", after chroot and setuid
 *   daemon jail PEER [X]    connects, then gives up privileges, limits and system calls; sends; with
 *                           X "deletes" it keeps the system calls, and deletes the handle
 *   daemon exec PEER        no descriptor leaks into an exec'd program
 *   daemon spawn PEER       system(), popen(), posix_spawn() and vfork() while connected
 *   daemon detach PEER WHEN [FOLDER]  daemonises "before" or "after" the connect, goes to the
 *                           folder, and sends
 *   daemon crash PEER SIG HOW  ends by SIG while connected; HOW is "bare", or when a handler that
 *                           prints and lets the signal be fatal is installed: "before", "after"
 *   daemon busyfork PEER N  forks while other threads send
 *   daemon unused PEER      a child that only deletes the handle gets no core
 */
#include <broccoli.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static BroConn *
connected(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);

    if (!bro_conn_connect(bc)) {
        puts("could not connect");
        exit(1);
    }
    return bc;
}

static void
send_number(BroConn *bc, const char *name, int number)
{
    BroEvent *ev = bro_event_new(name);
    uint64 n = (uint64)number;

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &n);
    while (!bro_event_send(bc, ev) && bro_conn_alive(bc))
        usleep(100);
    bro_event_free(ev);
}

/* --- Signals ------------------------------------------------------------------------------ */

static volatile sig_atomic_t caught, elsewhere;
static pid_t main_thread;

static void
on_signal(int sig)
{
    (void)sig;
    caught++;
    if (syscall(SYS_gettid) != main_thread)
        elsewhere++;
}

static void
catch_signal(int sig)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa); /* no SA_ONSTACK, as signal() has it */
    sa.sa_handler = on_signal;
    sa.sa_flags = SA_RESTART;
    sigaction(sig, &sa, NULL);
}

static int
do_ppoll(const char *peer, int n)
{
    struct timespec long_time = {20, 0};
    sigset_t block, before;
    BroConn *bc;
    int i, ended = 0;

    main_thread = getpid();
    catch_signal(SIGCHLD);
    catch_signal(SIGHUP);
    catch_signal(SIGTERM);
    bc = connected(peer);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigaddset(&block, SIGHUP);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &before);
    for (i = 0; i < n; i++) {
        int status, got = 0;

        if (fork() == 0)
            _exit(0);
        send_number(bc, "tick", i);
        while (!got) {
            if (ppoll(NULL, 0, &long_time, &before) == 0) {
                printf("child %d: the wake-up was lost\n", i);
                return 1;
            }
            while (waitpid(-1, &status, WNOHANG) > 0)
                got = 1;
        }
        ended++;
    }
    if (elsewhere)
        printf("%d of %d handlers ran on another thread\n", (int)elsewhere, (int)caught);
    return bro_conn_delete(bc) && ended == n && !elsewhere ? 0 : 1;
}

static int
do_storm(const char *peer, int n)
{
    static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGURG, SIGPIPE,
                                  SIGPROF, SIGVTALRM, SIGIO, SIGWINCH, SIGTERM, SIGINT};
    unsigned i;
    BroConn *bc;
    pid_t child;
    int status, sent = 0;

    main_thread = getpid();
    for (i = 0; i < sizeof signals / sizeof *signals; i++)
        catch_signal(signals[i]);
    catch_signal(SIGRTMIN + 1);
    bc = connected(peer);
    for (i = 0; i < sizeof signals / sizeof *signals; i++)
        catch_signal(signals[i]); /* in case that the core took one over */
    child = fork();
    if (child == 0) {
        pid_t target = getppid();
        int k;

        for (k = 0; k < n; k++) {
            unsigned m = (unsigned)k % (sizeof signals / sizeof *signals + 1);

            kill(target, m < sizeof signals / sizeof *signals ? signals[m] : SIGRTMIN + 1);
            if (k % 64 == 0)
                sched_yield();
        }
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        send_number(bc, "tick", sent++);
    if (elsewhere || caught == 0)
        printf("%d of %d handlers ran on another thread\n", (int)elsewhere, (int)caught);
    fprintf(stderr, "%d signals caught, %d events sent\n", (int)caught, sent);
    return bro_conn_delete(bc) && caught && !elsewhere ? 0 : 1;
}

static int
do_kept(const char *peer)
{
    struct sigaction before[65], after;
    sigset_t mask_before, mask_after;
    BroConn *bc;
    int sig, wrong = 0;

    signal(SIGPIPE, SIG_IGN);
    catch_signal(SIGCHLD);
    catch_signal(SIGURG);
    sigprocmask(SIG_BLOCK, NULL, &mask_before);
    for (sig = 1; sig <= 64; sig++)
        sigaction(sig, NULL, &before[sig]);
    bc = connected(peer);
    sigprocmask(SIG_BLOCK, NULL, &mask_after);
    if (memcmp(&mask_before, &mask_after, sizeof mask_before) != 0)
        wrong += printf("the mask differs\n");
    for (sig = 1; sig <= 64; sig++) {
        if (sigaction(sig, NULL, &after) < 0 || before[sig].sa_handler == after.sa_handler)
            continue;
        wrong += printf("signal %d has another handler\n", sig);
    }
    return bro_conn_delete(bc) && !wrong ? 0 : 1;
}

/* --- Limits ------------------------------------------------------------------------------- */

static void
lower(int what, rlim_t n)
{
    struct rlimit limit = {n, n};

    if (setrlimit(what, &limit) < 0)
        perror("setrlimit");
}

static void
become_nobody(void)
{
    if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
        perror("setuid");
}

static void
go_to_jail(void)
{
    if (chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0)
        perror("chroot");
    become_nobody();
}

static int
do_limit(const char *peer, const char *what, int n)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);

    bro_debug_messages = 1;
    if (strcmp(what, "memory") == 0) {
        lower(RLIMIT_AS, (rlim_t)n << 20);
    } else if (strcmp(what, "files") == 0) {
        lower(RLIMIT_NOFILE, (rlim_t)n);
    } else if (strcmp(what, "jail") == 0) {
        go_to_jail();
    } else {
        become_nobody();
        lower(RLIMIT_NPROC, (rlim_t)n);
    }
    puts(bro_conn_connect(bc) ? "TRUE" : "FALSE");
    bro_conn_delete(bc);
    return 0;
}

/* Allows this thread what sending needs, and ends the process for all else. */
static void
allow_little(void)
{
    static const int allowed[] = {SYS_write,  SYS_futex, SYS_clock_gettime, SYS_nanosleep,
                                  SYS_clock_nanosleep, SYS_exit, SYS_exit_group, SYS_gettid};
    struct sock_filter code[64];
    struct sock_fprog program = {0, code};
    unsigned i, n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                             offsetof(struct seccomp_data, nr));
    for (i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program.len = (unsigned short)n;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        perror("seccomp");
}

static int
do_jail(const char *peer, int deletes)
{
    BroConn *bc = connected(peer);
    int i;

    dup2(STDOUT_FILENO, STDERR_FILENO);
    if (geteuid() == 0)
        go_to_jail();
    lower(RLIMIT_NPROC, 0);
    lower(RLIMIT_NOFILE, 0);
    lower(RLIMIT_FSIZE, 0);
    if (!deletes)
        allow_little();
    for (i = 0; i < 1000; i++) {
        send_number(bc, "jailed", i);
        usleep(100);
    }
    if (deletes) {
        bro_debug_messages = 1;
        bro_conn_delete(bc);
    }
    usleep(500000); /* what waits is written by the core, which is outside */
    _exit(0);
}

/* --- Other processes ---------------------------------------------------------------------- */

static int
do_exec(const char *peer)
{
    pid_t child;
    int status;

    closefrom(3); /* what we were given */
    connected(peer);
    child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "ls /proc/self/fd", (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    return status ? 1 : 0;
}

static int
do_spawn(const char *peer)
{
    char *args[] = {"true", NULL};
    char line[16] = "";
    BroConn *bc = connected(peer);
    int status = -1, wrong = 0;
    pid_t child;
    FILE *f;

    send_number(bc, "tick", 0);
    wrong += system("exit 3") >> 8 != 3;
    f = popen("echo yes", "r");
    wrong += !f || !fgets(line, sizeof line, f) || strcmp(line, "yes\n") != 0 || pclose(f) != 0;
    wrong += posix_spawn(&child, "/bin/true", NULL, NULL, args, environ) != 0 ||
             waitpid(child, &status, 0) != child || status != 0;
    child = vfork();
    if (child == 0) {
        execv("/bin/true", args);
        _exit(127);
    }
    wrong += waitpid(child, &status, 0) != child || status != 0;
    send_number(bc, "tick", 1);
    return bro_conn_delete(bc) && !wrong ? 0 : 1;
}

static int
do_detach(const char *peer, const char *when, const char *folder)
{
    BroConn *bc = NULL;

    if (strcmp(when, "after") == 0)
        bc = connected(peer);
    if (daemon(1, 1) < 0 || (folder && chdir(folder) < 0))
        return 1;
    alarm(30);
    if (!bc)
        bc = connected(peer);
    send_number(bc, "detached", 1);
    return bro_conn_delete(bc) ? 0 : 1;
}

static void
on_crash(int sig)
{
    if (write(STDOUT_FILENO, "handler\n", 8) != 8)
        return;
    signal(sig, SIG_DFL);
    raise(sig);
}

static int
do_crash(const char *peer, int sig, const char *how)
{
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    volatile int zero = 0;
    BroConn *bc;

    setrlimit(RLIMIT_CORE, &unlimited);
    if (strcmp(how, "before") == 0)
        signal(sig, on_crash);
    bc = connected(peer);
    if (strcmp(how, "after") == 0)
        signal(sig, on_crash);
    if (sig == SIGSEGV)
        *(volatile int *)16 = 1;
    else if (sig == SIGFPE)
        zero = 7 / zero;
    else if (sig == SIGABRT)
        abort();
    else if (sig == SIGILL)
        __builtin_trap();
    else
        raise(sig);
    return bro_conn_delete(bc);
}

struct busy {
    BroConn *bc;
    int stop;
    int sent;
};

static void *
send_on(void *arg)
{
    struct busy *b = arg;

    while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED))
        send_number(b->bc, "tick", b->sent++);
    return NULL;
}

static int
do_busyfork(const char *peer, int n)
{
    struct busy a = {connected(peer), 0, 0}, b = {a.bc, 0, 0};
    pthread_t one, two;
    int i, status, wrong = 0;

    pthread_create(&one, NULL, send_on, &a);
    pthread_create(&two, NULL, send_on, &b);
    for (i = 0; i < n; i++) {
        if (fork() == 0) {
            alarm(30);
            send_number(a.bc, "child", i);
            bro_conn_delete(a.bc);
            _exit(0);
        }
        if (i % 2) {
            wait(&status);
            wrong += status != 0;
        }
    }
    while (wait(&status) > 0)
        wrong += status != 0;
    __atomic_store_n(&a.stop, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&b.stop, 1, __ATOMIC_RELAXED);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    send_number(a.bc, "total", a.sent + b.sent);
    return bro_conn_delete(a.bc) && !wrong ? 0 : 1;
}

static int
threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;

    while (tasks && readdir(tasks))
        n++;
    return n - 2; /* . and .. */
}

static int
do_unused(const char *peer)
{
    BroConn *bc = connected(peer);
    int status;

    if (fork() == 0)
        _exit(threads() == 1 && bro_conn_delete(bc) && threads() == 1 ? 0 : 1);
    wait(&status);
    if (status)
        printf("the child ended with %d\n", status);
    send_number(bc, "tick", 1);
    return bro_conn_delete(bc) ? 0 : 1;
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    bro_init(NULL);
    if (strcmp(argv[1], "ppoll") == 0 && argc > 3)
        return do_ppoll(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "storm") == 0 && argc > 3)
        return do_storm(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "kept") == 0)
        return do_kept(argv[2]);
    if (strcmp(argv[1], "limit") == 0 && argc > 4)
        return do_limit(argv[2], argv[3], atoi(argv[4]));
    if (strcmp(argv[1], "jail") == 0)
        return do_jail(argv[2], argc > 3);
    if (strcmp(argv[1], "exec") == 0)
        return do_exec(argv[2]);
    if (strcmp(argv[1], "spawn") == 0)
        return do_spawn(argv[2]);
    if (strcmp(argv[1], "detach") == 0 && argc > 3)
        return do_detach(argv[2], argv[3], argv[4]);
    if (strcmp(argv[1], "crash") == 0 && argc > 4)
        return do_crash(argv[2], atoi(argv[3]), argv[4]);
    if (strcmp(argv[1], "busyfork") == 0 && argc > 3)
        return do_busyfork(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "unused") == 0)
        return do_unused(argv[2]);
    return 64;
}
