/*
 * A signal that the processor raises, here sent by somebody, while all threads of
 * the host block it.
 *
 *   sent P SIG HOW     HOW: handler, default, wait
 *
 * Expected: it waits until the host takes it, and then does what it does without
 * the library. "default" ends by the signal.
 */
#include "common.h"

static volatile sig_atomic_t handled;

static void
on_signal(int sig)
{
    (void)sig;
    handled++;
}

int
main(int argc, char **argv)
{
    struct timespec second = {1, 0};
    sigset_t set, waiting;
    int sig;

    need(argc, 3);
    sig = atoi(argv[2]);
    bro_init(NULL);
    if (strcmp(argv[3], "handler") == 0)
        signal(sig, on_signal);
    conn(argv[1], BRO_CFLAG_NONE);
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), sig);
    usleep(200000); /* for all threads that might take it */
    sigpending(&waiting);
    printf("waits %d, handled %d\n", sigismember(&waiting, sig), (int)handled);
    if (strcmp(argv[3], "wait") == 0)
        printf("taken %d\n", sigtimedwait(&set, NULL, &second) == sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("handled %d\n", (int)handled);
    return 0;
}
