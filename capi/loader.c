#include "loader.h"

#include "api.h"
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

/* How long another thread may take to get an answer of the loader. */
#define KNOCK_MS 100

/* A question to the loader, by a thread of its own. */
struct knock {
    sem_t answered;
    int holders; /* the thread and the one who has started it */
};

static void
leave_knock(struct knock *k)
{
    if (__atomic_sub_fetch(&k->holders, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sem_destroy(&k->answered);
    free(k);
}

static void *
ask_loader(void *arg)
{
    struct knock *k = arg;

    dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
    sem_post(&k->answered);
    leave_knock(k);
    return NULL;
}

static int
await_answer(struct knock *k)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += KNOCK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (sem_timedwait(&k->answered, &until) != 0)
        if (errno != EINTR)
            return FALSE;
    return TRUE;
}

int
loader_answers_others(void)
{
    struct knock *k = malloc(sizeof *k);
    pthread_t thread;
    int answered = TRUE;

    if (!k)
        return TRUE;
    sem_init(&k->answered, FALSE, 0);
    k->holders = 2;
    if (thread_start(&thread, ask_loader, k) == 0) {
        pthread_detach(thread);
        answered = await_answer(k);
    } else {
        leave_knock(k);
    }
    leave_knock(k);
    return answered;
}
