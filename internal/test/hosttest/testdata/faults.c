/*
 * Faults of the host, before and after fork(), with a connection that the parent
 * made:
 *
 *   faults ADDRESS
 *
 * prints what each kind of host, in the process itself and in a child, ends by.
 */
#include <broccoli.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int *nowhere;
static volatile int zero;

static void
touch(int sig)
{
    if (sig == SIGFPE)
        zero = 1 / zero;
    else
        *nowhere = 1;
}

static void
leave(int sig)
{
    (void)sig;
    _exit(7);
}

static sigjmp_buf back;

static void
jump(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

static volatile int returns;

static void
count(int sig)
{
    (void)sig;
    if (++returns > 3)
        _exit(8); /* once was enough */
}

/* A kind of host: what it installs for a signal. */
static void
install(const char *kind, int sig)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    if (!strcmp(kind, "handler"))
        action.sa_handler = leave;
    else if (!strcmp(kind, "ignored"))
        action.sa_handler = SIG_IGN;
    else if (!strcmp(kind, "jump"))
        action.sa_handler = jump;
    else if (!strcmp(kind, "once")) {
        action.sa_handler = count;
        action.sa_flags = SA_RESETHAND;
    }
    sigaction(sig, &action, NULL);
}

/* 100 + a signal, or an exit status. */
static int
fault(const char *kind, int sig)
{
    if (!strcmp(kind, "jump")) {
        int n;

        for (n = 0; n < 3; n++)
            if (sigsetjmp(back, 1) == 0)
                touch(sig);
        return 9;
    }
    if (!strcmp(kind, "killed")) {
        kill(getpid(), sig);
        return 10;
    }
    touch(sig);
    return 11;
}

static int
outcome(const char *address, const char *kind, int sig, int forks)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct rlimit none = {0, 0};
        BroConn *bc;

        alarm(20);
        setrlimit(RLIMIT_CORE, &none);
        nowhere = NULL;
        if (sig == SIGBUS) {
            FILE *empty = tmpfile();

            nowhere = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(empty), 0);
        }
        install(kind, sig);
        bc = address ? bro_conn_new_str(address, BRO_CFLAG_NONE) : NULL;
        if (bc && !bro_conn_connect(bc))
            _exit(99);
        if (forks && (pid = fork()) > 0) {
            waitpid(pid, &status, 0);
            _exit(WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status));
        }
        alarm(20);
        _exit(fault(kind, sig));
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
    static const char *kinds[] = {"default", "handler", "ignored", "jump", "once", "killed"};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
    int k, s, forks;

    if (argc != 2)
        return 2;
    bro_init(NULL);
    for (k = 0; k < 6; k++)
        for (s = 0; s < 3; s++)
            for (forks = 0; forks < 2; forks++) {
                int without = outcome(NULL, kinds[k], signals[s], forks);
                int with = outcome(argv[1], kinds[k], signals[s], forks);

                printf("%s %s %s: %d %d%s\n", forks ? "child" : "process", kinds[k], strsignal(signals[s]), without, with,
                       without == with ? "" : " DIFFER");
                fflush(stdout);
            }
    return 0;
}
