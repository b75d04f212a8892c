/*
 * What passes on channels: text, streams that are cut, and sftp, with what is
 * right and with anything at all. An argument is the seed of what is random.
 */
#include "includes.h"

#include "check.h"
#include "sensor-data.h"
#include "sensor-text.h"

#include <stdlib.h>
#include <string.h>

/* --- Text ----------------------------------------------------------------------------------- */

static int
escapes(const char *text, size_t len, const char *want)
{
    char got[256];
    size_t n = sensor_escape(text, len, got);

    return n == strlen(want) && memcmp(got, want, n) == 0;
}

#define MARK "\xe2\x90\x9b"

static void
test_text(void)
{
    CHECK(escapes("a\\x00 caf\xc3\xa9\t\x1b[0m\x7f", 17, "a\\x00 caf\xc3\xa9\t\x1b[0m\x7f"));
    CHECK(escapes("a\0b\x1b\t", 5, "a" MARK "00b" MARK "1b\t"));
    CHECK(escapes(MARK, 3, MARK "e2" MARK "90" MARK "9b"));
    CHECK(escapes("\xc3", 1, MARK "c3"));
    CHECK(escapes("\xe0\x80\x80", 3, MARK "e0" MARK "80" MARK "80")); /* overlong */
    CHECK(escapes("\xed\xa0\x80", 3, MARK "ed" MARK "a0" MARK "80")); /* a surrogate */
    CHECK(escapes("\xf4\x90\x80\x80", 4, MARK "f4" MARK "90" MARK "80" MARK "80"));
    CHECK(escapes("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"));
    CHECK(sensor_partial("ab\xf0\x9f\x98", 5) == 3 && sensor_partial("ab\xc3", 3) == 1);
    CHECK(sensor_partial("ab\xc3\xa9", 4) == 0 && sensor_partial("\x80", 1) == 0);
    CHECK(sensor_partial("", 0) == 0);
}

/* --- Streams -------------------------------------------------------------------------------- */

static char passed[1 << 22];
static size_t passed_len;
static uint64_t left_out;
static int cuts;

static void
pass(void *arg, const char *data, size_t len)
{
    (void)arg;
    CHECK(passed_len + len < sizeof passed);
    memcpy(passed + passed_len, data, len);
    passed_len += len;
    passed[passed_len] = '\0';
}

static void
cut(void *arg, uint64_t bytes, uint64_t lines)
{
    (void)arg;
    CHECK(lines <= bytes);
    left_out += bytes;
    cuts++;
}

static const struct sensor_sample_to to = {pass, cut, NULL};

static void
add(struct sensor_sample *s, const char *data, size_t len)
{
    while (len > 0) { /* in pieces of any size */
        size_t n = (size_t)random() % 5000 + 1;

        if (n > len)
            n = len;
        sensor_sample_add(s, data, n, &to);
        data += n;
        len -= n;
    }
}

static void
fill(char *data, size_t len)
{
    while (len-- > 0)
        *data++ = (char)random();
}

static void
test_sample(void)
{
    static struct sensor_sample s;
    static char garbage[1 << 20], text[100000];
    size_t i;

    fill(garbage, sizeof garbage);
    for (i = 0; i < sizeof text; i++)
        text[i] = i % 50 == 49 ? '\n' : 'x';
    add(&s, text, sizeof text);
    CHECK(passed_len == sizeof text && cuts == 0);
    add(&s, garbage, sizeof garbage);
    CHECK(s.is_cut && cuts == 1);
    passed_len = 0;
    add(&s, "\nw\n\x01\x02\x03\n", 7);
    CHECK(strcmp(passed, "w\n") == 0);
    passed_len = 0;
    add(&s, text, sizeof text); /* which ends it */
    CHECK(!s.is_cut && cuts == 2 && passed_len > sizeof text - SENSOR_WINDOW);
    CHECK(passed_len + left_out > sizeof garbage);
    passed_len = 0;
    add(&s, "\x01\x02\x03\n", 4);
    CHECK(passed_len == 4);
    /* A line without an end, at the end. */
    add(&s, garbage, sizeof garbage);
    passed_len = 0;
    add(&s, "\nlast", 5);
    CHECK(passed_len == 0);
    sensor_sample_end(&s, &to);
    CHECK(strcmp(passed, "last\n") == 0 && cuts == 4);
}

/* All is either passed or counted, whatever the stream is. */
static void
test_any_stream(void)
{
    static struct sensor_sample s;
    static char data[60000];
    int round;

    for (round = 0; round < 200; round++) {
        size_t i, total = 0, before = passed_len = 0;
        int part;

        memset(&s, 0, sizeof s);
        left_out = 0;
        for (part = 0; part < 5; part++) {
            size_t len = (size_t)random() % sizeof data;
            int percent = (int)(random() % 100);

            for (i = 0; i < len; i++)
                data[i] = random() % 100 < percent ? (char)random() : "ab\n"[random() % 3];
            add(&s, data, len);
            total += len;
        }
        sensor_sample_end(&s, &to);
        /* Of text lines that are longer than a window, each piece has an end of its own. */
        CHECK(passed_len - before + left_out >= total);
        CHECK(passed_len - before + left_out <= total + total / SENSOR_WINDOW + 1);
    }
}

