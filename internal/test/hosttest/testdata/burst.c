/*
 * Sends without a look at what comes of it: burst HOST:PORT EVENTS [nowait]. Prints how many were
 * refused, and how long the sends took in all, and the longest, in milliseconds.
 */
#include <romanesco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
    BroConn *bc;
    BroString text = {256, (uchar *)calloc(1, 257)};
    double begin, each, longest = 0;
    int n = atoi(argv[2]), i, refused = 0;

    memset(text.str_val, 'x', text.str_len);
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], argc > 3 ? BRO_CFLAG_NOWAIT : BRO_CFLAG_NONE);
    if (!bro_conn_connect(bc))
        return 1;
    begin = now();
    for (i = 0; i < n; i++) {
        BroEvent *ev = bro_event_new("burst");
        uint64 number = (uint64)i;

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
        bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &text);
        each = now();
        refused += !bro_event_send(bc, ev);
        each = now() - each;
        if (each > longest)
            longest = each;
        bro_event_free(ev);
    }
    printf("%d %.0f %.0f\n", refused, now() - begin, longest);
    bro_conn_delete(bc);
    return 0;
}
