/*
 * Leaves out of a stream what is no text when there is much of it. The rule is
 * in docs/sshd.md: nothing that is sent makes it leave out a line of text that
 * comes later. Part of libssh.a.
 */
#include "includes.h"

#include "sensor-data.h"
#include "sensor-text.h"

#include <string.h>

/* Of a line, in tenths, what may be binary if it is to be told of a stream that is cut. */
#define LINE_TENTHS 1
/* Windows of a stream that is cut which are not judged between two that are: it costs time. */
#define UNSEEN 7

static int
is_text(size_t binary, size_t len, size_t tenths)
{
    return binary * 10 <= len * tenths;
}

static void
begin_cut(struct sensor_sample *s, const struct sensor_sample_to *to)
{
    s->is_cut = 1;
    s->len = 0;
    to->cut(to->arg, 0, 0);
}

/* Many lines at once: a message for each would soon find no room. */
static void
hand_on(struct sensor_sample *s, const struct sensor_sample_to *to)
{
    if (s->kept > 0)
        to->pass(to->arg, s->text, s->kept);
    memmove(s->text, s->text + s->kept, s->len);
    s->kept = 0;
}

/* Keeps a line of a stream that is cut, or counts it. */
static void
end_line(struct sensor_sample *s, int has_end, const struct sensor_sample_to *to)
{
    char *line = s->text + s->kept;
    size_t len = s->len;

    s->len = 0;
    if (len > 0 && is_text(sensor_binary(line, len, len * LINE_TENTHS / 10), len, LINE_TENTHS)) {
        line[len] = '\n';
        s->kept += len + 1;
        if (s->kept > SENSOR_WINDOW)
            hand_on(s, to);
        return;
    }
    s->bytes += len + (has_end ? 1 : 0);
    s->lines += has_end ? 1 : 0;
}

static void
end_cut(struct sensor_sample *s, const struct sensor_sample_to *to)
{
    size_t len = s->len;

    s->is_cut = 0;
    s->len = 0;
    to->cut(to->arg, s->bytes, s->lines);
    s->bytes = s->lines = 0;
    if (len > 0)
        to->pass(to->arg, s->text, len);
}

static size_t
before_end(const char *data, size_t len)
{
    size_t n = 0;

    while (n < len && data[n] != '\n' && data[n] != '\r')
        n++;
    return n;
}

/* Lines of a stream that is cut. */
static void
pick(struct sensor_sample *s, const char *data, size_t len, const struct sensor_sample_to *to)
{
    while (len > 0) {
        size_t n = before_end(data, len), room = SENSOR_WINDOW - s->len;

        if (n > room)
            n = room;
        memcpy(s->text + s->kept + s->len, data, n);
        s->len += n;
        data += n;
        len -= n;
        if (len > 0 && (*data == '\n' || *data == '\r')) {
            end_line(s, 1, to);
            data++;
            len--;
        } else if (len > 0) {
            end_line(s, 0, to);
        }
    }
    hand_on(s, to);
}

/* Whether a window that is full begins or ends a cut. */
static void
judge(struct sensor_sample *s, const struct sensor_sample_to *to)
{
    int text = is_text(s->binary, s->seen, SENSOR_BINARY_TENTHS);

    s->seen = s->binary = 0;
    if (s->unseen > 0) {
        s->unseen--;
        return;
    }
    if (text) {
        s->sampled = 0;
        if (s->is_cut)
            end_cut(s, to);
    } else if (!s->is_cut) {
        s->sampled += SENSOR_WINDOW;
        if (s->sampled >= SENSOR_SAMPLE)
            begin_cut(s, to);
    }
    if (s->is_cut)
        s->unseen = UNSEEN;
}

void
sensor_sample_add(struct sensor_sample *s, const char *data, size_t len,
                  const struct sensor_sample_to *to)
{
    const size_t most = SENSOR_WINDOW * SENSOR_BINARY_TENTHS / 10;

    while (len > 0) {
        size_t n = SENSOR_WINDOW - s->seen;

        if (n > len)
            n = len;
        if (s->is_cut)
            pick(s, data, n, to);
        else
            to->pass(to->arg, data, n);
        if (s->unseen == 0 && s->binary <= most) /* or the window is binary already */
            s->binary += sensor_binary(data, n, most);
        s->seen += n;
        if (s->seen == SENSOR_WINDOW)
            judge(s, to);
        data += n;
        len -= n;
    }
}

void
sensor_sample_end(struct sensor_sample *s, const struct sensor_sample_to *to)
{
    if (!s->is_cut)
        return;
    end_line(s, 0, to);
    hand_on(s, to);
    end_cut(s, to);
}
