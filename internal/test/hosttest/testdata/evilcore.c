/*
 * A program in the place of the core that has been taken over: it takes what a host shares with it,
 * says that it is connected, and from then on writes anything into the memory of both, and as answers.
 * The host is to live on, and to keep its time.
 */
#include "core_message.h"
#include "shared.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTROL 3
#define FDS 8

static unsigned char *memory;
static size_t size;
static uint64_t state;
static int wakes = -1;

static uint64_t
rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Of a packet or a part of a stream, with its descriptors. */
static ssize_t
take(int fd, void *data, size_t most, int *fds, int flags)
{
    char room[CMSG_SPACE(FDS * sizeof(int))];
    struct iovec part = {data, most};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    ssize_t n = recvmsg(fd, &m, flags);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

    memset(fds, 0xff, FDS * sizeof *fds);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return n;
}

static uint64_t
odd(void)
{
    static const uint64_t values[] = {0, 1, 7, 8, 16, 24, 1u << 17, 1u << 20, (1u << 20) + 8, 1u << 31, UINT32_MAX, UINT64_MAX};

    return rnd() % 2 ? values[rnd() % (sizeof values / sizeof *values)] : rnd() % (4u << 20);
}

static void
scribble(int times)
{
    uint64_t one = 1;

    while (times-- > 0) {
        size_t at = rnd() % 3 == 0 ? LINK_AT_IN + rnd() % (LINK_RING_BYTES - 8) : rnd() % (LINK_AT_IN - 8);
        uint64_t value = odd();

        if (rnd() % 4 == 0)
            at = rnd() % 512; /* the ends of the rings */
        at &= ~(size_t)7;
        memcpy(memory + at, &value, rnd() % 2 ? 8 : 4);
        if (rnd() % 64 == 0)
            __atomic_store_n(&((struct link *)memory)->state, rnd() % 2 ? LINK_UP : (uint32_t)rnd() % 9, __ATOMIC_SEQ_CST);
    }
    if (wakes >= 0 && write(wakes, &one, sizeof one) < 0)
        wakes = -1;
}

int
main(void)
{
    static char data[1 << 16];
    int fds[FDS], stream = -1;
    struct core_answer a = {1};
    struct timespec now;
    struct stat st;

    clock_gettime(CLOCK_MONOTONIC, &now);
    state = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid() + 1;
    if (take(CONTROL, data, sizeof data, fds, 0) <= 0 || take(CONTROL, data, sizeof data, fds, 0) <= 0)
        return 1;
    stream = fds[0];
    if (fstat(fds[1], &st) < 0)
        return 1;
    size = (size_t)st.st_size;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
    if (memory == MAP_FAILED || take(stream, data, sizeof data, fds, 0) <= 0)
        return 1;
    wakes = fds[1];
    __atomic_store_n(&((struct link *)memory)->state, LINK_UP, __ATOMIC_SEQ_CST);
    if (write(stream, &a, sizeof a) < 0)
        return 1;
    for (;;) {
        scribble(1000);
        switch (rnd() % 2000) {
        case 0:
            return 0; /* it ends */
        case 1:
            close(stream); /* or as good as that */
            break;
        case 2:
            memset(memory, (int)rnd(), LINK_AT_IN);
            break;
        case 3:
            a.result = (uint32_t)odd(); /* what nobody has asked */
            if (write(stream, &a, rnd() % 5) < 0)
                return 0;
            break;
        default:
            usleep(100);
        }
    }
}
