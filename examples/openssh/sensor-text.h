/*
 * Which bytes are text, and how those that are none are written.
 */
#ifndef SENSOR_TEXT_H
#define SENSOR_TEXT_H

#include <stddef.h>

/* What sensor_escape() makes of a byte, at most. */
#define SENSOR_ESCAPED 5

/* How many of the bytes are no text: neither printable ASCII, UTF-8, nor a control
 * character that terminals show something for (BEL to CR, ESC, DEL). It does not
 * count much further than most. */
size_t sensor_binary(const char *text, size_t len, size_t most);

/* How many bytes at the end begin a character that is not whole. */
size_t sensor_partial(const char *text, size_t len);

/*
 * Returns the length of what it writes: text as it is. Where anything is no text,
 * each such byte, and each control character but TAB, becomes U+241B and two
 * hexadecimal digits. U+241B itself counts as no text, so that it stands in what
 * is written for nothing else; it is one that Zeek and the collector write as it
 * is.
 */
size_t sensor_escape(const char *text, size_t len, char *escaped);

#endif
