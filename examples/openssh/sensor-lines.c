/*
 * Makes lines of what goes through session channels, where the administrator
 * wants these: bytes are kept until the end of their line.
 */
#include "includes.h"

#include "sensor-report.h"
#include "sensor-text.h"

#include <stdlib.h>
#include <string.h>

/* A longer line is sent in pieces. */
#define LINE_BYTES 4096
/* Empty lines in a row; those beyond are counted. */
#define EMPTY_MAX 64
/* Streams of one connection; of those beyond, nothing is told but that. */
#define STREAMS_MAX 128

/* What was left out and is not told yet. */
struct left {
    uint64_t bytes, lines;
};

struct sensor_lines {
    struct sensor_lines *next;
    uint32_t chan;
    enum sensor_stream stream;
    size_t len;
    int after_cr;   /* a line feed that follows belongs to the same line end */
    unsigned empty; /* lines in a row */
    struct left left[SENSOR_CUTS];
    char line[LINE_BYTES];
};

/* --- What is left out ----------------------------------------------------------------------- */

static void
tell_left(struct sensor_lines *l, enum sensor_cut why, double ts, const struct sensor_lines_to *to)
{
    struct sensor_msg m = {.kind = SENSOR_DATA_CUT, .chan = l->chan, .ts = ts};

    if (l->left[why].lines == 0 && l->left[why].bytes == 0)
        return;
    m.num[0] = l->stream;
    m.num[1] = (int64_t)l->left[why].bytes;
    m.num[2] = (int64_t)l->left[why].lines;
    m.num[3] = why;
    to->cut(to->arg, &m);
    l->left[why] = (struct left){0, 0};
}

static void
leave_out(struct sensor_lines *l, enum sensor_cut why)
{
    l->left[why].bytes += l->len;
    l->left[why].lines++;
    l->len = 0;
}

/* --- Lines ---------------------------------------------------------------------------------- */

static void
tell(struct sensor_lines *l, double ts, const struct sensor_lines_to *to)
{
    char text[LINE_BYTES * SENSOR_ESCAPED];
    struct sensor_msg m = {.ts = ts, .chan = l->chan};

    l->empty = l->len == 0 ? l->empty + 1 : 0;
    if (l->empty > EMPTY_MAX) {
        leave_out(l, SENSOR_CUT_EMPTY);
        return;
    }
    if (!to->has_room(to->arg)) {
        leave_out(l, SENSOR_CUT_RATE);
        return;
    }
    tell_left(l, SENSOR_CUT_EMPTY, ts, to);
    tell_left(l, SENSOR_CUT_RATE, ts, to);
    m.kind = l->stream == SENSOR_STDIN ? SENSOR_TX : SENSOR_RX;
    m.len[0] = (uint32_t)sensor_escape(l->line, l->len, text);
    to->line(to->arg, &m, text);
    l->len = 0;
}

/* A piece of a line that is too long, without the character that has begun at its end. */
static void
tell_piece(struct sensor_lines *l, double ts, const struct sensor_lines_to *to)
{
    char rest[4];
    size_t n = sensor_partial(l->line, l->len);

    l->len -= n;
    memcpy(rest, l->line + l->len, n);
    tell(l, ts, to);
    memcpy(l->line, rest, n);
    l->len = n;
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

int
sensor_lines_add(struct sensor_lines **all, const struct sensor_msg *m, const char *text,
                 const struct sensor_lines_to *to)
{
    struct sensor_lines *l = find(all, m->chan, (enum sensor_stream)m->num[0]);
    const char *end = text + m->len[0];

    if (!l)
        return 0;
    if (m->len[0] == 0)
        l->len = 0; /* what follows is secret, and so may this be */
    for (; text < end; text++) {
        int is_end = *text == '\r' || (*text == '\n' && !l->after_cr);

        if (is_end)
            tell(l, m->ts, to);
        else if (l->len == sizeof l->line)
            tell_piece(l, m->ts, to);
        if (*text != '\r' && *text != '\n')
            l->line[l->len++] = *text;
        l->after_cr = *text == '\r';
    }
    return 1;
}

void
sensor_lines_cut(struct sensor_lines **all, const struct sensor_msg *m,
                 const struct sensor_lines_to *to)
{
    struct sensor_lines *l;

    for (l = *all; l; l = l->next) {
        if (l->chan == m->chan && l->stream == (enum sensor_stream)m->num[0] && l->len > 0)
            tell(l, m->ts, to);
    }
}

void
sensor_lines_end(struct sensor_lines **all, const struct sensor_msg *m,
                 const struct sensor_lines_to *to)
{
    struct sensor_lines *l;
    int why;

    while ((l = *all)) {
        if (l->chan != m->chan) {
            all = &l->next;
            continue;
        }
        if (l->len > 0)
            tell(l, m->ts, to);
        for (why = 0; why < SENSOR_CUTS; why++)
            tell_left(l, (enum sensor_cut)why, m->ts, to);
        *all = l->next;
        free(l);
    }
}
