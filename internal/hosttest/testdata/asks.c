/*
 * A host that comes to want events when its connection is up, and loses it:
 *
 *   asks PEER     ends when the event "late" has come over two connections
 */
#include <broccoli.h>

#include <poll.h>

static int got;

static void
on_late(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc, (void)user_data, (void)meta;
    got++;
}

int
main(int argc, char **argv)
{
    BroConn *bc;
    int i;

    if (argc < 2)
        return 64;
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_RECONNECT);
    if (!bro_conn_connect(bc))
        return 1;
    bro_event_registry_add_compact(bc, "late", on_late, NULL);
    bro_event_registry_request(bc);
    for (i = 0; i < 300 && got < 2; i++) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        poll(&p, 1, 100);
        bro_conn_process_input(bc);
    }
    return bro_conn_delete(bc) && got == 2 ? 0 : 2;
}
