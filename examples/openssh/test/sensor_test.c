/*
 * What the sensor believes of what it hears, its lines, and the messages
 * themselves, without an sshd. An argument is the seed of what is random.
 */
#include "includes.h"

#include "check.h"
#include "sensor-report.h"
#include "sensor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOT = 0, USER = 1000, OTHER = 1001 };

static struct sensor_settings set = {.wanted = ~UINT32_C(0), .data = 1};
static struct sensor_sender to = {.set = &set};

/* What was sent, as text. */
static char sent[1 << 16];
static unsigned counts[SENSOR_KINDS];

/* Whether there is room for lines. */
static int has_room = 1;

int
sensor_has_spare_room(const struct sensor_sender *sender)
{
    return sender == &to && has_room;
}

static unsigned long long lost;

void
sensor_lose(struct sensor_sender *sender, unsigned long long number)
{
    CHECK(sender == &to);
    lost += number;
}

int
sensor_send(struct sensor_sender *sender, enum sensor_kind kind, uint64_t cid,
            const struct sensor_msg *m, const char *texts)
{
    size_t len = strlen(sent);

    CHECK(sender == &to && kind < SENSOR_KINDS);
    counts[kind]++;
    if (len < sizeof sent / 2)
        snprintf(sent + len, sizeof sent - len, "%d:%llu/%u:%.*s ", (int)kind,
                 (unsigned long long)cid, m->chan, (int)(m->len[0] + m->len[1]), texts);
    return 1;
}

int
sensor_send_if_room(struct sensor_sender *sender, enum sensor_kind kind, uint64_t cid,
                    const struct sensor_msg *m, const char *texts)
{
    return has_room && sensor_send(sender, kind, cid, m, texts);
}

static struct sensor_client *
begin(void)
{
    sent[0] = '\0';
    memset(counts, 0, sizeof counts);
    return sensor_client_new(ROOT);
}

static void
hear(struct sensor_client *c, uid_t uid, enum sensor_kind kind, uint32_t chan, int64_t num,
     const char *text)
{
    struct sensor_msg m = {.kind = kind, .chan = chan, .num = {num}};

    m.len[0] = (uint32_t)strlen(text);
    sensor_client_hear(&to, c, uid, &m, text);
}

static struct sensor_client *
logged_in(void)
{
    struct sensor_client *c = begin();

    hear(c, ROOT, SENSOR_CONN_NEW, 0, 7, "");
    hear(c, ROOT, SENSOR_AUTH_OK, 0, USER, "alice");
    sent[0] = '\0';
    return c;
}

static void
test_beginning(void)
{
    struct sensor_client *c = begin();

    hear(c, ROOT, SENSOR_AUTH_FAILED, 0, 0, "early");
    hear(c, USER, SENSOR_CONN_NEW, 0, 1, "");
    CHECK(!sensor_client_has_begun(c) && !*sent);
    hear(c, ROOT, SENSOR_CONN_NEW, 0, 7, "");
    CHECK(sensor_client_has_begun(c));
    hear(c, ROOT, SENSOR_CONN_NEW, 0, 8, "");
    CHECK(counts[SENSOR_CONN_NEW] == 1);
    sensor_client_end(&to, c);
    CHECK(counts[SENSOR_CONN_END] == 1 && strstr(sent, "6:7/0:"));

    sensor_client_end(&to, begin());
    CHECK(!*sent);
}

/* A user's process reports his channels once he is logged in, and nothing else. */
static void
test_users(void)
{
    struct sensor_client *c = begin();
    uint32_t kind;

    hear(c, ROOT, SENSOR_CONN_NEW, 0, 7, "");
    sent[0] = '\0';
    for (kind = 0; kind < SENSOR_KINDS + 5; kind++)
        hear(c, USER, (enum sensor_kind)kind, 0, 0, "x");
    CHECK(!*sent);
    hear(c, ROOT, SENSOR_AUTH_OK, 0, USER, "alice");
    sent[0] = '\0';
    for (kind = 0; kind < SENSOR_KINDS + 5; kind++) {
        hear(c, OTHER, (enum sensor_kind)kind, 0, 0, "x");
        if (kind < SENSOR_FIRST_OF_USER || kind > SENSOR_LAST_OF_USER)
            hear(c, USER, (enum sensor_kind)kind, 0, 0, "x");
    }
    CHECK(!*sent);
    /* What the sensor and the listener tell, nobody else does. */
    for (kind = SENSOR_LAST_OF_CONNECTION + 1; kind < SENSOR_KINDS; kind++)
        hear(c, ROOT, (enum sensor_kind)kind, 0, 0, "x");
    CHECK(!*sent);
    hear(c, ROOT, SENSOR_AUTH_DETAIL, 0, 1, "alice");
    hear(c, ROOT, SENSOR_CLIENT, 0, 0, "SSH-2.0-x");
    CHECK(counts[SENSOR_AUTH_DETAIL] == 1 && counts[SENSOR_CLIENT] == 1);
    /* Of channels that are not there, nothing. */
    hear(c, USER, SENSOR_SFTP, 3, 0, "remove");
    hear(c, USER, SENSOR_PROCESS, 3, 0, "");
    hear(c, USER, SENSOR_DATA_CUT, 3, 0, "");
    CHECK(counts[SENSOR_SFTP] + counts[SENSOR_PROCESS] + counts[SENSOR_DATA_CUT] == 0);
    hear(c, USER, SENSOR_SESSION, 3, 0, "shell");
    CHECK(counts[SENSOR_SESSION] == 1);
    sensor_client_end(&to, c);
}

