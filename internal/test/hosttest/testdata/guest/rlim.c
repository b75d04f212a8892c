/*
 * A host with a limit of 256 descriptors, of which the hard limit is higher.
 *
 *   rlim P
 *
 * Expected: the limits are the same after the connect, and 256 in what the host
 * starts.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    struct rlimit before, after;
    BroConn *bc;

    need(argc, 1);
    getrlimit(RLIMIT_NOFILE, &before);
    before.rlim_cur = 256;
    setrlimit(RLIMIT_NOFILE, &before);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    getrlimit(RLIMIT_NOFILE, &after);
    printf("after %lu, hard limit %s\n", (unsigned long)after.rlim_cur,
           after.rlim_max == before.rlim_max ? "as before" : "changed");
    (void)!system("echo child $(ulimit -n)");
    bro_conn_delete(bc);
    return 0;
}
