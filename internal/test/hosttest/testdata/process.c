/*
 * What the library changes of its process:
 *
 *   process ADDRESS [WHAT [VALUE]]
 *
 * compares all that a process can ask of itself before the first connect, after it,
 * and after the end of the connection, and prints each line that is not the same:
 *
 *   connect - signal 11 handler=...      what it was before
 *   connect + signal 11 handler=...      what it is
 *
 * WHAT is what the host is like: a limit, a mangled environment, closed descriptors.
 */
#include <broccoli.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define SIGNALS 64
#define REPORT 900 /* where we write to, whatever the host closes */

extern char **environ;

/* A state is a list of lines. */
struct state {
    char *line[4096];
    int n;
};

static void put(struct state *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct state *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (s->n == sizeof s->line / sizeof *s->line || vasprintf(&s->line[s->n++], format, args) < 0)
        abort();
    va_end(args);
}

static void
limits(struct state *s)
{
    int n;

    for (n = 0; n < RLIM_NLIMITS; n++) {
        struct rlimit r;

        getrlimit(n, &r);
        put(s, "limit %d %llx %llx", n, (unsigned long long)r.rlim_cur, (unsigned long long)r.rlim_max);
    }
}

/* As the kernel has it. */
struct action {
    uintptr_t handler;
    unsigned long flags;
#ifdef __x86_64__
    uintptr_t restorer;
#endif
    uint64_t mask;
};

static void
signals(struct state *s)
{
    int n;

    for (n = 1; n <= SIGNALS; n++) {
        struct action a;

        memset(&a, 0, sizeof a);
        if (syscall(SYS_rt_sigaction, n, NULL, &a, sizeof a.mask) == 0) {
#ifdef __x86_64__
            put(s, "signal %d handler=%lx flags=%lx restorer=%lx mask=%llx", n, (long)a.handler, a.flags, (long)a.restorer,
                (unsigned long long)a.mask);
#else
            put(s, "signal %d handler=%lx flags=%lx mask=%llx", n, (long)a.handler, a.flags, (unsigned long long)a.mask);
#endif
        }
    }
}

static void
own_thread(struct state *s)
{
    struct sched_param param;
    uint64_t mask = 0;
    cpu_set_t cpus;
    stack_t stack;
    char name[16];
    unsigned n;

    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
    put(s, "mask %llx", (unsigned long long)mask);
    sigaltstack(NULL, &stack);
    put(s, "alternate stack %p %zu %d", stack.ss_sp, stack.ss_size, stack.ss_flags);
    prctl(PR_GET_NAME, name);
    put(s, "name %s", name);
    sched_getparam(0, &param);
    put(s, "scheduling %d priority %d nice %d", sched_getscheduler(0), param.sched_priority, getpriority(PRIO_PROCESS, 0));
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    for (n = 0; n < CPU_SETSIZE; n++)
        if (CPU_ISSET(n, &cpus))
            put(s, "processor %u", n);
    errno = 0;
}

/* Lines of /proc/self/status that are not about memory or time. */
static void
status(struct state *s)
{
    static const char *keys[] = {"Umask:", "Uid:", "Gid:", "Groups:", "SigIgn:", "ShdPnd:", "Cap", "NoNewPrivs:", "Seccomp:",
                                 "NStgid:", "NSsid:", "NSpgid:", "TracerPid:", "THP_enabled:", "Speculation"};
    FILE *f = fopen("/proc/self/status", "re");
    char line[512];
    unsigned n;

    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        for (n = 0; n < sizeof keys / sizeof *keys; n++)
            if (!strncmp(line, keys[n], strlen(keys[n])))
                put(s, "status %s", line);
    }
    if (f)
        fclose(f);
}

static void
controls(struct state *s)
{
    static const struct {
        const char *name;
        int get;
    } flags[] = {{"dumpable", PR_GET_DUMPABLE},    {"no_new_privs", PR_GET_NO_NEW_PRIVS}, {"securebits", PR_GET_SECUREBITS},
                 {"seccomp", PR_GET_SECCOMP},      {"keepcaps", PR_GET_KEEPCAPS},         {"timerslack", PR_GET_TIMERSLACK},
                 {"thp_disable", PR_GET_THP_DISABLE}};
    struct itimerval timer;
    int n, value = 0;
    char cwd[4096];
    mode_t mask;

    for (n = 0; n < (int)(sizeof flags / sizeof *flags); n++)
        put(s, "control %s %d", flags[n].name, prctl(flags[n].get, 0, 0, 0, 0));
    prctl(PR_GET_PDEATHSIG, &value);
    put(s, "control pdeathsig %d", value);
    prctl(PR_GET_CHILD_SUBREAPER, &value);
    put(s, "control subreaper %d", value);
    put(s, "control personality %x", personality(0xffffffff));
    for (n = 0; n < 3; n++) {
        getitimer(n, &timer);
        put(s, "timer %d %d %d", n, timer.it_value.tv_sec != 0, timer.it_interval.tv_sec != 0);
    }
    mask = umask(0);
    umask(mask);
    put(s, "umask %o", mask);
    put(s, "folder %s", getcwd(cwd, sizeof cwd) ? cwd : "");
    put(s, "session %d group %d terminal %d", getsid(0), getpgrp(), tcgetpgrp(0));
    put(s, "locale %s", setlocale(LC_ALL, NULL));
}

