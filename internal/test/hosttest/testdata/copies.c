/*
 * Two copies of the library in one process, each with a core of its own:
 *
 *   copies PEER LIBRARY COPY [reuse [late]]
 *
 * A child uses the second and then the first, and sends an event with each before and
 * after. With "reuse" it has closed all descriptors before; with "late" nobody has told
 * the first of the child before it is used. Prints how many descriptors the child was
 * left with, how many of those that the second had opened it has lost, and what is not
 * TRUE.
 */
#include <broccoli.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the descriptors of cores are. */
#define FIRST 1024
#define LAST 1200

struct copy {
    void *library;
    BroConn *bc;
};

/* Calls a function of the library that takes and returns such things. */
#define CALL(c, result, name, types, ...) ((result(*) types)dlsym((c)->library, name))(__VA_ARGS__)

static int
load(struct copy *c, const char *path)
{
    c->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return c->library && CALL(c, int, "bro_init", (const BroCtx *), NULL);
}

static void
deletes(struct copy *c)
{
    CALL(c, int, "bro_conn_delete", (BroConn *), c->bc);
}

static int
connects(struct copy *c, const char *peer)
{
    c->bc = CALL(c, BroConn *, "bro_conn_new_str", (const char *, int), peer, BRO_CFLAG_NONE);
    return CALL(c, int, "bro_conn_connect", (BroConn *), c->bc);
}

static void
sends(struct copy *c, uint64 number)
{
    BroEvent *ev = CALL(c, BroEvent *, "bro_event_new", (const char *), "child");

    CALL(c, int, "bro_event_add_val", (BroEvent *, int, const char *, const void *), ev, BRO_TYPE_COUNT, NULL, &number);
    if (!CALL(c, int, "bro_event_send", (BroConn *, BroEvent *), c->bc, ev))
        printf("send %llu FALSE\n", (unsigned long long)number);
    CALL(c, void, "bro_event_free", (BroEvent *), ev);
}

static int
look(char *open)
{
    int fd, n = 0;

    for (fd = FIRST; fd < LAST; fd++)
        n += open[fd - FIRST] = fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* How many of those are not open any more. */
static int
lost_of(const char *before)
{
    char after[LAST - FIRST];
    int i, n = 0;

    look(after);
    for (i = 0; i < LAST - FIRST; i++)
        n += before[i] && !after[i];
    return n;
}

static void
child(struct copy *first, struct copy *second, int reuses)
{
    char before[LAST - FIRST];
    int left = look(before), lost;

    if (reuses)
        closefrom(3);
    sends(second, 1);
    usleep(300000); /* what its core opens and closes while it starts is its own */
    look(before);
    CALL(first, int, "bro_conn_alive", (const BroConn *), first->bc); /* which takes no number */
    lost = lost_of(before);
    sends(first, 2);
    lost += lost_of(before);
    sends(second, 3);
    sends(first, 4);
    printf("left %d\nlost %d\n", left, lost);
    deletes(second);
    deletes(first);
    fflush(stdout);
    _exit(0);
}

int
main(int argc, char **argv)
{
    struct copy first, second;
    int status;

    if (argc < 4)
        return 64;
    if (!load(&first, argv[2]) || !load(&second, argv[3]) || !connects(&first, argv[1]))
        return 1;
    deletes(&first); /* the second gets numbers that the core of the first had */
    if (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST) != FIRST || !connects(&second, argv[1]) || !connects(&first, argv[1]))
        return 1;
    usleep(300000);
    if ((argc > 5 ? _Fork() : fork()) == 0)
        child(&first, &second, argc > 4);
    wait(&status);
    return status != 0;
}
