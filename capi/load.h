/*
 * Where the core is, and loading it: once in a process, and again in a child of
 * fork() that needs it, since what the child has of its parent's has no threads.
 * That is unloaded first: a line of processes is not to keep what none can use.
 */
#ifndef ROMANESCO_LOAD_H
#define ROMANESCO_LOAD_H

#include "core_call.h"

/* What the core does for us, on a thread of ours. */
struct core {
    int (*connect)(const struct core_request *request);
    int (*close)(const struct core_memory *first, uint32_t timeout_ms);
};

/* Loads the core if it is not there. NULL with the reason in error. */
const struct core *load_core(char *error, size_t size);

/*
 * Loads the core on the thread of the caller, signals waiting meanwhile, if no other
 * could: in a constructor that dlopen() runs, the loader answers this thread alone.
 * FALSE, with the reason in error, when there will be no core.
 */
int load_if_others_cannot(char *error, size_t size);

/* Gives back, the first time, the memory that the core needs for nothing but its start. */
void load_release_pages(void);

/* After fork(), in the child: the core is gone, and what it had opened is closed, unless
 * others may have the numbers by now. clean: see fork_settle(). */
void load_forget(int clean);

#endif
