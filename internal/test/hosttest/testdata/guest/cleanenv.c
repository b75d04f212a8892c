/*
 * Empties its environment as Postfix's clean_env() begins, before it connects.
 *
 *   env -i A=1 ... cleanenv P
 *
 * Expected with any number of variables: connect 1.
 */
#include "common.h"

extern char **environ;

int
main(int argc, char **argv)
{
    BroConn *bc;

    need(argc, 1);
    bro_init(NULL);
    environ[0] = NULL;
    setenv("PATH", "/usr/bin", 1);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    bro_conn_delete(bc);
    return 0;
}
