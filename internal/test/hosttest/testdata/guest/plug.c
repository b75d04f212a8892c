/*
 * A plugin whose constructor connects to PEER of the environment, while dlopen()
 * runs. plughost loads it.
 */
#include "common.h"

__attribute__((constructor)) static void
begin(void)
{
    BroConn *bc;

    bro_init(NULL);
    bc = bro_conn_new_str(getenv("PEER"), BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    fflush(stdout);
    sendn(bc, "tick", 1);
    bro_conn_delete(bc);
}
