/*
 * Events: which there are, which the administrator wants, and how they are sent.
 */
#include "includes.h"

#include "log.h"
#include "sensor-report.h"

#include <fnmatch.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An event besides its texts, about, as long as it waits. */
#define EVENT_BYTES 256
#define HEARTBEAT_SECONDS 60
/* Three quarters of what the library keeps for the collector: what is left over is for
 * events that nobody can cause in any number. */
#define SPARE_BYTES (768 << 10)

/*
 * The arguments after ts and sid, a letter each: c the connection, h the
 * channel, A and B address and port of either end, P the port of the first, 1
 * to 8 the texts, i and j the numbers, I to L the same as counts, b the first
 * number as a bool, V the first and T the second one, which are microseconds,
 * as an interval and a time.
 */
static const struct {
    const char *name, *args;
} events[SENSOR_KINDS] = {
    [SENSOR_LISTEN] = {"listen", "A"},
    [SENSOR_RESTART] = {"restart", ""},
    [SENSOR_END] = {"exit", ""},
    [SENSOR_CONN_NEW] = {"conn_new", "cAB"},
    [SENSOR_CONN_END] = {"conn_end", "c"},
    [SENSOR_AUTH_OK] = {"auth_ok", "c1ij"},
    [SENSOR_AUTH_FAILED] = {"auth_failed", "c1"},
    [SENSOR_AUTH_TIMEOUT] = {"auth_timeout", "c"},
    [SENSOR_PASSWORD] = {"auth_password_attempt", "c12b"},
    [SENSOR_SESSION] = {"channel_new_session", "ch1"},
    [SENSOR_FORWARD] = {"channel_new_forward", "chABb"},
    [SENSOR_RX] = {"data_rx", "ch1"},
    [SENSOR_TX] = {"data_tx", "ch1"},
    [SENSOR_EXEC] = {"exec", "ch1"},
    [SENSOR_CHANNEL_EXIT] = {"channel_exit", "chi"},
    [SENSOR_CHANNEL_CLEANUP] = {"channel_cleanup", "ch"},
    [SENSOR_FORWARD_REQUEST] = {"forward_request", "c123Pb"},
    [SENSOR_SFTP] = {"sftp", "ch123IJK"},
    [SENSOR_PROCESS] = {"process", "chJKLb"},
    [SENSOR_DATA_CUT] = {"data_cut", "ch12JK"},
    [SENSOR_AUTH_DETAIL] = {"auth_detail", "c123b456J7"},
    [SENSOR_CLIENT] = {"client", "c12345678"},
    [SENSOR_PASSWORD_HASH] = {"password_hash", "c12b"},
    [SENSOR_CONN_DROP] = {"conn_drop", "AB1"},
    [SENSOR_REVIVED] = {"sensor_restart", "1I"},
    [SENSOR_HEARTBEAT] = {"heartbeat", "VJKL"},
    [SENSOR_LOST] = {"lost", "IT"},
};

/* --- Settings ------------------------------------------------------------------------------- */

static int
yes_or_no(const char *key)
{
    int value = 0;

    if (!bro_conf_get_int(key, &value) && bro_conf_get_str(key))
        error("sensor: %s in broccoli.conf is neither yes nor no, and counts as no", key);
    return value == 1;
}

static const char *
salt(void)
{
    const char *text = bro_conf_get_str("/sshd/password_salt");

    if (text && strlen(text) > SENSOR_SALT_MAX) {
        error("sensor: /sshd/password_salt in broccoli.conf has more than %d bytes: no hashes are "
              "sent",
              SENSOR_SALT_MAX);
        return NULL;
    }
    return text && *text ? text : NULL;
}

static int
heartbeat(void)
{
    int seconds = HEARTBEAT_SECONDS;

    if (!bro_conf_get_int("/sshd/heartbeat", &seconds) && bro_conf_get_str("/sshd/heartbeat"))
        error("sensor: /sshd/heartbeat in broccoli.conf is no number of seconds, and counts as %d",
              HEARTBEAT_SECONDS);
    return seconds > 0 ? seconds : 0;
}

/* The kinds whose names match a pattern. */
static uint32_t
matching(const char *pattern)
{
    uint32_t kinds = 0;
    int k;

    for (k = 0; k < SENSOR_KINDS; k++) {
        if (events[k].name && fnmatch(pattern, events[k].name, 0) == 0)
            kinds |= UINT32_C(1) << k;
    }
    if (!kinds)
        error("sensor: /sshd/events in broccoli.conf: no event is called %.100s", pattern);
    return kinds;
}

static uint32_t
wanted(const char *patterns)
{
    char copy[1024], *rest = copy, *pattern;
    uint32_t kinds = 0;

    if (!patterns)
        return ~UINT32_C(0);
    if (strlen(patterns) >= sizeof copy)
        error("sensor: /sshd/events in broccoli.conf is too long, and is cut");
    snprintf(copy, sizeof copy, "%s", patterns);
    while ((pattern = strsep(&rest, " ,\t"))) {
        if (*pattern)
            kinds |= matching(pattern);
    }
    return kinds;
}

void
sensor_configure(struct sensor_settings *set)
{
    uint32_t data = UINT32_C(1) << SENSOR_RX | UINT32_C(1) << SENSOR_TX;

    bro_init(NULL);
    bro_conf_set_domain("sshd");
    memset(set, 0, sizeof *set);
    set->collector = bro_conf_get_str("/sshd/collector");
    set->sid = bro_conf_get_str("/sshd/sid");
    set->class_name = bro_conf_get_str("/sshd/class");
    set->wanted = wanted(bro_conf_get_str("/sshd/events"));
    set->passwords = yes_or_no("/sshd/passwords");
    set->data = yes_or_no("/sshd/data");
    set->password_salt = salt();
    set->heartbeat = heartbeat();
    if (!set->data)
        set->wanted &= ~data;
}

