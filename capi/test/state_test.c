/*
 * The state of a connection: the table of conn.h, and what flush and exit() make of it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../conn.h"

#include <pthread.h>
#include <time.h>

#include "../exit.h"
#include "child.h"
#include "fake_core.h"

#define STATES 7

/* By the state that a link is in: those that may follow. New, Opening, Up, Retry,
 * Down, closinG, Closed. */
static const char *const moves[STATES] = {
    [LINK_NEW] = "-O---G-",    [LINK_OPENING] = "--URDG-", [LINK_UP] = "-O-RDG-",
    [LINK_RETRY] = "-OU-DG-",  [LINK_DOWN] = "-O---G-",    [LINK_CLOSING] = "------C",
    [LINK_CLOSED] = "-------",
};

static void
test_moves(void)
{
    uint32_t from, to;

    for (from = 0; from < STATES; from++)
        for (to = 0; to < STATES; to++) {
            uint32_t state = from;
            int may = moves[from][to] != '-';

            CHECK(link_move(&state, to) == may);
            CHECK(state == (may ? to : from));
        }
}

/* Who may send in which state: nobody, everybody, or with which flag. */
static const struct {
    uint32_t state;
    int anybody, flags;
} senders[] = {
    {LINK_NEW, FALSE, BRO_CFLAG_ALWAYS_QUEUE},
    {LINK_OPENING, FALSE, BRO_CFLAG_ALWAYS_QUEUE | BRO_CFLAG_RECONNECT},
    {LINK_UP, TRUE, 0},
    {LINK_RETRY, TRUE, 0},
    {LINK_DOWN, FALSE, BRO_CFLAG_ALWAYS_QUEUE},
    {LINK_CLOSING, FALSE, 0},
    {LINK_CLOSED, FALSE, 0},
};

static void
send_in_state(uint32_t state, int flags, int accepted)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = bro_event_new("a");

    bc->flags = flags;
    bc->link->state = state;
    CHECK(bro_event_send(bc, ev) == accepted);
    CHECK(bro_event_queue_length(bc) == accepted);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

static void
test_senders(void)
{
    static const int flags[] = {0, BRO_CFLAG_ALWAYS_QUEUE, BRO_CFLAG_RECONNECT,
                                BRO_CFLAG_ALWAYS_QUEUE | BRO_CFLAG_RECONNECT};
    size_t s, f;

    for (s = 0; s < sizeof senders / sizeof *senders; s++)
        for (f = 0; f < sizeof flags / sizeof *flags; f++)
            send_in_state(senders[s].state, flags[f],
                          senders[s].anybody || (flags[f] & senders[s].flags));
}

/* What is accepted waits for the next connect, whatever ends the last one. */
static void
test_connect_keeps(void)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = bro_event_new("kept");

    CHECK(bro_event_send(bc, ev));
    bc->link->state = LINK_DOWN;
    CHECK(!bro_conn_connect(bc) && !bro_conn_reconnect(bc)); /* there is no core here */
    CHECK(conn_state(bc) == LINK_DOWN && bro_event_queue_length(bc) == 1);
    CHECK(core_takes(bc, 2) == 1);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* --- Flush ----------------------------------------------------------------------------------- */

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Publishes as the core does. */
static void
core_wrote(struct link *l, uint64_t pos)
{
    __atomic_store_n(&l->written, pos, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&l->progress, 1, __ATOMIC_SEQ_CST);
}

static int wrote;

static void *
write_soon(void *arg)
{
    const BroConn *bc = arg;
    struct link *l = bc->link;

    while (!__atomic_load_n(&l->flushers, __ATOMIC_SEQ_CST))
        sched_yield();
    __atomic_store_n(&wrote, TRUE, __ATOMIC_SEQ_CST);
    core_wrote(l, bc->memory.out.pos);
    return arg;
}

