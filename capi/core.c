#include "core.h"

#include "conn.h"
#include "inside.h"

enum link_result
core_connect(BroConn *bc, const struct core_config *cfg, char *error)
{
    return bc->memory.outside ? outside_connect(bc, cfg, error) : inside_connect(bc, cfg, error);
}

int
core_close(BroConn **handles, int n, uint32_t timeout_ms)
{
    int outside = outside_close(handles, n, timeout_ms);

    return inside_close(handles, n, timeout_ms) && outside;
}

void
core_forget(int clean)
{
    outside_settle();
    inside_forget(clean);
}
