/*
 * A host that closes one descriptor of ours, that which wakes the runtime, and gives its
 * number to an eventfd of its own:
 *
 *   poller ADDRESS
 *
 * Prints how much has been written to that, and whether another connection can be made.
 */
#include <broccoli.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FIRST 1000
#define LAST 1100

/* Whether a descriptor is of that kind of anonymous inode. */
static int
is(int fd, const char *kind)
{
    char path[64], target[64] = "";

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target - 1) > 0 && strstr(target, kind) != NULL;
}

/* What the poller has waited for from the beginning on, and not at edges as for all else; -1: unknown. */
static int
waker_of(int poller)
{
    char path[64], line[256];
    int fd = -1, found = -1;
    unsigned events;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", poller);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "tfd: %d events: %x", &fd, &events) == 2 && !(events >> 31) && is(fd, "eventfd"))
            found = fd;
    if (f)
        fclose(f);
    return found;
}

int
main(int argc, char **argv)
{
    int fd, poller = -1, mine = eventfd(0, EFD_NONBLOCK);
    uint64_t written = 0;
    BroConn *bc;

    if (argc < 2)
        return 64;
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!bro_conn_connect(bc))
        return 1;
    for (fd = FIRST; fd < LAST; fd++)
        if (is(fd, "eventpoll"))
            poller = fd;
    fd = waker_of(poller);
    if (fd < 0 || dup2(mine, fd) != fd)
        return 2;
    for (int n = 0; n < 10; n++) { /* which takes timers that are nearer than what is waited for */
        BroConn *other = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);

        bro_conn_connect(other);
        bro_conn_delete(other);
    }
    (void)!read(mine, &written, sizeof written);
    printf("written %d\nopen %d\n", (int)written, is(fd, "eventfd"));
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    printf("again %d\n", bro_conn_connect(bc));
    return 0;
}