/* --- Sending -------------------------------------------------------------------------------- */

void
sensor_name(struct sensor_sender *to, long long start, unsigned port)
{
    char host[128] = "";

    if (to->set->sid) {
        snprintf(to->sid, sizeof to->sid, "%s", to->set->sid);
        return;
    }
    gethostname(host, sizeof host - 1);
    snprintf(to->sid, sizeof to->sid, "%s_%u_%lld", host, port, start);
}

static void
add_text(BroEvent *ev, const char *text, size_t len)
{
    BroString str = {(uint32)len, (uchar *)text};

    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
}

static void
add_port(BroEvent *ev, uint16_t number)
{
    BroPort port = {number, IPPROTO_TCP};

    bro_event_add_val(ev, BRO_TYPE_PORT, NULL, &port);
}

static void
add_end(BroEvent *ev, const struct sensor_end *end)
{
    BroAddr addr;

    memcpy(addr.addr, end->addr, sizeof addr.addr);
    bro_event_add_val(ev, BRO_TYPE_IPADDR, NULL, &addr);
    add_port(ev, end->port);
}

static void
add_number(BroEvent *ev, int type, uint64_t number)
{
    uint64 value = number;

    bro_event_add_val(ev, type, NULL, &value);
}

/* A number of microseconds. */
static void
add_seconds(BroEvent *ev, int type, int64_t number)
{
    double seconds = (double)number / 1e6;

    bro_event_add_val(ev, type, NULL, &seconds);
}

/* The text of a number from 0. */
static void
add_nth_text(BroEvent *ev, const struct sensor_msg *m, const char *texts, int n)
{
    int i;

    for (i = 0; i < n; i++)
        texts += m->len[i];
    add_text(ev, texts, m->len[n]);
}

static void
add_arg(BroEvent *ev, char arg, uint64_t cid, const struct sensor_msg *m, const char *texts)
{
    int truth = m->num[0] != 0;

    switch (arg) {
    case 'c':
        add_number(ev, BRO_TYPE_COUNT, cid);
        break;
    case 'h':
        add_number(ev, BRO_TYPE_COUNT, m->chan);
        break;
    case 'A':
    case 'B':
        add_end(ev, &m->end[arg - 'A']);
        break;
    case 'P':
        add_port(ev, m->end[0].port);
        break;
    case 'I':
    case 'J':
    case 'K':
    case 'L':
        add_number(ev, BRO_TYPE_COUNT, (uint64_t)m->num[arg - 'I']);
        break;
    case 'V':
        add_seconds(ev, BRO_TYPE_INTERVAL, m->num[0]);
        break;
    case 'T':
        add_seconds(ev, BRO_TYPE_TIME, m->num[1]);
        break;
    case 'i':
    case 'j':
        add_number(ev, BRO_TYPE_INT, (uint64_t)m->num[arg - 'i']);
        break;
    case 'b':
        bro_event_add_val(ev, BRO_TYPE_BOOL, NULL, &truth);
        break;
    default: /* a digit */
        add_nth_text(ev, m, texts, arg - '1');
        break;
    }
}

void
sensor_lose(struct sensor_sender *to, unsigned long long number)
{
    if (to->lost_since == 0)
        to->lost_since = bro_util_current_time();
    to->lost += number;
}

/* Counts what was sent, for the mean of what waits. */
static void
count(struct sensor_sender *to, const struct sensor_msg *m)
{
    int i;

    to->sent++;
    if (bro_event_queue_length(to->conn) <= 1)
        to->bytes = to->events = 0;
    to->events++;
    to->bytes += EVENT_BYTES;
    for (i = 0; i < SENSOR_TEXTS; i++)
        to->bytes += m->len[i];
}

int
sensor_has_spare_room(const struct sensor_sender *to)
{
    uint64_t waiting = (uint64_t)bro_event_queue_length(to->conn);
    uint64_t mean = to->events > 0 ? to->bytes / to->events : 0;

    return waiting < (uint64_t)bro_event_queue_length_max(to->conn) * 3 / 4 &&
           waiting * mean < SPARE_BYTES;
}

int
sensor_send(struct sensor_sender *to, enum sensor_kind kind, uint64_t cid,
            const struct sensor_msg *m, const char *texts)
{
    char name[64];
    const char *arg;
    double ts = m->ts;
    BroEvent *ev;
    int sent;

    if (!events[kind].name || !(to->set->wanted & UINT32_C(1) << kind))
        return 1;
    snprintf(name, sizeof name, "sensor_sshd_%s", events[kind].name);
    ev = bro_event_new(name);
    if (!ev) {
        sensor_lose(to, 1);
        return 0;
    }
    bro_event_add_val(ev, BRO_TYPE_TIME, NULL, &ts);
    add_text(ev, to->sid, strlen(to->sid));
    for (arg = events[kind].args; *arg; arg++)
        add_arg(ev, *arg, cid, m, texts);
    sent = bro_event_send(to->conn, ev);
    bro_event_free(ev);
    if (sent)
        count(to, m);
    else
        sensor_lose(to, 1);
    return sent;
}

int
sensor_send_if_room(struct sensor_sender *to, enum sensor_kind kind, uint64_t cid,
                    const struct sensor_msg *m, const char *texts)
{
    if (sensor_has_spare_room(to))
        return sensor_send(to, kind, cid, m, texts);
    sensor_lose(to, 1);
    return 0;
}
