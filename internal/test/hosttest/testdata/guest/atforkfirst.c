/*
 * A host whose own handler of pthread_atfork(), registered before the library is
 * loaded, uses a handle in the child. The library is loaded by dlopen().
 *
 *   atforkfirst P LIBRARY
 *
 * Expected: the child's event arrives, and so do those that follow.
 */
#include "common.h"

#include <dlfcn.h>

static BroConn *handle;
static int (*send_event)(BroConn *, BroEvent *);
static BroEvent *event, *later;

static void
in_child(void)
{
    if (handle)
        send_event(handle, event);
}

int
main(int argc, char **argv)
{
    void *library;
    int status;

    need(argc, 2);
    pthread_atfork(NULL, NULL, in_child);
    library = dlopen(argv[2], RTLD_NOW);
    if (!library)
        return 2;
    ((int (*)(const BroCtx *))dlsym(library, "bro_init"))(NULL);
    *(void **)&send_event = dlsym(library, "bro_event_send");
    event = ((BroEvent * (*)(const char *)) dlsym(library, "bro_event_new"))("child");
    later = ((BroEvent * (*)(const char *)) dlsym(library, "bro_event_new"))("tick");
    handle = ((BroConn * (*)(const char *, int)) dlsym(library, "bro_conn_new_str"))(argv[1], 0);
    printf("connect %d\n", ((int (*)(BroConn *))dlsym(library, "bro_conn_connect"))(handle));
    if (fork() == 0) {
        send_event(handle, later);
        _exit(((int (*)(BroConn *))dlsym(library, "bro_conn_delete"))(handle) ? 0 : 1);
    }
    wait(&status);
    printf("status %x\n", status);
    return 0;
}
