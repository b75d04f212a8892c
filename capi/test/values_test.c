/*
 * Values and containers, the buffer, and the flat form. Linked against the
 * objects of the front, so that it sees what the library hides. An argument is
 * the seed of the random values; "bench" measures instead.
 */
#include "../val.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../debug.h"
#include "../flat.h"
#include "../hash.h"
#include "../shared.h"
#include "check.h"

/* --- Short forms ------------------------------------------------------------------------- */

static BroString
text(const char *s)
{
    BroString str = {(uint32)strlen(s), (uchar *)s};

    return str;
}

static int
is_text(const BroString *str, const char *s)
{
    return str && str->str_len == strlen(s) && memcmp(str->str_val, s, str->str_len + 1) == 0;
}

static int
add_count(BroRecord *rec, const char *name, uint64 n)
{
    return bro_record_add_val(rec, name, BRO_TYPE_COUNT, NULL, &n);
}

static int
add_text(BroRecord *rec, const char *name, const char *s)
{
    BroString str = text(s);

    return bro_record_add_val(rec, name, BRO_TYPE_STRING, NULL, &str);
}

static int
insert(BroTable *tbl, uint64 key, const char *s)
{
    BroString str = text(s);

    return bro_table_insert(tbl, BRO_TYPE_COUNT, &key, BRO_TYPE_STRING, &str);
}

static BroAddr
ipv4(uint8 a, uint8 b, uint8 c, uint8 d)
{
    uint8 bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
    BroAddr addr;

    memcpy(&addr, bytes, sizeof addr);
    return addr;
}

/* --- Strings ----------------------------------------------------------------------------- */

static void
test_string_set(void)
{
    BroString str;
    uchar bytes[] = {'a', 0, 0xff};

    memset(&str, 0xee, sizeof str); /* need not be initialized, so nothing may be freed */
    CHECK(bro_string_set(&str, "hello") == TRUE);
    CHECK(is_text(&str, "hello"));
    CHECK(bro_string_get_length(&str) == 5);
    CHECK(bro_string_get_data(&str) == str.str_val);
    CHECK(!bro_string_set(&str, NULL));
    CHECK(!bro_string_set(NULL, "x"));
    CHECK(!bro_string_set_data(&str, NULL, 1));
    CHECK(!bro_string_set_data(&str, NULL, 0));
    CHECK(!bro_string_set_data(&str, bytes, -1));
    CHECK(!bro_string_set_data(NULL, bytes, 1));
    CHECK(is_text(&str, "hello"));
    bro_string_cleanup(&str);
    CHECK(str.str_val == NULL && str.str_len == 0);
    bro_string_cleanup(&str);

    CHECK(bro_string_set_data(&str, bytes, 3));
    CHECK(str.str_len == 3 && memcmp(str.str_val, bytes, 3) == 0 && str.str_val[3] == '\0');
    bro_string_cleanup(&str);
    CHECK(bro_string_set_data(&str, bytes, 0));
    CHECK(is_text(&str, ""));
    bro_string_cleanup(&str);
    CHECK(bro_string_set(&str, ""));
    CHECK(is_text(&str, ""));
    bro_string_cleanup(&str);
}

static void
test_string_copy(void)
{
    BroString a, b, *c;
    BroString broken = {3, NULL};

    bro_string_init(&a);
    bro_string_init(&b);
    CHECK(bro_string_get_data(&a) == NULL && bro_string_get_length(&a) == 0);
    c = bro_string_copy(&a);
    CHECK(is_text(c, ""));
    bro_string_free(c);

    CHECK(bro_string_set(&a, "one"));
    CHECK((c = bro_string_copy(&a)) != NULL);
    CHECK(is_text(c, "one") && c->str_val != a.str_val);
    bro_string_assign(&a, &b);
    CHECK(is_text(&b, "one") && b.str_val != a.str_val);
    bro_string_free(c);
    bro_string_cleanup(&a);
    bro_string_cleanup(&b);

    bro_string_init(&b);
    CHECK(bro_string_set(&a, "three"));
    bro_string_assign(&a, &b);
    bro_string_assign(&b, &b);
    CHECK(is_text(&b, "three"));
    bro_string_assign(&broken, &b);
    CHECK(is_text(&b, "three"));
    bro_string_assign(NULL, &b);
    bro_string_assign(&b, NULL);
    CHECK(is_text(&b, "three"));
    bro_string_cleanup(&a);
    bro_string_cleanup(&b);

    CHECK(bro_string_copy(NULL) == NULL);
    CHECK(bro_string_copy(&broken) == NULL);
    CHECK(bro_string_get_data(NULL) == NULL);
    CHECK(bro_string_get_length(NULL) == 0);
    bro_string_init(NULL);
    bro_string_cleanup(NULL);
    bro_string_free(NULL);
}

/* --- Utilities --------------------------------------------------------------------------- */

static void
test_util(void)
{
    struct timeval tv = {1700000000, 250000};
    BroAddr v4 = ipv4(192, 0, 2, 1), v6;
    double now = bro_util_current_time();

    CHECK(bro_util_timeval_to_double(&tv) == 1700000000.25);
    CHECK(bro_util_timeval_to_double(NULL) == 0.0);
    CHECK(fabs(now - (double)time(NULL)) < 2);
    CHECK(bro_util_is_v4_addr(&v4) == TRUE);
    memset(&v6, 0, sizeof v6);
    CHECK(bro_util_is_v4_addr(&v6) == FALSE);
    CHECK(bro_util_is_v4_addr(NULL) == FALSE);
    CHECK(memcmp(&v4, BRO_IPV4_MAPPED_PREFIX, 12) == 0);
    CHECK(bro_debug_messages == 0 && bro_debug_calltrace == 0);
}

/* --- Buffers ----------------------------------------------------------------------------- */

static void
test_buf_append(void)
{
    BroBuf *buf = bro_buf_new();
    char block[1000];
    int i, ok = TRUE;

    CHECK(buf != NULL);
    CHECK(bro_buf_get_size(buf) > 0 && bro_buf_get_used_size(buf) == 0);
    CHECK(bro_buf_get_end(buf) == bro_buf_get(buf));
    CHECK(bro_buf_append(buf, (void *)"hello ", 6) == TRUE);
    CHECK(bro_buf_append(buf, (void *)"world", 5));
    CHECK(bro_buf_append(buf, NULL, 0));
    CHECK(!bro_buf_append(buf, NULL, 1));
    CHECK(!bro_buf_append(buf, block, -1));
    CHECK(!bro_buf_append(NULL, block, 1));
    CHECK(bro_buf_get_used_size(buf) == 11 && bro_buf_ptr_tell(buf) == 0);
    CHECK(memcmp(bro_buf_get(buf), "hello world", 11) == 0);
    CHECK(bro_buf_get_end(buf) == bro_buf_get(buf) + 11);
    for (i = 0; i < 1000; i++) {
        memset(block, i & 0xff, sizeof block);
        ok = ok && bro_buf_append(buf, block, sizeof block);
    }
    CHECK(ok && bro_buf_get_used_size(buf) == 1000011);
    CHECK(bro_buf_get_size(buf) >= bro_buf_get_used_size(buf));
    CHECK(bro_buf_get(buf)[11 + 777 * 1000 + 999] == (777 & 0xff));
    bro_buf_reset(buf);
    CHECK(bro_buf_get_used_size(buf) == 0 && bro_buf_ptr_tell(buf) == 0);
    CHECK(bro_buf_append(buf, block, 1));
    CHECK(!bro_buf_append(buf, block, INT_MAX)); /* larger than any buffer may get */
    bro_buf_free(buf);
    bro_buf_free(NULL);
}

