#include "spawn.h"

#include "api.h"
#include "descriptor.h"
#include "futex.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* The descriptor that the program finds its socket at. */
#define SOCKET 3
/* Stacks of two processes that do little, and of what the kernel needs above them. */
#define STACK ((size_t)32 << 10)
#define STACKS (2 * STACK)

struct start {
    const char *path;
    int socket;
    unsigned char *stacks;
    int stays;           /* who starts the program waits for its end */
    volatile int failed; /* an errno */
    uint32_t started;    /* a futex */
};

/* Handlers of the host's must not run in a process that has its memory. */
static void
default_signals(void)
{
    struct sigaction is, none = {.sa_handler = SIG_DFL};
    sigset_t open;
    int sig;

    for (sig = 1; sig < NSIG; sig++)
        if (sigaction(sig, NULL, &is) == 0 && is.sa_handler != SIG_DFL)
            sigaction(sig, &none, NULL);
    sigemptyset(&open);
    sigprocmask(SIG_SETMASK, &open, NULL);
}

/* The host's limits are not for the core, as far as it may leave them. */
static void
raise_limits(void)
{
    /* By signals, which the last is about, a Go program makes a call on all of its threads. */
    static const int limits[] = {RLIMIT_AS,     RLIMIT_DATA,  RLIMIT_FSIZE,
                                 RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK,
                                 RLIMIT_CPU,    RLIMIT_RSS,   RLIMIT_SIGPENDING};
    static const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit limit;
    size_t i;

    for (i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (limits[i] != RLIMIT_NOFILE && setrlimit(limits[i], &none) == 0)
            continue;
        if (getrlimit(limits[i], &limit) != 0)
            continue;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(limits[i], &limit);
    }
}

/* Where the kernel has no call for it (before 5.9). Nothing is allocated: the memory is the host's.
 * TRUE: the kernel has told of all that were open. */
static int
close_listed(int first)
{
    _Alignas(struct dirent) char entries[2048];
    int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY), fd;
    long n, at;

    if (dir < 0)
        return FALSE;
    while ((n = syscall(SYS_getdents64, dir, entries, sizeof entries)) > 0)
        for (at = 0; at < n; at += ((struct dirent *)(void *)(entries + at))->d_reclen) {
            fd = atoi(((struct dirent *)(void *)(entries + at))->d_name);
            if (fd >= first && fd != dir)
                close(fd);
        }
    close(dir);
    return n == 0;
}

static void
close_from(int first)
{
    long fd;

    if (syscall(SYS_close_range, first, ~0U, 0) == 0 || close_listed(first))
        return;
    for (fd = sysconf(_SC_OPEN_MAX); fd >= first; fd--)
        close((int)fd);
}

/* Leaves nothing open but the socket, and /dev/null where programs expect something. */
static int
arrange_descriptors(int socket)
{
    int fd, null;

    if (socket <= SOCKET) { /* the host had closed those below */
        socket = fcntl(socket, F_DUPFD, SOCKET + 1);
        if (socket < 0)
            return FALSE;
    }
    if (dup2(socket, SOCKET) < 0)
        return FALSE;
    null = open("/dev/null", O_RDWR);
    for (fd = 0; fd < SOCKET; fd++)
        if (null >= 0 && null != fd)
            dup2(null, fd);
    close_from(SOCKET + 1);
    return TRUE;
}

/* Becomes the program. It shares the memory of the host until then, and returns only by its end. */
static int
become_core(void *arg)
{
    struct start *s = arg;
    static char name[] = "libbroccoli-core";
    char *argv[] = {name, NULL}, *environment[] = {NULL};

    default_signals();
    setsid();
    raise_limits();
    if (chdir("/") == 0 && arrange_descriptors(s->socket))
        execve(s->path, argv, environment);
    s->failed = errno;
    _exit(127);
}

/* Its end is seen by nobody but who asks for it: clone() without a signal. The program, which would
 * have one again, is the child of this process, and so of nobody's. */
static int
start_core(void *arg)
{
    struct start *s = arg;
    int stays = s->stays;
    pid_t core = clone(become_core, s->stacks + STACKS, CLONE_VM | CLONE_VFORK, s);

    if (core < 0)
        s->failed = errno;
    stays = stays && core > 0;
    if (stays)
        close_from(0);
    /* From here on the host goes on, and errno is its own: no call that follows fails. */
    __atomic_store_n(&s->started, TRUE, __ATOMIC_SEQ_CST);
    syscall(SYS_FUTEX, &s->started, FUTEX_WAKE, 1, NULL, NULL, 0);
    if (stays)
        syscall(SYS_wait4, core, NULL, __WALL, NULL);
    _exit(0);
}

/* Whether orphans become children of this very process: then who starts the program stays, and has
 * it for a child. It shares the host's memory, and does nothing but wait. */
static int
reaps_orphans(void)
{
    int reaper = 0;

    return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0 && reaper);
}

/* Who waits for a core in the place of this process, or 0. */
static pid_t waiter;

/* The end of the last one, which nobody else sees. */
static void
reap(pid_t pid, int flags)
{
    while (pid > 0 && waitpid(pid, NULL, __WCLONE | flags) < 0 && errno == EINTR)
        ;
}

/* Starts the first process, and returns when the program has been started, or could not be. */
static pid_t
start_first(struct start *s)
{
    pid_t pid =
        clone(start_core, s->stacks + STACK, s->stays ? CLONE_VM : CLONE_VM | CLONE_VFORK, s);

    while (pid > 0 && s->stays && !__atomic_load_n(&s->started, __ATOMIC_SEQ_CST))
        syscall(SYS_FUTEX, &s->started, FUTEX_WAIT, FALSE, NULL, NULL, 0);
    return pid;
}

/* Returns an errno, or 0. */
static int
start(struct start *s)
{
    sigset_t all, before;
    int failed = 0;
    pid_t pid;

    s->stays = reaps_orphans();
    s->started = FALSE;
    s->stacks =
        mmap(NULL, STACKS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (s->stacks == MAP_FAILED)
        return errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    reap(waiter, WNOHANG);
    pid = start_first(s);
    if (pid < 0)
        failed = errno;
    if (s->stays) {
        waiter = pid; /* on its stack */
    } else {
        reap(pid, 0);
        munmap(s->stacks, STACKS);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? failed : s->failed;
}

/* Returns an errno, or 0. */
static int
start_at(struct start *s, const char *path, struct reason *why)
{
    int failed;

    s->path = path;
    s->failed = 0;
    failed = start(s);
    if (failed)
        reason_set(why, "cannot start the core %.200s: %s", path, strerror(failed));
    return failed;
}

/* Beside us, or where it was installed. The path is not for a small stack. */
static int
start_somewhere(struct start *s, struct reason *why)
{
    char *beside = malloc(PATH_MAX);
    int failed = ENOENT;

    if (beside && place_beside_us(CORE_PROGRAM, beside, PATH_MAX))
        failed = start_at(s, beside, why);
    free(beside);
    if (failed == ENOENT)
        failed = start_at(s, BROCCOLI_LIBDIR "/" CORE_PROGRAM, why);
    return !failed;
}

int
spawn_core(struct reason *why)
{
    struct start s = {.failed = 0};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        reason_set(why, "cannot make a socket for the core: %s", strerror(errno));
        return -1;
    }
    s.socket = pair[1];
    if (!start_somewhere(&s, why)) {
        close(pair[0]);
        pair[0] = -1;
    }
    close(pair[1]);
    return pair[0] < 0 ? -1 : descriptor_raise(pair[0]);
}
