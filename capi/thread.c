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

/* The thread inherits the mask. */
static int
create(pthread_t *thread, const pthread_attr_t *attr, struct task *task)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, attr, begin, task);
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
