/*
 * The listener's side: starts the sensor and tells it of the listener itself.
 */
#include "includes.h"

#include "log.h"
#include "misc.h"
#include "pathnames.h"
#include "platform.h"
#include "sensor-report.h"
#include "sensor.h"
#include "xmalloc.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A sensor that has died is started again, but not more often than this. */
#define AGAIN_SECONDS 10
/* Higher descriptors sshd does not have. */
#define FDS_MAX 65536

static struct {
    int fd; /* to the sensor */
    struct sockaddr_un addr;
    struct sensor_settings set;
    long long number, start; /* of the last connection; of sshd */
    time_t started;
    void (*forget_keys)(void); /* of the host */
    const int *socks;          /* that sshd listens on */
    int num_socks;
    pid_t listener;
    struct sensor_tally *tally; /* of the sensor that runs */
    long long announced;        /* connections to come that it was told of */
} s = {.fd = -1};

/* What a process for a connection finds in its environment, and we do after a restart. */
static void
publish(long long number)
{
    static char
        text[sizeof s.addr.sun_path + 64]; /* a setenv() each time would take memory each time */
    unsigned flags =
        (s.set.passwords ? SENSOR_WANTS_PASSWORDS : 0) | (s.set.data ? SENSOR_WANTS_DATA : 0);

    snprintf(text, sizeof text, SENSOR_ENV "=%u %lld %lld %s", flags, number, s.start,
             s.addr.sun_path);
    putenv(text);
}

