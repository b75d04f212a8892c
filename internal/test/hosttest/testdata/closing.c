/*
 * A daemon that closes all descriptors that it knows nothing of, after the connect,
 * and gives their numbers to a file of its own:
 *
 *   closing ADDRESS FILE [idle]
 *
 * An ADDRESS with a slash is that of a socket of the machine, which the library is given.
 * FILE is a path, or "eventfd" or "timerfd" for one of these, which have one inode with
 * ours, or "signal" for a timerfd that would send SIGRTMAX, as ours. Nothing of ours may
 * be read from it, be written to it, or close it, in a child neither.
 */
#include <broccoli.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The front's own descriptors, of which there are a few, are low; the core's begin at HIGH. */
#define LOW 3
#define LOW_END 50
#define HIGH 1000
#define HIGH_END 1100

static int
next(int n)
{
    return n + 1 == LOW_END ? HIGH : n + 1;
}

static BroConn *
new_conn(const char *address, int flags)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (!strchr(address, '/'))
        return bro_conn_new_str(address, flags);
    strncpy(at.sun_path, address, sizeof at.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
        return NULL;
    return bro_conn_new_socket(fd, BRO_CFLAG_NONE);
}

static void
send_some(BroConn *bc)
{
    BroEvent *ev;
    int n;

    for (n = 0; n < 20; n++) {
        ev = bro_event_new("tick");
        bro_event_send(bc, ev);
        bro_event_free(ev);
    }
}

/* What an eventfd holds, and a timerfd once: a read would take it, a write add to it. */
#define HELD 1000

static int
new_timer(void)
{
    struct itimerspec at = {.it_value.tv_nsec = 1};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    timerfd_settime(fd, 0, &at, NULL);
    return fd;
}

static int
new_signal(void)
{
    int fd = new_timer();

    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, SIGRTMAX);
    return fd;
}

static int
new_file(const char *file)
{
    if (strcmp(file, "eventfd") == 0)
        return eventfd(HELD, EFD_NONBLOCK);
    if (strcmp(file, "timerfd") == 0)
        return new_timer();
    if (strcmp(file, "signal") == 0)
        return new_signal();
    return open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

/* How far the file is from what it was. */
static long
written(const char *file, int fd)
{
    uint64_t held = 0;

    if (strchr(file, '/'))
        return (long)lseek(fd, 0, SEEK_END);
    (void)!read(fd, &held, sizeof held);
    return (long)held - (strcmp(file, "eventfd") == 0 ? HELD : 1);
}

/* How many are where the host may use select(), the host's own among them. */
static int
low(void)
{
    int n, open = 0;

    for (n = LOW; n < HIGH; n++)
        open += fcntl(n, F_GETFD) >= 0;
    return open;
}

static int
closed(void)
{
    int n, lost = 0;

    for (n = LOW; n < HIGH_END; n = next(n))
        lost += fcntl(n, F_GETFD) < 0;
    return lost;
}

/* What a child finds closed, which is told of by its status. */
static int
closed_in_child(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(closed());
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
    BroConn *bc;
    int n, file, before;

    if (argc < 3)
        return 2;
    bro_init(NULL);
    bc = new_conn(argv[1], BRO_CFLAG_RECONNECT);
    before = low();
    if (!bro_conn_connect(bc))
        return 3;
    usleep(300000); /* what the core opens and closes while it starts is its own */
    printf("low %d\n", low() - before);
    closefrom(3);
    n = new_file(argv[2]);
    file = fcntl(n, F_DUPFD_CLOEXEC, HIGH / 2);
    close(n);
    for (n = LOW; n < HIGH_END; n = next(n))
        dup2(file, n);
    printf("child %d\n", closed_in_child());
    fflush(stdout);
    if (argc == 3)
        send_some(bc);
    for (n = 0; n < 100 && bro_conn_alive(bc); n++)
        usleep(100000);
    printf("alive %d\n", bro_conn_alive(bc));
    send_some(bc);
    bro_conn_delete(bc);
    printf("closed %d\nwritten %ld\n", closed(), written(argv[2], file));
    bc = new_conn(argv[1], BRO_CFLAG_NONE);
    for (n = 0; n < 100 && !bro_conn_connect(bc); n++)
        usleep(100000); /* until the runtime has noticed, too */
    printf("again %d\n", bro_conn_alive(bc));
    bro_conn_delete(bc);
    return 0;
}
