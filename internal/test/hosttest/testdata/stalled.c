/*
 * A host whose peer takes nothing, and which ends all the same:
 *
 *   stalled PEER N SIZE     sends N events "stalled" with a string of SIZE bytes, deletes the
 *                           connection, and prints how many were accepted
 */
#include <broccoli.h>

#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
    int i, n, accepted = 0;
    BroString str;
    BroConn *bc;

    if (argc < 4)
        return 64;
    bro_init(NULL);
    n = atoi(argv[2]);
    str.str_len = (uint32)atoi(argv[3]);
    str.str_val = calloc(1, str.str_len + 1);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!str.str_val || !bro_conn_connect(bc))
        return 1;
    for (i = 0; i < n; i++) {
        BroEvent *ev = bro_event_new("stalled");

        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
        accepted += bro_event_send(bc, ev);
        bro_event_free(ev);
    }
    free(str.str_val);
    if (!bro_conn_delete(bc))
        return 2;
    printf("%d\n", accepted);
    return 0;
}
