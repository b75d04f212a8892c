#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

/* What the core needs of a stack, and the C library's share when it does not say. */
#define STACK_BYTES ((size_t)256 << 10)
#define STACK_SHARE ((size_t)128 << 10)
#define PAGE ((size_t)4096)

static size_t stack_bytes = STACK_BYTES + STACK_SHARE;

/* Asks the C library how much of a stack is its own: the thread-local variables of
 * all libraries. Early, since dlsym() waits for whoever is loading a library. */
__attribute__((constructor)) static void
ask_for_share(void)
{
    size_t (*least)(const pthread_attr_t *);
    pthread_attr_t attr;

    *(void **)&least = dlsym(RTLD_DEFAULT, "__pthread_get_minstack");
    if (!least || pthread_attr_init(&attr) != 0)
        return;
    stack_bytes = (STACK_BYTES + least(&attr) + PAGE - 1) / PAGE * PAGE;
    pthread_attr_destroy(&attr);
}

struct task {
    void *(*func)(void *);
    void *arg;
};

static void *
begin(void *arg)
{
    struct task task = *(struct task *)arg;

    free(arg);
    prctl(PR_SET_NAME, "broccoli");
    return task.func(task.arg);
}

/*
 * glibc locks itself up when one thread starts another, one loads a library with
 * thread-local variables, and a third calls setuid(). So we never do the first two
 * at a time.
 */
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

void
thread_hold(void)
{
    pthread_mutex_lock(&starting);
}

void
thread_release(void)
{
    pthread_mutex_unlock(&starting);
}

__attribute__((no_sanitize_thread)) void
thread_forget(void)
{
    starting = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* The thread inherits the mask. */
static int
create(pthread_t *thread, const pthread_attr_t *attr, struct task *task)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_hold();
    failed = pthread_create(thread, attr, begin, task);
    thread_release();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

int
thread_start(pthread_t *thread, void *(*func)(void *), void *arg)
{
    struct task *task = malloc(sizeof *task);
    pthread_attr_t attr;
    int failed;

    if (!task)
        return ENOMEM;
    *task = (struct task){func, arg};
    failed = pthread_attr_init(&attr);
    if (!failed) {
        failed = pthread_attr_setstacksize(&attr, stack_bytes);
        if (!failed)
            failed = create(thread, &attr, task);
        pthread_attr_destroy(&attr);
    }
    if (failed)
        free(task);
    return failed;
}