static void
test_buf_pointer(void)
{
    BroBuf *buf = bro_buf_new();
    char got[16] = "";

    CHECK(bro_buf_append(buf, (void *)"0123456789", 10));
    CHECK(bro_buf_ptr_read(buf, got, 4) == TRUE && memcmp(got, "0123", 4) == 0);
    CHECK(bro_buf_ptr_tell(buf) == 4 && bro_buf_ptr_get(buf) == bro_buf_get(buf) + 4);
    CHECK(bro_buf_ptr_check(buf, 6) && !bro_buf_ptr_check(buf, 7));
    CHECK(bro_buf_ptr_check(buf, 0) && !bro_buf_ptr_check(buf, -1));
    CHECK(!bro_buf_ptr_read(buf, got, 7) && bro_buf_ptr_tell(buf) == 4);
    CHECK(!bro_buf_ptr_read(buf, got, -1) && !bro_buf_ptr_read(buf, NULL, 1));
    CHECK(bro_buf_ptr_read(buf, NULL, 0));

    CHECK(bro_buf_ptr_seek(buf, 2, SEEK_SET) && bro_buf_ptr_tell(buf) == 2);
    CHECK(bro_buf_ptr_seek(buf, 3, SEEK_CUR) && bro_buf_ptr_tell(buf) == 5);
    CHECK(bro_buf_ptr_seek(buf, -5, SEEK_CUR) && bro_buf_ptr_tell(buf) == 0);
    CHECK(bro_buf_ptr_seek(buf, -1, SEEK_END) && bro_buf_ptr_tell(buf) == 9);
    CHECK(bro_buf_ptr_seek(buf, 0, SEEK_END) && bro_buf_ptr_tell(buf) == 10);
    CHECK(!bro_buf_ptr_seek(buf, 1, SEEK_CUR) && !bro_buf_ptr_seek(buf, 1, SEEK_END));
    CHECK(!bro_buf_ptr_seek(buf, 11, SEEK_SET) && !bro_buf_ptr_seek(buf, -1, SEEK_SET));
    CHECK(!bro_buf_ptr_seek(buf, INT_MIN, SEEK_CUR) && !bro_buf_ptr_seek(buf, INT_MAX, SEEK_CUR));
    CHECK(!bro_buf_ptr_seek(buf, 0, 77) && bro_buf_ptr_tell(buf) == 10);

    CHECK(bro_buf_ptr_seek(buf, 8, SEEK_SET));
    CHECK(bro_buf_ptr_write(buf, (void *)"abcd", 4) == TRUE);
    CHECK(bro_buf_ptr_tell(buf) == 12 && bro_buf_get_used_size(buf) == 12);
    CHECK(memcmp(bro_buf_get(buf), "01234567abcd", 12) == 0);
    CHECK(bro_buf_ptr_seek(buf, 0, SEEK_SET) && bro_buf_ptr_write(buf, (void *)"X", 1));
    CHECK(bro_buf_get_used_size(buf) == 12 && bro_buf_get(buf)[0] == 'X');
    CHECK(bro_buf_ptr_write(buf, NULL, 0) && !bro_buf_ptr_write(buf, NULL, 1));
    CHECK(!bro_buf_ptr_write(buf, got, -1));

    CHECK(bro_buf_ptr_seek(buf, 8, SEEK_SET));
    bro_buf_consume(buf);
    CHECK(bro_buf_get_used_size(buf) == 4 && bro_buf_ptr_tell(buf) == 0);
    CHECK(memcmp(bro_buf_get(buf), "abcd", 4) == 0);
    bro_buf_consume(buf);
    CHECK(bro_buf_get_used_size(buf) == 4);
    bro_buf_free(buf);
}

static void
test_buf_null(void)
{
    char c = 0;

    bro_buf_consume(NULL);
    bro_buf_reset(NULL);
    CHECK(bro_buf_get(NULL) == NULL && bro_buf_get_end(NULL) == NULL);
    CHECK(bro_buf_get_size(NULL) == 0 && bro_buf_get_used_size(NULL) == 0);
    CHECK(bro_buf_ptr_get(NULL) == NULL && bro_buf_ptr_tell(NULL) == 0);
    CHECK(!bro_buf_ptr_seek(NULL, 0, SEEK_SET) && !bro_buf_ptr_check(NULL, 0));
    CHECK(!bro_buf_ptr_read(NULL, &c, 1) && !bro_buf_ptr_write(NULL, &c, 1));
}

/* --- Records ----------------------------------------------------------------------------- */

/* Every type that a caller may hand over, as the only field of a record. */
static void
test_types(void)
{
    static const int refused[] = {BRO_TYPE_TIMER,  BRO_TYPE_ANY,  BRO_TYPE_UNION,
                                  BRO_TYPE_FUNC,   BRO_TYPE_FILE, BRO_TYPE_ERROR,
                                  BRO_TYPE_PACKET, BRO_TYPE_MAX,  -1,
                                  INT_MAX,         INT_MIN};
    BroRecord *rec = bro_record_new();
    BroString str = text("s"), empty = {0, NULL}, broken = {1, NULL};
    BroPort port = {443, IPPROTO_TCP};
    BroSubnet net = {ipv4(10, 0, 0, 0), 8};
    BroAddr addr = ipv4(192, 0, 2, 7);
    uint64 big = UINT64_MAX;
    double d = -0.5;
    int flag = 0x100, type; /* true, and its lowest byte is 0 */
    size_t i;

    CHECK(bro_record_add_val(rec, "b", BRO_TYPE_BOOL, NULL, &flag));
    CHECK(bro_record_add_val(rec, "i", BRO_TYPE_INT, NULL, &big));
    CHECK(bro_record_add_val(rec, "c", BRO_TYPE_COUNT, NULL, &big));
    CHECK(bro_record_add_val(rec, "n", BRO_TYPE_COUNTER, NULL, &big));
    CHECK(bro_record_add_val(rec, "e", BRO_TYPE_ENUM, "Notice::Type", &big));
    CHECK(bro_record_add_val(rec, "d", BRO_TYPE_DOUBLE, NULL, &d));
    CHECK(bro_record_add_val(rec, "t", BRO_TYPE_TIME, NULL, &d));
    CHECK(bro_record_add_val(rec, "v", BRO_TYPE_INTERVAL, NULL, &d));
    CHECK(bro_record_add_val(rec, "s", BRO_TYPE_STRING, NULL, &str));
    CHECK(bro_record_add_val(rec, "r", BRO_TYPE_PATTERN, NULL, &str));
    CHECK(bro_record_add_val(rec, "p", BRO_TYPE_PORT, NULL, &port));
    CHECK(bro_record_add_val(rec, "a", BRO_TYPE_IPADDR, NULL, &addr));
    CHECK(bro_record_add_val(rec, "w", BRO_TYPE_SUBNET, NULL, &net));
    CHECK(bro_record_add_val(rec, "0", BRO_TYPE_STRING, NULL, &empty));
    CHECK(bro_record_get_length(rec) == 14);

    CHECK(*(int *)bro_record_get_nth_val(rec, 0, NULL) == 1);
    CHECK(*(uint64 *)bro_record_get_nth_val(rec, 0, NULL) == 1);
    for (i = 1; i <= 4; i++)
        CHECK(*(uint64 *)bro_record_get_nth_val(rec, (int)i, NULL) == UINT64_MAX);
    for (i = 5; i <= 7; i++)
        CHECK(*(double *)bro_record_get_nth_val(rec, (int)i, NULL) == -0.5);
    CHECK(is_text(bro_record_get_nth_val(rec, 8, NULL), "s"));
    CHECK(is_text(bro_record_get_nth_val(rec, 9, NULL), "s"));
    CHECK(((BroPort *)bro_record_get_nth_val(rec, 10, NULL))->port_num == 443);
    CHECK(((BroPort *)bro_record_get_nth_val(rec, 10, NULL))->port_proto == IPPROTO_TCP);
    CHECK(memcmp(bro_record_get_nth_val(rec, 11, NULL), &addr, sizeof addr) == 0);
    CHECK(memcmp(bro_record_get_nth_val(rec, 12, NULL), &net, sizeof net) == 0);
    CHECK(is_text(bro_record_get_nth_val(rec, 13, NULL), ""));
    type = BRO_TYPE_ENUM;
    CHECK(bro_record_get_named_val(rec, "e", &type) != NULL);

    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK(!bro_record_add_val(rec, "x", refused[i], NULL, &str));
        CHECK(!bro_record_add_val(rec, "x", refused[i], NULL, NULL));
        CHECK(!bro_record_set_nth_val(rec, 0, refused[i], NULL, &str));
    }
    CHECK(!bro_record_add_val(rec, "x", BRO_TYPE_UNKNOWN, NULL, &str));
    CHECK(!bro_record_add_val(rec, "x", BRO_TYPE_STRING, NULL, &broken));
    CHECK(bro_record_get_length(rec) == 14);
    bro_record_free(rec);
}

