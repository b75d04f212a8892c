/*
 * exit() of a process that gets no memory any more:
 *
 *   exitpoor PEER N      sends an event "last" with its number on each of N connections
 */
#include <broccoli.h>

#include <errno.h>
#include <stdlib.h>

static int poor;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);

static int
refuse(void)
{
    if (__atomic_load_n(&poor, __ATOMIC_SEQ_CST))
        errno = ENOMEM;
    return __atomic_load_n(&poor, __ATOMIC_SEQ_CST);
}

void *
malloc(size_t size)
{
    return refuse() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __libc_calloc(n, size);
}

int
main(int argc, char **argv)
{
    uint64 i, n;

    if (argc < 3)
        return 64;
    bro_init(NULL);
    n = strtoul(argv[2], NULL, 10);
    for (i = 0; i < n; i++) {
        BroConn *bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
        BroEvent *ev = bro_event_new("last");

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &i);
        if (!bro_conn_connect(bc) || !bro_event_send(bc, ev))
            return 1;
        bro_event_free(ev);
    }
    __atomic_store_n(&poor, 1, __ATOMIC_SEQ_CST);
    return 0;
}