/* --- sftp ----------------------------------------------------------------------------------- */

static char ops[1 << 16];
static unsigned long long told;

static void
tell(void *arg, const struct sensor_sftp_op *op)
{
    size_t len = strlen(ops);

    CHECK(arg == ops && op->op);
    told++;
    if (len < sizeof ops / 2)
        snprintf(ops + len, sizeof ops - len, "%s %s %s %llu %llu %d|", op->op,
                 op->path ? op->path : "-", op->target ? op->target : "-",
                 (unsigned long long)op->bytes_read, (unsigned long long)op->bytes_written,
                 (int)op->status);
}

/* A packet: u a number of four bytes, q of eight, s a text, t the type. */
static size_t
packet(unsigned char *to_, int type, const char *format, ...)
{
    __builtin_va_list args;
    unsigned char *p = to_ + 4;
    const char *text;
    uint64_t n;
    int i, size;

    *p++ = (unsigned char)type;
    __builtin_va_start(args, format);
    for (; *format; format++) {
        text = NULL;
        if (*format == 's') {
            text = __builtin_va_arg(args, const char *);
            n = strlen(text);
        } else {
            n = (uint64_t) __builtin_va_arg(args, int);
        }
        size = *format == 'q' ? 8 : 4;
        for (i = size - 1; i >= 0; i--)
            *p++ = i < 8 ? (unsigned char)(n >> (8 * i)) : 0;
        if (text) {
            memcpy(p, text, (size_t)n);
            p += n;
        }
    }
    __builtin_va_end(args);
    n = (uint64_t)(p - to_ - 4);
    for (i = 0; i < 4; i++)
        to_[i] = (unsigned char)(n >> (8 * (3 - i)));
    return (size_t)(p - to_);
}

static struct sensor_sftp *sftp;

/* In pieces of any size. */
static void
feed(int from_client, const unsigned char *data, size_t len)
{
    while (len > 0) {
        size_t n = (size_t)random() % 7 + 1;

        if (n > len)
            n = len;
        sensor_sftp_add(sftp, from_client, data, n);
        data += n;
        len -= n;
    }
}

static unsigned char buf[1 << 17];

#define ASK(...) feed(1, buf, packet(buf, __VA_ARGS__))
#define ANSWER(...) feed(0, buf, packet(buf, __VA_ARGS__))

static void
begin(void)
{
    sftp = sensor_sftp_new(tell, ops);
    ops[0] = '\0';
    told = 0;
    ASK(1, "u", 3);
    ANSWER(2, "us", 3, "posix-rename@openssh.com");
    CHECK(sensor_sftp_state(sftp) == SENSOR_SFTP_IS);
}

static void
end(const char *want)
{
    sensor_sftp_end(sftp);
    if (!CHECK(strcmp(ops, want) == 0))
        printf("got %s\n", ops);
}

static void
test_sftp(void)
{
    static char data[40000];

    memset(data, 'x', sizeof data - 1);
    begin();
    ASK(3, "usuu", 1, "/tmp/a\nb", 0x1a, 0);
    ANSWER(102, "us", 1, "h1");
    ASK(6, "usqs", 2, "h1", 0, data);
    ASK(6, "usqs", 3, "h1", 39999, data);
    ANSWER(101, "uuss", 2, 0, "", "");
    ANSWER(101, "uuss", 3, 4, "", ""); /* which was not written */
    ASK(5, "usqu", 4, "h1", 0, 32768);
    ANSWER(103, "us", 4, data);
    ASK(4, "us", 5, "h1");
    ANSWER(101, "uuss", 5, 0, "", "");
    ASK(200, "usss", 6, "posix-rename@openssh.com", "/tmp/a", "/tmp/b");
    ASK(13, "us", 7, "/tmp/none");
    ASK(17, "us", 8, "/tmp/b"); /* stat is not told */
    ANSWER(101, "uuss", 6, 0, "", "");
    ANSWER(101, "uuss", 7, 2, "", "");
    ANSWER(105, "uu", 8, 0);
    ASK(14, "usu", 9, "/tmp/\xff", 0);
    ANSWER(101, "uuss", 9, 3, "", "");
    ASK(15, "us", 10, "/tmp/unanswered");
    ASK(11, "us", 11, "/tmp");
    end("open /tmp/a\nb - 0 0 0|close /tmp/a\nb - 39999 39999 0|rename /tmp/a /tmp/b 0 0 0|"
        "remove /tmp/none - 0 0 2|mkdir /tmp/" MARK "ff - 0 0 3|rmdir /tmp/unanswered - 0 0 -1|"
        "opendir /tmp - 0 0 -1|");

    /* A file that is never closed. */
    begin();
    ASK(3, "usuu", 1, "/a", 1, 0);
    ANSWER(102, "us", 1, "h");
    ASK(5, "usqu", 2, "h", 0, 9);
    ANSWER(103, "us", 2, "123456789");
    end("open /a - 0 0 0|close /a - 9 0 -1|");
}

