/*
 * Loads a Go library, from a thread on which all signals are open, and reports what
 * the process is like then:
 *
 *   open N      signal N is open on a thread that the library started
 *   handler N   the library took over signal N, or what it did before
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNALS 64

static void
own_handler(int sig)
{
    (void)sig;
}

static void *
load(void *name)
{
    if (!dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return NULL;
}

static int
report_threads(void)
{
    struct dirent *entry;
    char line[256];
    DIR *tasks = opendir("/proc/self/task");
    int threads = 0;

    while ((entry = readdir(tasks))) {
        FILE *status;
        unsigned long long blocked = 0;

        if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
            continue;
        snprintf(line, sizeof(line), "/proc/self/task/%s/status", entry->d_name);
        status = fopen(line, "r");
        if (!status)
            continue;
        while (fgets(line, sizeof(line), status))
            if (!strncmp(line, "SigBlk:", 7))
                blocked = strtoull(line + 7, NULL, 16);
        fclose(status);
        threads++;
        for (int sig = 1; sig <= SIGNALS; sig++)
            if (!(blocked >> (sig - 1) & 1))
                printf("open %d\n", sig);
    }
    closedir(tasks);
    return threads;
}

int
main(int argc, char **argv)
{
    struct sigaction before[SIGNALS + 1], after;
    pthread_t thread;

    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, own_handler);
    for (int sig = 1; sig <= SIGNALS; sig++)
        sigaction(sig, NULL, &before[sig]);

    pthread_create(&thread, NULL, load, argv[1]);
    pthread_join(thread, NULL);
    usleep(300 * 1000); /* the runtime starts its threads by and by */

    printf("threads %d\n", report_threads());
    for (int sig = 1; sig <= SIGNALS; sig++)
        if (!sigaction(sig, NULL, &after) && after.sa_handler != before[sig].sa_handler)
            printf("handler %d\n", sig);
    fflush(stdout);
    _exit(0);
}
