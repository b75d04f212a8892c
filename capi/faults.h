/*
 * The core's runtime takes the signals that the processor raises, and hands on to the
 * host those of the host's threads. In a child there is no such runtime: the host's
 * handlers come back.
 */
#ifndef ROMANESCO_FAULTS_H
#define ROMANESCO_FAULTS_H

#include <stddef.h>

/* Before a core is loaded: notes what the host has. */
void faults_note(void);

/* Once it is: where it lies; nowhere: NULL. */
void faults_are_of(const void *image, size_t size);

/* In a child: gives the host back what points into a core. */
void faults_give_back(void);

#endif
