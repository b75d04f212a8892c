#include "error.h"

#include "conn.h"
#include "fork.h"
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* How often at the most it is told that events are refused. */
#define FULL_SECONDS 60

int
reason_set(struct reason *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return FALSE;
}

/* --- Connections ------------------------------------------------------------------------------ */

/* How often to begin again when the core writes a cause meanwhile: it would have to
 * lose two connections each time. */
#define TRIES 10

/* Copies what the core says, and returns how often the connection has come up. */
static uint64_t
read_cause(const struct link *l, struct reason *cause)
{
    uint64_t ups = 0, word;
    uint32_t published;
    size_t i;
    int n;

    cause->text[0] = '\0';
    for (n = 0; l && n < TRIES; n++) {
        const struct link_cause *c;

        published = __atomic_load_n(&l->cause_published, __ATOMIC_ACQUIRE);
        c = &l->causes[published % 2];
        ups = __atomic_load_n(&c->ups, __ATOMIC_ACQUIRE);
        for (i = 0; i < LINK_ERROR_MAX / sizeof word; i++) {
            word = __atomic_load_n(&c->text[i], __ATOMIC_ACQUIRE); /* before what follows */
            memcpy(cause->text + i * sizeof word, &word, sizeof word);
        }
        cause->text[LINK_ERROR_MAX - 1] = '\0'; /* whatever another process has written */
        if (__atomic_load_n(&l->cause_begun, __ATOMIC_RELAXED) - published <= 1)
            return ups;
    }
    cause->text[0] = '\0';
    return ups;
}

