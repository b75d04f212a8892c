/*
 * A host that asks for the event "in" and processes nothing until it gets a line:
 *
 *   silent PEER
 *
 * It says "connected"; then, for each line that it gets, processes what there is
 * until nothing has come for half a second, and prints how many events it has seen
 * so far, the numbers of the first and of the last, whether each was larger than the one
 * before, and whether the connection is up. It ends with its input.
 */
#include <romanesco.h>

#include <poll.h>
#include <stdio.h>

static unsigned long long seen, first, last;
static int ordered = 1;

static void
on_in(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    uint64 number = *(uint64 *)meta->ev_args[0].arg_data;

    (void)bc, (void)user_data;
    if (seen == 0)
        first = number;
    else if (number <= last)
        ordered = 0;
    last = number;
    seen++;
}

int
main(int argc, char **argv)
{
    char line[16];
    BroConn *bc;

    if (argc < 2)
        return 64;
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    bro_event_registry_add_compact(bc, "in", on_in, NULL);
    if (!bro_conn_connect(bc))
        return 2;
    puts("connected");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        struct pollfd p = {.fd = bro_conn_get_fd(bc), .events = POLLIN};

        while (p.fd >= 0 && poll(&p, 1, 500) > 0) {
            bro_conn_process_input(bc);
            p.fd = bro_conn_get_fd(bc);
        }
        printf("%llu %llu %llu %d %d\n", seen, first, last, ordered, bro_conn_alive(bc));
        fflush(stdout);
    }
    return !bro_conn_delete(bc);
}
