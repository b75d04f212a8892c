/*
 * What a sender waits for: room in the queue, and that the core has written.
 */
#ifndef ROMANESCO_WAIT_H
#define ROMANESCO_WAIT_H

#include "api.h"
#include "error.h"

/* Tries again to put an event that there was no room for, as long as the peer makes progress, and
 * for bc->send_wait milliseconds beyond that. A peer that reads nothing is waited for once, and not
 * again before it has read something. Returns why there is no room. Without the lock. */
enum refusal wait_and_put(BroConn *bc, const void *rec, size_t size, enum refusal why);

/* Waits a little until a lone event is with the kernel: nothing else waits, and the process may end
 * without another call. A peer that reads nothing is waited for once. Without the lock. */
void wait_handed_over(BroConn *bc);

/* Waits, for at most that long, until what was accepted is with the kernel. */
void wait_written(BroConn *bc, uint32_t timeout_ms);

#endif
