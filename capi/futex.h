/* The kernel's numbers, which a C library need not bring along (musl does not). */
#ifndef ROMANESCO_FUTEX_H
#define ROMANESCO_FUTEX_H

#include <sys/syscall.h>
#include <unistd.h>

#ifndef FUTEX_WAIT
#define FUTEX_WAIT 0 /* also between processes */
#define FUTEX_WAKE 1
#endif
#ifndef FUTEX_WAIT_PRIVATE
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#endif

#endif
