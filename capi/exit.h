/*
 * The end of the process by exit(): what connections have accepted is written,
 * all of it together for at most a second.
 */
#ifndef ROMANESCO_EXIT_H
#define ROMANESCO_EXIT_H

#include "conn.h"

/* From then on there is nothing new. */
int exit_has_begun(void);

/* What exit() does with all connections of this process; for the tests. */
void exit_close_all(void);

#endif
