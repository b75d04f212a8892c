#include "core.h"

#include "api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CORE_NAME "libbroccoli-core.so"

static struct {
    pthread_mutex_t lock;
    void *handle;
    char error[LINK_ERROR_MAX]; /* why it could not be loaded */
    const char *(*version)(void);
    int (*connect)(struct link *l, const struct link_config *cfg);
    int (*close)(struct link *l, uint32_t timeout_ms);
} core = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned generation;

static void
forked(void)
{
    generation++;
}

__attribute__((constructor)) static void
watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

unsigned
core_generation(void)
{
    return generation;
}

/* A copy of dlerror()'s text: the next call overwrites it. */
static void
note_dlerror(void)
{
    const char *text = dlerror();

    snprintf(core.error, sizeof core.error, "cannot load the core: %s", text ? text : "no reason given");
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
open_core(void)
{
    char path[4096];
    void *handle = NULL;

    /* Never by a bare name: the search path of the host is not ours to trust. */
    if (beside_us(path, sizeof path))
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
        note_dlerror();
        handle = dlopen(BROCCOLI_LIBDIR "/" CORE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    return handle;
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
        snprintf(core.error, sizeof core.error,
                 "the core beside libbroccoli is of version %s, not %s: install both from one build",
                 core.version(), ROMANESCO_VERSION);
        return FALSE;
    }
    return TRUE;
}

/* Loads the core once. On a courier thread only. */
static int
load(void)
{
    int ok;

    pthread_mutex_lock(&core.lock);
    if (!core.handle) {
        void *handle = open_core();

        if (handle && find_functions(handle))
            core.handle = handle;
    }
    ok = core.handle != NULL;
    pthread_mutex_unlock(&core.lock);
    return ok;
}

struct errand {
    struct link *link;
    const struct link_config *cfg; /* NULL: close */
    uint32_t timeout_ms;
    int ok;
};

static void *
courier(void *arg)
{
    struct errand *e = arg;

    if (!load()) {
        snprintf(e->link->error, sizeof e->link->error, "%s", core.error);
        e->link->state = LINK_DOWN;
        return NULL;
    }
    e->ok = e->cfg ? core.connect(e->link, e->cfg) : core.close(e->link, e->timeout_ms);
    return NULL;
}

/* Runs an errand on a courier, which inherits the mask that blocks everything. */
static int
run(struct errand *e)
{
    pthread_t thread;
    sigset_t all, before;
    int failed;

    if (generation != 0) {
        snprintf(e->link->error, sizeof e->link->error,
                 "this process was forked from one that had loaded libbroccoli; connect before fork() or after exec()");
        return FALSE;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, NULL, courier, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        snprintf(e->link->error, sizeof e->link->error, "cannot start a thread: %s", strerror(failed));
        return FALSE;
    }
    pthread_join(thread, NULL);
    return e->ok;
}

int
core_connect(struct link *l, const struct link_config *cfg)
{
    struct errand e = {.link = l, .cfg = cfg};

    return run(&e);
}

int
core_close(struct link *l, uint32_t timeout_ms)
{
    struct errand e = {.link = l, .timeout_ms = timeout_ms};

    return run(&e);
}
