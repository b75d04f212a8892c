/*
 * A host with handlers of signals from before the connect, which need more stack
 * than its small alternate one has: that is for SIGSEGV alone.
 *
 *   onstack P
 *
 * Expected: no handler is changed, and the host survives a SIGUSR1.
 */
#include "common.h"

enum { ALTERNATE = 16384, GUARD = 4096, WANTED = 65536 };

static volatile int sum;

static void
on_signal(int sig)
{
    volatile char buf[WANTED];
    int i;

    for (i = 0; i < WANTED; i += 512)
        buf[i] = (char)sig;
    sum += buf[512];
}

int
main(int argc, char **argv)
{
    struct sigaction mine = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, is;
    stack_t stack = {.ss_size = ALTERNATE};
    int sig, changed = 0;
    char *m;

    need(argc, 1);
    m = mmap(NULL, GUARD + ALTERNATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(m, GUARD, PROT_NONE);
    stack.ss_sp = m + GUARD;
    for (sig = 1; sig < NSIG; sig++)
        if (sig != SIGKILL && sig != SIGSTOP && sig != SIGALRM)
            sigaction(sig, &mine, NULL);
    sigaltstack(&stack, NULL);
    bro_init(NULL);
    kill(getpid(), SIGUSR1);
    puts("before the connect: fine");
    BroConn *bc = conn(argv[1], BRO_CFLAG_NONE);
    for (sig = 1; sig < NSIG; sig++)
        if (!sigaction(sig, NULL, &is) && is.sa_handler == on_signal && is.sa_flags & SA_ONSTACK)
            changed++;
    printf("%d handlers changed\n", changed);
    signal(SIGSEGV, SIG_DFL);
    kill(getpid(), SIGUSR1);
    puts("after the connect: fine");
    bro_conn_delete(bc);
    return 0;
}
