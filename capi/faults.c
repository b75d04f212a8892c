#include "faults.h"

#include "api.h"

#include <signal.h>
#include <stdint.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE};
#define FAULTS (sizeof faults / sizeof *faults)

static struct {
    struct sigaction before[FAULTS];
    int noted;
    uintptr_t image; /* 0: not known yet */
    size_t size;
} taken;

static uintptr_t
handler_of(const struct sigaction *sa)
{
    return sa->sa_flags & SA_SIGINFO ? (uintptr_t)sa->sa_sigaction : (uintptr_t)sa->sa_handler;
}

void
faults_note(void)
{
    size_t i;

    taken.image = 0;
    for (i = 0; i < FAULTS; i++)
        sigaction(faults[i], NULL, &taken.before[i]);
    __atomic_store_n(&taken.noted, TRUE, __ATOMIC_RELEASE);
}

void
faults_are_of(const void *image, size_t size)
{
    if (!image)
        __atomic_store_n(&taken.noted, FALSE, __ATOMIC_RELEASE); /* first */
    taken.size = size;
    __atomic_store_n(&taken.image, (uintptr_t)image, __ATOMIC_RELEASE);
}

/* While the core is being loaded nobody but its runtime changes these. */
static int
is_of_core(uintptr_t handler, uintptr_t before)
{
    return taken.image ? handler - taken.image < taken.size : handler != before;
}

void
faults_give_back(void)
{
    struct sigaction now;
    size_t i;

    if (!__atomic_exchange_n(&taken.noted, FALSE, __ATOMIC_ACQ_REL))
        return;
    for (i = 0; i < FAULTS; i++)
        if (sigaction(faults[i], NULL, &now) == 0 &&
            is_of_core(handler_of(&now), handler_of(&taken.before[i])))
            sigaction(faults[i], &taken.before[i], NULL);
}
