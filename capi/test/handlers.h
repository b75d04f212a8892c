/* Handlers that leave a trail, for the test to follow. */
#ifndef ROMANESCO_HANDLERS_H
#define ROMANESCO_HANDLERS_H

#include "../conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char trail[4096];

static inline void
leave(const char *what)
{
    strncat(trail, what, sizeof trail - strlen(trail) - 1);
}

static inline int
trail_is(const char *want)
{
    int ok = strcmp(trail, want) == 0;

    if (!ok)
        printf("trail: \"%s\", not \"%s\"\n", trail, want);
    trail[0] = '\0';
    return ok;
}

static inline void
on_compact(BroConn *bc, void *user_data, BroEvMeta *meta)
{
    (void)bc;
    leave(user_data);
    leave(meta->ev_name);
    leave(" ");
}

static inline void
on_expanded(BroConn *bc, void *user_data, uint64 *n)
{
    char text[32];

    (void)bc;
    snprintf(text, sizeof text, "%s%" PRIu64 " ", (char *)user_data, *n);
    leave(text);
}

#endif
