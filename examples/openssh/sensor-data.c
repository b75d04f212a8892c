/*
 * What passes on the channels of sessions: lines, where the administrator wants
 * these, and operations of sftp. Part of libssh.a, as sensor-send.c is.
 */
#include "includes.h"

#include "sensor-data.h"
#include "sensor-msg.h"
#include "sensor.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>

struct stream {
    int chan;
    enum sensor_stream number;
    struct sensor_sample sample;
    uint64_t bytes, lines; /* that found no room, since that was told */
};

struct session {
    int wants_data, chan;
    struct sensor_sftp *sftp;
    struct stream streams[SENSOR_STREAMS];
};

static struct session *sessions[SENSOR_CHANNELS_MAX];

static struct session *
session_of(int chan)
{
    return chan >= 0 && chan < SENSOR_CHANNELS_MAX ? sessions[chan] : NULL;
}

/* --- Lines ---------------------------------------------------------------------------------- */

static void
tell_cut(const struct stream *s, enum sensor_cut why, uint64_t bytes, uint64_t lines)
{
    struct sensor_msg m = {.kind = SENSOR_DATA_CUT, .chan = (uint32_t)s->chan};

    m.num[0] = s->number;
    m.num[1] = (int64_t)bytes;
    m.num[2] = (int64_t)lines;
    m.num[3] = why;
    sensor_tell(&m, NULL, 0, NULL, 0);
}

static void
tell_lost(struct stream *s)
{
    if (s->bytes > 0)
        tell_cut(s, SENSOR_CUT_RATE, s->bytes, s->lines);
    s->bytes = s->lines = 0;
}

static uint64_t
count_lines(const char *data, size_t len)
{
    const char *end = data + len;
    uint64_t lines = 0;

    while ((data = memchr(data, '\n', (size_t)(end - data)))) {
        lines++;
        data++;
    }
    return lines;
}

static void
pass(void *arg, const char *data, size_t len)
{
    struct stream *s = arg;
    struct sensor_msg m = {.chan = (uint32_t)s->chan, .num = {s->number}};
    uint64_t bytes = s->bytes;

    m.kind = s->number == SENSOR_STDIN ? SENSOR_TX : SENSOR_RX;
    if (bytes > 0 && !sensor_has_room()) {
        s->bytes += len;
        s->lines += count_lines(data, len);
        return;
    }
    tell_lost(s);
    if (!sensor_tell_data(&m, data, len)) {
        s->bytes = len;
        s->lines = count_lines(data, len);
    }
}

static void
cut(void *arg, uint64_t bytes, uint64_t lines)
{
    struct stream *s = arg;

    tell_lost(s);
    tell_cut(s, SENSOR_CUT_BINARY, bytes, lines);
}

static void
add_lines(struct session *s, enum sensor_stream number, const void *data, size_t len)
{
    struct stream *stream = &s->streams[number];
    struct sensor_sample_to to = {pass, cut, stream};

    if (s->wants_data)
        sensor_sample_add(&stream->sample, data, len, &to);
}

static void
end_lines(struct stream *stream)
{
    struct sensor_sample_to to = {pass, cut, stream};

    sensor_sample_end(&stream->sample, &to);
    tell_lost(stream);
}

/* What comes is secret, and so may be the line that has begun. */
static void
hide(struct stream *stream)
{
    struct sensor_msg m = {.kind = SENSOR_TX, .num = {SENSOR_STDIN}};

    m.chan = (uint32_t)stream->chan;
    stream->sample.len = 0;
    sensor_tell(&m, NULL, 0, NULL, 0);
}

/* --- sftp ----------------------------------------------------------------------------------- */

static void
tell_op(void *arg, const struct sensor_sftp_op *op)
{
    struct session *s = arg;
    struct sensor_msg m = {.kind = SENSOR_SFTP, .chan = (uint32_t)s->chan};
    const char *texts[] = {op->op, op->path, op->target};

    m.num[0] = (int64_t)op->bytes_read;
    m.num[1] = (int64_t)op->bytes_written;
    m.num[2] = op->status;
    sensor_tell_texts(&m, texts, 3);
}

static void
end_sftp(struct session *s)
{
    if (s->sftp)
        sensor_sftp_end(s->sftp);
    s->sftp = NULL;
}

static void
add_sftp(struct session *s, enum sensor_stream number, const void *data, size_t len)
{
    enum sensor_sftp_state before;

    if (!s->sftp || number == SENSOR_STDERR)
        return;
    before = sensor_sftp_state(s->sftp);
    sensor_sftp_add(s->sftp, number == SENSOR_STDIN, data, len);
    if (sensor_sftp_state(s->sftp) == SENSOR_SFTP_NONE)
        end_sftp(s);
    else if (sensor_sftp_state(s->sftp) == SENSOR_SFTP_BROKEN && before != SENSOR_SFTP_BROKEN)
        tell_cut(&s->streams[number], SENSOR_CUT_PROTOCOL, 0, 0);
}

/* --- What sshd calls ------------------------------------------------------------------------ */

void
sensor_data_begin(int chan, int is_subsystem)
{
    struct session *s;
    int i;

    if (!sensor_is_open() || chan < 0 || chan >= SENSOR_CHANNELS_MAX)
        return;
    sensor_data_end(chan);
    s = calloc(1, sizeof *s);
    if (!s)
        return;
    s->chan = chan;
    s->wants_data = sensor_wants(SENSOR_WANTS_DATA) && !is_subsystem;
    s->sftp = sensor_sftp_new(tell_op, s);
    for (i = 0; i < SENSOR_STREAMS; i++) {
        s->streams[i].chan = chan;
        s->streams[i].number = (enum sensor_stream)i;
    }
    sessions[chan] = s;
}

void
sensor_data_end(int chan)
{
    struct session *s = session_of(chan);
    int i;

    if (!s)
        return;
    end_sftp(s);
    for (i = 0; i < SENSOR_STREAMS; i++)
        end_lines(&s->streams[i]);
    free(s);
    sessions[chan] = NULL;
}

void
sensor_done(void)
{
    int chan;

    for (chan = 0; chan < SENSOR_CHANNELS_MAX; chan++)
        sensor_data_end(chan);
}

void
sensor_sent(int chan, int is_stderr, const void *data, size_t len)
{
    struct session *s = session_of(chan);
    enum sensor_stream number = is_stderr ? SENSOR_STDERR : SENSOR_STDOUT;

    if (!s)
        return;
    add_sftp(s, number, data, len);
    add_lines(s, number, data, len);
}

/* Whether the terminal is asking for something that nobody is to see. */
static int
is_secret(int tty)
{
    struct termios t;

    return tty >= 0 && tcgetattr(tty, &t) == 0 && !(t.c_lflag & ECHO) && t.c_lflag & ICANON;
}

void
sensor_typed(int chan, const void *data, size_t len, int tty)
{
    struct session *s = session_of(chan);

    if (!s)
        return;
    add_sftp(s, SENSOR_STDIN, data, len);
    if (!s->wants_data)
        return;
    if (!sensor_wants(SENSOR_WANTS_PASSWORDS) && is_secret(tty))
        hide(&s->streams[SENSOR_STDIN]);
    else
        add_lines(s, SENSOR_STDIN, data, len);
}
