/* Checks in a process of their own. */
#ifndef ROMANESCO_CHILD_H
#define ROMANESCO_CHILD_H

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* What runs in a process of its own; the exit status of that. */
static inline int
in_child(void (*func)(void))
{
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        func();
        fflush(stdout);
        _exit(check_failed > 0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
