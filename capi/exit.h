#ifndef ROMANESCO_EXIT_H
#define ROMANESCO_EXIT_H

#include "conn.h"

/* What exit() does with a connection; for the tests. */
void exit_flush(BroConn *bc);

#endif
