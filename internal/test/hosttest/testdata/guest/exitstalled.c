/*
 * exit() with N connections whose peers read nothing, or bro_conn_delete() of each.
 *
 *   exitstalled P N [delete]     P: a peer that reads nothing after the handshake
 *
 * Expected: with exit() they share one deadline of a second; four are allowed here.
 */
#include "common.h"

enum { MOST = 100 };

static void
end(BroConn **bc, int n, int deletes)
{
    int i;

    for (i = 0; i < n && deletes; i++)
        bro_conn_delete(bc[i]);
    exit(0);
}

int
main(int argc, char **argv)
{
    int i, n, status, p[2];
    BroConn *bc[MOST];
    double began;
    char byte;

    need(argc, 2);
    n = atoi(argv[2]);
    if (n > MOST || pipe(p) < 0)
        return 1;
    if (fork() == 0) {
        bro_init(NULL);
        for (i = 0; i < n; i++)
            printf("%d events accepted\n", fill(bc[i] = conn(argv[1], BRO_CFLAG_NONE)));
        (void)!write(p[1], "", 1);
        end(bc, n, argc > 3);
    }
    (void)!read(p[0], &byte, 1);
    began = now();
    wait(&status);
    printf("exit took %.2f s, ", now() - began);
    printf("%s, status %x\n", now() - began < (argc > 3 ? 10 : 4) ? "in time" : "late", status);
    return 0;
}
