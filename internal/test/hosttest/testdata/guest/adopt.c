/*
 * The next process after one that has left something in its spool: connects,
 * and stays a while.
 *
 *   adopt P
 */
#include "common.h"

int
main(int argc, char **argv)
{
    BroConn *bc;

    need(argc, 1);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    sendn(bc, "child", 1);
    sleep(1);
    bro_conn_delete(bc);
    return 0;
}
