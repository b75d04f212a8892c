/*
 * exit() with N connections whose peers read nothing.
 *
 *   exitstalled P N      P: a peer that reads nothing after the handshake
 *
 * Expected: they share one deadline of a second; four are allowed here.
 */
#include "common.h"

int
main(int argc, char **argv)
{
    int i, n, status, p[2];
    double began;
    char byte;

    need(argc, 2);
    n = atoi(argv[2]);
    if (pipe(p) < 0)
        return 1;
    if (fork() == 0) {
        bro_init(NULL);
        for (i = 0; i < n; i++)
            printf("%d events accepted\n", fill(conn(argv[1], BRO_CFLAG_NONE)));
        (void)!write(p[1], "", 1);
        exit(0);
    }
    (void)!read(p[0], &byte, 1);
    began = now();
    wait(&status);
    printf("exit took %.1f s, ", now() - began);
    printf("%s, status %x\n", now() - began < 4 ? "in time" : "late", status);
    return 0;
}
