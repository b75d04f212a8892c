/*
 * Which process this is, where the kernel cannot empty a page in a child, and where
 * it only says so.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../process.h"

#include <errno.h>
#include <sys/mman.h>

#include "child.h"
#include "fake_core.h"

static int advice_is; /* what madvise() returns; 1: what the kernel does */

int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);

int
__wrap_madvise(void *at, size_t size, int advice)
{
    if (advice_is == 1)
        return __real_madvise(at, size, advice);
    errno = EINVAL;
    return advice_is;
}

static BroConn *of_parent;
static unsigned of_parent_generation;

static void
is_another(void)
{
    check_failed = 0;
    CHECK(!process_is(of_parent_generation));
    CHECK(process_generation() == of_parent_generation + 1);
    CHECK(process_is(of_parent_generation + 1));
    CHECK(bro_event_queue_length(of_parent) == 0);
    CHECK(bro_conn_delete(of_parent));
}

static int
told_apart(pid_t (*way)(void))
{
    int status;
    pid_t child = way();

    if (child == 0) {
        alarm(60);
        is_another();
        fflush(stdout);
        _exit(check_failed > 0);
    }
    return waitpid(child, &status, 0) == child && status == 0;
}

static void
begin(void)
{
    check_failed = 0;
    of_parent = pretend(0);
    of_parent_generation = process_generation();
    CHECK(of_parent_generation == 1 && process_is(1) && !process_is(2));
}

static void
with_old_kernel(void)
{
    advice_is = -1;
    begin();
    CHECK(told_apart(fork) && told_apart(_Fork));
}

/* There, only the handlers of pthread_atfork() tell. */
static void
with_emulator(void)
{
    advice_is = 0;
    begin();
    CHECK(told_apart(fork));
}

static void
with_kernel(void)
{
    advice_is = 1;
    begin();
    CHECK(told_apart(fork) && told_apart(_Fork));
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    CHECK(in_child(with_old_kernel) == 0);
    CHECK(in_child(with_emulator) == 0);
    CHECK(in_child(with_kernel) == 0);
    return check_done();
}
