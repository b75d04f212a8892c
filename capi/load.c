#include "load.h"

#include "api.h"
#include "descriptor.h"
#include "faults.h"
#include "loader.h"
#include "place.h"
#include "preflight.h"
#include "thread.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* What preflight() and dlopen() need of a stack, with plenty to spare. */
#define LOAD_STACK (128 << 10)

static struct {
    pthread_mutex_t lock;
    void *handle;  /* of one with all that is called */
    int begun;     /* one is being loaded, or has been: its threads run */
    void *image;   /* which that is, once it is loaded */
    void *remains; /* the parent's, to be unloaded */
    int lost;      /* an ancestor's is here that cannot be: the loader may know it by its path */
    char path[PATH_MAX];        /* of the image */
    char error[LINK_ERROR_MAX]; /* why it could not be loaded */
    void (*abandon)(void);
    unsigned char *base;    /* where it begins in memory */
    const uint32_t *opened; /* what it has open: see descriptor_close_marked() */
    struct core functions;
    int settled; /* what only its start needed has been given back */
} core = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Nothing here waits or allocates. */
void
load_forget(int clean)
{
    pthread_mutex_init(&core.lock, NULL); /* a thread that is no more may have held it */
    thread_forget();
    faults_give_back();
    if (core.image) {
        core.remains = core.image;
    } else if (core.begun) { /* another thread was at it */
        core.lost = TRUE;
    }
    if (!clean && core.remains) { /* unloading would wait for threads that are no more */
        core.remains = NULL;
        core.lost = TRUE;
    }
    if (clean && core.opened) /* nobody has had the time to take a number of it */
        descriptor_close_marked(core.opened);
    core.opened = NULL;
    core.begun = core.settled = FALSE;
    core.handle = core.image = NULL;
}

/* A copy of dlerror()'s text: the next call overwrites it. */
static void
note_dlerror(void)
{
    const char *text = dlerror();

    snprintf(core.error, sizeof core.error, "cannot load the core: %s",
             text ? text : "no reason given");
}

static void *
open_path(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        note_dlerror();
    else
        snprintf(core.path, sizeof core.path, "%s", path);
    return handle;
}

/* Copies a file into memory that has a descriptor; -1 with the reason noted. */
static int
memory_copy(const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = memfd_create(CORE_NAME, MFD_CLOEXEC);
    ssize_t n = -1;

    if (from >= 0 && to >= 0)
        while ((n = sendfile(to, from, NULL, 1 << 30)) > 0)
            ;
    if (n < 0) {
        snprintf(core.error, sizeof core.error, "cannot copy the core %s: %s", path,
                 strerror(errno));
        if (to >= 0)
            close(to);
        to = -1;
    }
    if (from >= 0)
        close(from);
    return to;
}

/* Loads a core beside one that cannot be unloaded. The loader knows a file by its
 * name and its inode, and would give us a dead one back: a copy has a name with
 * this process in it. */
static void *
open_copy(const char *path)
{
    char proc[64], self[32];
    ssize_t n = readlink("/proc/self", self, sizeof self - 1);
    void *handle;
    int fd = memory_copy(path);

    if (fd < 0)
        return NULL;
    self[n > 0 ? n : 0] = '\0';
    snprintf(proc, sizeof proc, "/proc/%s/fd/%d", n > 0 ? self : "self", fd);
    handle = open_path(proc);
    close(fd);
    return handle;
}

/* Unloads what the parent had loaded. It has no thread, and no handler of a signal
 * points into it any more, so that nobody is there. */
