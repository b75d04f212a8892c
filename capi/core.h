/*
 * The core of connections: within this process (inside.h) or in one of its own (outside.h),
 * as the memory that is shared with it was made for.
 */
#ifndef ROMANESCO_CORE_H
#define ROMANESCO_CORE_H

#include "api.h"
#include "core_call.h"
#include "core_config.h"

/* Connects, or does not with the reason in error, which has LINK_ERROR_MAX bytes. */
enum link_result core_connect(BroConn *bc, const struct core_config *cfg, char *error);

/* Writes what n connections have accepted, for at most timeout_ms in all, and ends
 * these. FALSE: something is left. */
int core_close(BroConn **handles, int n, uint32_t timeout_ms);

/* After fork(), in the child: the core that the parent had is gone, its threads
 * with it. The next call loads another. clean: see fork_settle(). */
void core_forget(int clean);

#endif
