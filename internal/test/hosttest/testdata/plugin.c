/* With HOST: a program that loads what its argument names. Without: a plugin whose
 * constructor connects, to PEER of the environment. */
#include <stdio.h>
#include <stdlib.h>
#ifdef HOST
#include <dlfcn.h>

int
main(int argc, char **argv)
{
    puts(argc == 2 && dlopen(argv[1], RTLD_NOW) ? "loaded" : "not loaded");
    return 0;
}
#else
#include <broccoli.h>

__attribute__((constructor)) static void
begin(void)
{
    BroConn *bc;
    BroEvent *ev;

    bro_init(NULL);
    bc = bro_conn_new_str(getenv("PEER"), BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    fflush(stdout);
    ev = bro_event_new("tick");
    bro_event_send(bc, ev);
    bro_event_free(ev);
    bro_conn_delete(bc);
}
#endif
