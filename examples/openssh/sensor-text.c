/*
 * Text and what is none. Part of libssh.a, as sensor-send.c is.
 */
#include "includes.h"

#include "sensor-text.h"

#include <stdint.h>
#include <string.h>

static const char mark[] = "\xe2\x90\x9b"; /* U+241B */

/* The bytes that a character has which begins so, 0 if none does. */
static size_t
length_of(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Whether a second byte makes neither an overlong form, a surrogate nor what is beyond Unicode. */
static int
may_follow(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return second >= low && second <= high;
}

/* The length of the character here, 0 if these bytes are no text. */
static size_t
character(const unsigned char *p, size_t left)
{
    size_t len = length_of(*p), i;

    if (len == 1)
        return *p >= 0x20 || (*p >= '\a' && *p <= '\r') || *p == 0x1b;
    if (len == 0 || len > left || !may_follow(p[0], p[1]))
        return 0;
    for (i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    }
    return len == 3 && memcmp(p, mark, 3) == 0 ? 0 : len;
}

size_t
sensor_binary(const char *text, size_t len, size_t most)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t binary = 0, n;

    while (len > 0 && binary <= most) {
        n = *p >= 0x20 && *p < 0x80 ? 1 : character(p, len);
        if (n == 0) {
            binary++;
            n = 1;
        }
        p += n;
        len -= n;
    }
    return binary;
}

size_t
sensor_partial(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n;

    for (n = 1; n <= 3 && n <= len; n++) {
        unsigned char c = p[len - n];

        if (c < 0x80)
            return 0;
        if (c >= 0xc0)
            return length_of(c) > n ? n : 0;
    }
    return 0;
}

size_t
sensor_escape(const char *text, size_t len, char *escaped)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    char *to = escaped;

    if (sensor_binary(text, len, 0) == 0) {
        memcpy(escaped, text, len);
        return len;
    }
    while (p < end) {
        size_t n = character(p, (size_t)(end - p));
        int shows = n > 1 || *p == '\t' || (*p >= 0x20 && *p < 0x7f);

        if (n > 0 && shows) {
            memcpy(to, p, n);
            to += n;
            p += n;
            continue;
        }
        memcpy(to, mark, 3);
        to[3] = digits[*p >> 4];
        to[4] = digits[*p & 15];
        to += SENSOR_ESCAPED;
        p++;
    }
    return (size_t)(to - escaped);
}
