/*
 * The process that we are in: what fork() and exit() do to connections.
 *
 * A child of fork() has the memory of its parent's core, but none of its
 * threads. It forgets that core; the first use of a handle loads another copy
 * and opens a connection of the child's own (conn_own in conn.c).
 */
#ifndef ROMANESCO_PROCESS_H
#define ROMANESCO_PROCESS_H

#include "conn.h"

/* How many fork()s lie between this process and the one that loaded the library. */
unsigned process_generation(void);

/* Connections that fork() and exit() have to know of. */
void process_add(BroConn *bc);
void process_remove(BroConn *bc);

#endif