static void
test_ranges(void)
{
    BroRecord *rec = bro_record_new();
    BroPort port = {0, 0};
    BroSubnet net = {ipv4(10, 0, 0, 0), 32};
    char *name = malloc(70000);

    CHECK(bro_record_add_val(rec, "", BRO_TYPE_PORT, NULL, &port));
    port.port_num = 65535;
    port.port_proto = IPPROTO_ICMP;
    CHECK(bro_record_add_val(rec, "", BRO_TYPE_PORT, NULL, &port));
    port.port_num = 65536;
    CHECK(!bro_record_add_val(rec, "", BRO_TYPE_PORT, NULL, &port));
    port.port_num = 1;
    port.port_proto = IPPROTO_ICMPV6;
    CHECK(!bro_record_add_val(rec, "", BRO_TYPE_PORT, NULL, &port));
    CHECK(bro_record_add_val(rec, "", BRO_TYPE_SUBNET, NULL, &net));
    net.sn_width = 33;
    CHECK(!bro_record_add_val(rec, "", BRO_TYPE_SUBNET, NULL, &net));
    memset(&net.sn_net, 0x20, sizeof net.sn_net);
    net.sn_width = 128;
    CHECK(bro_record_add_val(rec, "", BRO_TYPE_SUBNET, NULL, &net));
    net.sn_width = 129;
    CHECK(!bro_record_add_val(rec, "", BRO_TYPE_SUBNET, NULL, &net));
    memset(name, 'n', 69999);
    name[69999] = '\0';
    CHECK(!bro_record_add_val(rec, name, BRO_TYPE_SUBNET, NULL, NULL));
    net.sn_width = 0;
    CHECK(!bro_record_add_val(rec, "n", BRO_TYPE_SUBNET, name, &net));
    name[65535] = '\0';
    CHECK(bro_record_add_val(rec, name, BRO_TYPE_SUBNET, name, &net));
    CHECK(strcmp(bro_record_get_nth_name(rec, 4), name) == 0);
    CHECK(bro_record_get_length(rec) == 5);
    bro_record_free(rec);
    free(name);
}

static void
test_record_get(void)
{
    BroRecord *rec = bro_record_new();
    int type;

    CHECK(bro_record_get_length(rec) == 0);
    CHECK(add_count(rec, "seq", 7) && add_text(rec, "who", "me") && add_count(rec, NULL, 9));
    CHECK(bro_record_add_val(rec, "gone", BRO_TYPE_STRING, NULL, NULL));
    CHECK(bro_record_add_val(rec, "gone2", BRO_TYPE_UNKNOWN, NULL, NULL));
    CHECK(add_count(rec, "seq", 8)); /* a second one of that name is found by its place only */
    CHECK(bro_record_get_length(rec) == 6);

    CHECK(strcmp(bro_record_get_nth_name(rec, 0), "seq") == 0);
    CHECK(strcmp(bro_record_get_nth_name(rec, 2), "") == 0);
    CHECK(strcmp(bro_record_get_nth_name(rec, 3), "gone") == 0);
    CHECK(bro_record_get_nth_name(rec, 6) == NULL && bro_record_get_nth_name(rec, -1) == NULL);

    type = BRO_TYPE_UNKNOWN;
    CHECK(*(uint64 *)bro_record_get_nth_val(rec, 0, &type) == 7 && type == BRO_TYPE_COUNT);
    CHECK(*(uint64 *)bro_record_get_nth_val(rec, 2, &type) == 9 && type == BRO_TYPE_COUNT);
    type = BRO_TYPE_INT;
    CHECK(bro_record_get_nth_val(rec, 1, &type) == NULL && type == BRO_TYPE_STRING);
    CHECK(is_text(bro_record_get_nth_val(rec, 1, &type), "me"));
    type = BRO_TYPE_STRING;
    CHECK(bro_record_get_nth_val(rec, 3, &type) == NULL && type == BRO_TYPE_UNKNOWN);
    CHECK(bro_record_get_nth_val(rec, 3, NULL) == NULL);
    type = BRO_TYPE_MAX;
    CHECK(bro_record_get_nth_val(rec, 0, &type) == NULL && type == BRO_TYPE_MAX);
    type = -1;
    CHECK(bro_record_get_named_val(rec, "seq", &type) == NULL && type == -1);
    type = BRO_TYPE_STRING;
    CHECK(bro_record_get_nth_val(rec, 6, &type) == NULL && type == BRO_TYPE_STRING);
    CHECK(bro_record_get_nth_val(rec, -1, NULL) == NULL);

    CHECK(*(uint64 *)bro_record_get_named_val(rec, "seq", NULL) == 7);
    CHECK(is_text(bro_record_get_named_val(rec, "who", NULL), "me"));
    CHECK(bro_record_get_named_val(rec, "gone", NULL) == NULL);
    CHECK(bro_record_get_named_val(rec, "nobody", NULL) == NULL);
    CHECK(bro_record_get_named_val(rec, "", NULL) == NULL);
    CHECK(bro_record_get_named_val(rec, NULL, NULL) == NULL);
    bro_record_free(rec);
}

static void
test_record_set(void)
{
    BroRecord *rec = bro_record_new();
    BroString str = text("new"), *old;
    uint64 n = 3;
    void *kept;

    CHECK(add_text(rec, "a", "old") && add_count(rec, "b", 2));
    kept = bro_record_get_named_val(rec, "b", NULL);
    CHECK(bro_record_set_nth_val(rec, 0, BRO_TYPE_STRING, NULL, &str));
    CHECK(is_text(bro_record_get_named_val(rec, "a", NULL), "new"));
    CHECK(bro_record_set_named_val(rec, "a", BRO_TYPE_COUNT, NULL, &n));
    CHECK(*(uint64 *)bro_record_get_nth_val(rec, 0, NULL) == 3);
    CHECK(strcmp(bro_record_get_nth_name(rec, 0), "a") == 0);
    CHECK(!bro_record_set_nth_val(rec, 2, BRO_TYPE_COUNT, NULL, &n));
    CHECK(!bro_record_set_nth_val(rec, -1, BRO_TYPE_COUNT, NULL, &n));
    CHECK(!bro_record_set_nth_val(rec, 0, BRO_TYPE_COUNT, NULL, NULL));
    CHECK(!bro_record_set_nth_val(NULL, 0, BRO_TYPE_COUNT, NULL, &n));
    CHECK(!bro_record_set_named_val(rec, "c", BRO_TYPE_COUNT, NULL, &n));
    CHECK(!bro_record_set_named_val(rec, "", BRO_TYPE_COUNT, NULL, &n));
    CHECK(!bro_record_set_named_val(rec, NULL, BRO_TYPE_COUNT, NULL, &n));
    CHECK(!bro_record_set_named_val(rec, "a", BRO_TYPE_COUNT, NULL, NULL));
    CHECK(!bro_record_set_named_val(NULL, "a", BRO_TYPE_COUNT, NULL, &n));
    CHECK(bro_record_get_length(rec) == 2);

    /* A field set to itself, and one that a record keeps while others are added. */
    CHECK(bro_record_set_nth_val(rec, 0, BRO_TYPE_STRING, NULL, &str));
    old = bro_record_get_nth_val(rec, 0, NULL);
    CHECK(bro_record_set_nth_val(rec, 0, BRO_TYPE_STRING, NULL, old));
    CHECK(is_text(bro_record_get_nth_val(rec, 0, NULL), "new"));
    for (n = 0; n < 100; n++)
        CHECK(add_count(rec, "more", n));
    CHECK(kept == bro_record_get_named_val(rec, "b", NULL) && *(uint64 *)kept == 2);
    bro_record_free(rec);

    CHECK(!bro_record_add_val(NULL, "a", BRO_TYPE_COUNT, NULL, &n));
    CHECK(bro_record_get_length(NULL) == 0);
    CHECK(bro_record_get_nth_val(NULL, 0, NULL) == NULL);
    CHECK(bro_record_get_nth_name(NULL, 0) == NULL);
    CHECK(bro_record_get_named_val(NULL, "a", NULL) == NULL);
    bro_record_free(NULL);
}

