#include "control.h"

#include "api.h"
#include "clock.h"
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FDS_MAX 6
/* A signal handler may fork() while we wait: in the child nobody answers. */
#define LOOK_MS 200

/* Without poll(): it is time to try again, unless there is none left. */
static int
nap(int64_t left)
{
    static const struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
    return left > 0;
}

/* FALSE when the deadline has passed, or this is a child by now. */
static int
wait_for(int fd, short events, int64_t deadline, unsigned generation)
{
    struct pollfd p = {fd, events, 0};
    int n;

    for (;;) {
        int64_t left = deadline - now_ms();

        if (!process_is(generation)) {
            errno = ECHILD;
            return FALSE;
        }
        n = poll(&p, 1, left < 0 ? 0 : left < LOOK_MS ? (int)left : LOOK_MS);
        if (n < 0 && errno == EINVAL) /* RLIMIT_NOFILE is 0 */
            n = nap(left);
        if (n < 0 && errno != EINTR)
            return FALSE; /* a filter of system calls */
        if (n > 0 && process_is(generation))
            return TRUE;
        if (left <= 0) {
            errno = ETIMEDOUT;
            return FALSE;
        }
    }
}

static ssize_t
send_once(int fd, const char *data, size_t size, const int *fds, int n)
{
    union {
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *c;

    if (n > 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE((size_t)n * sizeof *fds);
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)n * sizeof *fds);
        memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof *fds);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int
control_send(int fd, const void *data, size_t size, const int *fds, int n, int64_t deadline)
{
    unsigned generation = process_generation();
    const char *p = data;
    ssize_t sent;

    while (size > 0) {
        sent = send_once(fd, p, size, fds, n);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return FALSE;
        if (sent < 0 && !wait_for(fd, POLLOUT, deadline, generation))
            return FALSE;
        if (sent > 0) {
            n = 0;
            p += sent;
            size -= (size_t)sent;
        }
    }
    return TRUE;
}

int
control_receive(int fd, void *data, size_t size, int64_t deadline, unsigned generation)
{
    char *p = data;
    ssize_t got;

    while (size > 0) {
        if (!wait_for(fd, POLLIN, deadline, generation))
            return FALSE;
        got = recv(fd, p, size, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0) {
            errno = EPIPE;
            return FALSE;
        }
        p += got;
        size -= (size_t)got;
    }
    return TRUE;
}

int
control_ended(int fd)
{
    struct pollfd p = {fd, 0, 0};
    int n = poll(&p, 1, 0);
    char c;

    if (n < 0 && errno == EINVAL) /* RLIMIT_NOFILE is 0 */
        return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    return n > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}
