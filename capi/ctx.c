#include "api.h"
#include "conf.h"
#include "init.h"
#include "log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int initialised;

void
require_init(const char *function)
{
    if (__atomic_load_n(&initialised, __ATOMIC_ACQUIRE))
        return;
    /* What the original does, and what its callers know. */
    log_now(BRO_LOG_ERROR, "%s() called before bro_init(): call bro_init(NULL) first", function);
    exit(-1);
}

/**
 * Prepares the library; to be called before all else, from one thread. It reads
 * the configuration. ctx may be NULL; what it holds is not used: it served to
 * give OpenSSL locks, and this library brings its own TLS. It stays the
 * caller's. Calling bro_init() again is harmless. Returns TRUE, always. A
 * program that makes an event or a connection without this call is ended with a
 * message on standard error.
 */
BRO_API int
bro_init(const BroCtx *ctx)
{
    (void)ctx;
    conf_init();
    log_deliver(); /* what is wrong with the configuration */
    __atomic_store_n(&initialised, TRUE, __ATOMIC_RELEASE);
    return TRUE;
}

/**
 * Clears ctx, so that its members can be set one by one. Nothing is allocated,
 * and nothing happens when ctx is NULL.
 */
BRO_API void
bro_ctx_init(BroCtx *ctx)
{
    if (ctx)
        memset(ctx, 0, sizeof *ctx);
}
