/*
 * Makes lines of what goes through session channels, where the administrator
 * wants these: bytes are kept until the end of their line.
 */
#include "includes.h"

#include "sensor-report.h"

#include <stdlib.h>
#include <string.h>

/* A longer line is sent in pieces. */
#define LINE_BYTES 4096
/* Streams of one connection; of those beyond, nothing is told. */
#define STREAMS_MAX 128

struct sensor_lines {
    struct sensor_lines *next;
    uint32_t chan;
    enum sensor_stream stream;
    size_t len;
    int after_cr; /* a line feed that follows belongs to the same line end */
    char line[LINE_BYTES];
};

static void
tell(struct sensor_lines *l, const struct sensor_msg *from, sensor_tell_line *line, void *arg)
{
    struct sensor_msg m = {.ts = from->ts, .chan = l->chan};

    m.kind = l->stream == SENSOR_STDIN ? SENSOR_TX : SENSOR_RX;
    m.len[0] = (uint32_t)l->len;
    line(arg, &m, l->line);
    l->len = 0;
}

static struct sensor_lines *
find(struct sensor_lines **all, uint32_t chan, enum sensor_stream stream)
{
    struct sensor_lines *l = *all;
    int n = 0;

    for (; l && (l->chan != chan || l->stream != stream); n++)
        l = l->next;
    if (l || n == STREAMS_MAX || !(l = malloc(sizeof *l)))
        return l;
    memset(l, 0, offsetof(struct sensor_lines, line));
    l->chan = chan;
    l->stream = stream;
    l->next = *all;
    *all = l;
    return l;
}

void
sensor_lines_add(struct sensor_lines **all, const struct sensor_msg *m, const char *text,
                 sensor_tell_line *line, void *arg)
{
    struct sensor_lines *l = find(all, m->chan, (enum sensor_stream)m->num[0]);
    const char *end = text + m->len[0];

    if (!l)
        return;
    if (m->len[0] == 0)
        l->len = 0; /* what follows is secret, and so may this be */
    for (; text < end; text++) {
        int is_end = *text == '\r' || (*text == '\n' && !l->after_cr);

        if (is_end || l->len == sizeof l->line)
            tell(l, m, line, arg);
        if (*text != '\r' && *text != '\n')
            l->line[l->len++] = *text;
        l->after_cr = *text == '\r';
    }
}

void
sensor_lines_end(struct sensor_lines **all, const struct sensor_msg *m, sensor_tell_line *line,
                 void *arg)
{
    struct sensor_lines *l;

    while ((l = *all)) {
        if (l->chan != m->chan) {
            all = &l->next;
            continue;
        }
        if (l->len > 0)
            tell(l, m, line, arg);
        *all = l->next;
        free(l);
    }
}
