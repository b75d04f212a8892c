/*
 * loader LIBRARY PEER N: loads the library, reports one event, lets go of the
 * library again, N times. The program is not linked to it; LIBRARY is "" when it
 * was preloaded.
 */
#include <broccoli.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *library;

static void *
find(const char *name)
{
    void *f = dlsym(library, name);

    if (!f) {
        puts(dlerror());
        exit(1);
    }
    return f;
}

/* F(f) is the function f of the library, with its type. */
#define F(f) ((__typeof__(f) *)find(#f))

static int
report(const char *peer, uint64 number)
{
    BroConn *bc;
    BroEvent *ev;
    int ok;

    F(bro_init)(NULL);
    bc = F(bro_conn_new_str)(peer, BRO_CFLAG_NONE);
    ok = F(bro_conn_connect)(bc);
    ev = F(bro_event_new)("loaded");
    F(bro_event_add_val)(ev, BRO_TYPE_COUNT, NULL, &number);
    ok = ok && F(bro_event_send)(bc, ev);
    F(bro_event_free)(ev);
    return F(bro_conn_delete)(bc) && ok;
}

int
main(int argc, char **argv)
{
    int i, n = argc > 3 ? atoi(argv[3]) : 0;

    for (i = 0; i < n; i++) {
        library = dlopen(*argv[1] ? argv[1] : NULL, RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            puts(dlerror());
            return 1;
        }
        if (!report(argv[2], (uint64)i)) {
            printf("report %d failed\n", i);
            return 1;
        }
        dlclose(library);
    }
    return 0;
}