static void
unload_remains(void)
{
    void *remains = core.remains;

    if (!remains)
        return;
    core.remains = NULL; /* first: another thread may fork meanwhile */
    if (core.abandon)
        core.abandon();
    core.abandon = NULL;
    dlclose(remains);
    remains = dlopen(core.path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (remains) { /* somebody else holds it */
        dlclose(remains);
        core.lost = TRUE;
    }
}

/* Puts an earlier cause before the one that is noted. */
static void
note_first(const char *first)
{
    char last[LINK_ERROR_MAX];

    if (!first[0])
        return;
    snprintf(last, sizeof last, "%s", core.error);
    snprintf(core.error, sizeof core.error, "%.*s; then: %.*s", LINK_ERROR_MAX / 2, first,
             LINK_ERROR_MAX / 2 - 10, last);
}

/* Never by a bare name: the search path of the host is not ours to trust. */
static void *
open_core(void)
{
    static const char installed[] = BROCCOLI_LIBDIR "/" CORE_NAME;
    void *(*open_it)(const char *path) = core.lost ? open_copy : open_path;
    char beside[PATH_MAX], first[LINK_ERROR_MAX] = "";
    void *handle;

    if (place_beside_us(CORE_NAME, beside, sizeof beside)) {
        handle = open_it(beside);
        if (handle || strcmp(beside, installed) == 0)
            return handle;
        snprintf(first, sizeof first, "%s", core.error);
    }
    handle = open_it(installed);
    if (!handle)
        note_first(first);
    return handle;
}

static int
find_functions(void *handle)
{
    const char *version = dlsym(handle, "romanesco_version");

    if (version && strcmp(version, ROMANESCO_VERSION) != 0) {
        snprintf(
            core.error, sizeof core.error,
            "the core beside libbroccoli is of version %s, not %s: install both from one build",
            version, ROMANESCO_VERSION);
        return FALSE;
    }
    *(void **)&core.functions.connect = dlsym(handle, "romanesco_connect");
    *(void **)&core.functions.close = dlsym(handle, "romanesco_close");
    *(void **)&core.abandon = dlsym(handle, "romanesco_abandon");
    if (version && core.functions.connect && core.functions.close && core.abandon)
        return TRUE;
    note_dlerror();
    return FALSE;
}

/* A segment of the core in memory, and the next one; NULL after the last. */
static const Elf64_Phdr *
next_segment(const unsigned char *base, const Elf64_Phdr *segment)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *first = (const Elf64_Phdr *)(base + header->e_phoff);

    segment = segment ? segment + 1 : first;
    return segment < first + header->e_phnum ? segment : NULL;
}

/* Where the core lies, if the loader knows. */
static void
note_image(void *handle)
{
    const void *inside = handle ? dlsym(handle, "romanesco_version") : NULL;
    const Elf64_Phdr *segment = NULL;
    size_t size = 0;
    Dl_info info;

    core.opened = handle ? dlsym(handle, "romanesco_opened") : NULL;
    core.base = inside && dladdr(inside, &info) ? info.dli_fbase : NULL;
    while (core.base && (segment = next_segment(core.base, segment)))
        if (segment->p_type == PT_LOAD)
            size = segment->p_vaddr + segment->p_memsz;
    faults_are_of(core.base, size);
}

/*
 * Half of the core is needed while it starts and never again: relocations,
 * initialisation, the first handshake. Lets go of the pages that were only read;
 * they come back from the file when they are touched.
 */
void
load_release_pages(void)
{
    const Elf64_Phdr *segment = NULL;
    unsigned char *base = core.base;

    if (__atomic_exchange_n(&core.settled, TRUE, __ATOMIC_RELAXED) || !base)
        return;
    while ((segment = next_segment(base, segment))) {
        size_t skip = segment->p_vaddr % 4096; /* a page that begins with another segment */

        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            madvise(base + segment->p_vaddr - skip, skip + segment->p_filesz, MADV_DONTNEED);
    }
}

/* With core.lock held. */
static void
load(void)
{
    void *handle;

    if (core.handle || !preflight(core.error, sizeof core.error))
        return;
    core.begun = TRUE; /* before: another thread may fork meanwhile */
    unload_remains();
    faults_note();
    thread_hold();
    handle = open_core();
    thread_release();
    note_image(handle);
    core.image = handle;
    core.begun = handle != NULL;
    if (handle && find_functions(handle))
        __atomic_store_n(&core.handle, handle, __ATOMIC_RELEASE);
}

const struct core *
load_core(char *error, size_t size)
{
    const struct core *loaded;

    pthread_mutex_lock(&core.lock);
    load();
    if (!core.handle)
        snprintf(error, size, "%s", core.error);
    loaded = core.handle ? &core.functions : NULL;
    pthread_mutex_unlock(&core.lock);
    return loaded;
}

/* --- Which thread loads it -------------------------------------------------------------------- */

/* Whether the rest of the caller's stack is enough for loading a library. FALSE in
 * doubt: a stack that the C library knows nothing of may be any size. */
static int
enough_stack(void)
{
    pthread_attr_t attr;
    char here, *lowest;
    size_t size;
    int known;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return FALSE;
    known = pthread_attr_getstack(&attr, (void **)&lowest, &size) == 0;
    pthread_attr_destroy(&attr);
    return known && &here >= lowest + LOAD_STACK && &here < lowest + size;
}

/* The runtime's first steps are then on this thread, before it has threads of its own. */
static int
load_on_this_thread(char *error, size_t size)
{
    sigset_t all, before;
    int loaded;

    if (!enough_stack()) {
        snprintf(error, size,
                 "cannot load the core: a constructor that dlopen() runs has too small a stack");
        return FALSE;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    loaded = load_core(error, size) != NULL;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return loaded;
}

int
load_if_others_cannot(char *error, size_t size)
{
    if (__atomic_load_n(&core.handle, __ATOMIC_ACQUIRE))
        return TRUE;
    return preflight_alone(error, size) &&
           (loader_answers_others() || load_on_this_thread(error, size));
}
