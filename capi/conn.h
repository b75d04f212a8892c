/*
 * A connection as the front has it.
 */
#ifndef ROMANESCO_CONN_H
#define ROMANESCO_CONN_H

#include "api.h"
#include "arrival.h"
#include "core_call.h"
#include "descriptor.h"
#include "error.h"
#include "link.h"
#include "outside.h"
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

/* A handler may call bro_conn_process_input(), for an answer that it waits for, and a handler of
 * that again; so many times. */
#define INPUT_DEPTH 8

/* One of these calls. */
struct input_level {
    const void *frame;      /* where it is on the stack */
    struct arrival arrival; /* what its handlers have now, of the link from */
    struct link *from;      /* NULL: they have nothing */
};

/*
 * One state tells what a connection is doing: that of its link. Without a link
 * it is LINK_NEW. Only link_move() changes it.
 *
 *            bro_event_send()    bro_conn_connect()    is left by       what was accepted
 *   NEW      ALWAYS_QUEUE        makes an attempt      the host         waits
 *   OPENING  ALWAYS_QUEUE,       waits for its turn    the core         waits
 *            RECONNECT
 *   UP       TRUE                TRUE at once          both             is written
 *   RETRY    TRUE                makes an attempt;     both             waits
 *                                FALSE at once with
 *                                BACKGROUND
 *   DOWN     ALWAYS_QUEUE        makes an attempt      the host         waits
 *   CLOSING  FALSE               FALSE                 the host         is written, until the
 *                                                                       deadline
 *   CLOSED   FALSE               FALSE                 nobody           is gone, or in the spool
 *
 * A flag stands for: TRUE with that flag. What the queue has no room for is FALSE
 * in any state. "Waits" is in the outbound ring, which lives as long as the handle;
 * with confirm, what was written and not confirmed waits in the core's journal,
 * which lives as long. Without, it is lost with the connection. A send looks at
 * the state and puts the event into the ring under lock, and the host moves to
 * CLOSING under lock: nothing is accepted once the core has been told to let go.
 * A child of fork() begins with NEW and an empty ring (fork.h).
 */
struct bro_conn {
    char *peer; /* host:port, NULL when socket is used */
    int socket;
    struct descriptor_id socket_id;
    enum zeek_peer says; /* what the peer's name says of its protocol */
    int zeek;            /* it speaks to Zeek */
    int flags;
    char *class_name;
    uint64_t queue_events, queue_bytes; /* what may wait; no bytes given: what the rings hold */
    int to_core, to_host;
    struct descriptor_id to_core_id, to_host_id;
    struct outside outside; /* for a core in another process */
    unsigned generation;    /* of the process that it works in, see fork.h */
    BroConn *older;         /* the list of handles.c */

    /* One thread at a time connects, ends the connection or makes it the process's own. */
    pthread_mutex_t turn;
    pthread_mutex_t lock;        /* of all that follows, and of the outbound ring's end */
    struct link *link;           /* NULL until the first connect */
    struct link_memory memory;   /* where that is, and its rings */
    struct core_memory for_core; /* the same for a core in this process; in turn */
    struct spool *spool;         /* where the outbound ring lies, or NULL */
    struct handler *handlers;
    struct attachment *attachments;
    int link_type;                   /* of packets */
    uint64_t stalled_at;             /* where the ring was when a flush ran out of time */
    int gets_on;                     /* the peer did while a send waited */
    uint64_t held_at;                /* and how far the peer was when a send did */
    uint64_t unsent_at;              /* the same of a lone event */
    int64_t send_wait;               /* milliseconds that such a peer is waited for */
    int woke;                        /* the core slept until the last event, which */
    int64_t put_at;                  /* was put then */
    int confirms;                    /* the peer's receipt counts, not the kernel's */
    char peer_class[LINK_CLASS_MAX]; /* what bro_conn_get_peer_class() has returned */
    struct errors errors;

