/*
 * A host that is refused something once, at each call in turn, between its first
 * connect and the end of its handle; then it does the same again, refused nothing.
 * scarcehost PEER KIND TIMES
 */
#include "scarce.h"

#include <broccoli.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 2000, NOT_REACHED = 10, DEAF = 11 };

typedef void arm_func(enum scarce, long, long);
typedef long calls_func(void);

static char large[300000];

static int
send_one(BroConn *bc, const char *text)
{
    BroEvent *ev = bro_event_new("tick");
    BroString s;
    int sent;

    if (!ev)
        return FALSE;
    bro_string_set(&s, text);
    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &s);
    sent = bro_event_send(bc, ev);
    bro_event_free(ev);
    return sent;
}

static int
session(const char *peer)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    int ok = FALSE;

    if (!bc)
        return FALSE;
    if (bro_conn_connect(bc)) {
        ok = send_one(bc, "small") && send_one(bc, large);
        bro_event_queue_flush(bc);
        bro_conn_process_input(bc);
    }
    return bro_conn_delete(bc) && ok;
}

static int
child(const char *peer, enum scarce kind, long nth, long times)
{
    arm_func *arm;
    calls_func *calls;
    int reached;

    *(void **)&arm = dlsym(RTLD_DEFAULT, "scarce_arm");
    *(void **)&calls = dlsym(RTLD_DEFAULT, "scarce_calls");
    alarm(20);
    bro_init(NULL);
    arm(kind, nth, times);
    session(peer);
    reached = calls() > nth;
    arm(SCARCE_KINDS, 0, 0);
    if (!session(peer))
        return DEAF;
    return reached ? 0 : NOT_REACHED;
}

int
main(int argc, char **argv)
{
    long nth, deaf = 0, ended = 0, times;
    int status = 0;

    if (argc != 4)
        return 2;
    times = atol(argv[3]);
    memset(large, 'x', sizeof large - 1);
    for (nth = 0; nth < MOST; nth++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(child(argv[1], (enum scarce)atoi(argv[2]), nth, times));
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
            break;
        if (WIFSIGNALED(status) || WEXITSTATUS(status) == 2) {
            ended++;
            printf("call %ld: ended by %d\n", nth, status);
        } else if (WEXITSTATUS(status) == DEAF) {
            deaf++;
            printf("call %ld: never connected again\n", nth);
        }
    }
    printf("%ld calls\n%ld ended the host\n%ld were not got over\n", nth, ended, deaf);
    return 0;
}
