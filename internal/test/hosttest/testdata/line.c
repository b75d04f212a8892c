/*
 * A line of processes, each forked by the one before, which then ends. Each uses the handle of the
 * first, and sends an event:
 *
 *   line PEER N     prints of the first child and of the last: the cores that are mapped, the
 *                   number that pthread_key_create() gives, KiB mapped, KiB in memory, and the
 *                   descriptors
 */
#include <broccoli.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
status(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int kib = -1;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = atoi(line + strlen(name));
    if (f)
        fclose(f);
    return kib;
}

/* How often the beginning of a core is mapped. */
static int
cores(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[4096], offset[32];
    int n = 0;

    while (f && fgets(line, sizeof line, f))
        n += strstr(line, "libbroccoli-core") && sscanf(line, "%*s %*s %31s", offset) == 1 &&
             strspn(offset, "0") == strlen(offset);
    if (f)
        fclose(f);
    return n;
}

static int
descriptors(void)
{
    int fd, n = 0;

    for (fd = 3; fd < 20000; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int
next_key(void)
{
    pthread_key_t key;

    if (pthread_key_create(&key, NULL) != 0)
        return -1;
    pthread_key_delete(key);
    return (int)key;
}

static int
sends(BroConn *bc, uint64 number)
{
    BroEvent *ev = bro_event_new("in_line");
    int ok = bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number) && bro_event_send(bc, ev);

    bro_event_free(ev);
    return ok;
}

int
main(int argc, char **argv)
{
    int i, n = argc > 2 ? atoi(argv[2]) : 0;
    BroConn *bc;

    if (argc < 3)
        return 64;
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!bro_conn_connect(bc))
        return 1;
    for (i = 0;; i++) {
        alarm(60);
        if (!sends(bc, (uint64)i)) {
            printf("%d was refused\n", i);
            break;
        }
        if (i == 1 || i == n) {
            printf("%d %d %d %d %d\n", cores(), next_key(), status("VmSize:"), status("VmRSS:"),
                   descriptors());
            fflush(stdout);
        }
        if (i == n || fork() != 0)
            break;
    }
    return bro_conn_delete(bc) ? 0 : 1;
}
