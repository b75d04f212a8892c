#include "api.h"

#include <string.h>
#include <time.h>

/**
 * The twelve bytes that an IPv4 address begins with in its IPv6 form
 * (::ffff:0:0/96): a BroAddr that begins with them holds an IPv4 address in its
 * last word.
 */
BRO_API const uint8 BRO_IPV4_MAPPED_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/**
 * Returns the time of the system's clock in seconds since the epoch, as values
 * of BRO_TYPE_TIME have it.
 */
BRO_API double
bro_util_current_time(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return 0.0;
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/**
 * Returns the time or duration at tv in seconds, the microseconds as the
 * fraction; 0.0 when tv is NULL.
 */
BRO_API double
bro_util_timeval_to_double(const struct timeval *tv)
{
    if (!tv)
        return 0.0;
    return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

/**
 * Returns TRUE when a holds an IPv4 address, that is, begins with
 * BRO_IPV4_MAPPED_PREFIX, and FALSE when it holds an IPv6 address or is NULL.
 */
BRO_API int
bro_util_is_v4_addr(const BroAddr *a)
{
    return a && memcmp(a, BRO_IPV4_MAPPED_PREFIX, sizeof BRO_IPV4_MAPPED_PREFIX) == 0;
}
