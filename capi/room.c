#include "room.h"

#include "api.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * What the core takes at the most when it is loaded and has one connection, with
 * something to spare; measured with limits lowered step by step (hosttest). The
 * memory is address space, most of which is never touched.
 */
#define ROOM_BYTES ((size_t)1 << 30)
#define ROOM_THREADS 12
#define ROOM_FILES 12

/*
 * The core was built for glibc, and shares the host's: with another C library it
 * would end the process, and a static program has none to share.
 */
static int
loader(char *text, size_t size)
{
    if (dlsym(RTLD_DEFAULT, "gnu_get_libc_version"))
        return TRUE;
    snprintf(text, size,
             "cannot load the core: this program does not use glibc as a shared library; "
             "link it to libc.so.6 (libbroccoli itself may be static)");
    return FALSE;
}

static int
memory(char *text, size_t size)
{
    void *p = mmap(NULL, ROOM_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        snprintf(text, size,
                 "cannot load the core: it needs %zu MiB of address space: %s (RLIMIT_AS?)",
                 ROOM_BYTES >> 20, strerror(errno));
        return FALSE;
    }
    munmap(p, ROOM_BYTES);
    return TRUE;
}

static int
files(char *text, size_t size)
{
    int fds[ROOM_FILES], n, failed = 0;

    for (n = 0; n < ROOM_FILES; n++) {
        fds[n] = eventfd(0, EFD_CLOEXEC);
        if (fds[n] < 0) {
            failed = errno;
            break;
        }
    }
    if (failed)
        snprintf(text, size, "cannot load the core: it needs %d descriptors: %s (RLIMIT_NOFILE?)",
                 ROOM_FILES, strerror(failed));
    while (n-- > 0)
        close(fds[n]);
    return !failed;
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
    pthread_t started[ROOM_THREADS];
    int n, failed = 0;

    pthread_mutex_lock(&lock);
    for (n = 0; n < ROOM_THREADS && !failed; n++) {
        failed = pthread_create(&started[n], NULL, wait_for_end, &lock);
        if (failed)
            break;
    }
    pthread_mutex_unlock(&lock);
    while (n-- > 0)
        pthread_join(started[n], NULL);
    if (failed)
        snprintf(text, size, "cannot load the core: it needs %d threads: %s (RLIMIT_NPROC?)",
                 ROOM_THREADS, strerror(failed));
    return !failed;
}

int
room_for_core(char *text, size_t size)
{
    return loader(text, size) && memory(text, size) && files(text, size) && threads(text, size);
}
