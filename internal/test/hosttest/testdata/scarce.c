/* For LD_PRELOAD: a process that is refused memory or threads at a call of its choice. */
#include "scarce.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t num, size_t size);
extern void *__libc_realloc(void *p, size_t size);

typedef int create_func(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static atomic_int kind = SCARCE_KINDS;
static atomic_long calls, first, last;

void
scarce_arm(enum scarce what, long nth, long times)
{
    first = nth;
    last = nth + times;
    calls = 0;
    kind = (int)what;
}

long
scarce_calls(void)
{
    return calls;
}

static int
refused(enum scarce what)
{
    long n;

    if (kind != (int)what)
        return 0;
    n = atomic_fetch_add(&calls, 1);
    return n >= first && n < last;
}

static void *
none(void)
{
    errno = ENOMEM;
    return NULL;
}

void *
malloc(size_t size)
{
    return refused(SCARCE_MALLOC) ? none() : __libc_malloc(size);
}

void *
calloc(size_t num, size_t size)
{
    return refused(SCARCE_MALLOC) ? none() : __libc_calloc(num, size);
}

void *
realloc(void *p, size_t size)
{
    return refused(SCARCE_MALLOC) ? none() : __libc_realloc(p, size);
}

void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (refused(SCARCE_MMAP)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

/* What mmap() is to who is made for large files. */
void *
mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
    return mmap(at, size, protection, flags, fd, (off_t)offset);
}

int
mprotect(void *at, size_t size, int protection)
{
    if (refused(SCARCE_MPROTECT)) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_mprotect, at, size, protection);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*func)(void *), void *arg)
{
    create_func *create;

    if (refused(SCARCE_THREAD))
        return EAGAIN;
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attr, func, arg);
}