    /* Changed under the lock, by the thread in bro_conn_process_input: */
    int depth;        /* how many calls of it there are, one in a handler of another */
    pthread_t runner; /* which thread it is */
    /* Its own: */
    struct input_level levels[INPUT_DEPTH];
    int doomed; /* a handler has deleted the connection */
    struct link_memory
        inherited; /* the parent's, while a handler runs that was called before fork() */
};

/* The state, whoever has the lock. */
uint32_t conn_state(const BroConn *bc);

/* Whether it is one of a set: LINK_IN(...) | LINK_IN(...). */
int conn_is(const BroConn *bc, uint32_t states);

/* Makes the link, if it is not there: there, events may wait. FALSE, and why not.
 * Under the lock. */
int conn_make_link(BroConn *bc, struct reason *why);

/* Until it has ended its turn, no other thread connects or ends this connection,
 * and none cancels the caller: what the first returns is for the second. */
int conn_take_turn(BroConn *bc);
void conn_end_turn(BroConn *bc, int held);

/* Makes an attempt to connect; anew: also if the connection is up. In turn. */
int conn_open(BroConn *bc, int anew);

/* From here on nothing is accepted, and nothing connects. FALSE: that was so already. */
int conn_stop(BroConn *bc);

/* Writes what was accepted, for at most that long, and lets the core go. In turn. */
void conn_close(BroConn *bc, uint32_t timeout_ms);

/* Wakes the core if it waits for what the host does. TRUE: it did. */
int conn_wake_core(BroConn *bc);

/* Whether the queue has room, and if not, why. Under the lock. */
enum refusal conn_has_room(const BroConn *bc, size_t size);

/* Bytes of the outbound ring that the core has not taken. Under the lock. */
uint64_t conn_untaken(const BroConn *bc);

/* Puts a record, whose first bytes are struct link_record, into the outbound
 * ring, copying it. Returns REFUSED_NOT, or why there is no room for it. */
enum refusal conn_put(BroConn *bc, const void *rec, size_t size);

/* The same for an event in either form: refused when nobody will ever take it. */
int conn_put_event(BroConn *bc, const void *rec, size_t size);

/* Whether a thread is in bro_conn_process_input() for this connection. One that
 * has left its handlers by longjmp() is not; frame is the caller's. */
int input_runs(const BroConn *bc, const void *frame);

/* Frees the handlers that were removed, unless one may be running. Under the lock. */
void registry_sweep(BroConn *bc);

/* Runs the handlers of an event. The caller is not cancelled, but for in a handler. */
void registry_dispatch(BroConn *bc, const struct link_event *ev, int held);

/* The names of all registered events, each with its NUL; the caller frees it. */
char *registry_names(BroConn *bc, uint32_t *len);
void registry_free(BroConn *bc);
void attachments_free(BroConn *bc);

/* How often the connection has come up; what follows tells an attempt that has
 * failed from what comes after it by that. */
uint64_t errors_ups(BroConn *bc);

/* Notes why an attempt has failed that the caller has waited for. */
void errors_unconnected(BroConn *bc, uint64_t ups, const struct reason *why);

/* Notes why an event of that size was refused. Under the lock. */
void errors_refuse(BroConn *bc, enum refusal why, uint64_t size);

/* The same without it; FALSE, for the caller to return. */
int errors_refuse_unlocked(BroConn *bc, enum refusal why, uint64_t size);
int errors_refuse_for(BroConn *bc, const struct reason *why);

/* Counts an event that the queue had no room for, and tells it now and then. Under the lock. */
void errors_full(BroConn *bc);

/* Notes why a connection is lost in the place of a core that is gone. Under the lock. */
void errors_cause(struct link *l, const char *text);

/* In a child of fork(), before it leaves the link: they are the parent's. Why that had no
 * connection stays, as long as the child has not tried. */
void errors_inherit(BroConn *bc);

#endif
