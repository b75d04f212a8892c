/*
 * A connection as the front has it.
 */
#ifndef ROMANESCO_CONN_H
#define ROMANESCO_CONN_H

#include "api.h"
#include "descriptor.h"
#include "link.h"
#include "zeek.h"

#include <pthread.h>

/* A function that wants events of a name. The list is in the order of registration. */
struct handler {
    struct handler *next;
    char *event;
    BroEventFunc expanded; /* one of these two */
    BroCompactEventFunc compact;
    void *user_data;
    int removed; /* to be freed once no handler runs */
};

/* What the host has attached to a connection under a key. */
struct attachment {
    struct attachment *next;
    char *key;
    void *val;
};

struct bro_conn {
    char *peer; /* host:port, NULL when socket is used */
    int socket;
    struct descriptor_id socket_id;
    enum zeek_peer says; /* what the peer's name says of its protocol */
    int zeek;            /* it speaks to Zeek */
    int flags;
    char *class_name;
    struct link *link;                  /* NULL until the first connect */
    struct spool *spool;                /* where the outbound ring lies, or NULL */
    uint64_t queue_events, queue_bytes; /* what may wait; no bytes given: what the rings hold */
    int to_core, to_host;
    struct descriptor_id to_core_id, to_host_id;
    unsigned generation; /* of the process that it works in, see fork.h */
    int connected;       /* the core has the link */
    BroConn *older;      /* the list of handles.c */

    /* One thread at a time connects, ends the connection or makes it the process's own. */
    pthread_mutex_t turn;
    pthread_mutex_t lock; /* of all that follows, and of the outbound ring's end */
    struct handler *handlers;
    struct attachment *attachments;
    int link_type; /* of packets */

    /* Changed under the lock, by the thread in bro_conn_process_input: */
    int running;      /* it is there */
    pthread_t runner; /* which it is */
    /* Its own: */
    int doomed;             /* a handler has deleted the connection */
    struct link *inherited; /* the parent's, while a handler runs that was called before fork() */
};

uint32_t conn_state(const BroConn *bc);

/* Whether the connection has ended and nobody will open it again by himself. */
int conn_is_over(const BroConn *bc);

/* Makes the link, if it is not there: there, events may wait. Under the lock. */
int conn_make_link(BroConn *bc);

/* Until it has ended its turn, no other thread connects or ends this connection,
 * and none cancels the caller: what the first returns is for the second. */
int conn_take_turn(BroConn *bc);
void conn_end_turn(BroConn *bc, int held);

/* Connects a handle that is not connected. In turn, as the next. */
int conn_open(BroConn *bc);

/* The opposite: writes what was accepted for at most that long. */
void conn_hang_up(BroConn *bc, uint32_t timeout_ms);

/* Wakes the core if it waits for what the host does. */
void conn_wake_core(BroConn *bc);

/* Puts a record, whose first bytes are struct link_record, into the outbound
 * ring, copying it. FALSE when there is no room for it. */
int conn_put(BroConn *bc, const void *rec, size_t size);

/* The same for an event in either form: refused when nobody will ever take it. */
int conn_put_event(BroConn *bc, const void *rec, size_t size);

/* Handlers run from enter to leave, in this thread, and none is freed meanwhile.
 * FALSE: they do already. */
int registry_enter(BroConn *bc);
void registry_leave(BroConn *bc);

/* Runs the handlers of an event. */
void registry_dispatch(BroConn *bc, const struct link_event *ev);

/* The names of all registered events, each with its NUL; the caller frees it. */
char *registry_names(BroConn *bc, uint32_t *len);
void registry_free(BroConn *bc);
void attachments_free(BroConn *bc);

#endif
