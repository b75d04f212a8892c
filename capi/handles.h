/*
 * All handles of this process: what fork() and exit() have to know of.
 */
#ifndef ROMANESCO_HANDLES_H
#define ROMANESCO_HANDLES_H

#include "conn.h"

/* The newest first, linked by their older. A child of fork() finds the list whole:
 * each change of it is one store. */
extern struct handles {
    pthread_mutex_t lock;
    BroConn *first;
} handles;

BroConn *handles_first(void);
void handles_add(BroConn *bc);
void handles_remove(BroConn *bc);

#endif
