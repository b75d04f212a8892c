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
        for (i = 0; i < n; i++) {
            BroConn *bc = conn(argv[1], BRO_CFLAG_NONE);
            int sent = 0;

            while (sent < 200 && send_big(bc, 100000))
                sent++;
        }
        (void)!write(p[1], "", 1);
        exit(0);
    }
    (void)!read(p[0], &byte, 1);
    began = now();
    wait(&status);
    if (now() - began < 4)
        printf("in time, status %x\n", status);
    else
        printf("after %.1f s, status %x\n", now() - began, status);
    return 0;
}
