/*
 * A host that comes to want events when its connection is up, says something, and has no more to say:
 *
 *   asks PEER     asks for "late" and sends "asked"; ends when "late" has come twice
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
    BroEvent *ev;
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
    ev = bro_event_new("asked");
    if (!bro_event_send(bc, ev))
        return 3;
    bro_event_free(ev);
    for (i = 0; i < 300 && got < 2; i++) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        poll(&p, 1, 100);
        bro_conn_process_input(bc);
    }
    return bro_conn_delete(bc) && got == 2 ? 0 : 2;
}
