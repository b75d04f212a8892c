/* Calls that need bro_init() first end the program without it, as they always have. */
#ifndef ROMANESCO_INIT_H
#define ROMANESCO_INIT_H

void require_init(const char *function);

#endif
