/*
 * The loader of libraries, which answers one thread at a time.
 */
#ifndef ROMANESCO_LOADER_H
#define ROMANESCO_LOADER_H

/* Whether another thread than the caller's gets an answer: not while this one is in a
 * constructor that dlopen() runs. TRUE where that cannot be asked. */
int loader_answers_others(void);

#endif