static void
test_flush_waits(void)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = bro_event_new("a");
    pthread_t core;

    CHECK(bro_event_send(bc, ev));
    if (!CHECK(pthread_create(&core, NULL, write_soon, bc) == 0))
        return;
    CHECK(bro_event_queue_flush(bc) == 1); /* it is not off the ring */
    CHECK(__atomic_load_n(&wrote, __ATOMIC_SEQ_CST));
    pthread_join(core, NULL);
    CHECK(!bc->link->flushers && !bc->stalled_at);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* A peer that reads nothing is waited for once, until it reads again. */
static void
test_flush_stalled(void)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = bro_event_new("a");
    double begin = now();
    int i;

    CHECK(bro_event_send(bc, ev));
    bro_event_queue_flush(bc);
    CHECK(now() - begin > 0.5);
    begin = now();
    for (i = 0; i < 100; i++)
        bro_event_queue_flush(bc);
    CHECK(now() - begin < 50);
    core_wrote(bc->link, bc->memory.out.pos);
    CHECK(bro_event_send(bc, ev));
    begin = now();
    bro_event_queue_flush(bc);
    CHECK(now() - begin > 0.5);
    bc->link->state = LINK_DOWN; /* and not at all while there is none */
    CHECK(bro_event_send(bc, ev));
    bc->stalled_at = 0;
    for (i = 0; i < 100; i++)
        bro_event_queue_flush(bc);
    CHECK(!bc->stalled_at);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* With confirm, 0 says that the peer has confirmed all: not that it is off the ring. */
static void
test_flush_confirms(void)
{
    BroConn *bc = pretend(0);
    BroEvent *ev = bro_event_new("a");

    bc->confirms = TRUE;
    core_wrote(bc->link, bc->memory.out.pos);
    CHECK(bro_event_queue_flush(bc) == 0);
    CHECK(bro_event_send(bc, ev));
    CHECK(core_takes(bc, 1) == 1 && bro_event_queue_length(bc) == 0);
    CHECK(bro_event_queue_flush(bc) == 1);
    bc->link->state = LINK_DOWN;
    CHECK(bro_event_queue_flush(bc) == 1);
    core_wrote(bc->link, bc->memory.out.pos);
    CHECK(bro_event_queue_flush(bc) == 0);
    bro_event_free(ev);
    bro_conn_delete(bc);
}

/* --- exit() ---------------------------------------------------------------------------------- */

static BroConn *at_exit[2];

static void *
hold_turn(void *arg)
{
    int held = conn_take_turn(arg);

    usleep(200000);
    conn_end_turn(arg, held);
    return NULL;
}

/* Nothing is accepted once exit() has begun, also on a connection that another
 * thread is busy with, or that nobody has made yet. */
static void
exit_with_two(void)
{
    BroEvent *ev = bro_event_new("a");
    pthread_t thread;

    check_failed = 0;
    at_exit[0] = pretend(BRO_CFLAG_RECONNECT);
    at_exit[1] = pretend(0);
    CHECK(bro_event_send(at_exit[0], ev) && bro_event_send(at_exit[1], ev));
    CHECK(pthread_create(&thread, NULL, hold_turn, at_exit[1]) == 0);
    usleep(50000);
    exit_close_all();
    CHECK(conn_state(at_exit[0]) == LINK_CLOSED && conn_state(at_exit[1]) == LINK_CLOSED);
    CHECK(!bro_event_send(at_exit[0], ev) && !bro_event_send(at_exit[1], ev));
    CHECK(!bro_conn_connect(at_exit[0]) && !bro_conn_reconnect(at_exit[1]));
    pthread_join(thread, NULL);
    CHECK(bro_conn_delete(at_exit[0]) && bro_conn_delete(at_exit[1]));
    bro_event_free(ev);
}

static void
test_exit(void)
{
    CHECK(in_child(exit_with_two) == 0);
}

int
main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("BROCCOLI_CONFIG_FILE");
    bro_init(NULL);
    test_moves();
    test_senders();
    test_connect_keeps();
    test_flush_waits();
    test_flush_stalled();
    test_flush_confirms();
    test_exit();
    return check_done();
}