/* What is added is a copy, all the way down, and may be the record itself. */
static void
test_record_nested(void)
{
    BroRecord *inner = bro_record_new(), *outer = bro_record_new(), *got;
    BroTable *tbl = bro_table_new();
    BroVector *vec = bro_vector_new();
    int type = BRO_TYPE_RECORD;

    CHECK(add_text(inner, "s", "before") && insert(tbl, 1, "one"));
    CHECK(bro_record_add_val(inner, "unset", BRO_TYPE_ENUM, NULL, NULL));
    CHECK(bro_vector_add_val(vec, BRO_TYPE_RECORD, NULL, inner));
    CHECK(bro_record_add_val(outer, "rec", BRO_TYPE_RECORD, "Sensor::Info", inner));
    CHECK(bro_record_add_val(outer, "tbl", BRO_TYPE_TABLE, NULL, tbl));
    CHECK(bro_record_add_val(outer, "vec", BRO_TYPE_VECTOR, NULL, vec));
    CHECK(!bro_record_add_val(outer, "set", BRO_TYPE_SET, NULL, tbl));
    CHECK(add_text(inner, "later", "x") && insert(tbl, 2, "two"));
    bro_record_free(inner);
    bro_table_free(tbl);
    bro_vector_free(vec);

    got = bro_record_get_named_val(outer, "rec", &type);
    CHECK(got && bro_record_get_length(got) == 2);
    CHECK(is_text(bro_record_get_named_val(got, "s", NULL), "before"));
    CHECK(bro_table_get_size(bro_record_get_named_val(outer, "tbl", NULL)) == 1);
    CHECK(bro_vector_get_length(bro_record_get_named_val(outer, "vec", NULL)) == 1);
    CHECK(bro_record_add_val(outer, "self", BRO_TYPE_RECORD, NULL, outer));
    got = bro_record_get_named_val(outer, "self", NULL);
    CHECK(got && bro_record_get_length(got) == 3 && bro_record_get_length(outer) == 4);
    CHECK(bro_record_set_nth_val(outer, 3, BRO_TYPE_RECORD, NULL,
                                 bro_record_get_named_val(got, "rec", NULL)));
    CHECK(bro_record_get_length(bro_record_get_named_val(outer, "self", NULL)) == 2);
    bro_record_free(outer);
}

/* As deep as it may get, and no deeper: neither by adding nor by replacing. */
static void
test_record_depth(void)
{
    BroRecord *rec = bro_record_new(), *outer;
    int i;

    for (i = 0; i < FLAT_MAX_DEPTH; i++) {
        outer = bro_record_new();
        CHECK(bro_record_add_val(outer, "r", BRO_TYPE_RECORD, NULL, rec));
        bro_record_free(rec);
        rec = outer;
    }
    outer = bro_record_new();
    CHECK(!bro_record_add_val(outer, "r", BRO_TYPE_RECORD, NULL, rec));
    CHECK(add_count(outer, "r", 1));
    CHECK(!bro_record_set_named_val(outer, "r", BRO_TYPE_RECORD, NULL, rec));
    CHECK(*(uint64 *)bro_record_get_nth_val(outer, 0, NULL) == 1);
    bro_record_free(outer);
    bro_record_free(rec);
}

/* --- Vectors ----------------------------------------------------------------------------- */

static void
test_vector(void)
{
    BroVector *vec = bro_vector_new();
    BroString str = text("x");
    uint64 n, *kept = NULL;
    int type, ok = TRUE;

    CHECK(vec && bro_vector_get_length(vec) == 0);
    for (n = 0; n < 1000; n++) {
        ok = ok && bro_vector_add_val(vec, BRO_TYPE_COUNT, NULL, &n);
        if (n == 0)
            kept = bro_vector_get_nth_val(vec, 0, NULL);
    }
    CHECK(ok && bro_vector_get_length(vec) == 1000);
    CHECK(kept == bro_vector_get_nth_val(vec, 0, NULL) && *kept == 0);
    type = BRO_TYPE_COUNT;
    CHECK(*(uint64 *)bro_vector_get_nth_val(vec, 999, &type) == 999);
    type = BRO_TYPE_STRING;
    CHECK(bro_vector_get_nth_val(vec, 0, &type) == NULL && type == BRO_TYPE_COUNT);
    CHECK(bro_vector_get_nth_val(vec, 1000, NULL) == NULL);
    CHECK(bro_vector_get_nth_val(vec, -1, NULL) == NULL);
    CHECK(bro_vector_add_val(vec, BRO_TYPE_COUNT, NULL, NULL));
    type = BRO_TYPE_UNKNOWN;
    CHECK(bro_vector_get_nth_val(vec, 1000, &type) == NULL && type == BRO_TYPE_UNKNOWN);
    CHECK(bro_vector_set_nth_val(vec, 1000, BRO_TYPE_STRING, NULL, &str));
    CHECK(is_text(bro_vector_get_nth_val(vec, 1000, &type), "x") && type == BRO_TYPE_STRING);
    CHECK(bro_vector_set_nth_val(vec, 1000, BRO_TYPE_STRING, NULL,
                                 bro_vector_get_nth_val(vec, 1000, NULL)));
    CHECK(is_text(bro_vector_get_nth_val(vec, 1000, NULL), "x"));
    CHECK(!bro_vector_set_nth_val(vec, 1001, BRO_TYPE_STRING, NULL, &str));
    CHECK(!bro_vector_set_nth_val(vec, -1, BRO_TYPE_STRING, NULL, &str));
    CHECK(!bro_vector_set_nth_val(vec, 0, BRO_TYPE_STRING, NULL, NULL));
    CHECK(!bro_vector_set_nth_val(vec, 0, BRO_TYPE_ANY, NULL, &str));
    CHECK(!bro_vector_add_val(vec, BRO_TYPE_ANY, NULL, &str));
    CHECK(!bro_vector_add_val(vec, BRO_TYPE_ANY, NULL, NULL));
    bro_vector_free(vec);

    CHECK(!bro_vector_add_val(NULL, BRO_TYPE_STRING, NULL, &str));
    CHECK(!bro_vector_set_nth_val(NULL, 0, BRO_TYPE_STRING, NULL, &str));
    CHECK(bro_vector_get_nth_val(NULL, 0, NULL) == NULL);
    CHECK(bro_vector_get_length(NULL) == 0);
    bro_vector_free(NULL);
}

