#include "preflight.h"

#include "api.h"
#include "preflight_calls.h"
#include "shared.h"
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
 * the address space is never touched: glibc reserves 64 MiB for each thread that frees
 * anything.
 */
#define SPACE_BYTES ((size_t)2176 << 20)
#define DATA_BYTES ((size_t)112 << 20)
#define THREADS 13
#define FILES 12

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
             PREFLIGHT "this program does not use glibc as a shared library; "
                       "link it to libc.so.6 (libbroccoli itself may be static), or leave "
                       "/broccoli/core out: then the core is a process of its own");
    return FALSE;
}

/* Memory of the kind that a limit counts, given back at once. */
static int
can_map(size_t bytes, int protection)
{
    void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p != MAP_FAILED && munmap(p, bytes) == 0;
}

int
preflight_can_load(void)
{
    char why[LINK_ERROR_MAX];

    return sizeof(void *) == 8 && c_library(why, sizeof why) && can_map(SPACE_BYTES, PROT_NONE);
}

static int
memory(char *text, size_t size)
{
    if (!can_map(SPACE_BYTES, PROT_NONE)) {
        snprintf(text, size, PREFLIGHT "it needs %zu MiB of address space: %s (RLIMIT_AS?)",
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
            snprintf(text, size, PREFLIGHT "it needs %zu MiB of memory: %s (RLIMIT_DATA?)",
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

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= LINK_SELECTABLE)
        return;
    fd = eventfd(0, EFD_CLOEXEC);
    high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, LINK_SELECTABLE) : -1;
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
        snprintf(text, size, PREFLIGHT "it needs %d descriptors: %s (RLIMIT_NOFILE?)", FILES,
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
        snprintf(text, size, PREFLIGHT "the system call exit does not work");
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
        snprintf(text, size, PREFLIGHT "it needs %d threads: %s (RLIMIT_NPROC?)", THREADS,
                 strerror(failed));
    return !failed;
}

int
preflight_alone(char *text, size_t size)
{
    if (!c_library(text, size) || !preflight_calls(text, size))
        return FALSE;
    grow_table();
    return TRUE;
}

int
preflight(char *text, size_t size)
{
    return memory(text, size) && files(text, size) && exits(text, size) && threads(text, size);
}
