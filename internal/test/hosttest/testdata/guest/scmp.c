/*
 * A filter that was there before the first connect refuses a system call.
 *
 *   scmp P NUMBER ERRNO
 *
 * Expected: TRUE, or FALSE.
 */
#include "common.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

int
main(int argc, char **argv)
{
    BroConn *bc;
    int i, ok;

    need(argc, 3);
    unsigned number = (unsigned)atoi(argv[2]), error = (unsigned)atoi(argv[3]);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    bro_init(NULL);
    bro_debug_messages = 1;
    alarm(25);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    ok = bro_conn_connect(bc);
    if (ok) {
        for (i = 0; i < 10; i++)
            sendn(bc, "tick", i);
        usleep(50000);
    }
    printf("connect %s\n", ok ? "TRUE" : "FALSE");
    bro_conn_delete(bc);
    _exit(0);
}
