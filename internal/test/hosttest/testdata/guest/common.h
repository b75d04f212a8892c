/*
 * What the hosts of this folder share. P in their first comments is the address
 * of a collector, a process of its own, and PID that process.
 */
#ifndef GUEST_COMMON_H
#define GUEST_COMMON_H

#include <broccoli.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Arguments that are missing are a mistake of the test. */
static inline void
need(int argc, int wanted)
{
    if (argc <= wanted) {
        fprintf(stderr, "%d arguments are needed\n", wanted);
        exit(64);
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* the test reads it though we hang or crash */
}

static inline BroConn *
conn(const char *peer, int flags)
{
    BroConn *bc = bro_conn_new_str(peer, flags);

    if (!bro_conn_connect(bc))
        fprintf(stderr, "connect FALSE\n");
    return bc;
}

/* An event with a number. */
static inline int
sendn(BroConn *bc, const char *name, uint64 number)
{
    BroEvent *ev = bro_event_new(name);
    int ok;

    bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &number);
    ok = bro_event_send(bc, ev);
    bro_event_free(ev);
    return ok;
}

/* An event that nobody counts, with so many bytes. */
static inline int
send_big(BroConn *bc, size_t bytes)
{
    BroEvent *ev = bro_event_new("big");
    char *text = (char *)malloc(bytes);
    BroString string = {(uint32)bytes, (uchar *)text};
    int ok;

    memset(text, 'x', bytes);
    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &string);
    ok = bro_event_send(bc, ev);
    bro_event_free(ev);
    free(text);
    return ok;
}

/*
 * Sends to a peer that reads nothing until the kernel and the queue are full:
 * nothing was accepted for a tenth of a second. Returns how many were.
 */
static inline int
fill(BroConn *bc)
{
    int accepted = 0, refused = 0;

    while (accepted < 1000 && refused < 10) {
        if (send_big(bc, 100000)) {
            accepted++;
            refused = 0;
        } else {
            refused++;
            usleep(10000);
        }
    }
    return accepted;
}

/* Memory that children share with their parent. */
static inline volatile uint64 *
shared(void)
{
    return (volatile uint64 *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                   -1, 0);
}

static inline double
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * Waits until the peer is lost, which the library of 2005 notices by using the
 * connection only: two seconds at most.
 */
static inline void
await_loss(BroConn *bc)
{
    double end = now() + 2;

    while (bro_conn_alive(bc) && now() < end)
        usleep(1000);
}

#endif