static void
publish_salt(void)
{
    static char text[sizeof SENSOR_SALT_ENV + 1 + 2 * SENSOR_SALT_MAX];
    const char *salt = s.set.password_salt;
    size_t len;

    if (!salt)
        return;
    len = (size_t)snprintf(text, sizeof text, SENSOR_SALT_ENV "=");
    for (; *salt && len + 2 < sizeof text; salt++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%02x", (unsigned char)*salt);
    putenv(text);
}

/* Numbers and start go on after a restart, which is an exec(). */
static void
resume(void)
{
    const char *env = getenv(SENSOR_ENV);

    if (s.start != 0)
        return;
    if (!env || sscanf(env, "%*u %lld %lld", &s.number, &s.start) != 2) {
        s.number = 0;
        s.start = (long long)time(NULL);
    }
}

/* A socket that only root can connect to, under a name that nobody knows before. */
static int
listen_for_clients(void)
{
    mode_t before = umask(0177);
    int on = 1, ok, fd;

    memset(&s.addr, 0, sizeof s.addr);
    s.addr.sun_family = AF_UNIX;
    snprintf(s.addr.sun_path, sizeof s.addr.sun_path, "%s/sshd-sensor.%08x%08x", _PATH_SSH_PIDDIR,
             arc4random(), arc4random());
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ok = fd >= 0 && bind(fd, (struct sockaddr *)&s.addr, sizeof s.addr) == 0 &&
         setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 && listen(fd, 1024) == 0;
    umask(before);
    if (ok)
        return fd;
    error("sensor: cannot listen on %s: %s", s.addr.sun_path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/*
 * Puts /dev/null in the place of all that the sensor has no business with. The
 * numbers stay taken, since one may be that of a log; a log that is a file
 * stays.
 */
static void
give_up_descriptors(int listener, int incoming)
{
    int null = open(_PATH_DEVNULL, O_RDWR), fd;
    struct stat st;

    if (null < 0) {
        error("sensor: cannot open %s: %s", _PATH_DEVNULL, strerror(errno));
        _exit(1);
    }
    for (fd = STDERR_FILENO + 1; fd < MINIMUM(getdtablesize(), FDS_MAX); fd++) {
        if (fd == listener || fd == incoming || fstat(fd, &st) < 0)
            continue;
        if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
            dup2(null, fd);
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
}

/* The child: keeps nothing of sshd's but its two sockets. */
static void
become_sensor(int listener, int incoming)
{
    setproctitle("%s", "[sensor]");
    setsid();
    s.forget_keys();
    platform_post_fork_child();
    give_up_descriptors(listener, incoming);
    sensor_report(&s.set, listener, incoming, s.start, s.tally);
}

/* What the sensor counts is in memory that it shares with us, since it may end at any time. */
static struct sensor_tally *
make_tally(void)
{
    void *page =
        mmap(NULL, sizeof *s.tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? NULL : page;
}

static void
start(void)
{
    int pair[2], on = 1, incoming = listen_for_clients();
    pid_t pid;

    if (incoming < 0)
        return;
    if (!s.tally && !(s.tally = make_tally())) {
        error("sensor: no memory: %s", strerror(errno));
        close(incoming);
        return;
    }
    memset(s.tally, 0, sizeof *s.tally);
    s.announced = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
        setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
        error("sensor: cannot make sockets: %s", strerror(errno));
        close(incoming);
        return;
    }
    s.started = time(NULL);
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become_sensor(pair[1], incoming);
    }
    if (pid < 0)
        error("sensor: cannot fork: %s", strerror(errno));
    close(pair[1]);
    close(incoming);
    s.fd = pair[0];
}

void
sensor_start(void (*forget_keys)(void))
{
    s.listener = getpid();
    s.forget_keys = forget_keys;
    resume();
    unsetenv(SENSOR_ENV);
    unsetenv(SENSOR_SALT_ENV);
    sensor_configure(&s.set);
    if (!s.set.collector) {
        debug("sensor: broccoli.conf has no /sshd/collector: no events are sent");
        return;
    }
    start();
    publish(s.number + 1);
    publish_salt();
}

static void
tell(enum sensor_kind kind, long long number, const struct sensor_end *end)
{
    struct sensor_msg m = {.kind = kind, .num = {number}};

    if (end)
        m.end[0] = *end;
    if (s.fd >= 0)
        (void)sensor_write(s.fd, &m, NULL, 0, NULL, 0);
}

void
sensor_listening(const int *socks, int n)
{
    struct sensor_end end;
    int i;

    s.socks = socks;
    s.num_socks = n;
    for (i = 0; i < n; i++) {
        if (sensor_local_end(socks[i], &end))
            tell(SENSOR_LISTEN, 0, &end);
    }
}

/* How many connections the sensor that has died will not report to their end, and events. */
static struct sensor_msg
losses(void)
{
    struct sensor_msg m = {.kind = SENSOR_REVIVED};
    long long ended = (long long)s.tally->ended;

    m.num[0] = s.announced > ended ? s.announced - ended : 0;
    m.num[1] = (int64_t)s.tally->waiting;
    return m;
}

/* Starts the sensor again if it has died. */
static void
revive(void)
{
    static const char reason[] = "the sensor had ended";
    struct pollfd p = {.fd = s.fd};
    struct sensor_msg m;

    if (poll(&p, 1, 0) <= 0 || time(NULL) - s.started < AGAIN_SECONDS)
        return;
    error("sensor: it has ended, and is started again");
    unlink(s.addr.sun_path);
    close(s.fd);
    s.fd = -1;
    m = losses();
    start();
    sensor_listening(s.socks, s.num_socks);
    if (s.fd >= 0)
        (void)sensor_write(s.fd, &m, reason, sizeof reason - 1, NULL, 0);
}

void
sensor_coming(void)
{
    if (s.fd < 0)
        return;
    revive();
    s.announced++;
    s.number++;
    publish(s.number);
    tell(SENSOR_COMING, s.number, NULL);
}

/* Without re-exec, a process for a connection still has what is the listener's. */
void
sensor_leave(void)
{
    if (s.fd >= 0 && getpid() != s.listener) {
        close(s.fd);
        s.fd = -1;
    }
}

void
sensor_restart(void)
{
    tell(SENSOR_RESTART, 0, NULL);
}

void
sensor_exit(void)
{
    tell(SENSOR_END, 0, NULL);
}

void
sensor_drop(int sock, const char *reason)
{
    struct sensor_msg m = {.kind = SENSOR_CONN_DROP};

    if (s.fd >= 0 && sensor_remote_end(sock, &m.end[0]) && sensor_local_end(sock, &m.end[1]))
        (void)sensor_write(s.fd, &m, reason, strlen(reason), NULL, 0);
}
