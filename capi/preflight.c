#include "preflight.h"

#include "api.h"
#include "futex.h"
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * What the core takes at the most when it is loaded and has one connection, with
 * something to spare; measured with limits lowered step by step (hosttest). Most of
 * the address space is never touched.
 */
#define SPACE_BYTES ((size_t)1 << 30)
#define DATA_BYTES ((size_t)112 << 20)
#define THREADS 12
#define FILES 12
#define HIGH 1024 /* where the core has its descriptors, if the limit allows */

#define PREFIX "cannot load the core: "
#define SIGSET_BYTES 8 /* of the kernel's */
#define FUTEX_WAKE_PRIVATE_OP 129 /* the kernel's headers are not there for each C library */

/*
 * The core was built for glibc, and shares the host's: with another C library it
 * would end the process, and a static program has none to share.
 */
static int
c_library(char *text, size_t size)
{
    if (dlsym(RTLD_DEFAULT, "gnu_get_libc_version"))
        return TRUE;
    snprintf(text, size,
             PREFIX "this program does not use glibc as a shared library; "
                    "link it to libc.so.6 (libbroccoli itself may be static)");
    return FALSE;
}

/* Memory of the kind that a limit counts, given back at once. */
static int
can_map(size_t bytes, int protection)
{
    void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p != MAP_FAILED && munmap(p, bytes) == 0;
}

static int
memory(char *text, size_t size)
{
    if (!can_map(SPACE_BYTES, PROT_NONE)) {
        snprintf(text, size, PREFIX "it needs %zu MiB of address space: %s (RLIMIT_AS?)",
                 SPACE_BYTES >> 20, strerror(errno));
        return FALSE;
    }
    /* Under mlockall() to map it as readable would be to have it. */
    void *p = mmap(NULL, DATA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int ok = p != MAP_FAILED;

    if (ok) {
        munlock(p, DATA_BYTES);
        ok = mprotect(p, DATA_BYTES, PROT_READ | PROT_WRITE) == 0;
        if (!ok)
            snprintf(text, size, PREFIX "it needs %zu MiB of memory: %s (RLIMIT_DATA?)",
                     DATA_BYTES >> 20, strerror(errno));
        munmap(p, DATA_BYTES);
    }
    return ok;
}

/* The core's descriptors will be high ones. The kernel makes its table larger at once
 * in a process without threads, and with a pause of 10 ms in another. */
static void
grow_table(void)
{
    struct rlimit limit;
    int fd, high;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= HIGH)
        return;
    fd = eventfd(0, EFD_CLOEXEC);
    high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, HIGH) : -1;
    if (high >= 0)
        close(high);
    if (fd >= 0)
        close(fd);
}

static int
files(char *text, size_t size)
{
    int fds[FILES], n, failed = 0;

    for (n = 0; n < FILES; n++) {
        fds[n] = eventfd(0, EFD_CLOEXEC);
        if (fds[n] < 0) {
            failed = errno;
            break;
        }
    }
    if (failed)
        snprintf(text, size, PREFIX "it needs %d descriptors: %s (RLIMIT_NOFILE?)", FILES,
                 strerror(failed));
    while (n-- > 0)
        close(fds[n]);
    return !failed;
}

/* In a process of its own, with our memory. */
static int
end_at_once(void *refused)
{
    syscall(SYS_exit, 0);
    *(volatile int *)refused = TRUE;
    for (;;)
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    return 0;
}

/* Whether threads can end: the C library, refused that, tries again for ever. To try
 * with a thread would leave behind what the C library has not cleared. Without a
 * filter nobody refuses it, and valgrind knows no such clone(). */
static int
exits(char *text, size_t size)
{
    _Alignas(16) char stack[8192];
    volatile int refused = FALSE;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_FILES; /* and no SIGCHLD at its end */
    pid_t pid;

    if (prctl(PR_GET_SECCOMP) == 0)
        return TRUE; /* nothing is filtered; and valgrind knows no such process */
    pid = clone(end_at_once, stack + sizeof stack, flags, (void *)&refused);
    if (pid > 0)
        waitpid(pid, NULL, __WALL);
    if (refused)
        snprintf(text, size, PREFIX "the system call exit does not work");
    return !refused;
}

static void *
wait_for_end(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

static int
threads(char *text, size_t size)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t started[THREADS];
    int n, failed = 0;

    pthread_mutex_lock(&lock);
    for (n = 0; n < THREADS && !failed; n++) {
        failed = thread_start(&started[n], wait_for_end, &lock);
        if (failed)
            break;
    }
    pthread_mutex_unlock(&lock);
    while (n-- > 0)
        pthread_join(started[n], NULL);
    if (failed)
        snprintf(text, size, PREFIX "it needs %d threads: %s (RLIMIT_NPROC?)", THREADS,
                 strerror(failed));
    return !failed;
}

/*
 * System calls. Each is tried in a form that does nothing and always succeeds, so
 * that what fails is what a filter refuses. TRUE: it did what it should.
 */
struct scratch {
    int epoll, event;
    unsigned char *page;
    size_t page_bytes;
    uint32_t word;
};

static int
try_epoll_create(struct scratch *s)
{
    s->epoll = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
    return s->epoll >= 0;
}