static void
test_channels(void)
{
    struct sensor_client *c = logged_in();

    hear(c, USER, SENSOR_CHANNEL_CLEANUP, 2, 0, "");
    hear(c, USER, SENSOR_FORWARD, SENSOR_CHANNELS_MAX, 0, "");
    CHECK(!*sent);
    hear(c, USER, SENSOR_FORWARD, 2, 0, "");
    hear(c, USER, SENSOR_CHANNEL_CLEANUP, 2, 0, "");
    hear(c, USER, SENSOR_CHANNEL_CLEANUP, 2, 0, "");
    CHECK(counts[SENSOR_CHANNEL_CLEANUP] == 1);
    hear(c, USER, SENSOR_FORWARD, 4, 0, "");
    hear(c, USER, SENSOR_SESSION, 5, 0, "exec");
    sensor_client_end(&to, c);
    CHECK(counts[SENSOR_CHANNEL_CLEANUP] == 3 && counts[SENSOR_CONN_END] == 1);
    CHECK(strstr(sent, "17:7/5: 17:7/4: 6:7/4: "));
}

static void
test_lines(void)
{
    struct sensor_client *c = logged_in();
    char text[10001];

    hear(c, USER, SENSOR_RX, 0, SENSOR_STDOUT, "of no session\n");
    CHECK(!*sent);
    hear(c, USER, SENSOR_SESSION, 0, 0, "exec");
    sent[0] = '\0';
    hear(c, USER, SENSOR_RX, 0, SENSOR_STDOUT, "one\r\ntw");
    hear(c, USER, SENSOR_RX, 0, SENSOR_STDERR, "wrong\n");
    hear(c, USER, SENSOR_RX, 0, SENSOR_STDOUT, "o\r");
    hear(c, USER, SENSOR_RX, 0, SENSOR_STDOUT, "\n\nrest");
    CHECK(strcmp(sent, "13:7/0:one 13:7/0:wrong 13:7/0:two 13:7/0: ") == 0);
    sent[0] = '\0';
    hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, "sec");
    hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, ""); /* which shall not be seen */
    hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, "ls\r");
    hear(c, USER, SENSOR_TX, 0, SENSOR_STREAMS, "no stream\n");
    hear(c, USER, SENSOR_TX, 0, -1, "no stream\n");
    CHECK(strcmp(sent, "14:7/0:ls ") == 0);
    sent[0] = '\0';
    hear(c, USER, SENSOR_CHANNEL_CLEANUP, 0, 0, "");
    CHECK(strcmp(sent, "13:7/0:rest 17:7/0: ") == 0);

    hear(c, USER, SENSOR_SESSION, 1, 0, "shell");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    counts[SENSOR_RX] = 0;
    hear(c, USER, SENSOR_RX, 1, SENSOR_STDOUT, text);
    CHECK(counts[SENSOR_RX] == 2);
    sensor_client_end(&to, c);
    CHECK(counts[SENSOR_RX] == 3);
}

static void
hear_cut(struct sensor_client *c, int64_t stream, int64_t why)
{
    struct sensor_msg m = {.kind = SENSOR_DATA_CUT, .num = {stream, 5, 1, why}};

    sensor_client_hear(&to, c, USER, &m, "");
}

/* What is left out is told, with why. */
static void
test_cuts(void)
{
    struct sensor_client *c = logged_in();
    int i;

    hear(c, USER, SENSOR_SESSION, 0, 0, "exec");
    sent[0] = '\0';
    hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, "begun");
    hear_cut(c, SENSOR_STDIN, SENSOR_CUT_BINARY);
    hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, "w\n");
    hear_cut(c, SENSOR_STDIN, SENSOR_CUTS);
    hear_cut(c, SENSOR_STREAMS, SENSOR_CUT_BINARY);
    CHECK(strcmp(sent, "14:7/0:begun 21:7/0:txbinary 14:7/0:w ") == 0);

    has_room = 0;
    sent[0] = '\0';
    hear(c, USER, SENSOR_SFTP, 0, 0, "mkdir");
    hear(c, USER, SENSOR_FORWARD_REQUEST, 0, 0, "tcp");
    hear(c, USER, SENSOR_RX, 0, SENSOR_STDOUT, "no room\nfor these\n");
    CHECK(!*sent);
    has_room = 1;
    hear(c, USER, SENSOR_RX, 0, SENSOR_STDOUT, "again\n");
    CHECK(strcmp(sent, "21:7/0:rxrate 13:7/0:again ") == 0);

    counts[SENSOR_TX] = 0;
    for (i = 0; i < 1000; i++)
        hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, "\n");
    sent[0] = '\0';
    hear(c, USER, SENSOR_TX, 0, SENSOR_STDIN, "end\n");
    CHECK(counts[SENSOR_TX] == 65 && strcmp(sent, "21:7/0:txempty 14:7/0:end ") == 0);

    /* More streams than there is room for. */
    counts[SENSOR_DATA_CUT] = 0;
    for (i = 1; i < 200; i++) {
        hear(c, USER, SENSOR_SESSION, (uint32_t)i, 0, "exec");
        hear(c, USER, SENSOR_TX, (uint32_t)i, SENSOR_STDIN, "x");
    }
    CHECK(counts[SENSOR_DATA_CUT] == 1);
    sensor_client_end(&to, c);
}