void
errors_cause(struct link *l, const char *text)
{
    uint32_t n = l->cause_published + 1;
    struct link_cause *to = &l->causes[n % 2];
    char padded[LINK_ERROR_MAX] = "";
    uint64_t word;
    size_t i;

    snprintf(padded, sizeof padded, "%s", text);
    __atomic_store_n(&l->cause_begun, n, __ATOMIC_SEQ_CST);
    __atomic_store_n(&to->ups, l->causes[(n + 1) % 2].ups, __ATOMIC_SEQ_CST);
    for (i = 0; i < LINK_ERROR_MAX / sizeof word; i++) {
        memcpy(&word, padded + i * sizeof word, sizeof word);
        __atomic_store_n(&to->text[i], word, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&l->cause_published, n, __ATOMIC_SEQ_CST);
}

uint64_t
errors_ups(BroConn *bc)
{
    struct reason cause;
    uint64_t ups;

    pthread_mutex_lock(&bc->lock);
    ups = read_cause(bc->link, &cause);
    pthread_mutex_unlock(&bc->lock);
    return ups;
}

void
errors_unconnected(BroConn *bc, uint64_t ups, const struct reason *why)
{
    struct errors *e = &bc->errors;
    struct reason cause;
    uint64_t now;

    pthread_mutex_lock(&bc->lock);
    now = read_cause(bc->link, &cause);
    if (e->ups != now)
        e->first.text[0] = e->last.text[0] = '\0';
    e->ups = now;
    if (ups == now) { /* it has not come up after the attempt */
        if (!e->first.text[0] && !cause.text[0])
            e->first = *why;
        e->last = *why;
    }
    pthread_mutex_unlock(&bc->lock);
}

/* Under the lock. */
static void
explain_connection(const BroConn *bc, char *text, size_t size)
{
    const struct errors *e = &bc->errors;
    const char *first, *last = "";
    struct reason cause;
    uint32_t state = conn_state(bc);
    int ours;

    text[0] = '\0';
    if (state == LINK_UP)
        return;
    ours = read_cause(bc->link, &cause) == e->ups;
    first = ours && e->first.text[0] ? e->first.text : cause.text;
    if (ours && strcmp(e->last.text, first) != 0)
        last = e->last.text;
    if (first[0])
        snprintf(text, size, "%s%s%s", first, last[0] ? "; then: " : "", last);
    else if (state == LINK_CLOSING || state == LINK_CLOSED)
        snprintf(text, size, "exit() has begun, or the handle is being deleted");
    else if (state == LINK_RETRY)
        snprintf(text, size, "connecting in the background");
    else if (state == LINK_NEW)
        snprintf(text, size, "%s", e->before);
}

#define BEFORE "before the fork(): "

void
errors_inherit(BroConn *bc)
{
    char before[ERRORS_TEXT_MAX];

    pthread_mutex_lock(&bc->lock);
    explain_connection(bc, before, sizeof before);
    memset(&bc->errors, 0, sizeof bc->errors);
    if (before[0])
        snprintf(bc->errors.before, sizeof bc->errors.before, "%s%.1000s",
                 strncmp(before, BEFORE, strlen(BEFORE)) == 0 ? "" : BEFORE, before);
    pthread_mutex_unlock(&bc->lock);
}

ROMANESCO_API const char *
bro_conn_error(BroConn *bc)
{
    if (!bc || !fork_owns(bc))
        return ""; /* what there is is the parent's */
    pthread_mutex_lock(&bc->lock);
    explain_connection(bc, bc->errors.conn_text, sizeof bc->errors.conn_text);
    pthread_mutex_unlock(&bc->lock);
    return bc->errors.conn_text;
}

/* --- Events ----------------------------------------------------------------------------------- */

void
errors_refuse(BroConn *bc, enum refusal why, uint64_t size)
{
    bc->errors.refusal = why;
    bc->errors.size = size;
}

int
errors_refuse_unlocked(BroConn *bc, enum refusal why, uint64_t size)
{
    fork_own(bc);
    pthread_mutex_lock(&bc->lock);
    errors_refuse(bc, why, size);
    pthread_mutex_unlock(&bc->lock);
    return FALSE;
}

int
errors_refuse_for(BroConn *bc, const struct reason *why)
{
    fork_own(bc);
    pthread_mutex_lock(&bc->lock);
    errors_refuse(bc, REFUSED_REASON, 0);
    bc->errors.reason = *why;
    pthread_mutex_unlock(&bc->lock);
    return FALSE;
}

/* Under the lock. */
static void
explain_refusal(const BroConn *bc, char *text, size_t size)
{
    const struct errors *e = &bc->errors;
    char why[ERRORS_TEXT_MAX];

    text[0] = '\0';
    switch (e->refusal) {
    case REFUSED_NOT:
        break;
    case REFUSED_NO_EVENT:
        snprintf(text, size, "there is no event: NULL was given");
        break;
    case REFUSED_TOO_LARGE:
        snprintf(text, size, "the event has %" PRIu64 " bytes, more than the %u that any may have",
                 e->size, LINK_EVENT_MAX);
        break;
    case REFUSED_UNCONNECTED:
        explain_connection(bc, why, sizeof why);
        snprintf(text, size,
                 "there is no connection; BRO_CFLAG_ALWAYS_QUEUE would let events wait%s%.1000s",
                 why[0] ? ": " : "", why);
        break;
    case REFUSED_ENDING:
        snprintf(text, size, "exit() has begun, or the handle is being deleted");
        break;
    case REFUSED_QUEUE_EVENTS:
        snprintf(text, size,
                 "the queue is full: %" PRIu64
                 " events wait; /broccoli/queue_max_events is the bound",
                 bc->queue_events);
        break;
    case REFUSED_QUEUE_BYTES:
        snprintf(text, size,
                 "the queue is full: no room for %" PRIu64
                 " bytes more; /broccoli/queue_max_bytes is the "
                 "bound, %" PRIu64,
                 e->size, bc->queue_bytes);
        break;
    case REFUSED_RING:
        snprintf(text, size,
                 "the queue is full: no room for %" PRIu64 " bytes more; it holds %" PRIu64
                 " of events up to %u, /broccoli/queue_max_bytes sets more",
                 e->size, bc->link ? bc->memory.out.size : 0, LINK_NEAR_MAX);
        break;
    case REFUSED_FAR:
        snprintf(text, size,
                 "the queue is full: no room for %" PRIu64
                 " bytes more; it holds %u of events above %u, "
                 "/broccoli/queue_max_bytes sets more",
                 e->size, LINK_FAR_MAX, LINK_NEAR_MAX);
        break;
    case REFUSED_SPOOL:
        snprintf(text, size,
                 "an event of %" PRIu64 " bytes is more than half of the queue: raise "
                 "/broccoli/queue_max_bytes, or do without spool_dir",
                 e->size);
        break;
    case REFUSED_MEMORY:
        snprintf(text, size, "no memory for %" PRIu64 " bytes", e->size);
        break;
    case REFUSED_LINK_TYPE:
        snprintf(text, size,
                 "bro_conn_set_packet_ctxt() has set no link type whose headers are known");
        break;
    case REFUSED_REASON:
        snprintf(text, size, "%s", e->reason.text);
        break;
    }
}

ROMANESCO_API const char *
bro_event_error(BroConn *bc)
{
    if (!bc || !fork_owns(bc))
        return "";
    pthread_mutex_lock(&bc->lock);
    explain_refusal(bc, bc->errors.event_text, sizeof bc->errors.event_text);
    pthread_mutex_unlock(&bc->lock);
    return bc->errors.event_text;
}

void
errors_full(BroConn *bc)
{
    struct errors *e = &bc->errors;
    char why[ERRORS_TEXT_MAX];
    struct timespec now;

    e->untold++;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (e->told_at && now.tv_sec < e->told_at + FULL_SECONDS)
        return;
    explain_refusal(bc, why, sizeof why);
    LOG_LATER(BRO_LOG_WARNING, "[%s] %" PRIu64 " events refused: %.400s", bc->peer ? bc->peer : "",
              e->untold, why);
    e->untold = 0;
    e->told_at = now.tv_sec + 1; /* never 0 */
}