static int
try_eventfd(struct scratch *s)
{
    s->event = (int)syscall(SYS_eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->event >= 0;
}

static int
try_epoll_ctl(struct scratch *s)
{
    struct epoll_event e = {.events = EPOLLIN};

    return syscall(SYS_epoll_ctl, s->epoll, EPOLL_CTL_ADD, s->event, &e) == 0;
}

static int
try_epoll_wait(struct scratch *s)
{
    struct epoll_event e;

    return syscall(SYS_epoll_pwait, s->epoll, &e, 1, 0, NULL, SIGSET_BYTES) == 1;
}

static int
try_read(struct scratch *s)
{
    uint64_t n;

    return syscall(SYS_read, s->event, &n, sizeof n) == sizeof n;
}

static int
try_write(struct scratch *s)
{
    uint64_t n = 1;

    return syscall(SYS_write, s->event, &n, sizeof n) == sizeof n;
}

static int
try_fcntl(struct scratch *s)
{
    return syscall(SYS_fcntl, s->event, F_GETFD) == FD_CLOEXEC;
}

static int
try_close(struct scratch *s)
{
    int failed = syscall(SYS_close, s->event) != 0;

    s->event = -1;
    return !failed;
}

static int
try_mmap(struct scratch *s)
{
    s->page = mmap(NULL, s->page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return s->page != MAP_FAILED;
}

static int
try_mprotect(struct scratch *s)
{
    return mprotect(s->page, s->page_bytes, PROT_READ | PROT_WRITE) == 0;
}

static int
try_madvise(struct scratch *s)
{
    return madvise(s->page, s->page_bytes, MADV_NORMAL) == 0;
}

static int
try_munmap(struct scratch *s)
{
    int failed = munmap(s->page, s->page_bytes) != 0;

    s->page = MAP_FAILED;
    return !failed;
}

static int
try_futex(struct scratch *s)
{
    return syscall(SYS_futex, &s->word, FUTEX_WAKE_PRIVATE_OP, 1, NULL, NULL, 0) == 0;
}

static int
try_sigprocmask(struct scratch *s)
{
    uint64_t mask;

    (void)s;
    return syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, SIGSET_BYTES) == 0;
}

static int
try_sigaction(struct scratch *s)
{
    struct sigaction action;

    (void)s;
    return sigaction(SIGSEGV, NULL, &action) == 0;
}

static int
try_sigaltstack(struct scratch *s)
{
    stack_t stack;

    (void)s;
    return sigaltstack(NULL, &stack) == 0;
}

static int
try_nanosleep(struct scratch *s)
{
    struct timespec none = {0, 0};

    (void)s;
    return syscall(SYS_nanosleep, &none, NULL) == 0;
}

static int
try_getrandom(struct scratch *s)
{
    unsigned char byte;

    (void)s;
    return syscall(SYS_getrandom, &byte, sizeof byte, 0) == sizeof byte;
}

static int
try_sched_yield(struct scratch *s)
{
    (void)s;
    return syscall(SYS_sched_yield) == 0;
}

static int
try_gettid(struct scratch *s)
{
    (void)s;
    return syscall(SYS_gettid) > 0;
}

static int
try_tgkill(struct scratch *s)
{
    (void)s;
    return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == 0;
}

/* The C library ends the process when it cannot register a new thread. */
static int
try_rseq(struct scratch *s)
{
#ifdef SYS_rseq
    const unsigned *registered = dlsym(RTLD_DEFAULT, "__rseq_size");

    if (registered && *registered) {
        int known = syscall(SYS_rseq, NULL, 0, 0, 0) == -1 && errno == EINVAL; /* of a wrong size */

        if (known)
            errno = 0;
        return known;
    }
#endif
    (void)s;
    return TRUE;
}

/* In this order: some need what those before have made. */
static const struct {
    const char *name;
    int (*works)(struct scratch *s);
} calls[] = {
    {"futex", try_futex},
    {"rseq", try_rseq},
    {"rt_sigprocmask", try_sigprocmask},
    {"rt_sigaction", try_sigaction},
    {"sigaltstack", try_sigaltstack},
    {"mmap", try_mmap},
    {"mprotect", try_mprotect},
    {"madvise", try_madvise},
    {"munmap", try_munmap},
    {"epoll_create1", try_epoll_create},
    {"eventfd2", try_eventfd},
    {"epoll_ctl", try_epoll_ctl},
    {"epoll_pwait", try_epoll_wait},
    {"read", try_read},
    {"write", try_write},
    {"fcntl", try_fcntl},
    {"close", try_close},
    {"nanosleep", try_nanosleep},
    {"getrandom", try_getrandom},
    {"sched_yield", try_sched_yield},
    {"gettid", try_gettid},
    {"tgkill", try_tgkill},
};

static int
system_calls(char *text, size_t size)
{
    struct scratch s = {.epoll = -1, .event = -1, .page = MAP_FAILED};
    size_t n;
    int failed = 0;

    s.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (n = 0; !failed && n < sizeof calls / sizeof *calls; n++) {
        errno = 0;
        if (calls[n].works(&s))
            continue;
        failed = TRUE;
        snprintf(text, size, PREFIX "the system call %s does not work: %s", calls[n].name,
                 errno ? strerror(errno) : "another result than expected");
    }
    if (s.epoll >= 0)
        close(s.epoll);
    if (s.event >= 0)
        close(s.event);
    if (s.page != MAP_FAILED)
        munmap(s.page, s.page_bytes);
    return !failed;
}

int
preflight_alone(char *text, size_t size)
{
    if (!c_library(text, size) || !system_calls(text, size))
        return FALSE;
    grow_table();
    return TRUE;
}

int
preflight(char *text, size_t size)
{
    return memory(text, size) && files(text, size) && exits(text, size) && threads(text, size);
}