static void
timers(struct state *s)
{
    FILE *f = fopen("/proc/self/timers", "re");
    char line[256];

    while (f && fgets(line, sizeof line, f))
        put(s, "timer %s", line);
    if (f)
        fclose(f);
}

static void
vectors(struct state *s, char **argv)
{
    const unsigned char *random = (const void *)getauxval(AT_RANDOM);
    int n;

    put(s, "environ %p", (void *)environ);
    for (n = 0; environ && environ[n]; n++)
        put(s, "environ %d %p %s", n, (void *)environ[n], environ[n]);
    for (n = 0; argv[n]; n++)
        put(s, "argument %d %p %s", n, (void *)argv[n], argv[n]);
    for (n = 0; n < 16; n++)
        put(s, "random %d %02x", n, random[n]);
}

static void
descriptors(struct state *s)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char path[64], target[512];
        int fd = atoi(entry->d_name);
        ssize_t n;

        if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd == REPORT)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        put(s, "descriptor %d cloexec=%d %s", fd, fcntl(fd, F_GETFD), target);
    }
    if (dir)
        closedir(dir);
}

/* How large the mapping is that a stack pointer points into. */
static unsigned long
mapping(unsigned long sp)
{
    FILE *f = fopen("/proc/self/maps", "re");
    unsigned long from, to, size = 0;
    char line[512];

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= sp && sp < to)
            size = to - from;
    if (f)
        fclose(f);
    return size;
}

/* The stack of a thread that waits in a system call; 0 if nobody says. */
static unsigned long
stack_of(const char *tid)
{
    char path[512], line[512];
    const char *p = NULL;
    unsigned long sp = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%s/syscall", tid);
    f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f) && strncmp(line, "running", 7)) {
        p = strrchr(line, ' '); /* ... SP PC */
        while (p && p > line && p[-1] != ' ')
            p--;
    }
    if (p)
        sp = strtoul(p, NULL, 0);
    if (f)
        fclose(f);
    return sp ? mapping(sp) : 0;
}

/* The threads that are not the host's: the signals that are open there, their names,
 * and whether their stacks are of the size that we give them. */
static void
threads(struct state *s)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char line[512], name[64] = "";
        unsigned long long blocked = 0;
        FILE *f;
        int n;

        if (entry->d_name[0] == '.' || atoi(entry->d_name) == gettid() || atoi(entry->d_name) == getpid())
            continue;
        snprintf(line, sizeof line, "/proc/self/task/%s/status", entry->d_name);
        f = fopen(line, "re");
        while (f && fgets(line, sizeof line, f)) {
            sscanf(line, "Name: %63s", name);
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        if (f)
            fclose(f);
        if (!name[0])
            continue; /* it has ended */
        put(s, "thread %s", name);
        n = (int)(stack_of(entry->d_name) >> 10);
        if (n > 0 && n < 256)
            put(s, "small stack %d KiB", n);
        for (n = 1; n <= SIGNALS; n++)
            if (!(blocked >> (n - 1) & 1))
                put(s, "open %d", n);
    }
    if (dir)
        closedir(dir);
}

static void
look(struct state *s, char **argv)
{
    limits(s);
    signals(s);
    own_thread(s);
    status(s);
    controls(s);
    timers(s);
    vectors(s, argv);
    descriptors(s);
    threads(s);
}

static int
has(const struct state *s, const char *line)
{
    int n;

    for (n = 0; n < s->n; n++)
        if (!strcmp(s->line[n], line))
            return 1;
    return 0;
}

static void
compare(const char *when, const struct state *before, const struct state *after)
{
    int n;

    for (n = 0; n < before->n; n++)
        if (!has(after, before->line[n]))
            dprintf(REPORT, "%s - %s\n", when, before->line[n]);
    for (n = 0; n < after->n; n++)
        if (!has(before, after->line[n]))
            dprintf(REPORT, "%s + %s\n", when, after->line[n]);
}

