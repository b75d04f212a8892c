/* For LD_PRELOAD: a process that has no memory for anything large. */
#include <stddef.h>

extern void *__libc_malloc(size_t size);

void *
malloc(size_t size)
{
    return size < 1 << 20 ? __libc_malloc(size) : NULL;
}
