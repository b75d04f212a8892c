/*
 * Which process this is. A child is known by a page that the kernel empties in
 * it, since not every way to make one tells: _Fork(), clone() and the fork() of
 * another namespace of the loader call no handlers of pthread_atfork().
 */
#ifndef ROMANESCO_PROCESS_H
#define ROMANESCO_PROCESS_H

/* Before the first handle is made: from here on children are told apart. */
void process_begin(void);

/* Which process of a line of fork()s this is: 1 for the first that had a handle. In
 * a child that has not looked yet, one thread leaves behind what is the parent's
 * (fork_settle()), while the others wait. */
unsigned process_generation(void);

/* Whether this is the process of that generation. No child has looked that is none yet. */
int process_is(unsigned generation);

/* Whether the memory is another process's, as in a child of vfork(). */
int process_is_guest(void);

#endif