static void
test_vector_depth(void)
{
    BroVector *vec = bro_vector_new(), *outer;
    struct flat f = {NULL, 0, 0};
    struct val v;
    int i;

    for (i = 0; i < FLAT_MAX_DEPTH; i++) {
        outer = bro_vector_new();
        CHECK(bro_vector_add_val(outer, BRO_TYPE_VECTOR, NULL, vec));
        bro_vector_free(vec);
        vec = outer;
    }
    CHECK(flat_put(&f, BRO_TYPE_VECTOR, NULL, vec));
    CHECK(flat_get(f.data, f.data + f.len, &v) != NULL);
    val_clear(&v);
    flat_free(&f);
    outer = bro_vector_new();
    CHECK(!bro_vector_add_val(outer, BRO_TYPE_VECTOR, NULL, vec));
    CHECK(bro_vector_add_val(outer, BRO_TYPE_VECTOR, NULL, outer));
    CHECK(!bro_vector_set_nth_val(outer, 0, BRO_TYPE_VECTOR, NULL, vec));
    bro_vector_free(outer);
    bro_vector_free(vec);
}

/* --- Tables ------------------------------------------------------------------------------ */

struct walk {
    int calls;
    int stop_at;
    uint64 sum;
    int in_order;
};

static int
walk_table(void *key, void *val, void *user_data)
{
    struct walk *w = user_data;

    w->in_order = w->in_order && *(uint64 *)key == (uint64)w->calls;
    w->sum += ((BroString *)val)->str_len;
    return ++w->calls != w->stop_at;
}

static void
test_table(void)
{
    BroTable *tbl = bro_table_new();
    struct walk w = {0, 0, 0, TRUE};
    BroString str = text("other"), *kept = NULL;
    uint64 key;
    int kt = -1, vt = -1, ok = TRUE;

    bro_table_get_types(tbl, &kt, &vt);
    CHECK(kt == BRO_TYPE_UNKNOWN && vt == BRO_TYPE_UNKNOWN && bro_table_get_size(tbl) == 0);
    key = 0;
    CHECK(bro_table_find(tbl, &key) == NULL);
    for (key = 0; key < 5000; key++) {
        ok = ok && insert(tbl, key, "v");
        if (key == 0)
            kept = bro_table_find(tbl, &key);
    }
    CHECK(ok && bro_table_get_size(tbl) == 5000);
    for (key = 0; key < 5000; key++)
        ok = ok && is_text(bro_table_find(tbl, &key), "v");
    CHECK(ok && bro_table_find(tbl, &key) == NULL);
    key = 0;
    CHECK(kept == bro_table_find(tbl, &key) && is_text(kept, "v"));
    CHECK(insert(tbl, 17, "replaced") && bro_table_get_size(tbl) == 5000);
    key = 17;
    CHECK(is_text(bro_table_find(tbl, &key), "replaced"));
    CHECK(bro_table_insert(tbl, BRO_TYPE_COUNT, &key, BRO_TYPE_STRING, bro_table_find(tbl, &key)));
    CHECK(is_text(bro_table_find(tbl, &key), "replaced"));

    bro_table_get_types(tbl, &kt, &vt);
    CHECK(kt == BRO_TYPE_COUNT && vt == BRO_TYPE_STRING);
    bro_table_get_types(tbl, NULL, NULL);
    CHECK(!bro_table_insert(tbl, BRO_TYPE_INT, &key, BRO_TYPE_STRING, &str));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_COUNT, &key, BRO_TYPE_PATTERN, &str));
    CHECK(!bro_set_insert(tbl, BRO_TYPE_COUNT, &key));

    bro_table_foreach(tbl, walk_table, &w);
    CHECK(w.calls == 5000 && w.in_order && w.sum == 4999 + strlen("replaced"));
    w = (struct walk){0, 3, 0, TRUE};
    bro_table_foreach(tbl, walk_table, &w);
    CHECK(w.calls == 3);
    bro_table_foreach(tbl, NULL, NULL);
    bro_table_foreach(NULL, walk_table, &w);
    CHECK(w.calls == 3);
    bro_table_free(tbl);
}

static void
test_table_bad(void)
{
    BroTable *tbl = bro_table_new();
    BroString str = text("x"), broken = {4, NULL};
    BroRecord *empty = bro_record_new();
    uint64 n = 1;
    int kt = 5, vt = 6;

    CHECK(!bro_table_insert(NULL, BRO_TYPE_COUNT, &n, BRO_TYPE_COUNT, &n));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_COUNT, NULL, BRO_TYPE_COUNT, &n));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_COUNT, &n, BRO_TYPE_COUNT, NULL));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_ANY, &n, BRO_TYPE_COUNT, &n));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_COUNT, &n, BRO_TYPE_UNKNOWN, &n));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_UNKNOWN, &n, BRO_TYPE_COUNT, &n));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_LIST, empty, BRO_TYPE_COUNT, &n));
    CHECK(bro_record_add_val(empty, "", BRO_TYPE_COUNT, NULL, NULL));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_LIST, empty, BRO_TYPE_COUNT, &n));
    CHECK(!bro_table_insert(tbl, BRO_TYPE_STRING, &broken, BRO_TYPE_COUNT, &n));
    CHECK(bro_table_get_size(tbl) == 0);
    bro_table_get_types(tbl, &kt, &vt);
    CHECK(kt == BRO_TYPE_UNKNOWN && vt == BRO_TYPE_UNKNOWN);
    CHECK(bro_table_insert(tbl, BRO_TYPE_STRING, &str, BRO_TYPE_COUNT, &n));
    CHECK(bro_table_find(tbl, &broken) == NULL && bro_table_find(tbl, NULL) == NULL);
    CHECK(bro_table_find(NULL, &str) == NULL);
    CHECK(bro_table_get_size(NULL) == -1);
    kt = 5;
    bro_table_get_types(NULL, &kt, &vt);
    CHECK(kt == 5);
    bro_table_free(tbl);
    bro_table_free(NULL);
    bro_record_free(empty);
}

static int
see_composite(void *key, void *val, void *user_data)
{
    int type = BRO_TYPE_STRING;

    CHECK(bro_record_get_length(key) == 3);
    CHECK(bro_record_get_nth_val(key, 1, &type) != NULL);
    *(uint64 *)user_data += *(uint64 *)val;
    return TRUE;
}

static BroRecord *
composite(uint64 n, const char *s, double d)
{
    BroRecord *rec = bro_record_new();

    CHECK(bro_record_add_val(rec, NULL, BRO_TYPE_INT, NULL, &n) && add_text(rec, NULL, s) &&
          bro_record_add_val(rec, NULL, BRO_TYPE_DOUBLE, NULL, &d));
    return rec;
}

static void
test_table_composite(void)
{
    BroTable *tbl = bro_table_new();
    BroRecord *a = composite(1, "foo", 1.1), *b = composite(2, "bar", 0.0);
    BroRecord *same = composite(2, "bar", -0.0), *other = composite(2, "bar", 2.3);
    uint64 n = 10, sum = 0;
    int kt;

    CHECK(bro_table_insert(tbl, BRO_TYPE_LIST, a, BRO_TYPE_INT, &n));
    n = 20;
    CHECK(bro_table_insert(tbl, BRO_TYPE_LIST, b, BRO_TYPE_INT, &n));
    CHECK(bro_table_find(tbl, same) && *(uint64 *)bro_table_find(tbl, same) == 20);
    CHECK(bro_table_find(tbl, other) == NULL);
    bro_table_foreach(tbl, see_composite, &sum);
    CHECK(sum == 30);
    bro_table_get_types(tbl, &kt, NULL);
    CHECK(kt == BRO_TYPE_LIST);
    CHECK(!bro_table_insert(tbl, BRO_TYPE_RECORD, other, BRO_TYPE_INT, &n));
    CHECK(bro_table_insert(tbl, BRO_TYPE_LIST, same, BRO_TYPE_INT, &n));
    CHECK(bro_table_get_size(tbl) == 2);
    bro_table_free(tbl);
    bro_record_free(a);
    bro_record_free(b);
    bro_record_free(same);
    bro_record_free(other);
}

