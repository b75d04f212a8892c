/*
 * A handler that ends its thread by a cancellation, or leaves by longjmp().
 *
 *   leave P cancel | longjmp      P: a peer that sends "in" again and again
 *
 * Expected: handlers run again, in the same and in another thread, delete is
 * TRUE, and no descriptor or thread is left.
 */
#include "leave.h"

#include <setjmp.h>

static sigjmp_buf back;
static int by_longjmp;

static void
on_in(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
    if (++handled != leaves_at)
        return;
    if (by_longjmp)
        siglongjmp(back, 1);
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static void *
cancelled(void *bc)
{
    handle(bc, 1000);
    return bc;
}

static void
leave(BroConn *bc)
{
    pthread_t thread;
    void *result;

    if (by_longjmp) {
        if (sigsetjmp(back, 1) == 0)
            handle(bc, 1000);
        return;
    }
    pthread_create(&thread, NULL, cancelled, bc);
    pthread_join(thread, &result);
    if (result != PTHREAD_CANCELED)
        puts("not cancelled");
}

int
main(int argc, char **argv)
{
    need(argc, 2);
    by_longjmp = strcmp(argv[2], "longjmp") == 0;
    bro_init(NULL);
    rounds(argv[1], on_in, leave);
    return 0;
}
