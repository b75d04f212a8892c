/*
 * Why there is no connection, and why an event was refused: for
 * bro_conn_error() and bro_event_error().
 */
#ifndef ROMANESCO_ERROR_H
#define ROMANESCO_ERROR_H

#include "shared.h"

/* The text of a reason while it is being found. */
struct reason {
    char text[LINK_ERROR_MAX];
};

/* Always FALSE, or NULL, for the caller to return. */
int reason_set(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Why an event was refused. */
enum refusal {
    REFUSED_NOT = 0,
    REFUSED_NO_EVENT,
    REFUSED_TOO_LARGE,
    REFUSED_UNCONNECTED,
    REFUSED_ENDING,
    REFUSED_QUEUE_EVENTS,
    REFUSED_QUEUE_BYTES,
    REFUSED_RING,
    REFUSED_FAR,
    REFUSED_SPOOL,
    REFUSED_MEMORY,
    REFUSED_LINK_TYPE,
    REFUSED_REASON /* as the reason says */
};

/* Two reasons, and what is between them. */
#define ERRORS_TEXT_MAX (2 * LINK_ERROR_MAX + 128)

struct errors {
    /* Of the connects that this process has waited for since the connection was up: */
    uint64_t ups;        /* how often it has been up before these */
    struct reason first; /* "": none has failed, or the core had a cause before */
    struct reason last;
    /* Why the parent had no connection, with which this process was made by fork(): */
    char before[ERRORS_TEXT_MAX];

    enum refusal refusal;
    uint64_t size; /* of the event that was refused, in bytes */
    struct reason reason;

    uint64_t untold; /* events that the queue had no room for since that was told */
    int64_t told_at; /* then, in seconds; 0: never */

    char conn_text[ERRORS_TEXT_MAX]; /* what the two functions have returned */
    char event_text[ERRORS_TEXT_MAX];
};

#endif
