#include "descriptor.h"

#include "api.h"
#include "shared.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The number behind a label, from 1; 0 if it is not there. */
static uint64_t
number_behind(const char *text, const char *label, int base)
{
    const char *at = strstr(text, label);

    return at ? strtoull(at + strlen(label), NULL, base) + 1 : 0;
}

/* The number of an eventfd, which no other has as long as it is open, or the one that an epoll
 * descriptor of ours was given, from 1; 0 if this kernel does not tell (before 5.2) or /proc is
 * not there. */
static uint64_t
event_number(int fd)
{
    char path[64], text[512];
    uint64_t number;
    ssize_t n;
    int info;

    snprintf(path, sizeof path, "/proc/thread-self/fdinfo/%d", fd);
    info = open(path, O_RDONLY | O_CLOEXEC);
    n = info >= 0 ? read(info, text, sizeof text - 1) : 0;
    if (info >= 0)
        close(info);
    text[n > 0 ? n : 0] = '\0';
    number = number_behind(text, "eventfd-id:", 10);
    return number ? number : number_behind(text, " data:", 16);
}

/*
 * Ours carry a mark that no host has any use for: the signal that would tell of them,
 * if they were asked to send one, goes to a process group, and that is nobody.
 */
static const struct f_owner_ex nobody = {.type = F_OWNER_PGRP};

static int
mark(int fd)
{
    return fcntl(fd, F_SETSIG, SIGRTMAX) == 0 && fcntl(fd, F_SETOWN_EX, &nobody) == 0;
}

static int
is_marked(int fd)
{
    struct f_owner_ex owner = {0};

    return fcntl(fd, F_GETSIG) == SIGRTMAX && fcntl(fd, F_GETOWN_EX, &owner) == 0 &&
           owner.type == nobody.type && owner.pid == nobody.pid;
}

struct descriptor_id
descriptor_id(int fd)
{
    struct descriptor_id id = {0, 0, 0, FALSE};
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        id.device = st.st_dev;
        id.inode = st.st_ino;
    }
    return id;
}

static int
same_file(int fd, const struct descriptor_id *id)
{
    struct descriptor_id is = descriptor_id(fd);

    return id->inode && is.inode == id->inode && is.device == id->device;
}

int
descriptor_is(int fd, const struct descriptor_id *id)
{
    return same_file(fd, id) &&
           (!id->marked || (id->event && is_marked(fd) && event_number(fd) == id->event));
}

int
descriptor_is_other(int fd, const struct descriptor_id *id)
{
    uint64_t event;

    if (!id->inode)
        return FALSE;
    if (!same_file(fd, id) || (id->marked && !is_marked(fd)))
        return TRUE;
    event = id->event ? event_number(fd) : 0;
    return event && event != id->event;
}

void
descriptor_close(int *fd, const struct descriptor_id *id)
{
    if (*fd >= 0 && !descriptor_is_other(*fd, id))
        close(*fd);
    *fd = -1;
}

int
descriptor_seems(int fd, const struct descriptor_id *id)
{
    return same_file(fd, id) && (!id->marked || is_marked(fd));
}

void
descriptor_close_marked(const uint32_t *opened)
{
    uint32_t fd;

    for (fd = 0; fd < 32 * opened[0]; fd++)
        if (opened[1 + fd / 32] >> fd % 32 & 1 && is_marked((int)fd))
            close((int)fd);
}

/* Moves a descriptor to the first free number from least on. Where that fails it stays. */
static int
move_up(int fd, int least)
{
    int moved = fd >= 0 && fd < least ? fcntl(fd, F_DUPFD_CLOEXEC, least) : -1;

    if (moved < 0)
        return fd;
    close(fd);
    return moved;
}

int
descriptor_high(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > LINK_SELECTABLE)
        return LINK_SELECTABLE;
    return (int)(limit.rlim_cur - limit.rlim_cur / 4);
}

int
descriptor_raise(int fd)
{
    return move_up(fd, descriptor_high());
}

/* The number of an eventfd that everybody has closed is given to another: hence the mark. */
int
descriptor_event(struct descriptor_id *id, int least)
{
    int fd = move_up(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), least);

    *id = descriptor_id(fd);
    if (fd >= 0 && mark(fd)) {
        id->marked = TRUE;
        id->event = event_number(fd);
    } else {
        id->inode = 0;
    }
    return fd;
}

static int
watch(int epoll, int fd, uint32_t events, uint64_t number)
{
    struct epoll_event e = {.events = events, .data.u64 = number};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* A number that no other of the process has had. */
static uint64_t
fresh_number(void)
{
    static uint64_t last;

    return (uint64_t)getpid() << 32 | (uint32_t)__atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

int
descriptor_epoll(struct descriptor_id *id, int readable, int ended)
{
    int fd = move_up(epoll_create1(EPOLL_CLOEXEC), STDERR_FILENO + 1);
    uint64_t number = fresh_number();

    if (fd >= 0 && (!watch(fd, readable, EPOLLIN, number) ||
                    (ended >= 0 && !watch(fd, ended, EPOLLRDHUP, number)))) {
        close(fd);
        return -1;
    }
    *id = descriptor_id(fd);
    id->marked = fd >= 0 && mark(fd);
    id->event = event_number(fd);
    return fd;
}