/* Keys of every type are found again, and other ones are not. */
static void
test_table_keys(void)
{
    struct {
        int type;
        const void *key, *other;
    } keys[] = {
        {BRO_TYPE_BOOL, &(int){5}, &(int){0}},
        {BRO_TYPE_INT, &(int64_t){-1}, &(int64_t){1}},
        {BRO_TYPE_COUNTER, &(uint64){UINT64_MAX}, &(uint64){0}},
        {BRO_TYPE_ENUM, &(uint64){1}, &(uint64){2}},
        {BRO_TYPE_DOUBLE, &(double){NAN}, &(double){1}},
        {BRO_TYPE_TIME, &(double){0.0}, &(double){1e-300}},
        {BRO_TYPE_INTERVAL, &(double){INFINITY}, &(double){-INFINITY}},
        {BRO_TYPE_STRING, &(BroString){3, (uchar *)"a\0b"}, &(BroString){3, (uchar *)"a\0c"}},
        {BRO_TYPE_STRING, &(BroString){0, NULL}, &(BroString){1, (uchar *)""}},
        {BRO_TYPE_PATTERN, &(BroString){9, (uchar *)"123456789"},
         &(BroString){8, (uchar *)"12345678"}},
        {BRO_TYPE_PORT, &(BroPort){53, IPPROTO_UDP}, &(BroPort){53, IPPROTO_TCP}},
        {BRO_TYPE_IPADDR, &(BroAddr){{1, 2, 3, 4}}, &(BroAddr){{1, 2, 3, 5}}},
        {BRO_TYPE_SUBNET, &(BroSubnet){{{1, 2, 3, 4}}, 64}, &(BroSubnet){{{1, 2, 3, 4}}, 65}},
    };
    size_t i;
    int n = 1;

    for (i = 0; i < sizeof keys / sizeof *keys; i++) {
        BroTable *tbl = bro_table_new();

        CHECK(bro_table_insert(tbl, keys[i].type, keys[i].key, BRO_TYPE_BOOL, &n));
        CHECK(bro_table_insert(tbl, keys[i].type, keys[i].key, BRO_TYPE_BOOL, &n));
        CHECK(bro_table_get_size(tbl) == 1);
        CHECK(bro_table_find(tbl, keys[i].key) != NULL);
        CHECK(bro_table_find(tbl, keys[i].other) == NULL);
        bro_table_free(tbl);
    }
}

static void
test_table_container_keys(void)
{
    BroTable *tbl = bro_table_new(), *inner = bro_table_new(), *same = bro_table_new();
    BroVector *vec = bro_vector_new(), *longer = bro_vector_new();
    BroTable *by_vec = bro_table_new();
    BroSet *sets = bro_set_new(), *s1 = bro_set_new(), *s2 = bro_set_new();
    uint64 n = 1;

    CHECK(insert(inner, 1, "a") && insert(inner, 2, "b"));
    CHECK(insert(same, 2, "x") && insert(same, 1, "a"));
    CHECK(bro_table_insert(tbl, BRO_TYPE_TABLE, inner, BRO_TYPE_COUNT, &n));
    CHECK(bro_table_find(tbl, same) == NULL);
    CHECK(insert(same, 2, "b"));
    CHECK(bro_table_find(tbl, same) != NULL); /* whatever the order */
    CHECK(insert(same, 3, "c") && bro_table_find(tbl, same) == NULL);

    CHECK(bro_vector_add_val(vec, BRO_TYPE_COUNT, NULL, &n));
    CHECK(bro_vector_add_val(longer, BRO_TYPE_COUNT, NULL, &n));
    CHECK(bro_table_insert(by_vec, BRO_TYPE_VECTOR, vec, BRO_TYPE_TABLE, inner));
    CHECK(bro_table_find(by_vec, longer) != NULL);
    CHECK(bro_vector_add_val(longer, BRO_TYPE_COUNT, NULL, NULL));
    CHECK(bro_table_find(by_vec, longer) == NULL);
    CHECK(bro_vector_add_val(vec, BRO_TYPE_INT, NULL, &n) && bro_table_find(by_vec, vec) == NULL);

    CHECK(bro_set_insert(s1, BRO_TYPE_COUNT, &n) && bro_set_insert(s2, BRO_TYPE_INT, &n));
    CHECK(bro_set_insert(sets, BRO_TYPE_SET, s1));
    CHECK(bro_set_find(sets, s1) && !bro_set_find(sets, s2));
    CHECK(!bro_set_insert(sets, BRO_TYPE_SET, tbl));
    bro_table_free(tbl);
    bro_table_free(inner);
    bro_table_free(same);
    bro_table_free(by_vec);
    bro_vector_free(vec);
    bro_vector_free(longer);
    bro_set_free(sets);
    bro_set_free(s1);
    bro_set_free(s2);
}

/* --- Sets -------------------------------------------------------------------------------- */

static int
walk_set(void *val, void *user_data)
{
    struct walk *w = user_data;

    w->sum += ((BroPort *)val)->port_num;
    return ++w->calls != w->stop_at;
}

static void
test_set(void)
{
    BroSet *set = bro_set_new();
    struct walk w = {0, 0, 0, TRUE};
    BroPort port = {22, IPPROTO_TCP};
    BroString str = text("22");
    int type = -1;

    CHECK(bro_set_get_size(set) == 0 && !bro_set_find(set, &port));
    bro_set_get_type(set, &type);
    CHECK(type == BRO_TYPE_UNKNOWN);
    CHECK(bro_set_insert(set, BRO_TYPE_PORT, &port) == TRUE);
    CHECK(bro_set_insert(set, BRO_TYPE_PORT, &port) && bro_set_get_size(set) == 1);
    port.port_proto = IPPROTO_UDP;
    CHECK(!bro_set_find(set, &port) && bro_set_insert(set, BRO_TYPE_PORT, &port));
    CHECK(bro_set_find(set, &port) == TRUE && bro_set_get_size(set) == 2);
    bro_set_get_type(set, &type);
    CHECK(type == BRO_TYPE_PORT);
    bro_set_get_type(set, NULL);
    CHECK(!bro_set_insert(set, BRO_TYPE_STRING, &str));
    CHECK(!bro_set_insert(set, BRO_TYPE_PORT, NULL));
    CHECK(!bro_set_insert(NULL, BRO_TYPE_PORT, &port));
    CHECK(!bro_table_insert(set, BRO_TYPE_PORT, &port, BRO_TYPE_STRING, &str));
    CHECK(bro_table_find(set, &port) == NULL);
    bro_set_foreach(set, walk_set, &w);
    CHECK(w.calls == 2 && w.sum == 44);
    w.stop_at = 3;
    bro_set_foreach(set, walk_set, &w);
    CHECK(w.calls == 3);
    bro_set_foreach(set, NULL, NULL);
    bro_set_foreach(NULL, walk_set, &w);
    CHECK(w.calls == 3);
    CHECK(!bro_set_find(NULL, &port) && !bro_set_find(set, NULL));
    CHECK(bro_set_get_size(NULL) == -1);
    bro_set_get_type(NULL, &type);
    bro_set_free(set);
    bro_set_free(NULL);
}

/* --- The flat form ----------------------------------------------------------------------- */

static const struct flat_header *
header(const struct flat *f, size_t at)
{
    return (const void *)(f->data + at);
}

