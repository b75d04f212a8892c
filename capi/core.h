/*
 * The core: loading it, and calling it. Each call runs on a thread of ours that
 * has every signal blocked, and the caller waits for it: Go never runs on a
 * thread of the host, and a signal of the host never on a thread of Go.
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
