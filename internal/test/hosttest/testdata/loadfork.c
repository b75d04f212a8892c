/*
 * A program that forks while the library loads the core: linked with --wrap=dlopen, so that its
 * dlopen() is the one below. Child and parent each send an event:
 *
 *   loadfork PEER
 */
#include <broccoli.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *peer;

static int
sends(const char *name)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    BroEvent *ev = bro_event_new(name);
    int ok = bro_conn_connect(bc) && bro_event_send(bc, ev);

    bro_event_free(ev);
    return bro_conn_delete(bc) && ok;
}

void *__real_dlopen(const char *path, int flags);

void *
__wrap_dlopen(const char *path, int flags)
{
    static int once;
    void *handle = __real_dlopen(path, flags);
    int status = 0;
    sigset_t none;
    pid_t child;

    if (once++)
        return handle;
    child = fork();
    if (child == 0) { /* on a thread of the library's, which has blocked all signals */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        alarm(30);
        _exit(sends("child") ? 0 : 1);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        printf("the child ended with %d\n", status);
    return handle;
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 64;
    peer = argv[1];
    bro_init(NULL);
    return sends("parent") ? 0 : 1;
}
