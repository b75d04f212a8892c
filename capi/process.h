/*
 * The process that we are in: what fork() and exit() do to connections.
 *
 * A child of fork() has the memory of its parent's core, but none of its
 * threads. It forgets that core; the first use of a handle loads another copy
 * and opens a connection of the child's own.
 */
#ifndef ROMANESCO_PROCESS_H
#define ROMANESCO_PROCESS_H

#include "conn.h"

/* Whether a handle is this process's own, and not yet or still its parent's. */
int process_owns(const BroConn *bc);

/* Makes a handle this process's own when it was made before a fork(): what
 * waits in the rings is the parent's to send and to process; a connection that
 * was up is opened anew. */
void process_own(BroConn *bc);

/* The same for a handle that is only to be freed. */
void process_disown(BroConn *bc);

/* Connections that fork() and exit() have to know of. */
void process_add(BroConn *bc);
void process_remove(BroConn *bc);

/* What exit() does with a connection; for the tests. */
void process_flush(BroConn *bc);

#endif
