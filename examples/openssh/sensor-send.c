/*
 * The side of the processes that serve a connection: puts what happens into
 * messages for the sensor. It is part of libssh.a, since channels.c is: in the
 * clients it never has a sensor, and does nothing.
 */
#include "includes.h"

#include "sensor-data.h"
#include "sensor-msg.h"
#include "sensor.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Bytes that may wait for the sensor, of which data has half: it never takes the
 * place of anything else. */
#define ROOM_BYTES (512 << 10)

static int sensor = -1;
static unsigned wants;
static uint32_t lost; /* messages that found no room, and are not told yet */

/* --- Messages ------------------------------------------------------------------------------- */

static int
send_texts(int fd, struct sensor_msg *m, const struct iovec *texts, size_t n)
{
    struct iovec parts[1 + SENSOR_TEXTS] = {{m, sizeof *m}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 1 + n};
    size_t left = SENSOR_TEXT_MAX, i;
    int before = errno, sent;
    struct timespec now;

    for (i = 0; i < n; i++) {
        parts[1 + i] = texts[i];
        if (parts[1 + i].iov_len > left)
            parts[1 + i].iov_len = left;
        left -= parts[1 + i].iov_len;
        m->len[i] = (uint32_t)parts[1 + i].iov_len;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    m->ts = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    sent = sendmsg(fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    errno = before;
    return sent;
}

int
sensor_write(int fd, struct sensor_msg *m, const void *text0, size_t len0, const void *text1,
             size_t len1)
{
    struct iovec texts[] = {{(void *)text0, len0}, {(void *)text1, len1}};

    return send_texts(fd, m, texts, 2);
}

static int
tell(struct sensor_msg *m, const struct iovec *texts, size_t n)
{
    int sent;

    if (sensor < 0)
        return 0;
    m->lost = lost;
    sent = send_texts(sensor, m, texts, n);
    if (sent)
        lost = 0;
    return sent;
}

void
sensor_tell(struct sensor_msg *m, const void *text0, size_t len0, const void *text1, size_t len1)
{
    struct iovec texts[] = {{(void *)text0, len0}, {(void *)text1, len1}};

    if (!tell(m, texts, 2))
        lost++;
}

void
sensor_tell_texts(struct sensor_msg *m, const char *const *list, size_t n)
{
    struct iovec texts[SENSOR_TEXTS];
    size_t i;

    for (i = 0; i < n; i++) {
        texts[i].iov_base = (void *)(list[i] ? list[i] : "");
        texts[i].iov_len = strlen(texts[i].iov_base);
    }
    if (!tell(m, texts, n))
        lost++;
}

int
sensor_has_room(void)
{
    int waiting = 0;

    return sensor >= 0 && ioctl(sensor, SIOCOUTQ, &waiting) == 0 && waiting <= ROOM_BYTES / 2;
}

int
sensor_tell_data(struct sensor_msg *m, const void *data, size_t len)
{
    struct iovec text = {(void *)data, len};

    return sensor_has_room() && tell(m, &text, 1);
}

int
sensor_is_open(void)
{
    return sensor >= 0;
}

int
sensor_wants(unsigned flag)
{
    return (wants & flag) != 0;
}

/* For events that have nothing but a channel and a text. */
static void
tell_text(enum sensor_kind kind, int chan, const char *text)
{
    struct sensor_msg m = {.kind = kind, .chan = (uint32_t)chan};

    sensor_tell(&m, text, strlen(text), NULL, 0);
}

/* --- Ends of connections -------------------------------------------------------------------- */

static int
end_of(const struct sockaddr_storage *from, struct sensor_end *end)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

    memset(end, 0, sizeof *end);
    switch (from->ss_family) {
    case AF_INET:
        memset(end->addr + 10, 0xff, 2);
        memcpy(end->addr + 12, &v4->sin_addr, 4);
        end->port = ntohs(v4->sin_port);
        return 1;
    case AF_INET6:
        memcpy(end->addr, &v6->sin6_addr, 16);
        end->port = ntohs(v6->sin6_port);
        return 1;
    default:
        return 0;
    }
}

int
sensor_local_end(int sock, struct sensor_end *end)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;

    return getsockname(sock, (struct sockaddr *)&addr, &len) == 0 && end_of(&addr, end);
}

int
sensor_remote_end(int sock, struct sensor_end *end)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;

    return getpeername(sock, (struct sockaddr *)&addr, &len) == 0 && end_of(&addr, end);
}

/* --- The connection to the sensor ----------------------------------------------------------- */

