#include "core.h"

#include "api.h"
#include "room.h"

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

#define CORE_NAME "libbroccoli-core.so"

static struct {
    pthread_mutex_t lock;
    void *handle;
    int begun; /* one is being loaded, or has been: its threads run */
    int dead;  /* the same in an ancestor: its memory is still there, and no thread */
    char error[LINK_ERROR_MAX]; /* why it could not be loaded */
    const char *(*version)(void);
    int (*connect)(struct link *l, const struct link_config *cfg);
    int (*close)(struct link *l, uint32_t timeout_ms);
} core = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
core_forget(void)
{
    pthread_mutex_init(&core.lock, NULL); /* a thread that is no more may have held it */
    core.dead |= core.begun;
    core.begun = FALSE;
    core.handle = NULL;
}

/* A copy of dlerror()'s text: the next call overwrites it. */
static void
note_dlerror(void)
{
    const char *text = dlerror();

    snprintf(core.error, sizeof core.error, "cannot load the core: %s",
             text ? text : "no reason given");
}

/* The path of the core in the folder that this library was loaded from. */
static int
beside_us(char *path, size_t size)
{
    Dl_info info;
    const char *slash;

    if (!dladdr((void *)&core, &info) || !info.dli_fname)
        return FALSE;
    slash = strrchr(info.dli_fname, '/');
    if (!slash)
        return FALSE;
    return (size_t)snprintf(path, size, "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname,
                            CORE_NAME) < size;
}

static void *
open_path(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!handle)
        note_dlerror();
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

/* Loads a second core: the loader knows a file by its inode, and would give us
 * the dead one back. */
static void *
open_copy(const char *path)
{
    char proc[64];
    void *handle;
    int fd = memory_copy(path);

    if (fd < 0)
        return NULL;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    handle = open_path(proc);
    close(fd);
    return handle;
}

static void *
open_core(void)
{
    void *(*open_it)(const char *path) = core.dead ? open_copy : open_path;
    char path[PATH_MAX];
    void *handle = NULL;

    /* Never by a bare name: the search path of the host is not ours to trust. */
    if (beside_us(path, sizeof path))
        handle = open_it(path);
    return handle ? handle : open_it(BROCCOLI_LIBDIR "/" CORE_NAME);
}

static int
find_functions(void *handle)
{
    *(void **)&core.version = dlsym(handle, "romanesco_version");
    *(void **)&core.connect = dlsym(handle, "romanesco_connect");
    *(void **)&core.close = dlsym(handle, "romanesco_close");
    if (!core.version || !core.connect || !core.close) {
        note_dlerror();
        return FALSE;
    }
    if (strcmp(core.version(), ROMANESCO_VERSION) != 0) {
        snprintf(
            core.error, sizeof core.error,
            "the core beside libbroccoli is of version %s, not %s: install both from one build",
            core.version(), ROMANESCO_VERSION);
        return FALSE;
    }
    return TRUE;
}

#if __SIZEOF_POINTER__ == 8
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr elf_segment;
#else
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr elf_segment;
#endif

/*
 * Half of the core is needed while it starts and never again: relocations,
 * initialisation, the first handshake. Lets go of the pages that were only read;
 * they come back from the file when they are touched.
 */
static void
release_pages(void)
{
    const elf_segment *segment;
    unsigned char *base;
    void *inside;
    Dl_info info;
    int n;

    memcpy(&inside, &core.connect, sizeof inside);
    if (!dladdr(inside, &info))
        return;
    base = info.dli_fbase;
    segment = (const elf_segment *)(base + ((const elf_header *)base)->e_phoff);
    for (n = ((const elf_header *)base)->e_phnum; n > 0; n--, segment++) {
        size_t skip = segment->p_vaddr % 4096; /* a page that begins with another segment */

        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            madvise(base + segment->p_vaddr - skip, skip + segment->p_filesz, MADV_DONTNEED);
    }
}

/* Loads the core once, and reports whether it was now. On a courier thread only. */
static int
load(int *is_new)
{
    int ok;

    pthread_mutex_lock(&core.lock);
    if (!core.handle && room_for_core(core.error, sizeof core.error)) {
        void *handle;

        core.begun = TRUE; /* before: another thread may fork meanwhile */
        handle = open_core();
        core.begun = handle != NULL;
        if (handle && find_functions(handle)) {
            core.handle = handle;
            *is_new = TRUE;
        }
    }
    ok = core.handle != NULL;
    pthread_mutex_unlock(&core.lock);
    return ok;
}

struct errand {
    struct link *link;
    const struct link_config *cfg; /* NULL: close */
    uint32_t timeout_ms;
    int result;
};

static void *
courier(void *arg)
{
    struct errand *e = arg;
    int is_new = FALSE;

    if (!load(&is_new)) {
        snprintf(e->link->error, sizeof e->link->error, "%s", core.error);
        e->link->state = LINK_DOWN;
        return NULL;
    }
    e->result = e->cfg ? core.connect(e->link, e->cfg) : core.close(e->link, e->timeout_ms);
    if (is_new)
        release_pages();
    return NULL;
}

/* Runs an errand on a courier, which inherits the mask that blocks everything. */
static int
run(struct errand *e)
{
    pthread_t thread;
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, NULL, courier, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        snprintf(e->link->error, sizeof e->link->error, "cannot start a thread: %s",
                 strerror(failed));
        return FALSE;
    }
    pthread_join(thread, NULL);
    return e->result;
}

enum link_result
core_connect(struct link *l, const struct link_config *cfg)
{
    struct errand e = {.link = l, .cfg = cfg};

    return (enum link_result)run(&e);
}

int
core_close(struct link *l, uint32_t timeout_ms)
{
    struct errand e = {.link = l, .timeout_ms = timeout_ms};

    return run(&e);
}
