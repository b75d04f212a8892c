/*
 * In place of inside.c, and of what that needs, where no program can load the core: it is
 * built for glibc, and for 64 bits. There the core is a process of its own.
 */
#include "inside.h"

#include "conn.h"
#include "preflight.h"

#include <stdio.h>

int
preflight_can_load(void)
{
    return FALSE;
}

enum link_result
inside_connect(BroConn *bc, const struct core_config *cfg, char *error)
{
    (void)bc;
    (void)cfg;
    snprintf(error, LINK_ERROR_MAX,
             "cannot load the core: this libbroccoli is for another C library than glibc, or for "
             "32 bits; "
             "leave /broccoli/core out, or say process");
    return LINK_REFUSED;
}

/* What a handle has accepted that never had a core. */
int
inside_close(BroConn **handles, int n, uint32_t timeout_ms)
{
    int i;

    (void)timeout_ms;
    for (i = 0; i < n && (handles[i]->memory.outside || ring_used(&handles[i]->memory.out) == 0);
         i++)
        ;
    return i == n;
}

void
inside_forget(int clean)
{
    (void)clean;
}
