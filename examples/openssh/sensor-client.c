/*
 * What the sensor knows of a connection to sshd, and believes of what it hears.
 */
#include "includes.h"

#include "sensor-report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct channel {
    uint32_t number;
    int has_lines;
};

struct sensor_client {
    uint64_t cid;
    uid_t root; /* as whom sshd runs */
    uid_t user; /* once he has logged in */
    int has_begun, has_user;
    int is_short;             /* of memory for lines, which was told */
    struct channel *channels; /* that are open */
    size_t num_channels;
    struct sensor_lines *lines;
};

struct sensor_client *
sensor_client_new(uid_t root)
{
    struct sensor_client *c = calloc(1, sizeof *c);

    if (c)
        c->root = root;
    return c;
}

int
sensor_client_has_begun(const struct sensor_client *c)
{
    return c->has_begun;
}

/* --- Channels ------------------------------------------------------------------------------- */

static struct channel *
find(const struct sensor_client *c, uint32_t number)
{
    size_t i;

    for (i = 0; i < c->num_channels; i++) {
        if (c->channels[i].number == number)
            return &c->channels[i];
    }
    return NULL;
}

/* Remembers a channel, so that its end is told once, and only if its beginning was. */
static struct channel *
open_channel(struct sensor_client *c, uint32_t number)
{
    struct channel *more, *ch = find(c, number);

    if (ch || number >= SENSOR_CHANNELS_MAX)
        return ch;
    more = realloc(c->channels, (c->num_channels + 1) * sizeof *more);
    if (!more)
        return NULL;
    c->channels = more;
    more[c->num_channels] = (struct channel){.number = number};
    return &more[c->num_channels++];
}

struct where {
    struct sensor_sender *to;
    uint64_t cid;
};

static int
has_room(void *arg)
{
    return sensor_has_spare_room(((struct where *)arg)->to);
}

static void
tell_line(void *arg, const struct sensor_msg *m, const char *line)
{
    struct where *w = arg;

    sensor_send(w->to, (enum sensor_kind)m->kind, w->cid, m, line);
}

/* What was not told of a stream, and why. */
static void
tell_cut(void *arg, const struct sensor_msg *from)
{
    static const char *const reasons[SENSOR_CUTS] = {"binary", "rate", "empty", "memory",
                                                     "protocol"};
    struct where *w = arg;
    struct sensor_msg m = *from;
    char texts[32];

    m.len[0] = 2;
    m.len[1] = (uint32_t)snprintf(texts, sizeof texts, "%s%s",
                                  m.num[0] == SENSOR_STDIN ? "tx" : "rx", reasons[m.num[3]]) -
               2;
    sensor_send(w->to, SENSOR_DATA_CUT, w->cid, &m, texts);
}

static struct sensor_lines_to
lines_to(struct where *w)
{
    return (struct sensor_lines_to){has_room, tell_line, tell_cut, w};
}

static void
close_channel(struct sensor_sender *to, struct sensor_client *c, const struct sensor_msg *m)
{
    struct where w = {to, c->cid};
    struct sensor_lines_to lines = lines_to(&w);
    struct channel *ch = find(c, m->chan);

    if (!ch)
        return;
    sensor_lines_end(&c->lines, m, &lines);
    *ch = c->channels[--c->num_channels];
    sensor_send(to, SENSOR_CHANNEL_CLEANUP, c->cid, m, "");
}

static int
is_stream(const struct sensor_msg *m)
{
    return m->num[0] >= 0 && m->num[0] < SENSOR_STREAMS;
}

static void
add_data(struct sensor_sender *to, struct sensor_client *c, const struct sensor_msg *m,
         const char *texts)
{
    struct where w = {to, c->cid};
    struct sensor_lines_to lines = lines_to(&w);
    struct channel *ch = find(c, m->chan);
    struct sensor_msg cut = {.chan = m->chan, .ts = m->ts, .num = {m->num[0], m->len[0]}};

    if (!ch || !ch->has_lines || !to->set->data || !is_stream(m) ||
        sensor_lines_add(&c->lines, m, texts, &lines) || c->is_short)
        return;
    cut.num[3] = SENSOR_CUT_MEMORY;
    tell_cut(&w, &cut);
    c->is_short = 1;
}

/* Its process leaves out part of a stream. */
static void
cut_data(struct sensor_sender *to, struct sensor_client *c, const struct sensor_msg *m)
{
    struct where w = {to, c->cid};
    struct sensor_lines_to lines = lines_to(&w);
    struct channel *ch = find(c, m->chan);

    if (!ch || !ch->has_lines || !is_stream(m) || m->num[3] < 0 || m->num[3] >= SENSOR_CUTS)
        return;
    sensor_lines_cut(&c->lines, m, &lines);
    tell_cut(&w, m);
}

/* --- What is said --------------------------------------------------------------------------- */

/* Whether a client may say this: whoever has logged in reports his own channels only. */
static int
may_say(const struct sensor_client *c, uid_t uid, uint32_t kind)
{
    if (kind > SENSOR_LAST_OF_CONNECTION || kind == SENSOR_CONN_END ||
        (kind == SENSOR_CONN_NEW) == c->has_begun)
        return 0;
    if (uid == c->root)
        return kind >= SENSOR_CONN_NEW;
    return kind >= SENSOR_FIRST_OF_USER && kind <= SENSOR_LAST_OF_USER && c->has_user &&
           uid == c->user;
}

void
sensor_client_hear(struct sensor_sender *to, struct sensor_client *c, uid_t uid,
                   const struct sensor_msg *m, const char *texts)
{
    struct channel *ch = NULL;

    if (!may_say(c, uid, m->kind))
        return;
    if (m->lost > 0)
        sensor_lose(to, m->lost);
    switch (m->kind) {
    case SENSOR_CONN_NEW:
        c->has_begun = 1;
        c->cid = (uint64_t)m->num[0];
        break;
    case SENSOR_AUTH_OK:
        c->has_user = 1;
        c->user = (uid_t)m->num[0];
        break;
    case SENSOR_SESSION:
    case SENSOR_FORWARD:
        if (!(ch = open_channel(c, m->chan)))
            return;
        ch->has_lines = m->kind == SENSOR_SESSION;
        break;
    case SENSOR_CHANNEL_CLEANUP:
        close_channel(to, c, m);
        return;
    case SENSOR_RX:
    case SENSOR_TX:
        add_data(to, c, m, texts);
        return;
    case SENSOR_DATA_CUT:
        cut_data(to, c, m);
        return;
    case SENSOR_PROCESS:
        if (!find(c, m->chan))
            return;
        break;
    case SENSOR_SFTP:
        if (!find(c, m->chan))
            return;
        /* Fall through. */
    case SENSOR_FORWARD_REQUEST:
        sensor_send_if_room(to, (enum sensor_kind)m->kind, c->cid, m, texts);
        return;
    }
    sensor_send(to, (enum sensor_kind)m->kind, c->cid, m, texts);
}

void
sensor_client_end(struct sensor_sender *to, struct sensor_client *c)
{
    struct sensor_msg m = {.ts = bro_util_current_time()};

    while (c->num_channels > 0) { /* its process had no time for that */
        m.chan = c->channels[c->num_channels - 1].number;
        close_channel(to, c, &m);
    }
    if (c->has_begun)
        sensor_send(to, SENSOR_CONN_END, c->cid, &m, "");
    free(c->channels);
    free(c);
}
