#include "process.h"

#include "api.h"
#include "fork.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define PAGE_BYTES 4096

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

/* What is in the page; in a child all of it is 0. */
struct identity {
    unsigned generation; /* 0: nobody has looked */
    pid_t settler;       /* of which process a thread looks, or has looked */
};

/* In place of the page where the kernel has none: there, getpid() tells. */
static struct identity unwiped;

static struct identity *identity; /* NULL before process_begin() */
static unsigned last;             /* the highest generation of this process and its ancestors */
static pid_t pid;                 /* of the process that has last looked */
static pid_t cleanly;             /* the last child that the C library has told of */

static struct identity *
new_page(void)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return NULL;
    /* An emulator that follows no advice accepts any. */
    if (madvise(page, PAGE_BYTES, MADV_WIPEONFORK) == 0 && madvise(page, PAGE_BYTES, -1) < 0)
        return page;
    munmap(page, PAGE_BYTES);
    return NULL;
}

/* Several threads may be here at a time, and all write the same. */
void
process_begin(void)
{
    struct identity *fresh, *none = NULL;

    if (__atomic_load_n(&identity, __ATOMIC_ACQUIRE))
        return;
    fresh = new_page();
    if (!fresh)
        fresh = &unwiped;
    __atomic_store_n(&pid, getpid(), __ATOMIC_RELAXED);
    __atomic_store_n(&last, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&fresh->generation, 1, __ATOMIC_RELAXED);
    if (!__atomic_compare_exchange_n(&identity, &none, fresh, FALSE, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE) &&
        fresh != &unwiped)
        munmap(fresh, PAGE_BYTES);
}

static int
is_known(const struct identity *id)
{
    if (__builtin_expect(id == &unwiped, 0))
        return getpid() == __atomic_load_n(&pid, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&id->generation, __ATOMIC_ACQUIRE) != 0;
}

int
process_is(unsigned generation)
{
    const struct identity *id = __atomic_load_n(&identity, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&id->generation, __ATOMIC_ACQUIRE) == generation &&
           __builtin_expect(id != &unwiped || is_known(id), 1);
}

/* Everything that is done here may be done twice: a signal handler may fork meanwhile. */
static void
settle(struct identity *id, pid_t self)
{
    fork_settle(cleanly == self);
    __atomic_store_n(&last, last + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&id->generation, last, __ATOMIC_RELEASE);
    __atomic_store_n(&pid, self, __ATOMIC_RELEASE);
}

unsigned
process_generation(void)
{
    struct identity *id = __atomic_load_n(&identity, __ATOMIC_ACQUIRE);

    while (!is_known(id)) {
        pid_t self = getpid();
        pid_t settler = __atomic_load_n(&id->settler, __ATOMIC_ACQUIRE);

        if (settler == self)
            sched_yield(); /* another thread is at it */
        else if (__atomic_compare_exchange_n(&id->settler, &settler, self, FALSE, __ATOMIC_ACQ_REL,
                                             __ATOMIC_RELAXED))
            settle(id, self);
    }
    return __atomic_load_n(&id->generation, __ATOMIC_ACQUIRE);
}

int
process_is_guest(void)
{
    return getpid() != __atomic_load_n(&pid, __ATOMIC_ACQUIRE);
}

/* Who forks in the usual way looks at once, so that the peer sees the end of a
 * parent whose child never uses the handle. */
static void
after_fork_in_child(void)
{
    if (!identity)
        return;
    if (is_known(identity) && __atomic_load_n(&pid, __ATOMIC_ACQUIRE) == getpid())
        return; /* a handler of the host's that ran before this one has used a handle */
    __atomic_store_n(&identity->generation, 0, __ATOMIC_RELAXED); /* whatever the kernel has done */
    __atomic_store_n(&identity->settler, 0, __ATOMIC_RELAXED);
    cleanly = getpid();
    process_generation();
}

__attribute__((constructor)) static void
watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}