static void
test_flat_scalars(void)
{
    struct flat f = {NULL, 0, 0};
    const unsigned char *p;
    BroPort port = {80, IPPROTO_TCP};
    BroAddr addr = ipv4(1, 2, 3, 4);
    uint64 n = 3;
    int yes = 0x100;
    size_t len;

    CHECK(flat_put(&f, BRO_TYPE_BOOL, NULL, &yes));
    CHECK(f.len == 16 && header(&f, 0)->size == 16 && header(&f, 0)->type == BRO_TYPE_BOOL);
    CHECK(header(&f, 0)->name_len == 0 && *(uint64 *)(void *)(f.data + 8) == 1);
    CHECK(flat_put(&f, BRO_TYPE_ENUM, "Notice::Type", &n));
    CHECK(f.len == 16 + 8 + 16 + 8 && header(&f, 16)->name_len == 12);
    CHECK(strcmp((char *)f.data + 24, "Notice::Type") == 0);
    p = flat_payload(f.data + 16, &len);
    CHECK(p == f.data + 40 && len == 8 && memcmp(p, &n, 8) == 0);
    CHECK(flat_put(&f, BRO_TYPE_PORT, "", &port) && header(&f, 48)->size == 24);
    CHECK(flat_put(&f, BRO_TYPE_IPADDR, NULL, &addr) && header(&f, 72)->size == 24);
    CHECK(memcmp(flat_payload(f.data + 72, &len), &addr, 16) == 0 && len == 16);
    flat_free(&f);
    CHECK(f.data == NULL && f.len == 0 && f.cap == 0);
}

static void
test_flat_strings(void)
{
    struct flat f = {NULL, 0, 0};
    uchar bytes[9] = "12345678";
    BroString str = {0, bytes};
    struct val v;
    uint32 i;

    for (i = 0; i <= 8; i++) {
        size_t at = f.len;

        str.str_len = i;
        CHECK(flat_put(&f, BRO_TYPE_STRING, NULL, &str));
        CHECK(header(&f, at)->size == 8 + ((4 + i + 1 + 7) & ~7u));
        CHECK(flat_get(f.data + at, f.data + f.len, &v) == f.data + f.len);
        CHECK(v.type == BRO_TYPE_STRING && v.u.str.str_len == i);
        CHECK(memcmp(v.u.str.str_val, bytes, i) == 0 && v.u.str.str_val[i] == '\0');
        val_clear(&v);
    }
    CHECK(flat_put(&f, BRO_TYPE_STRING, NULL, &(BroString){0, NULL}));
    flat_free(&f);
}

static void
test_flat_refused(void)
{
    static const int types[] = {
        BRO_TYPE_UNKNOWN,  BRO_TYPE_TIMER, BRO_TYPE_ANY,    BRO_TYPE_UNION, BRO_TYPE_FUNC,
        BRO_TYPE_FILE,     BRO_TYPE_ERROR, BRO_TYPE_PACKET, BRO_TYPE_MAX,   -1,
        256 + BRO_TYPE_INT};
    struct flat f = {NULL, 0, 0};
    BroTable *tbl = bro_table_new();
    BroSet *set = bro_set_new();
    BroRecord *rec = bro_record_new();
    BroString str = text("x"), broken = {1, NULL}, huge = {LINK_EVENT_MAX, str.str_val};
    uint64 n = 1;
    size_t i;

    CHECK(flat_put(&f, BRO_TYPE_COUNT, NULL, &n) && f.len == 16);
    for (i = 0; i < sizeof types / sizeof *types; i++)
        CHECK(!flat_put(&f, types[i], NULL, &str) && f.len == 16);
    CHECK(!flat_put(&f, BRO_TYPE_COUNT, NULL, NULL));
    CHECK(!flat_put(&f, BRO_TYPE_STRING, NULL, &broken));
    CHECK(!flat_put(&f, BRO_TYPE_STRING, NULL, &huge));
    CHECK(!flat_put(&f, BRO_TYPE_PORT, NULL, &(BroPort){70000, IPPROTO_TCP}));
    CHECK(!flat_put(&f, BRO_TYPE_PORT, NULL, &(BroPort){1, 99}));
    CHECK(!flat_put(&f, BRO_TYPE_SUBNET, NULL, &(BroSubnet){{{0}}, 129}));
    CHECK(insert(tbl, 1, "a") && bro_set_insert(set, BRO_TYPE_COUNT, &n));
    CHECK(!flat_put(&f, BRO_TYPE_SET, NULL, tbl) && !flat_put(&f, BRO_TYPE_TABLE, NULL, set));
    CHECK(bro_record_add_val(rec, "", BRO_TYPE_COUNT, NULL, NULL));
    CHECK(!flat_put(&f, BRO_TYPE_LIST, NULL, rec));
    CHECK(f.len == 16);
    CHECK(flat_put(&f, BRO_TYPE_RECORD, NULL, rec));
    CHECK(flat_grow(&f, LINK_EVENT_MAX) == NULL && flat_grow(&f, SIZE_MAX) == NULL);
    flat_free(&f);
    bro_table_free(tbl);
    bro_set_free(set);
    bro_record_free(rec);
}

/* A value of a type that only comes in: written by hand. */
static void
test_flat_file(void)
{
    struct flat f = {NULL, 0, 0}, again = {NULL, 0, 0};
    BroString str = text("/var/log/x");
    BroRecord *rec = bro_record_new();
    struct val v, copy;

    CHECK(flat_put(&f, BRO_TYPE_STRING, NULL, &str));
    f.data[4] = BRO_TYPE_FILE;
    CHECK(flat_get(f.data, f.data + f.len, &v) != NULL && v.type == BRO_TYPE_FILE);
    CHECK(is_text(val_data(&v), "/var/log/x"));
    CHECK(val_copy(&copy, &v) && record_add(rec, "f", 1, &copy));
    CHECK(!flat_put(&again, BRO_TYPE_FILE, NULL, val_data(&v)));
    CHECK(!flat_put(&again, BRO_TYPE_RECORD, NULL, rec));
    CHECK(bro_record_add_val(rec, "g", BRO_TYPE_RECORD, NULL, rec));
    val_clear(&v);
    flat_free(&f);
    flat_free(&again);
    bro_record_free(rec);
}

/* A table whose entries differ in type must never reach a caller. */
static void
test_flat_mixed(void)
{
    struct flat f = {NULL, 0, 0};
    BroTable *tbl = bro_table_new();
    struct val v;
    uint64 a = 1, b = 2;

    CHECK(bro_table_insert(tbl, BRO_TYPE_COUNT, &a, BRO_TYPE_COUNT, &a));
    CHECK(bro_table_insert(tbl, BRO_TYPE_COUNT, &b, BRO_TYPE_COUNT, &b));
    CHECK(flat_put(&f, BRO_TYPE_TABLE, NULL, tbl) && f.len == 8 + 8 + 4 * 16);
    f.data[64 + 4] = BRO_TYPE_DOUBLE; /* the second value */
    CHECK(flat_get(f.data, f.data + f.len, &v) == NULL && v.type == BRO_TYPE_UNKNOWN);
    f.data[64 + 4] = BRO_TYPE_UNKNOWN;
    CHECK(flat_get(f.data, f.data + f.len, &v) == NULL);
    f.data[64 + 4] = BRO_TYPE_COUNT;
    f.data[48 + 4] = BRO_TYPE_INT; /* the second key */
    CHECK(flat_get(f.data, f.data + f.len, &v) == NULL);
    f.data[48 + 4] = BRO_TYPE_COUNT;
    f.data[48 + 8] = 1; /* the first key again: the later value counts */
    CHECK(flat_get(f.data, f.data + f.len, &v) != NULL && bro_table_get_size(v.u.table) == 1);
    CHECK(*(uint64 *)bro_table_find(v.u.table, &a) == 2);
    val_clear(&v);
    flat_free(&f);
    bro_table_free(tbl);
}

/* --- Random values ----------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t
next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int
below(int n)
{
    return (int)(next_random() % (uint64_t)n);
}

static const int scalar_types[] = {
    BRO_TYPE_BOOL, BRO_TYPE_INT,      BRO_TYPE_COUNT,  BRO_TYPE_COUNTER, BRO_TYPE_DOUBLE,
    BRO_TYPE_TIME, BRO_TYPE_INTERVAL, BRO_TYPE_STRING, BRO_TYPE_PATTERN, BRO_TYPE_ENUM,
    BRO_TYPE_PORT, BRO_TYPE_IPADDR,   BRO_TYPE_SUBNET};
static const int container_types[] = {BRO_TYPE_RECORD, BRO_TYPE_LIST, BRO_TYPE_TABLE, BRO_TYPE_SET,
                                      BRO_TYPE_VECTOR};

/* How many values may still be made before there are scalars only. */
static int budget;

