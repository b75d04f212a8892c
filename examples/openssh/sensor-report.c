/*
 * The sensor's loop. It has the only connection to the collector, so that no
 * process that authenticates anybody speaks with it or waits for it; and each
 * connection to sshd has a socket of its own, so that its end is seen however
 * the processes that serve it end, and none can report for another.
 */
#include "includes.h"

#include "log.h"
#include "sensor-report.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a process that was announced may take to call, once the listener is gone. */
#define COMING_SECONDS 10
/* How long the collector has, when all else has ended, to take what waits. */
#define DRAIN_SECONDS 60
/* No more than one line about lost events in this time. */
#define COMPLAIN_SECONDS 60
/* How long connections may take to end when the sensor is told to. */
#define TERM_SECONDS 2
/* When to say that the collector has not been reached at all. */
#define UNREACHED_SECONDS 10
/* Messages of one socket before the next has its turn. */
#define BATCH 64

/* The places of struct pollfd before those of clients. */
enum { COLLECTOR, LISTENER, INCOMING, CLIENTS };

static struct {
    struct sensor_sender to;
    struct pollfd *fds; /* num_clients after CLIENTS */
    struct sensor_client **clients;
    size_t num_clients, room;
    long long start;
    uid_t root;        /* as whom sshd runs */
    int incoming;      /* accepts clients */
    unsigned coming;   /* announced and not yet here */
    time_t gone;       /* when the listener went */
    int restarts;      /* it said so; its end is no exit */
    int is_up, was_up; /* was_up: or it has been told that it was not */
    time_t begun, terminated;
    unsigned long long told; /* of to.lost, in the log */
    time_t told_at;
    unsigned long long reported; /* of to.lost, as events */
    time_t beat;                 /* when the next heartbeat is due */
    struct sensor_tally *tally;
} s;

static volatile sig_atomic_t terminated;

static void
on_term(int sig)
{
    (void)sig;
    terminated = 1;
}

/* --- Messages ------------------------------------------------------------------------------- */

static union {
    struct sensor_msg m;
    char bytes[sizeof(struct sensor_msg) + SENSOR_TEXT_MAX];
} packet;

/* Who has sent a message, as the kernel says. */
static int
sender_of(struct msghdr *h, uid_t *uid)
{
    struct cmsghdr *c;
    struct ucred who;

    for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
            c->cmsg_len == CMSG_LEN(sizeof who)) {
            memcpy(&who, CMSG_DATA(c), sizeof who);
            *uid = who.uid;
            return 1;
        }
    }
    return 0;
}

static uint64_t
length_of_texts(const struct sensor_msg *m)
{
    uint64_t len = 0;
    int i;

    for (i = 0; i < SENSOR_TEXTS; i++)
        len += m->len[i];
    return len;
}

/* Takes a message into packet: 1, 0 when there is none now, -1 at the end. */
static int
take(int fd, uid_t *uid)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred))]; /* no room for descriptors */
    } control;
    struct iovec part = {&packet, sizeof packet};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    h.msg_control = &control;
    h.msg_controllen = sizeof control;
    n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < (ssize_t)sizeof packet.m || h.msg_flags & MSG_TRUNC)
        return -1; /* n is 0 at the end; nobody sends anything shorter */
    if (length_of_texts(&packet.m) != (uint64_t)n - sizeof packet.m)
        return -1;
    return sender_of(&h, uid) ? 1 : -1;
}

/* --- Clients -------------------------------------------------------------------------------- */

static void
remove_client(size_t i)
{
    if (!sensor_client_has_begun(s.clients[i]) && s.coming > 0)
        s.coming--;
    s.tally->ended++;
    sensor_client_end(&s.to, s.clients[i]);
    close(s.fds[CLIENTS + i].fd);
    s.num_clients--;
    s.clients[i] = s.clients[s.num_clients];
    s.fds[CLIENTS + i] = s.fds[CLIENTS + s.num_clients];
}

static int
make_room(void)
{
    size_t room = s.room ? 2 * s.room : 16;
    struct pollfd *fds;
    struct sensor_client **clients;

    if (s.num_clients < s.room)
        return 1;
    fds = realloc(s.fds, (CLIENTS + room) * sizeof *fds);
    if (fds)
        s.fds = fds;
    clients = realloc(s.clients, room * sizeof *clients);
    if (clients)
        s.clients = clients;
    if (!fds || !clients)
        return 0;
    s.room = room;
    return 1;
}

