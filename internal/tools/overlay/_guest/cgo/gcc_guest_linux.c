/*
 * What the runtime of the core asks the C library for, so that it need not look
 * into memory of the host. Part of package runtime/cgo in the build of the core alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "libcgo.h"

#define NAME "broccoli"
/* What Go and the C functions that it calls need on a thread of ours. */
#define STACK_BYTES ((size_t)256 << 10)
/* The C library's share of a thread's stack, when it does not say. */
#define STACK_SHARE ((size_t)128 << 10)

extern int _cgo_try_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Arguments, environment, auxiliary vector, each with its end, as a new process finds them. */
uintptr_t x_cgo_guest_args[64];

/* The numbers below that the runtime has opened something under, as the bits of what
 * follows the first word, which says how many words that are. For a child to close. */
#define OPENED_WORDS 160
uint32_t romanesco_opened[1 + OPENED_WORDS] = {OPENED_WORDS};

static char program[] = "libbroccoli-core";
static char gogc[64], godebug[1024];
static unsigned char random_bytes[16];
static size_t stack_bytes = STACK_BYTES + STACK_SHARE;

/* A setting of the operator's. One that does not fit is none. */
static char *
setting(const char *name, char *copy, size_t size)
{
    const char *value = secure_getenv(name);
    int n = value ? snprintf(copy, size, "%s=%s", name, value) : -1;

    return n > 0 && (size_t)n < size ? copy : NULL;
}

static uintptr_t *
put_auxiliary(uintptr_t *p)
{
    static const unsigned long tags[] = {AT_PAGESZ, AT_SYSINFO_EHDR, AT_HWCAP, AT_HWCAP2, AT_SECURE};
    unsigned long value;
    size_t n;

    for (n = 0; n < sizeof tags / sizeof *tags; n++) {
        value = getauxval(tags[n]);
        if (value) {
            *p++ = tags[n];
            *p++ = value;
        }
    }
    value = getauxval(AT_RANDOM);
    if (value) { /* a copy: the runtime overwrites it when it has used it */
        memcpy(random_bytes, (void *)value, sizeof random_bytes);
        *p++ = AT_RANDOM;
        *p++ = (uintptr_t)random_bytes;
    }
    return p;
}

/* Where our image begins, its zeroed part, and where both end. The linker knows. */
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

/* A host that has locked all its memory has got all of ours with it, 32 MB of
 * which are a buffer that nobody uses. */
static void
unlock(void)
{
    uintptr_t page = (uintptr_t)getauxval(AT_PAGESZ);
    uintptr_t image = (uintptr_t)__ehdr_start & -page;
    uintptr_t zeroes = ((uintptr_t)__bss_start + page - 1) & -page;
    uintptr_t end = (uintptr_t)_end & -page;

    munlock((void *)image, (uintptr_t)_end - image);
    if (zeroes < end)
        madvise((void *)zeroes, end - zeroes, MADV_DONTNEED); /* before anything is there */
}

/* Before the runtime's own initialisation, on the thread that loads the library. */
__attribute__((constructor(101))) static void
prepare(void)
{
    size_t (*least)(const pthread_attr_t *);
    uintptr_t *p = x_cgo_guest_args;
    pthread_attr_t attr;

    unlock();
    *p++ = (uintptr_t)program;
    *p++ = 0;
    *p = (uintptr_t)setting("GOGC", gogc, sizeof gogc);
    p += *p != 0;
    *p = (uintptr_t)setting("GODEBUG", godebug, sizeof godebug);
    if (*p && strncmp(godebug, "GODEBUG=cpu.", 12) != 0)
        *p = 0; /* what is meant for others: it may print */
    p += *p != 0;
    *p++ = 0;
    put_auxiliary(p);

    *(void **)&least = dlsym(RTLD_DEFAULT, "__pthread_get_minstack");
    if (least && pthread_attr_init(&attr) == 0) {
        stack_bytes = STACK_BYTES + least(&attr);
        pthread_attr_destroy(&attr);
    }
}

/* The size of a stack does not depend on what the host has set for its own. */
void
guest_attr_init(pthread_attr_t *attr)
{
    pthread_attr_init(attr);
    pthread_attr_setstacksize(attr, (stack_bytes + 4095) & ~(size_t)4095);
}

/* The bounds of the first thread's stack. */
uintptr_t guest_bounds[2];

/* What a thread is started with, until it has taken that over. */
#define STARTS 16
static ThreadStart starts[STARTS];
static atomic_flag start_taken[STARTS];

/* Waits for a thread that has begun, if all are taken: needs no memory of the host. */
ThreadStart *
guest_start_new(void)
{
    for (int i = 0;; i = (i + 1) % STARTS) {
        if (!atomic_flag_test_and_set(&start_taken[i]))
            return &starts[i];
        if (i == STARTS - 1)
            sched_yield();
    }
}

void
guest_start_free(void *start)
{
    atomic_flag_clear(&start_taken[(ThreadStart *)start - starts]);
}

static void *(*first)(void *);

static void *
named(void *arg)
{
    prctl(PR_SET_NAME, NAME);
    return first(arg);
}

/* Starts the runtime's first thread, from whichever loads the library. All others
 * inherit its mask, which blocks everything, and its name. */
int
guest_first_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*func)(void *), void *arg)
{
    sigset_t all, before;
    int failed;

    first = func;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = _cgo_try_pthread_create(thread, attr, named, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}
