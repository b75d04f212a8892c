#ifndef ROMANESCO_VERSION
#define ROMANESCO_VERSION "unknown" /* go vet and the like */
#endif

/* Front and core of different releases refuse each other. Data: the front reads it
 * before anything of the core runs. */
extern const char romanesco_version[];
const char romanesco_version[] = ROMANESCO_VERSION;