/* Accepts one client: 1, 0 when there is none, -1 without the means to serve it. */
static int
accept_client(void)
{
    struct sensor_client *c;
    struct ucred who;
    socklen_t len = sizeof who;
    int fd = -1;

    errno = ENOMEM;
    if (make_room())
        fd = accept4(s.incoming, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != s.root ||
        !(c = sensor_client_new(s.root))) {
        close(fd);
        return 1;
    }
    s.clients[s.num_clients] = c;
    s.fds[CLIENTS + s.num_clients++] = (struct pollfd){.fd = fd, .events = POLLIN};
    return 1;
}

static void
accept_clients(void)
{
    int n, got = 1;

    for (n = 0; n < BATCH && got > 0; n++)
        got = accept_client();
    if (got < 0)
        poll(NULL, 0, 100); /* out of descriptors, perhaps: that passes */
}

static void
hear(struct sensor_client *c, uid_t uid)
{
    int before = sensor_client_has_begun(c);

    sensor_client_hear(&s.to, c, uid, &packet.m, packet.bytes + sizeof packet.m);
    if (!before && sensor_client_has_begun(c) && s.coming > 0)
        s.coming--;
}

static void
hear_clients(void)
{
    size_t i = s.num_clients;
    int n, got;
    uid_t uid;

    while (i-- > 0) { /* backwards, as a removal moves the last one */
        got = 1;
        for (n = 0; s.fds[CLIENTS + i].revents && n < BATCH && got > 0; n++) {
            got = take(s.fds[CLIENTS + i].fd, &uid);
            if (got > 0)
                hear(s.clients[i], uid);
        }
        if (got < 0)
            remove_client(i);
    }
}

/* --- The listener --------------------------------------------------------------------------- */

static void
listener_gone(void)
{
    struct sensor_msg m = {.ts = bro_util_current_time()};

    close(s.fds[LISTENER].fd);
    s.fds[LISTENER].fd = -1;
    s.gone = time(NULL);
    if (!s.restarts)
        sensor_send(&s.to, SENSOR_END, 0, &m, "");
}

static void
hear_listener(void)
{
    uid_t uid;
    int got;

    while ((got = take(s.fds[LISTENER].fd, &uid)) > 0) {
        if (!*s.to.sid) /* sshd tells first where it listens */
            sensor_name(&s.to, s.start, packet.m.end[0].port);
        switch (packet.m.kind) {
        case SENSOR_LISTEN:
            sensor_send(&s.to, SENSOR_LISTEN, 0, &packet.m, "");
            break;
        case SENSOR_COMING:
            s.coming++;
            break;
        case SENSOR_RESTART:
            s.restarts = 1;
            sensor_send(&s.to, SENSOR_RESTART, 0, &packet.m, "");
            break;
        case SENSOR_CONN_DROP:
            sensor_send_if_room(&s.to, SENSOR_CONN_DROP, 0, &packet.m,
                                packet.bytes + sizeof packet.m);
            break;
        case SENSOR_REVIVED:
            sensor_send(&s.to, SENSOR_REVIVED, 0, &packet.m, packet.bytes + sizeof packet.m);
            sensor_lose(&s.to, (unsigned long long)packet.m.num[1]);
            s.told += (unsigned long long)packet.m.num[1]; /* the log has told of the end */
            break;
        case SENSOR_END: /* the restart has come to nothing */
            s.restarts = 0;
            break;
        }
    }
    if (got < 0)
        listener_gone();
}

/* --- What it tells of itself ---------------------------------------------------------------- */

static int64_t
microseconds(double t)
{
    return (int64_t)(t * 1e6);
}

static void
tell_heartbeat(void)
{
    struct sensor_msg m = {.ts = bro_util_current_time()};
    time_t t = time(NULL);

    if (s.to.set->heartbeat == 0 || t < s.beat)
        return;
    s.beat = t + s.to.set->heartbeat;
    m.num[0] = microseconds(difftime(t, s.begun));
    m.num[1] = (int64_t)s.num_clients;
    m.num[2] = (int64_t)s.to.sent;
    m.num[3] = (int64_t)s.to.lost;
    sensor_send(&s.to, SENSOR_HEARTBEAT, 0, &m, "");
}

/* Once there is room again. */
static void
tell_lost(void)
{
    struct sensor_msg m = {.ts = bro_util_current_time()};
    unsigned long long lost = s.to.lost;

    if (lost == s.reported || !sensor_has_spare_room(&s.to))
        return;
    m.num[0] = (int64_t)(lost - s.reported);
    m.num[1] = microseconds(s.to.lost_since);
    if (!sensor_send(&s.to, SENSOR_LOST, 0, &m, ""))
        return;
    s.reported = lost;
    s.to.lost_since = 0;
}

