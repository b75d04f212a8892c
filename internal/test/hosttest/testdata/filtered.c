/*
 * A system call that is refused by a filter which was there before the first connect:
 *
 *   filtered ADDRESS FIRST LAST
 *
 * Each number from FIRST to LAST is refused with EPERM and with ENOSYS, in a process
 * of its own, which says TRUE or FALSE of the connect. Prints all that end otherwise,
 * and how many of each there were.
 */
#include <broccoli.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Refused these, a program cannot even end, or come back from a handler. */
static int
is_hopeless(int nr)
{
    return nr == SYS_exit_group || nr == SYS_rt_sigreturn;
}

static volatile int *result; /* shared with the child */

static void
child(const char *address, int nr, int err)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {4, rules};
    BroConn *bc = bro_conn_new_str(address, BRO_CFLAG_NONE);
    int n;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    *result = 1 + !!bro_conn_connect(bc);
    for (n = 0; *result == 2 && n < 10; n++) {
        BroEvent *ev = bro_event_new("tick");

        bro_event_send(bc, ev);
        bro_event_free(ev);
    }
    bro_conn_delete(bc);
    *result += 10;
    _exit(0);
}

int
main(int argc, char **argv)
{
    int nr, k, count[2] = {0, 0};

    if (argc != 4)
        return 2;
    result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    dup2(open("/dev/null", O_WRONLY), 2); /* what a runtime says when it dies */
    bro_init(NULL);
    for (nr = atoi(argv[2]); nr <= atoi(argv[3]); nr++)
        for (k = 0; k < 2; k++) {
            int status = -1, waited = 0;
            pid_t pid;

            if (is_hopeless(nr))
                continue;
            *result = 0;
            pid = fork();
            if (pid == 0)
                child(argv[1], nr, k ? ENOSYS : EPERM);
            while (waitpid(pid, &status, WNOHANG) == 0) {
                struct timespec moment = {0, 2000000};

                nanosleep(&moment, NULL);
                if (++waited == 30000) {
                    kill(pid, SIGKILL);
                    printf("%d %d hangs at %d\n", nr, k, *result);
                }
            }
            if (*result < 11 || status != 0)
                printf("%d %d result %d status %x\n", nr, k, *result, status);
            else
                count[*result - 11]++;
            fflush(stdout);
        }
    printf("FALSE %d TRUE %d\n", count[0], count[1]);
    return 0;
}
