/*
 * A handler in C++ that throws; the host catches outside of
 * bro_conn_process_input().
 *
 *   throws P      P: a peer that sends "in" again and again
 *
 * Expected: handlers run again, in the same and in another thread, delete is
 * TRUE, and no descriptor or thread is left.
 */
#include "leave.h"

struct Enough {};

static void
on_in(BroConn *, void *, BroEvMeta *)
{
    if (++handled == leaves_at)
        throw Enough();
}

static void
leave(BroConn *bc)
{
    try {
        handle(bc, 1000);
        puts("not thrown");
    } catch (const Enough &) {
    }
}

int
main(int argc, char **argv)
{
    need(argc, 1);
    bro_init(NULL);
    rounds(argv[1], on_in, leave);
    return 0;
}
