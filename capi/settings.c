#include "settings.h"

#include "conf.h"
#include "debug.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static int
number(const char *text, uint64_t *n)
{
    char *end;

    errno = 0;
    *n = strtoull(text, &end, 10);
    return isdigit((unsigned char)*text) && !*end && !errno;
}

uint64_t
setting(const char *name, uint64_t fallback, uint64_t least, uint64_t most)
{
    const char *text = conf_str(name, NULL);
    uint64_t n;

    if (!text)
        return fallback;
    if (number(text, &n) && n >= least && n <= most)
        return n;
    LOG_LATER(BRO_LOG_WARNING,
              "%s %s: it must be a number from %" PRIu64 " to %" PRIu64 "; %" PRIu64 " is used",
              name, text, least, most, fallback);
    return fallback;
}