static struct state before, connected, ended;
static char *address;
static char **arguments;

static BroConn *bc;
static int ok;

static void *
try_to_connect(void *unused)
{
    ok = bro_conn_connect(bc);
    return unused;
}

/* With a stack of so many bytes for the thread that connects, if that is not 0. */
static int
use(size_t stack)
{
    pthread_attr_t attr;
    pthread_t thread;

    bro_init(NULL);
    look(&before, arguments);
    bc = bro_conn_new_str(address, BRO_CFLAG_NONE);
    pthread_attr_init(&attr);
    if (stack == 0)
        try_to_connect(NULL);
    else if (pthread_attr_setstacksize(&attr, stack) || pthread_create(&thread, &attr, try_to_connect, NULL) ||
             pthread_join(thread, NULL))
        return 2;
    usleep(300 * 1000); /* the runtime starts threads by and by */
    look(&connected, arguments);
    bro_conn_delete(bc);
    usleep(100 * 1000);
    look(&ended, arguments);
    dprintf(REPORT, "%s\n", ok ? "TRUE" : "FALSE");
    compare("connect", &before, &connected);
    compare("delete", &before, &ended);
    return 0;
}

static void *
nothing(void *unused)
{
    return unused;
}

static void
handle(int sig)
{
    (void)sig;
}

/* Handlers of all sorts for all signals, none on an alternate stack. */
static void
install_handlers(void)
{
    struct sigaction action = {.sa_handler = handle};
    int n;

    for (n = 1; n <= SIGNALS; n++) {
        action.sa_flags = n % 3 == 0 ? SA_RESTART : n % 3 == 1 ? SA_NODEFER : 0;
        sigemptyset(&action.sa_mask);
        sigaddset(&action.sa_mask, 1 + n % 20);
        sigaction(n, &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
}

/* As setproctitle() does it: what was arguments and environment is a title now. */
static void
overwrite(char **argv)
{
    static char *none[] = {NULL};
    char *first = argv[0], *last = first;
    int n;

    for (n = 0; argv[n]; n++)
        last = argv[n] + strlen(argv[n]);
    for (n = 0; environ[n]; n++)
        last = environ[n] + strlen(environ[n]);
    environ = none;
    memset(first, 'x', (size_t)(last - first));
    argv[1] = NULL;
}

static void
set_limit(const char *name, const char *value)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"as", RLIMIT_AS},       {"data", RLIMIT_DATA},   {"nofile", RLIMIT_NOFILE}, {"fsize", RLIMIT_FSIZE},
                 {"stack", RLIMIT_STACK}, {"core", RLIMIT_CORE},   {"memlock", RLIMIT_MEMLOCK}, {"sigpending", RLIMIT_SIGPENDING},
                 {"cpu", RLIMIT_CPU},     {"rss", RLIMIT_RSS},     {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE}};
    unsigned n;

    for (n = 0; n < sizeof names / sizeof *names; n++)
        if (!strcmp(name, names[n].name)) {
            struct rlimit r;

            getrlimit(names[n].number, &r);
            r.rlim_cur = strtoull(value, NULL, 0);
            setrlimit(names[n].number, &r);
        }
}

int
main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[2] : "", *value = argc > 3 ? argv[3] : "";
    pthread_attr_t attr;
    pthread_t thread;

    address = strdup(argv[1]);
    /* The C library takes signal 33 for itself with the first thread. */
    if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
        return 2;
    arguments = argv;
    dup2(1, REPORT);
    fcntl(REPORT, F_SETFD, FD_CLOEXEC);
    if (!strcmp(what, "handlers")) {
        install_handlers();
    } else if (!strcmp(what, "environ")) {
        environ[0] = NULL;
        setenv("PATH", "/usr/bin", 1);
    } else if (!strcmp(what, "title")) {
        overwrite(argv);
    } else if (!strcmp(what, "closed")) {
        close(0), close(1), close(2);
    } else if (!strcmp(what, "mlockall")) {
        mlockall(MCL_CURRENT | MCL_FUTURE);
    } else if (!strcmp(what, "stacks")) { /* all threads that do not say otherwise */
        pthread_attr_init(&attr);
        if (pthread_attr_setstacksize(&attr, 16384) || pthread_setattr_default_np(&attr))
            return 3;
    } else if (!strcmp(what, "thread")) { /* the caller has little */
        return use(strtoul(value, NULL, 0));
    } else {
        set_limit(what, value);
    }
    return use(0);
}
