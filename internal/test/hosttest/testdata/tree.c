/*
 * A tree of processes: tree HOST:PORT CHILDREN EVENTS [reexec]. The parent connects, and forks
 * so many children; each connects, or uses the handle that it has, sends its events "leaf"
 * with its number and theirs, and ends. With "reexec" a child is this program again.
 */
#include <broccoli.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int
leaf(const char *peer, uint64 number, int events)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);
    uint64 i;

    if (!bc || !bro_conn_connect(bc))
        return 3;
    for (i = 0; i < (uint64)events; i++) {
        BroEvent *ev = bro_event_new("leaf");

        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
        bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &i);
        while (!bro_event_send(bc, ev))
            usleep(1000);
        bro_event_free(ev);
    }
    bro_conn_delete(bc);
    return 0;
}

int
main(int argc, char **argv)
{
    int children = atoi(argv[2]), events = atoi(argv[3]), n, status, failed = 0;
    BroConn *bc;

    bro_init(NULL);
    if (argc > 5)
        return leaf(argv[1], strtoull(argv[5], NULL, 10), events);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_NONE);
    if (!bro_conn_connect(bc))
        return 1;
    for (n = 0; n < children; n++) {
        pid_t pid = fork();

        if (pid == 0 && argc > 4) {
            char number[32];

            snprintf(number, sizeof number, "%d", n);
            execl("/proc/self/exe", argv[0], argv[1], "0", argv[3], "reexec", number, (char *)NULL);
        }
        if (pid == 0)
            _exit(leaf(argv[1], (uint64)n, events));
    }
    for (n = 0; n < children; n++) {
        wait(&status);
        failed += status != 0;
    }
    printf("%d failed\n", failed);
    bro_conn_delete(bc);
    return failed != 0;
}
