/*
 * A daemon that closes all descriptors that it knows nothing of, after the connect,
 * and gives their numbers to a file of its own:
 *
 *   closing ADDRESS FILE [idle]
 *
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
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the core's are: the front's own, of which there are two, are low. */
#define FIRST 1000
#define LAST 1100

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

static int
closed(void)
{
    int n, lost = 0;

    for (n = FIRST; n < LAST; n++)
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
    int n, file;

    if (argc < 3)
        return 2;
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_RECONNECT);
    if (!bro_conn_connect(bc))
        return 3;
    usleep(300000); /* what the core opens and closes while it starts is its own */
    closefrom(3);
    n = new_file(argv[2]);
    file = fcntl(n, F_DUPFD_CLOEXEC, FIRST / 2);
    close(n);
    for (n = FIRST; n < LAST; n++)
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
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    for (n = 0; n < 100 && !bro_conn_connect(bc); n++)
        usleep(100000); /* until the runtime has noticed, too */
    printf("again %d\n", bro_conn_alive(bc));
    bro_conn_delete(bc);
    return 0;
}
