/*
 * What this libbroccoli has beyond the interface 5.1 of broccoli.h. Programs that
 * use it run with the original too, which does not know these flags.
 */
#ifndef ROMANESCO_H
#define ROMANESCO_H

#include "broccoli.h"

/* --- Flags of a connection, in addition to BRO_CFLAG_* ----------------------------------- */

/* As BRO_CFLAG_RECONNECT, and bro_conn_connect() does not wait for the first attempt either. */
#define BRO_CFLAG_BACKGROUND (1 << 6)

#endif
