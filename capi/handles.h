/*
 * All handles of this process: what fork() and exit() have to know of. A child
 * may be made at any moment, and walks the list as it is then: one store puts a
 * handle in or takes it out.
 */
#ifndef ROMANESCO_HANDLES_H
#define ROMANESCO_HANDLES_H

#include "conn.h"

/* The newest first, linked by their older. A child of fork() finds the list whole:
 * each change of it is one store. */
extern struct handles {
    pthread_mutex_t lock; /* of who changes the list, or walks it while others may */
    BroConn *first;
} handles;

/* For a walk; NULL at the end. */
BroConn *handles_first(void);
BroConn *handles_older(const BroConn *bc);

void handles_add(BroConn *bc);
void handles_remove(BroConn *bc);

#endif
