/*
 * A handler that does not return normally: it is called for an event of a peer
 * that sends "in" again and again. What is left afterwards is compared with what
 * an ordinary connection leaves.
 */
#include "common.h"

#include <dirent.h>

enum { ROUNDS = 8 };

static int handled, leaves_at; /* the call that does not return; 0 for none */

static inline int
entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Processes input until that many further events were handled, for 5 s at most. */
static inline int
handle(BroConn *bc, int further)
{
    double end = now() + 5;

    further += handled;
    while (handled < further && now() < end) {
        struct pollfd p = {bro_conn_get_fd(bc), POLLIN, 0};

        poll(&p, 1, 50);
        bro_conn_process_input(bc);
    }
    return handled >= further;
}

static inline void *
handle_elsewhere(void *bc)
{
    return handle((BroConn *)bc, 3) ? bc : NULL;
}

static inline int
handles_in_other_thread(BroConn *bc)
{
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, handle_elsewhere, bc);
    pthread_join(thread, &result);
    return result != NULL;
}

static inline BroConn *
listening_to(const char *peer, BroCompactEventFunc handler)
{
    BroConn *bc = bro_conn_new_str(peer, BRO_CFLAG_NONE);

    bro_event_registry_add_compact(bc, "in", handler, NULL);
    if (!bro_conn_connect(bc))
        puts("connect FALSE");
    return bc;
}

/* Descriptors that came since before are given two seconds to go. */
static inline int
descriptors_beyond(int before)
{
    double end = now() + 2;

    while (entries("/proc/self/fd") > before && now() < end)
        usleep(10000);
    return entries("/proc/self/fd") - before;
}

/*
 * leave(): one call of bro_conn_process_input() with an event that leaves it.
 * Prints what an ordinary connection would have, too.
 */
static inline void
rounds(const char *peer, BroCompactEventFunc handler, void (*leave)(BroConn *))
{
    int i, fds, threads, same = 0, other = 0, deleted = 0;
    BroConn *bc;

    bc = listening_to(peer, handler);
    handle(bc, 3);
    bro_conn_delete(bc);
    usleep(200000);
    fds = entries("/proc/self/fd");
    threads = entries("/proc/self/task");
    for (i = 0; i < ROUNDS && same == i && other == i; i++) {
        bc = listening_to(peer, handler);
        handle(bc, 3);
        leaves_at = handled + 1;
        leave(bc);
        leaves_at = 0;
        same += handle(bc, 3);
        other += handles_in_other_thread(bc);
        deleted += bro_conn_delete(bc);
    }
    printf("of %d: %d same thread, %d other thread, %d deleted\n", ROUNDS, same, other, deleted);
    printf("%d descriptors left, threads %s\n", descriptors_beyond(fds),
           entries("/proc/self/task") < threads + ROUNDS ? "fine" : "left");
}