/* Ways not to be seen: more requests than are kept, a server that says anything, one number for
 * all. */
static void
test_sftp_hides(void)
{
    static char text[20001];
    int i;

    begin();
    for (i = 0; i < 2000; i++)
        ASK(13, "us", i, "/a");
    CHECK(told == 2000 - 1024);
    sensor_sftp_end(sftp);
    CHECK(told == 2000);

    sftp = sensor_sftp_new(tell, ops);
    ops[0] = '\0';
    ASK(1, "u", 3);
    feed(0, (const unsigned char *)"Welcome to this machine", 23);
    ASK(13, "us", 1, "/a");
    ASK(17, "us", 1, "/a");
    end("remove /a - 0 0 -1|");

    begin();
    ASK(17, "us", 1, "/stat");
    ASK(13, "us", 1, "/a");
    ASK(14, "us", 1, "/b");
    ANSWER(105, "uu", 1, 0);
    ANSWER(101, "uuss", 1, 2, "", "");
    ANSWER(101, "uuss", 1, 0, "", "");
    end("remove /a - 0 0 2|mkdir /b - 0 0 0|");

    /* Lengths that are wrong. */
    begin();
    ASK(13, "uu", 1, 0x7fffffff);
    ASK(18, "us", 2, "/one");
    ASK(13, "");
    ANSWER(101, "u", 1);
    ANSWER(101, "");
    end("remove - - 0 0 -1|rename /one - 0 0 -1|remove - - 0 0 -1|");

    /* Texts that are longer than what is kept. */
    memset(text, 'x', sizeof text - 1);
    begin();
    ASK(18, "uss", 1, text, "/new");
    ASK(3, "usuu", 2, text, 1, 0);
    ANSWER(102, "us", 2, text); /* a handle, which is too long */
    ASK(4, "us", 3, text);
    ANSWER(101, "uuss", 3, 0, "", "");
    sensor_sftp_end(sftp);
    CHECK(told == 3 && strlen(ops) > 2 * 4096);

    begin();
    ASK(18, "uss", 1, text + 12000, text + 15000); /* whose second text is not kept whole */
    sensor_sftp_end(sftp);
    CHECK(strlen(ops) == strlen("rename   0 0 -1|") + 4096 + 9216 - 8013);

    /* A handle that is closed while something is asked of it. */
    begin();
    ASK(3, "usuu", 1, "/a", 1, 0);
    ANSWER(102, "us", 1, "h");
    ASK(4, "us", 2, "h");
    ASK(6, "usqs", 3, "h", 0, "late");
    ASK(5, "usqu", 4, "h", 0, 9);
    ANSWER(101, "uuss", 2, 0, "", "");
    ANSWER(101, "uuss", 3, 0, "", "");
    ANSWER(103, "us", 4, "late");
    end("open /a - 0 0 0|close /a - 0 0 0|");

    sftp = sensor_sftp_new(tell, ops);
    feed(1, (const unsigned char *)"echo hello\n", 11);
    CHECK(sensor_sftp_state(sftp) == SENSOR_SFTP_NONE);
    sensor_sftp_end(sftp);
}

/* Whatever is sent, nothing is read or written beyond what is there. */
static void
test_sftp_anything(void)
{
    static const unsigned char types[] = {3,  4,  5,  6,   9,   10,  11, 13,
                                          14, 18, 20, 101, 102, 103, 200};
    static unsigned char data[30000];
    unsigned long long all = 0;
    int round, i;

    for (round = 0; round < 300; round++) {
        begin();
        for (i = 0; i < 100; i++) {
            size_t len = (size_t)random() % (random() % 10 ? 60 : sizeof data), j;

            for (j = 0; j < len; j++)
                data[j] = random() % 4 ? (unsigned char)(random() % 3) : (unsigned char)random();
            len = len < 5 ? 5 : len;
            memset(data, 0, 4);
            if (random() % 50) { /* mostly a length that is right */
                data[2] = (unsigned char)((len - 4) >> 8);
                data[3] = (unsigned char)(len - 4);
            }
            data[4] = types[(size_t)random() % sizeof types];
            feed((int)(random() % 2), data, len);
        }
        sensor_sftp_end(sftp);
        all += told;
    }
    CHECK(all > 1000);
}

int
main(int argc, char **argv)
{
    srandom(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
    test_text();
    test_sample();
    test_any_stream();
    test_sftp();
    test_sftp_hides();
    test_sftp_anything();
    return check_done();
}
