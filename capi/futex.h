/* The kernel's numbers, which a C library need not bring along (musl does not). */
#ifndef ROMANESCO_FUTEX_H
#define ROMANESCO_FUTEX_H

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* On 32 bits the call that takes a struct timespec of this C library, whose seconds may have 64. */
#ifdef SYS_futex_time64
#define SYS_FUTEX (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define SYS_FUTEX SYS_futex
#endif

#ifndef FUTEX_WAIT
#define FUTEX_WAIT 0 /* also between processes */
#define FUTEX_WAKE 1
#endif
#ifndef FUTEX_WAIT_PRIVATE
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#endif

#endif
