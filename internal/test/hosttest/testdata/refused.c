/*
 * refused PEER: sends events that a Zeek cannot be sent, then one that it can,
 * and prints for each whether it was accepted.
 */
#include <broccoli.h>

#include <math.h>
#include <stdio.h>

static void
send_one(BroConn *bc, const char *name, int type, const char *type_name, const void *val)
{
    BroEvent *ev = bro_event_new(name);
    BroRecord *rec = bro_record_new();

    bro_record_add_val(rec, "inside", type, type_name, val);
    bro_event_add_val(ev, BRO_TYPE_RECORD, NULL, rec);
    printf("%s %d\n", name, bro_event_send(bc, ev));
    bro_record_free(rec);
    bro_event_free(ev);
}

int
main(int argc, char **argv)
{
    double not_a_number = NAN, beyond_2262 = 9223372036.0, three_centuries = 1e10, fine = 1.5;
    uint64 enum_value = 1;
    BroConn *bc;

    if (argc < 2)
        return 64;
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!bc || !bro_conn_connect(bc))
        return 1;
    send_one(bc, "real", BRO_TYPE_DOUBLE, NULL, &not_a_number);
    send_one(bc, "time", BRO_TYPE_TIME, NULL, &beyond_2262);
    send_one(bc, "interval", BRO_TYPE_INTERVAL, NULL, &three_centuries);
    send_one(bc, "enum", BRO_TYPE_ENUM, "Site::Color", &enum_value);
    send_one(bc, "fine", BRO_TYPE_DOUBLE, NULL, &fine);
    return bro_conn_delete(bc) ? 0 : 1;
}
