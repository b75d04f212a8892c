/*
 * What the library keeps in memory: memory ADDRESS prints, in KiB, how much more is
 * resident after a connect by a host that has locked all its memory, and how much
 * data a child of fork() has less than its parent.
 */
#include <broccoli.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static long
status(const char *key)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    long n = -1;

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)))
            sscanf(line + strlen(key), ": %ld", &n);
    if (f)
        fclose(f);
    return n;
}

int
main(int argc, char **argv)
{
    long before, after, data;
    BroConn *bc;

    if (argc != 2 || mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return 2;
    bro_init(NULL);
    before = status("VmRSS");
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!bro_conn_connect(bc))
        return 3;
    after = status("VmRSS");
    data = status("VmData");
    printf("resident %ld\n", after - before);
    fflush(stdout);
    if (fork() == 0) {
        printf("left %ld\n", data - status("VmData"));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    bro_conn_delete(bc);
    return 0;
}
