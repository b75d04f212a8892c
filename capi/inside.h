/*
 * The core within this process. Each call runs on a thread of ours that
 * has every signal blocked, and the caller waits for it: Go never runs on a
 * thread of the host, and a signal of the host never on a thread of Go.
 */
#ifndef ROMANESCO_INSIDE_H
#define ROMANESCO_INSIDE_H

#include "api.h"
#include "core_call.h"
#include "core_config.h"

/* As core_connect(), core_close() and core_forget(), for handles whose core is here. */
enum link_result inside_connect(BroConn *bc, const struct core_config *cfg, char *error);
int inside_close(BroConn **handles, int n, uint32_t timeout_ms);
void inside_forget(int clean);

#endif
