/*
 * Sends one of each of the events that an instrumented sshd sends, as they
 * would come in a session: sensor_sshd [host:port]
 *
 *     cc sensor_sshd.c $(broccoli-config --cflags --libs) -o sensor_sshd
 */
#include <broccoli.h>

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static BroConn *conn;
static int sent;

/*
 * Sends an event. types has a letter for each argument after ts and sid:
 * c count, i int, b bool, s string, a address, p port.
 */
static void
send_event(const char *name, const char *types, ...)
{
    static const char sid[] = "sshd_demo_22";
    BroEvent *ev = bro_event_new(name);
    double now = bro_util_current_time();
    BroString str;
    va_list ap;

    bro_event_add_val(ev, BRO_TYPE_TIME, NULL, &now);
    bro_string_init(&str);
    bro_string_set(&str, sid);
    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
    bro_string_cleanup(&str);

    va_start(ap, types);
    for (; *types; types++) {
        uint64 number;
        int flag;
        BroAddr addr;
        BroPort port;

        switch (*types) {
        case 'c':
        case 'i':
            number = (uint64)va_arg(ap, int);
            bro_event_add_val(ev, *types == 'c' ? BRO_TYPE_COUNT : BRO_TYPE_INT, NULL, &number);
            break;
        case 'b':
            flag = va_arg(ap, int);
            bro_event_add_val(ev, BRO_TYPE_BOOL, NULL, &flag);
            break;
        case 's':
            bro_string_init(&str);
            bro_string_set(&str, va_arg(ap, const char *));
            bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
            bro_string_cleanup(&str);
            break;
        case 'a': /* IPv4 goes in its mapped form */
            memset(&addr, 0, sizeof addr);
            addr.addr[2] = htonl(0xffff);
            inet_pton(AF_INET, va_arg(ap, const char *), &addr.addr[3]);
            bro_event_add_val(ev, BRO_TYPE_IPADDR, NULL, &addr);
            break;
        case 'p':
            port.port_num = (uint64)va_arg(ap, int);
            port.port_proto = IPPROTO_TCP;
            bro_event_add_val(ev, BRO_TYPE_PORT, NULL, &port);
            break;
        }
    }
    va_end(ap);

    if (bro_event_send(conn, ev))
        sent++;
    else
        fprintf(stderr, "could not send %s\n", name);
    bro_event_free(ev);
}

int
main(int argc, char **argv)
{
    const char *peer = argc > 1 ? argv[1] : "localhost:47757";

    bro_init(NULL);
    conn = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    if (!conn || !bro_conn_connect(conn)) {
        fprintf(stderr, "could not connect to %s\n", peer);
        return 1;
    }

    send_event("sensor_sshd_listen", "ap", "192.0.2.1", 22);
    send_event("sensor_sshd_restart", "");
    send_event("sensor_sshd_conn_new", "capap", 1, "198.51.100.7", 50022, "192.0.2.1", 22);
    send_event("sensor_sshd_auth_timeout", "c", 1);
    send_event("sensor_sshd_auth_failed", "cs", 1, "root");
    send_event("sensor_sshd_auth_password_attempt", "cssb", 1, "alice", "not this one", FALSE);
    send_event("sensor_sshd_auth_ok", "csii", 1, "alice", 1000, 1000);
    send_event("sensor_sshd_channel_new_session", "ccs", 1, 0, "exec");
    send_event("sensor_sshd_channel_new_forward", "ccapapb", 1, 1, "127.0.0.1", 8080, "203.0.113.9",
               80, TRUE);
    send_event("sensor_sshd_exec", "ccs", 1, 0, "uname -a");
    send_event("sensor_sshd_data_tx", "ccs", 1, 0, "uname -a");
    send_event("sensor_sshd_data_rx", "ccs", 1, 0, "Linux demo 6.1.0");
    send_event("sensor_sshd_channel_exit", "cci", 1, 0, 0);
    send_event("sensor_sshd_channel_cleanup", "cc", 1, 0);
    send_event("sensor_sshd_conn_end", "c", 1);
    send_event("sensor_sshd_exit", "");

    bro_event_queue_flush(conn);
    bro_conn_delete(conn);
    printf("sent %d events to %s\n", sent, peer);
    return sent == 16 ? 0 : 1;
}
