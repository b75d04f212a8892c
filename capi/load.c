#include "load.h"

#include "api.h"
#include "preflight.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define CORE_NAME "libbroccoli-core.so"
/* How many copies of it a line of processes may load, each forked by the one before. */
#define COPIES_MAX 1000
/* What preflight() and dlopen() need of a stack, with plenty to spare. */
#define LOAD_STACK (128 << 10)

static struct {
    pthread_mutex_t lock;
    void *handle;
    int begun;  /* one is being loaded, or has been: its threads run */
    int copies; /* made of it by ancestors, whose memory is still there, and by us */
    int dead;   /* one was begun in an ancestor: it has no thread any more */
    char error[LINK_ERROR_MAX]; /* why it could not be loaded */
    unsigned char *image;       /* where it begins */
    struct core functions;
    int settled; /* what only its start needed has been given back */
} core = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Our own file, if the loader knows it by a name from the working directory. */
static char *loaded_as;

void
load_forget(void)
{
    pthread_mutex_init(&core.lock, NULL); /* a thread that is no more may have held it */
    core.dead |= core.begun;
    core.begun = core.settled = FALSE;
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

/* Whether we are in the program itself, and not in a library of our own. TRUE in doubt. */
static int
in_program(const Dl_info *us)
{
    Dl_info program;

    return !dladdr((void *)getauxval(AT_PHDR), &program) || program.dli_fbase == us->dli_fbase;
}

/* A relative name is good as long as nobody has changed the folder. */
__attribute__((constructor)) static void
note_place(void)
{
    Dl_info us;
    char *dir;

    if (!dladdr((void *)&core, &us) || us.dli_fname[0] == '/' || in_program(&us))
        return;
    dir = getcwd(NULL, 0);
    if (dir && asprintf(&loaded_as, "%s/%s", dir, us.dli_fname) < 0)
        loaded_as = NULL;
    free(dir);
}

/* The program's file as the kernel knows it, for what the loader knows is what
 * whoever started it has said. With more rights than its user's even the kernel
 * may have been led to a folder of the user's, by a hard link. */
static int
program_path(char *path)
{
    ssize_t n = getauxval(AT_SECURE) ? -1 : readlink("/proc/self/exe", path, PATH_MAX - 1);

    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The path of the core in the folder that this library was loaded from. */
static int
beside_us(char *path, size_t size)
{
    char program[PATH_MAX];
    const char *from, *slash;
    Dl_info us;

    if (!dladdr((void *)&core, &us))
        return FALSE;
    from = loaded_as ? loaded_as : us.dli_fname;
    if (in_program(&us))
        from = program_path(program) ? program : "";
    slash = strrchr(from, '/');
    if (from[0] != '/' || !slash)
        return FALSE;
    return (size_t)snprintf(path, size, "%.*s/%s", (int)(slash - from), from, CORE_NAME) < size;
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

/* Loads a second core. The loader knows a file by its name and its inode, and
 * would give us a dead one back: each copy has a name with one more slash. */
static void *
open_copy(const char *path)
{
    char slashes[COPIES_MAX], proc[COPIES_MAX + 64];
    void *handle;
    int fd;

    if (core.copies == COPIES_MAX) {
        snprintf(core.error, sizeof core.error, "cannot load the core: more than %d fork()s deep",
                 COPIES_MAX);
        return NULL;
    }
    fd = memory_copy(path);
    if (fd < 0)
        return NULL;
    memset(slashes, '/', sizeof slashes);
    snprintf(proc, sizeof proc, "/proc/self%.*s/fd/%d", core.copies++, slashes, fd);
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
    const char *version = dlsym(handle, "romanesco_version");
    Dl_info info;

    *(void **)&core.functions.connect = dlsym(handle, "romanesco_connect");
    *(void **)&core.functions.close = dlsym(handle, "romanesco_close");
    if (!version || !core.functions.connect || !core.functions.close) {
        note_dlerror();
        return FALSE;
    }
    if (strcmp(version, ROMANESCO_VERSION) != 0) {
        snprintf(
            core.error, sizeof core.error,
            "the core beside libbroccoli is of version %s, not %s: install both from one build",
            version, ROMANESCO_VERSION);
        return FALSE;
    }
    core.image = dladdr(version, &info) ? info.dli_fbase : NULL;
    return TRUE;
}

/*
 * Half of the core is needed while it starts and never again: relocations,
 * initialisation, the first handshake. Lets go of the pages that were only read;
 * they come back from the file when they are touched.
 */
void
load_release_pages(void)
{
    const Elf64_Phdr *segment;
    unsigned char *base = core.image;
    int n;

    if (__atomic_exchange_n(&core.settled, TRUE, __ATOMIC_RELAXED) || !base)
        return;
    segment = (const Elf64_Phdr *)(base + ((const Elf64_Ehdr *)base)->e_phoff);
    for (n = ((const Elf64_Ehdr *)base)->e_phnum; n > 0; n--, segment++) {
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
    handle = open_core();
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

int
load_here(char *error, size_t size)
{
    sigset_t all, before;
    int loaded;

    if (__atomic_load_n(&core.handle, __ATOMIC_ACQUIRE) || !enough_stack())
        return TRUE;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    loaded = load_core(error, size) != NULL;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return loaded;
}