/* Messages that found no room are counted by the next one. */
static void
test_lost(void)
{
    struct sensor_client *c = logged_in();
    struct sensor_msg m = {.kind = SENSOR_AUTH_FAILED, .lost = 3};

    lost = 0;
    sensor_client_hear(&to, c, OTHER, &m, "");
    CHECK(lost == 0);
    sensor_client_hear(&to, c, ROOT, &m, "");
    CHECK(lost == 3);
    sensor_client_end(&to, c);
}

/* Whatever comes, ends are told as often as beginnings, and nothing is left. */
static void
test_anything(unsigned seed)
{
    struct sensor_client *c = begin();
    static char text[3000];
    int i;

    srandom(seed);
    for (i = 0; i < (int)sizeof text; i++)
        text[i] = "a\r\n\0"[random() % 4];
    for (i = 0; i < 200000; i++) {
        struct sensor_msg m = {.kind = (uint32_t)random() % (SENSOR_KINDS + 2)};

        if (i % 1000 == 999) {
            sensor_client_end(&to, c);
            c = sensor_client_new(ROOT);
            CHECK(counts[SENSOR_CONN_NEW] == counts[SENSOR_CONN_END]);
        }
        m.chan = (uint32_t)random() % 50 * 400;
        m.num[0] = random() % 5 - 1 + (m.kind == SENSOR_AUTH_OK ? USER : 0);
        m.len[0] = (uint32_t)random() % sizeof text;
        sensor_client_hear(&to, c, random() % 3 ? ROOT : (uid_t)USER + random() % 3, &m, text);
    }
    sensor_client_end(&to, c);
    CHECK(counts[SENSOR_CONN_NEW] == counts[SENSOR_CONN_END]);
    /* A channel that is opened twice is open once. */
    CHECK(counts[SENSOR_CHANNEL_CLEANUP] > 1000);
    CHECK(counts[SENSOR_CHANNEL_CLEANUP] <= counts[SENSOR_SESSION] + counts[SENSOR_FORWARD]);
}

/* Sending neither waits nor fails loudly, and leaves errno alone. */
static void
test_messages(void)
{
    struct sensor_msg m = {.kind = SENSOR_EXEC};
    static char got[SENSOR_TEXT_MAX + sizeof m + 10], text[SENSOR_TEXT_MAX + 10];
    int pair[2], n;
    ssize_t len;

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    errno = EDOM;
    CHECK(sensor_write(pair[0], &m, text, sizeof text, "x", 1) && errno == EDOM);
    len = recv(pair[1], got, sizeof got, 0);
    memcpy(&m, got, sizeof m);
    CHECK(len == (ssize_t)(sizeof m + SENSOR_TEXT_MAX));
    CHECK(m.len[0] == SENSOR_TEXT_MAX && m.len[1] == 0 && m.ts > 1e9);
    CHECK(sensor_write(pair[0], &m, "ab", 2, text, sizeof text));
    len = recv(pair[1], got, sizeof got, 0);
    memcpy(&m, got, sizeof m);
    CHECK(m.len[0] == 2 && m.len[1] == SENSOR_TEXT_MAX - 2);
    CHECK(len == (ssize_t)(sizeof m + SENSOR_TEXT_MAX));

    for (n = 0; n < 100000 && sensor_write(pair[0], &m, text, 1000, NULL, 0); n++)
        ;
    CHECK(n > 10 && n < 100000 && errno == EDOM);
    close(pair[1]);
    CHECK(!sensor_write(pair[0], &m, NULL, 0, NULL, 0));
    close(pair[0]);

    /* Without a sensor, as in the clients. */
    sensor_session(0, 0, NULL, NULL);
    sensor_sent(0, 0, "x", 1);
    sensor_typed(-1, "x", 1, -1);
    sensor_cleanup(1 << 30);
    sensor_timeout();
}

int
main(int argc, char **argv)
{
    test_beginning();
    test_users();
    test_channels();
    test_lines();
    test_cuts();
    test_lost();
    test_anything(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
    test_messages();
    return check_done();
}