static int
random_type(int depth)
{
    if (depth > 0 && budget > 0 && below(2))
        return container_types[below(5)];
    return scalar_types[below(13)];
}

static void
random_scalar(struct val *v, int type)
{
    static const int protos[] = {0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};
    uchar bytes[40];
    BroString str = {(uint32)below(40), bytes};
    BroPort port = {(uint64)below(65536), protos[below(4)]};
    BroSubnet net = {{{(uint32)next_random(), (uint32)next_random(), 1, 2}}, (uint32)below(129)};
    uint64_t bits = next_random();
    double d = (double)(int64_t)next_random();
    size_t i;
    const void *data = &bits;

    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (uchar)next_random();
    if (type == BRO_TYPE_STRING || type == BRO_TYPE_PATTERN)
        data = &str;
    else if (type == BRO_TYPE_PORT)
        data = &port;
    else if (type == BRO_TYPE_SUBNET || type == BRO_TYPE_IPADDR)
        data = &net;
    else if (type >= BRO_TYPE_DOUBLE && type <= BRO_TYPE_INTERVAL)
        data = &d;
    CHECK(val_set(v, type, type == BRO_TYPE_ENUM ? "Some::Enum" : NULL, data));
}

static void random_val(struct val *v, int type, int depth);

static BroRecord *
random_record(int depth, int min, int optional)
{
    BroRecord *rec = bro_record_new();
    int i, n = min + below(5);
    char name[8];

    for (i = 0; i < n; i++) {
        struct val v;

        val_init(&v);
        snprintf(name, sizeof name, "f%d", below(10000));
        if (!optional || below(4))
            random_val(&v, random_type(depth - 1), depth - 1);
        CHECK(record_add(rec, name, optional ? strlen(name) : 0, &v));
    }
    return rec;
}

static BroTable *
random_table(int depth, int is_set)
{
    BroTable *tbl = bro_table_new();
    int key_type = random_type(depth - 1), val_type = random_type(depth - 1);
    int i, n = budget > 0 ? below(20) : 1;

    for (i = 0; i < n; i++) {
        struct val key, v;

        val_init(&v);
        random_val(&key, key_type, depth - 1);
        if (!is_set)
            random_val(&v, val_type, depth - 1);
        CHECK(table_put(tbl, &key, &v));
    }
    return tbl;
}

static BroVector *
random_vector(int depth)
{
    BroVector *vec = bro_vector_new();
    int type = random_type(depth - 1);
    int i, n = below(6);

    for (i = 0; i < n; i++) {
        struct val v;

        val_init(&v);
        if (below(8))
            random_val(&v, type, depth - 1);
        CHECK(vector_add(vec, &v));
    }
    return vec;
}

static void
random_val(struct val *v, int type, int depth)
{
    val_init(v);
    budget--;
    switch (type) {
    case BRO_TYPE_RECORD:
        v->u.rec = random_record(depth, 0, TRUE);
        if (below(2))
            v->type_name = strdup("Some::Record");
        break;
    case BRO_TYPE_LIST:
        v->u.rec = random_record(depth, 1, FALSE);
        break;
    case BRO_TYPE_TABLE:
    case BRO_TYPE_SET:
        v->u.table = random_table(depth, type == BRO_TYPE_SET);
        break;
    case BRO_TYPE_VECTOR:
        v->u.vec = random_vector(depth);
        break;
    default:
        random_scalar(v, type);
        return;
    }
    v->type = type;
}

/* What was cut or changed must be refused or read, but not crash. */
static void
damage(const struct flat *f)
{
    unsigned char *copy = malloc(f->len); /* just as long, for the sanitizer's sake */
    struct val v;
    int i;

    for (i = 0; i < 20; i++) {
        size_t at = (size_t)below((int)f->len);
        size_t len = f->len - (below(2) ? 8 * (size_t)below((int)f->len / 8) : 0);

        memcpy(copy, f->data, f->len);
        copy[at] = (unsigned char)next_random();
        if (flat_get(copy, copy + len, &v))
            val_clear(&v);
    }
    free(copy);
}

static void
test_round_trip(int times)
{
    struct flat f = {NULL, 0, 0}, again = {NULL, 0, 0};
    int i;

    for (i = 0; i < times; i++) {
        struct val v, got, copy, cut;
        int ok;

        budget = 200;
        random_val(&v, random_type(5), 5);
        f.len = again.len = 0;
        CHECK(flat_put(&f, v.type, v.type_name, val_data(&v)));
        CHECK(flat_get(f.data, f.data + f.len, &got) == f.data + f.len);
        CHECK(got.type == v.type && val_equal(v.type, val_data(&v), val_data(&got)));
        CHECK(val_hash(v.type, val_data(&v)) == val_hash(v.type, val_data(&got)));
        CHECK(val_copy(&copy, &got));
        ok = flat_put(&again, copy.type, copy.type_name, val_data(&copy));
        CHECK(ok && again.len == f.len && memcmp(again.data, f.data, f.len) == 0);
        CHECK(flat_get(f.data, f.data + f.len - 8, &cut) == NULL);
        damage(&f);
        val_clear(&v);
        val_clear(&got);
        val_clear(&copy);
    }
    flat_free(&f);
    flat_free(&again);
}

/* --- How fast it is ---------------------------------------------------------------------- */

static double
seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Seven arguments, as an sshd would send them. */
static void
bench(void)
{
    struct flat f = {NULL, 0, 0};
    struct val v;
    BroString s1 = text("sensor-17.example.org"), s2 = text("alice");
    BroAddr addr = ipv4(192, 0, 2, 1);
    BroPort port = {22, IPPROTO_TCP};
    double now = 1.7e9, start;
    uint64 n = 1;
    int i, times = 5000000, ok = TRUE;

    start = seconds();
    for (i = 0; i < times; i++) {
        f.len = 0;
        ok &= flat_put(&f, BRO_TYPE_TIME, NULL, &now);
        ok &= flat_put(&f, BRO_TYPE_STRING, NULL, &s1);
        ok &= flat_put(&f, BRO_TYPE_COUNT, NULL, &n);
        ok &= flat_put(&f, BRO_TYPE_STRING, NULL, &s2);
        ok &= flat_put(&f, BRO_TYPE_IPADDR, NULL, &addr);
        ok &= flat_put(&f, BRO_TYPE_PORT, NULL, &port);
        ok &= flat_put(&f, BRO_TYPE_ENUM, "SSHD::AuthMethod", &n);
    }
    printf("put, 7 arguments: %.1f ns (%d)\n", (seconds() - start) / times * 1e9, ok);
    start = seconds();
    for (i = 0; i < times; i++) {
        const unsigned char *p = f.data;

        while (p && p < f.data + f.len) {
            p = flat_get(p, f.data + f.len, &v);
            val_clear(&v);
        }
    }
    printf("get, 7 arguments: %.1f ns\n", (seconds() - start) / times * 1e9);
    flat_free(&f);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "bench") == 0) {
        bench();
        return 0;
    }
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
    if (random_state == 0)
        random_state = 0x9e3779b97f4a7c15u;
    test_string_set();
    test_string_copy();
    test_util();
    test_buf_append();
    test_buf_pointer();
    test_buf_null();
    test_types();
    test_ranges();
    test_record_get();
    test_record_set();
    test_record_nested();
    test_record_depth();
    test_vector();
    test_vector_depth();
    test_table();
    test_table_bad();
    test_table_composite();
    test_table_keys();
    test_table_container_keys();
    test_set();
    test_flat_scalars();
    test_flat_strings();
    test_flat_refused();
    test_flat_file();
    test_flat_mixed();
    test_round_trip(argc > 2 ? atoi(argv[2]) : 500);
    return check_done();
}