/* sshd has told where it listens, so that there is a name to tell it under. */
static void
tell_of_itself(void)
{
    if (!*s.to.sid)
        return;
    tell_heartbeat();
    tell_lost();
    s.tally->waiting = s.is_up ? 0 : (uint64_t)bro_event_queue_length(s.to.conn);
}

/* --- The collector -------------------------------------------------------------------------- */

static void
watch_collector(void)
{
    time_t t = time(NULL);
    int up = bro_conn_alive(s.to.conn);

    bro_conn_process_input(s.to.conn); /* it asks nothing of us that we would answer */
    if (up != s.is_up)
        logit("sensor: %s the collector %.200s", up ? "connected to" : "lost", s.to.set->collector);
    s.is_up = up;
    if (!up && !s.was_up && t - s.begun >= UNREACHED_SECONDS) {
        error("sensor: the collector %.200s is not reached; /broccoli/debug_messages in "
              "broccoli.conf tells standard error why",
              s.to.set->collector);
        s.was_up = 1;
    }
    s.was_up |= up;
    if (s.to.lost > s.told && t - s.told_at >= COMPLAIN_SECONDS) {
        error("sensor: %llu events lost: the collector %.200s does not take them",
              s.to.lost - s.told, s.to.set->collector);
        s.told = s.to.lost;
        s.told_at = t;
    }
}

static void
connect_collector(void)
{
    s.to.conn = bro_conn_new_str(s.to.set->collector,
                                 BRO_CFLAG_BACKGROUND | BRO_CFLAG_ALWAYS_QUEUE | BRO_CFLAG_NOWAIT);
    if (!s.to.conn) {
        error("sensor: no memory");
        _exit(1);
    }
    if (s.to.set->class_name)
        bro_conn_set_class(s.to.conn, s.to.set->class_name);
    /* FALSE: it comes up later. */
    bro_conn_connect(s.to.conn);
}

/* --- The loop ------------------------------------------------------------------------------- */

static int
all_done(void)
{
    if (terminated && !s.terminated)
        s.terminated = time(NULL);
    /* What has not ended then, as it does when the machine goes down, goes on unreported. */
    if (terminated)
        return s.num_clients == 0 || time(NULL) - s.terminated >= TERM_SECONDS;
    return s.fds[LISTENER].fd < 0 && s.num_clients == 0 &&
           (s.coming == 0 || time(NULL) - s.gone >= COMING_SECONDS);
}

static void
turn(int timeout_ms)
{
    s.fds[COLLECTOR] = (struct pollfd){.fd = bro_conn_get_fd(s.to.conn), .events = POLLIN};
    s.fds[INCOMING] = (struct pollfd){.fd = s.incoming, .events = POLLIN};
    s.fds[LISTENER].events = POLLIN;
    if (poll(s.fds, CLIENTS + s.num_clients, timeout_ms) > 0) {
        if (s.fds[LISTENER].revents)
            hear_listener();
        hear_clients();
        if (s.fds[INCOMING].revents)
            accept_clients();
    }
    watch_collector();
    tell_of_itself();
}

/* Nobody can call any more, and no name of us remains. */
static void
close_incoming(void)
{
    struct sockaddr_un addr = {0};
    socklen_t len = sizeof addr - 1;

    if (getsockname(s.incoming, (struct sockaddr *)&addr, &len) == 0)
        unlink(addr.sun_path);
    close(s.incoming);
}

/* Gives the collector the time to take what waits, if it can be reached. */
static void
drain(void)
{
    time_t end = time(NULL) + DRAIN_SECONDS;

    while (!terminated && bro_event_queue_length(s.to.conn) > 0 && time(NULL) < end) {
        poll(NULL, 0, 100);
        watch_collector();
    }
    if (s.to.lost > s.told || bro_event_queue_length(s.to.conn) > 0)
        error("sensor: %llu events lost at the end",
              s.to.lost - s.told + (unsigned long long)bro_event_queue_length(s.to.conn));
    bro_conn_delete(s.to.conn);
}

static void
prepare(void)
{
    struct rlimit files;
    struct sigaction term = {.sa_handler = on_term};

    sigaction(SIGTERM, &term, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max; /* one for each connection */
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

void
sensor_report(const struct sensor_settings *set, int listener, int incoming, long long start,
              struct sensor_tally *tally)
{
    prepare();
    s.tally = tally;
    s.to.set = set;
    s.start = start;
    s.root = geteuid();
    s.begun = time(NULL);
    s.beat = s.begun + set->heartbeat;
    s.incoming = incoming;
    if (!make_room()) {
        error("sensor: no memory");
        _exit(1);
    }
    s.fds[LISTENER].fd = listener;
    connect_collector();
    while (!all_done())
        turn(1000);
    close_incoming();
    drain();
    _exit(0);
}