/* Connects without waiting: a sensor that takes nobody in costs its events, not a login. */
static int
connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct ucred who;
    socklen_t len = sizeof who;
    int room = ROOM_BYTES, fd;

    if (strlen(path) >= sizeof addr.sun_path)
        return -1;
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* Nobody but the user as whom we run is to get anything. */
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != geteuid()) {
        close(fd);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    return fd;
}

void
sensor_open(int sock)
{
    struct sensor_msg m = {.kind = SENSOR_CONN_NEW};
    const char *env = getenv(SENSOR_ENV);
    long long number = 0;
    int path = 0;

    if (env && sscanf(env, "%u %lld %*d %n", &wants, &number, &path) == 2 && path > 0)
        sensor = connect_to(env + path);
    /* Programs that this process starts have no use for it. */
    unsetenv(SENSOR_ENV);
    m.num[0] = number;
    sensor_remote_end(sock, &m.end[0]);
    sensor_local_end(sock, &m.end[1]);
    sensor_tell(&m, NULL, 0, NULL, 0);
}

void
sensor_close(void)
{
    if (sensor >= 0)
        close(sensor);
    sensor = -1;
}

/* --- What the changed lines call ------------------------------------------------------------ */

void
sensor_timeout(void)
{
    struct sensor_msg m = {.kind = SENSOR_AUTH_TIMEOUT};

    sensor_tell(&m, NULL, 0, NULL, 0);
}

/* One that is longer than a message comes in pieces. */
static void
tell_command(int chan, const char *command)
{
    struct sensor_msg m = {.kind = SENSOR_EXEC, .chan = (uint32_t)chan};
    size_t left = strlen(command), n;

    do {
        n = left < SENSOR_TEXT_MAX ? left : SENSOR_TEXT_MAX;
        sensor_tell(&m, command, n, NULL, 0);
        command += n;
        left -= n;
    } while (left > 0);
}

void
sensor_session(int chan, int is_subsystem, const char *request, const char *command)
{
    tell_text(SENSOR_SESSION, chan, is_subsystem ? "subsystem" : request ? "exec" : "shell");
    if (command)
        tell_command(chan, command);
    sensor_data_begin(chan, is_subsystem);
}

void
sensor_exited(int chan, int status)
{
    struct sensor_msg m = {.kind = SENSOR_CHANNEL_EXIT, .chan = (uint32_t)chan};

    m.num[0] = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    sensor_tell(&m, NULL, 0, NULL, 0);
}

void
sensor_forward(int chan, int sock, int to_host)
{
    struct sensor_msg m = {.kind = SENSOR_FORWARD, .chan = (uint32_t)chan, .num = {to_host}};

    if (sensor >= 0 && sensor_local_end(sock, &m.end[!to_host]) &&
        sensor_remote_end(sock, &m.end[to_host]))
        sensor_tell(&m, NULL, 0, NULL, 0);
}

void
sensor_cleanup(int chan)
{
    struct sensor_msg m = {.kind = SENSOR_CHANNEL_CLEANUP, .chan = (uint32_t)chan};

    sensor_data_end(chan);
    sensor_tell(&m, NULL, 0, NULL, 0);
}

void
sensor_requested(const char *kind, const char *direction, const char *host, unsigned port,
                 int allowed)
{
    struct sensor_msg m = {.kind = SENSOR_FORWARD_REQUEST, .num = {allowed != 0}};
    const char *texts[] = {kind, direction, host};

    m.end[0].port = port <= UINT16_MAX ? (uint16_t)port : 0;
    sensor_tell_texts(&m, texts, 3);
}

void
sensor_requested_globally(const char *type, const char *host, const char *path, unsigned port,
                          int allowed)
{
    if (strcmp(type, "tcpip-forward") == 0)
        sensor_requested("tcp", "remote", host, port, allowed);
    else if (strcmp(type, "streamlocal-forward@openssh.com") == 0)
        sensor_requested("streamlocal", "remote", path, 0, allowed);
}

/* A number that Linux has in a file of a process, or what it has where there is none. */
static int64_t
number_of(long pid, const char *name)
{
    char path[64], text[32] = "";
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return UINT32_MAX;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 ? strtoll(text, NULL, 10) : UINT32_MAX;
}

void
sensor_process(int chan, long pid, int has_tty)
{
    struct sensor_msg m = {.kind = SENSOR_PROCESS, .chan = (uint32_t)chan};
    int before = errno;

    if (sensor < 0 || pid <= 0)
        return;
    m.num[0] = has_tty != 0;
    m.num[1] = pid;
    m.num[2] = number_of(pid, "sessionid");
    m.num[3] = number_of(pid, "loginuid");
    errno = before;
    sensor_tell(&m, NULL, 0, NULL, 0);
}
