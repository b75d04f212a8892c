/* CHECK counts; check_done reports and gives the exit code of the program. */
#ifndef ROMANESCO_CHECK_H
#define ROMANESCO_CHECK_H

#include <stdio.h>

static int check_passed, check_failed;

#define CHECK(cond) check_one(!!(cond), #cond, __FILE__, __LINE__)

static inline int
check_one(int ok, const char *what, const char *file, int line)
{
    if (ok) {
        check_passed++;
    } else {
        check_failed++;
        printf("%s:%d: failed: %s\n", file, line, what);
    }
    return ok;
}

static inline int
check_done(void)
{
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed > 0 || check_passed == 0;
}

#endif
