/*
 * Children that the library is not told of.
 *
 *   rawfork P HOW     HOW: 0 for fork(), 1 for _Fork(), 2 for the system call clone()
 *
 * Expected: what is TRUE arrives, from the parent and from the child, and
 * bro_conn_delete() returns in the child.
 */
#include "common.h"

#include <sys/syscall.h>

static void
child(BroConn *bc)
{
    int i, accepted = 0;

    alarm(20);
    for (i = 0; i < 100; i++)
        accepted += sendn(bc, "child", i);
    printf("child: %d accepted\n", accepted);
    printf("child: delete %d\n", bro_conn_delete(bc));
}

int
main(int argc, char **argv)
{
    int i, how, status, accepted = 0;
    BroConn *bc;
    pid_t pid;

    need(argc, 2);
    how = atoi(argv[2]);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    accepted += sendn(bc, "tick", 100);
    pid = how == 0 ? fork() : how == 1 ? _Fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        child(bc);
        _exit(0);
    }
    for (i = 0; i < 100; i++) {
        accepted += sendn(bc, "tick", i);
        usleep(1000);
    }
    waitpid(pid, &status, 0);
    printf("child: status %x\n", status);
    printf("parent: %d accepted, queue length %s, alive %d\n", accepted,
           bro_event_queue_length(bc) < 0 ? "negative" : "fine", bro_conn_alive(bc));
    bro_conn_delete(bc);
    return 0;
}
