/*
 * The side of the processes that serve a connection: puts what happens into
 * messages for the sensor. It is part of libssh.a, since channels.c is: in the
 * clients it never has a sensor, and does nothing.
 */
#include "includes.h"

#include "sensor-msg.h"
#include "sensor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int sensor = -1;
static unsigned wants;

/* Channels whose data is wanted: sessions that speak in lines. */
static unsigned char speaks[SENSOR_CHANNELS_MAX];

int
sensor_write(int fd, struct sensor_msg *m, const void *text0, size_t len0, const void *text1,
             size_t len1)
{
    struct iovec parts[] = {{m, sizeof *m}, {(void *)text0, len0}, {(void *)text1, len1}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 3};
    int before = errno, sent;
    struct timespec now;

    if (len0 > SENSOR_TEXT_MAX)
        parts[1].iov_len = len0 = SENSOR_TEXT_MAX;
    if (len1 > SENSOR_TEXT_MAX - len0)
        parts[2].iov_len = len1 = SENSOR_TEXT_MAX - len0;
    m->len[0] = (uint32_t)len0;
    m->len[1] = (uint32_t)len1;
    clock_gettime(CLOCK_REALTIME, &now);
    m->ts = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    sent = sendmsg(fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    errno = before;
    return sent;
}

void
sensor_tell(struct sensor_msg *m, const void *text0, size_t len0, const void *text1, size_t len1)
{
    if (sensor >= 0)
        (void)sensor_write(sensor, m, text0, len0, text1, len1);
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
    int fd;

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

void
sensor_password(const char *user, const char *password, int valid)
{
    struct sensor_msg m = {.kind = SENSOR_PASSWORD, .num = {valid != 0}};
    size_t len = strlen(password);

    /* Clients ask with an empty one what they may try. */
    if (!user || (len == 0 && !valid))
        return;
    sensor_tell(&m, user, strlen(user), password, wants & SENSOR_WANTS_PASSWORDS ? len : 0);
}

void
sensor_session(int chan, int is_subsystem, const char *request, const char *command)
{
    tell_text(SENSOR_SESSION, chan, is_subsystem ? "subsystem" : request ? "exec" : "shell");
    if (command)
        tell_text(SENSOR_EXEC, chan, command);
    if (chan >= 0 && chan < SENSOR_CHANNELS_MAX)
        speaks[chan] = sensor >= 0 && wants & SENSOR_WANTS_DATA && !is_subsystem;
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

    sensor_tell(&m, NULL, 0, NULL, 0);
    if (chan >= 0 && chan < SENSOR_CHANNELS_MAX)
        speaks[chan] = 0;
}

static int
is_wanted(int chan)
{
    return chan >= 0 && chan < SENSOR_CHANNELS_MAX && speaks[chan];
}

static void
tell_data(enum sensor_kind kind, int chan, enum sensor_stream stream, const void *data, size_t len)
{
    struct sensor_msg m = {.kind = kind, .chan = (uint32_t)chan, .num = {stream}};

    if (memchr(data, '\0', len))
        speaks[chan] = 0; /* these are no lines */
    else
        sensor_tell(&m, data, len, NULL, 0);
}

void
sensor_sent(int chan, int is_stderr, const void *data, size_t len)
{
    if (is_wanted(chan))
        tell_data(SENSOR_RX, chan, is_stderr ? SENSOR_STDERR : SENSOR_STDOUT, data, len);
}

/* Whether the terminal is asking for something that nobody is to see. */
static int
is_secret(int tty)
{
    struct termios t;

    return tty >= 0 && tcgetattr(tty, &t) == 0 && !(t.c_lflag & ECHO) && t.c_lflag & ICANON;
}

void
sensor_typed(int chan, const void *data, size_t len, int tty)
{
    if (!is_wanted(chan))
        return;
    if (!(wants & SENSOR_WANTS_PASSWORDS) && is_secret(tty))
        len = 0;
    tell_data(SENSOR_TX, chan, SENSOR_STDIN, data, len);
}
