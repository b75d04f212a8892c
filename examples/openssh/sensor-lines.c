/*
 * Lines of what goes through session channels, where the administrator wants
 * these: bytes are kept until the end of their line.
 */
#include "includes.h"

#include "sensor-msg.h"

#include <stdlib.h>
#include <string.h>

/* A longer line is sent in pieces. */
#define LINE_MAX_BYTES 4096

struct stream {
    size_t len;
    int after_cr;  /* a line feed that follows belongs to the same line end */
    int is_binary; /* a NUL has come: these are no lines */
    char line[LINE_MAX_BYTES];
};

static struct session {
    struct session *next;
    int chan;
    struct stream streams[SENSOR_STREAMS];
} * sessions;

static struct session *
find(int chan)
{
    struct session *s = sessions;

    while (s && s->chan != chan)
        s = s->next;
    return s;
}

void
sensor_lines_open(int chan)
{
    struct session *s = find(chan) ? NULL : calloc(1, sizeof *s);

    if (!s)
        return;
    s->chan = chan;
    s->next = sessions;
    sessions = s;
}

static void
tell(int chan, enum sensor_stream which, struct stream *st)
{
    struct sensor_msg m = {.chan = (uint32_t)chan};

    m.kind = which == SENSOR_STDIN ? SENSOR_TX : SENSOR_RX;
    sensor_tell(&m, st->line, st->len, NULL, 0);
    st->len = 0;
}

void
sensor_lines_add(int chan, enum sensor_stream which, const void *data, size_t len)
{
    struct session *s = find(chan);
    struct stream *st = s ? &s->streams[which] : NULL;
    const char *p = data, *end = p + len;

    if (!st || st->is_binary)
        return;
    if (memchr(p, '\0', len)) {
        st->is_binary = 1;
        st->len = 0;
        return;
    }
    for (; p < end; p++) {
        int is_end = *p == '\r' || (*p == '\n' && !st->after_cr);

        if (is_end || st->len == sizeof st->line)
            tell(chan, which, st);
        if (*p != '\r' && *p != '\n')
            st->line[st->len++] = *p;
        st->after_cr = *p == '\r';
    }
}

void
sensor_lines_drop(int chan, enum sensor_stream which)
{
    struct session *s = find(chan);

    if (s)
        s->streams[which].len = 0;
}

void
sensor_lines_close(int chan)
{
    struct session **at = &sessions, *s;
    int i;

    while (*at && (*at)->chan != chan)
        at = &(*at)->next;
    if (!(s = *at))
        return;
    for (i = 0; i < SENSOR_STREAMS; i++) {
        if (s->streams[i].len > 0)
            tell(chan, (enum sensor_stream)i, &s->streams[i]);
    }
    *at = s->next;
    free(s);
}
