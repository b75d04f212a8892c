/*
 * Sends one event with a value of each type, always the same: everytype PEER
 *
 * The layout of some differs between 32 and 64 bits, and nothing of that may arrive.
 */
#include <broccoli.h>

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

static BroEvent *event;
static BroRecord *record;

/* Adds a value to the event, and to a record that follows. */
static void
add(const char *name, int type, const char *type_name, const void *val)
{
    bro_event_add_val(event, type, type_name, val);
    bro_record_add_val(record, name, type, type_name, val);
}

static void
add_text(const char *name, int type, const char *bytes, int len)
{
    BroString str;

    bro_string_init(&str);
    bro_string_set_data(&str, (const uchar *)bytes, len);
    add(name, type, NULL, &str);
    bro_string_cleanup(&str);
}

static void
add_numbers(void)
{
    uint64 most = UINT64_MAX, least = (uint64)INT64_MIN, six = 6;
    double real = -1.5, when = 1e9 + 1.0 / 64, while_ = 3600.25;
    int yes = 256; /* one whose lowest byte is none */

    add("b", BRO_TYPE_BOOL, NULL, &yes);
    add("i", BRO_TYPE_INT, NULL, &least);
    add("c", BRO_TYPE_COUNT, NULL, &most);
    add("n", BRO_TYPE_COUNTER, NULL, &most);
    add("e", BRO_TYPE_ENUM, "Notice::Type", &six);
    add("d", BRO_TYPE_DOUBLE, NULL, &real);
    add("t", BRO_TYPE_TIME, NULL, &when);
    add("l", BRO_TYPE_INTERVAL, NULL, &while_);
}

static void
add_addresses(BroPort *port, BroAddr *addr, BroSubnet *subnet)
{
    memset(port, 0xff, sizeof *port); /* what is behind the members is nobody's */
    port->port_num = 65535;
    port->port_proto = IPPROTO_UDP;
    memset(addr, 0, sizeof *addr);
    addr->addr[2] = htonl(0xffff);
    addr->addr[3] = htonl(0xc0000201);
    inet_pton(AF_INET6, "2001:db8:1:2::", &subnet->sn_net);
    subnet->sn_width = 64;
    add("p", BRO_TYPE_PORT, NULL, port);
    add("a", BRO_TYPE_IPADDR, NULL, addr);
    add("s", BRO_TYPE_SUBNET, NULL, subnet);
}

static void
add_containers(const BroPort *port, const BroAddr *addr, const BroSubnet *subnet)
{
    BroVector *vec = bro_vector_new();
    BroSet *set = bro_set_new();
    BroTable *tbl = bro_table_new();
    BroRecord *index = bro_record_new();

    bro_vector_add_val(vec, BRO_TYPE_SUBNET, NULL, subnet);
    bro_vector_add_val(vec, BRO_TYPE_SUBNET, NULL, NULL);
    bro_set_insert(set, BRO_TYPE_PORT, port);
    bro_record_add_val(index, "", BRO_TYPE_IPADDR, NULL, addr);
    bro_record_add_val(index, "", BRO_TYPE_PORT, NULL, port);
    bro_table_insert(tbl, BRO_TYPE_LIST, index, BRO_TYPE_VECTOR, vec);
    add("v", BRO_TYPE_VECTOR, NULL, vec);
    add("set", BRO_TYPE_SET, NULL, set);
    add("tbl", BRO_TYPE_TABLE, NULL, tbl);
    bro_record_free(index);
    bro_table_free(tbl);
    bro_set_free(set);
    bro_vector_free(vec);
}

int
main(int argc, char **argv)
{
    BroConn *bc;
    BroPort port;
    BroAddr addr;
    BroSubnet subnet;

    bro_init(NULL);
    bc = argc == 2 ? bro_conn_new_str(argv[1], BRO_CFLAG_NONE) : NULL;
    if (!bc || !bro_conn_connect(bc))
        return 1;
    event = bro_event_new("everytype");
    record = bro_record_new();
    add_numbers();
    add_text("str", BRO_TYPE_STRING, "a\0b\xff", 4);
    add_text("none", BRO_TYPE_STRING, "", 0);
    add_text("pat", BRO_TYPE_PATTERN, "a|b.*", 5);
    add_addresses(&port, &addr, &subnet);
    add_containers(&port, &addr, &subnet);
    bro_event_add_val(event, BRO_TYPE_RECORD, NULL, record);
    if (!bro_event_send(bc, event))
        return 2;
    bro_event_free(event);
    bro_record_free(record);
    return bro_conn_delete(bc) ? 0 : 3;
}
