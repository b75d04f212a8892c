/*
 * A kernel that lacks system calls, as a filter has it that answers ENOSYS:
 *
 *   oldkernel PEER FIRST      those from number FIRST on
 *   oldkernel PEER memfd      memfd_create()
 *   oldkernel PEER seal       memory cannot be sealed
 *
 * Connects, sends, and so does a child of fork(). Prints what came of the connect, with the reason
 * if it is FALSE, and whether the core has inherited a descriptor.
 */
#include <romanesco.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define SECOND BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]))
#define FAIL(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int
install(struct sock_filter *rules, unsigned short n)
{
    struct sock_fprog filter = {n, rules};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int
lacks(const char *what)
{
    struct sock_filter from[] = {NR, BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)atoi(what), 0, 1),
                                 FAIL(ENOSYS), ALLOW};
    struct sock_filter memfd[] = {NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
                                  FAIL(ENOSYS), ALLOW};
    struct sock_filter seal[] = {NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3),
                                 SECOND, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_ADD_SEALS, 0, 1),
                                 FAIL(EINVAL), ALLOW};

    if (strcmp(what, "memfd") == 0)
        return install(memfd, sizeof memfd / sizeof *memfd);
    if (strcmp(what, "seal") == 0)
        return install(seal, sizeof seal / sizeof *seal);
    return install(from, sizeof from / sizeof *from);
}

static void
send_tick(BroConn *bc, int number)
{
    BroEvent *ev = bro_event_new("tick");
    uint64 n = (uint64)number;

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &n);
    bro_event_send(bc, ev);
    bro_event_free(ev);
}

/* Whether somebody else has the end of a pipe that we close. */
static int
is_inherited(const int *pipe)
{
    struct pollfd p = {pipe[0], POLLIN, 0};

    close(pipe[1]);
    return !(poll(&p, 1, 0) > 0 && p.revents & POLLHUP);
}

/* A descriptor above whatever may be opened. */
static int
raise_above_limit(int fd)
{
    static const struct rlimit limit = {512, 512};
    int high = fcntl(fd, F_DUPFD, 700);

    close(fd);
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? high : -1;
}

int
main(int argc, char **argv)
{
    int ends[2], ok, status;
    BroConn *bc;

    if (argc != 3 || pipe(ends) != 0)
        return 64;
    ends[1] = raise_above_limit(ends[1]);
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!bc || ends[1] < 0 || !lacks(argv[2]))
        return 65;
    ok = bro_conn_connect(bc);
    printf("%s %s\n", ok ? "TRUE" : "FALSE", ok ? "" : bro_conn_error(bc));
    printf("inherited %d\n", is_inherited(ends));
    fflush(stdout);
    if (!ok)
        return 0;
    send_tick(bc, 1);
    if (fork() == 0) {
        send_tick(bc, 2);
        _exit(bro_conn_delete(bc) ? 0 : 1);
    }
    wait(&status);
    send_tick(bc, 3);
    return bro_conn_delete(bc) && status == 0 ? 0 : 1;
}
