#include "preflight_calls.h"

#include "api.h"
#include "futex.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIGSET_BYTES 8 /* of the kernel's */

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
    return syscall(SYS_futex, &s->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0;
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

int
preflight_calls(char *text, size_t size)
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
        snprintf(text, size, PREFLIGHT "the system call %s does not work: %s", calls[n].name,
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
