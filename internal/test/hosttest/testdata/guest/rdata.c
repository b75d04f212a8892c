/*
 * Connects under limits of data (RLIMIT_DATA) from LOW to HIGH MiB.
 *
 *   rdata P LOW HIGH STEP
 *
 * Expected: TRUE or FALSE, and never the end of the process.
 */
#include "common.h"

static int
attempt(const char *peer, int mib)
{
    struct rlimit limit = {(rlim_t)mib << 20, (rlim_t)mib << 20};
    BroConn *bc;

    bro_init(NULL);
    setrlimit(RLIMIT_DATA, &limit);
    alarm(20);
    bro_debug_messages = 1;
    bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    if (!bc)
        return 9;
    return bro_conn_connect(bc) ? 1 : 0;
}

int
main(int argc, char **argv)
{
    int mib, n, said, status, p[2];
    char told[4096];

    need(argc, 4);
    for (mib = atoi(argv[2]); mib <= atoi(argv[3]); mib += atoi(argv[4])) {
        if (pipe(p) < 0)
            return 1;
        if (fork() == 0) {
            dup2(p[1], STDERR_FILENO);
            close(p[0]);
            _exit(attempt(argv[1], mib));
        }
        close(p[1]);
        for (said = 0; (n = (int)read(p[0], told + said, sizeof(told) - 1 - (size_t)said)) > 0;)
            said += n;
        close(p[0]);
        told[said] = '\0';
        told[strcspn(told, "\n")] = '\0';
        wait(&status);
        if (WIFSIGNALED(status))
            printf("%d MiB: signal %d %.110s\n", mib, WTERMSIG(status), told);
        else if (WEXITSTATUS(status) > 1)
            printf("%d MiB: exit %d %.110s\n", mib, WEXITSTATUS(status), told);
        else
            printf("%d MiB: %s\n", mib, WEXITSTATUS(status) ? "TRUE" : "FALSE");
    }
    return 0;
}
