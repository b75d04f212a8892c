/*
 * A child of fork() has the memory of its parent's core, but none of its
 * threads. It forgets that core; the first use of a handle loads another copy
 * and opens a connection of the child's own.
 */
#ifndef ROMANESCO_FORK_H
#define ROMANESCO_FORK_H

#include "conn.h"

/* Leaves behind what is the parent's, though no handle may ever be used: what a
 * child does when it first looks (process.h). One thread is here. clean: the C
 * library has made the child, and knows that it has one thread. */
void fork_settle(int clean);

/* To be called before a lock is taken that a thread of the parent may have held,
 * where fork_own() is not. */
void fork_look(void);

/* Whether a handle is this process's own, and not yet or still its parent's. */
int fork_owns(const BroConn *bc);

/* Makes a handle this process's own when it was made before a fork(): what
 * waits in the rings is the parent's to send and to process; a connection that
 * was up is opened anew. */
void fork_own(BroConn *bc);

/* The same for a handle that is only to be freed. */
void fork_disown(BroConn *bc);

#endif
