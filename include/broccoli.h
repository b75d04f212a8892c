/*
 * broccoli.h - send events to Bro and Zeek, and receive theirs.
 *
 * Copyright (c) 2026, the Romanesco authors
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *
 * A program that sends one event
 *
 *     #include <broccoli.h>
 *
 *     int
 *     main(void)
 *     {
 *         BroConn *bc;
 *         BroEvent *ev;
 *         BroString user;
 *         uint64 tries = 3;
 *
 *         bro_init(NULL);
 *         bc = bro_conn_new_str("127.0.0.1:47757", BRO_CFLAG_NONE);
 *         if (!bc || !bro_conn_connect(bc))
 *             return 1;
 *
 *         bro_string_set(&user, "alice");
 *         ev = bro_event_new("login_failed");
 *         bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &user);
 *         bro_event_add_val(ev, BRO_TYPE_COUNT, NULL, &tries);
 *         bro_event_send(bc, ev);
 *         bro_event_free(ev);
 *         bro_string_cleanup(&user);
 *
 *         bro_conn_delete(bc);
 *         return 0;
 *     }
 *
 * Build it with: cc login.c $(pkg-config --cflags --libs broccoli)
 *
 *
 * A program that receives events
 *
 *     #include <broccoli.h>
 *
 *     #include <poll.h>
 *     #include <stdio.h>
 *
 *     static void
 *     on_login(BroConn *bc, void *user_data, BroString *user, uint64 *tries)
 *     {
 *         (void)bc, (void)user_data;
 *         printf("%s, %lu tries\n", (char *)user->str_val, (unsigned long)*tries);
 *     }
 *
 *     int
 *     main(void)
 *     {
 *         struct pollfd readable;
 *         BroConn *bc;
 *
 *         bro_init(NULL);
 *         bc = bro_conn_new_str("127.0.0.1:47757", BRO_CFLAG_NONE);
 *         if (!bc)
 *             return 1;
 *         bro_event_registry_add(bc, "login_failed", (BroEventFunc)on_login, NULL);
 *         if (!bro_conn_connect(bc))
 *             return 1;
 *         while (bro_conn_alive(bc)) {
 *             readable.fd = bro_conn_get_fd(bc);
 *             readable.events = POLLIN;
 *             poll(&readable, 1, -1);
 *             bro_conn_process_input(bc);
 *         }
 *         bro_conn_delete(bc);
 *         return 0;
 *     }
 *
 * The handler gets a pointer to each argument; these hold until it returns.
 * bro_event_registry_add_compact() registers one that gets them with their types.
 * A handler returns normally. If it ends its thread, or an exception of C++ leaves
 * it, the event counts as handled and nothing else is lost; if longjmp() leaves it,
 * what its arguments took is not freed, and the next call of
 * bro_conn_process_input() in the same thread goes on with the next event.
 *
 *
 * Values
 *
 * A value is passed as a BRO_TYPE_* and a pointer, here as everywhere, to:
 *
 *     BRO_TYPE_BOOL                        int
 *     BRO_TYPE_INT, _COUNT, _COUNTER       uint64
 *     BRO_TYPE_ENUM                        uint64, and the enum's name as type_name
 *     BRO_TYPE_DOUBLE, _TIME, _INTERVAL    double, times in seconds
 *     BRO_TYPE_STRING                      BroString
 *     BRO_TYPE_PORT                        BroPort
 *     BRO_TYPE_IPADDR                      BroAddr
 *     BRO_TYPE_SUBNET                      BroSubnet
 *     BRO_TYPE_RECORD                      BroRecord
 *     BRO_TYPE_TABLE                       BroTable
 *     BRO_TYPE_SET                         BroSet
 *     BRO_TYPE_VECTOR                      BroVector
 *
 * What you pass in is copied and stays yours. What a getter returns and what a
 * callback is given belongs to the library: use it until the object that it
 * came from changes or goes, in a callback until that returns. A type_name may
 * be NULL unless it is an enum's. int results are TRUE or FALSE unless a
 * function says otherwise.
 *
 *
 * Lifecycle
 *
 * bro_init() comes first, once for the process; again does no harm. Nothing
 * runs in the background, and no thread is started, before the first connect.
 * A handle lives until bro_conn_delete(), connected or not, and may be
 * connected again. Everything that a function named _new, _clone or _copy
 * returned has a function named _free.
 *
 *
 * What becomes of an event
 *
 * bro_event_send() is TRUE for an event that the library has accepted. What may be
 * accepted, and what becomes of it, depends on the state of the connection:
 *
 *     state              accepted            what was accepted
 *     never connected    with ALWAYS_QUEUE   waits for the first connect
 *     being connected    with ALWAYS_QUEUE   waits
 *                        or RECONNECT
 *     up                 yes                 is written at once, in the background
 *     lost, and the      yes                 waits for the next connection
 *     library retries
 *     lost or refused    with ALWAYS_QUEUE   waits for bro_conn_connect()
 *     being ended        no                  is written until the deadline of
 *                                            bro_conn_delete() or exit()
 *     ended              no                  is gone, or in the spool
 *
 * In each of them a full queue is FALSE. bro_conn_connect() and bro_conn_reconnect()
 * drop nothing that waits. What was written to a connection that is then lost is
 * lost with it, unless /broccoli/confirm is set: then it waits until the peer has
 * confirmed it, and is sent again on the next connection of the same handle.
 *
 *
 * Threads
 *
 * Handles are independent of each other, and one handle may be used by several
 * threads, with these exceptions: one at a time may be in
 * bro_conn_process_input(), bro_conn_set_class() comes before the handle is
 * shared, and bro_conn_delete() must be the last call for it. Callbacks run
 * on the thread that called bro_conn_process_input(). Events, records and other
 * values are plain objects: use each from one thread at a time.
 *
 * bro_event_send() waits for the network in two cases alone: for a moment when nothing else
 * is being sent, so that the event leaves although the process may end without another call;
 * and when its queue is full, as long as the peer makes progress. A peer that reads nothing
 * is waited for once, for 50 ms (the setting send_wait). With BRO_CFLAG_NOWAIT of romanesco.h
 * it never waits.
 *
 *
 * Signals
 *
 * The library's own threads block every signal that somebody might send to your
 * program: your handlers run on your threads only. The functions are not for
 * use inside a signal handler.
 *
 *
 * fork() and exec()
 *
 * A connection stays with the process that made it, which notices nothing of a
 * fork(). The first use of the handle in the child opens a connection of the
 * child's own, to the same peer with the same registrations, class and flags;
 * that call may wait as bro_conn_connect() does. What the parent has accepted
 * is the parent's to send. exec() leaves nothing behind.
 *
 *
 * The end
 *
 * bro_conn_delete() writes what was accepted, for at most 5 seconds. exit() does so
 * for all connections together, for at most a second; from its beginning nothing is
 * accepted any more. Before _exit(), exec() or a signal that ends the process, call
 * bro_event_queue_flush(): it waits until what was accepted is with the kernel.
 *
 *
 * Packets
 *
 * Include <pcap.h> before this header, or define BROCCOLI_WITH_PCAP, to see
 * inside a BroPacket. All other functions for packets need neither.
 */
#ifndef BROCCOLI_H
#define BROCCOLI_H

/* Programs rely on some of these though this header does not: the original's brought them along. */
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/*
 * BRO_PCAP_SUPPORT says that struct bro_packet is complete. Who has declared
 * struct pcap_pkthdr without libpcap defines BROCCOLI_HAVE_PCAP_PKTHDR.
 */
#if !defined(BRO_PCAP_SUPPORT) && \
    (defined(BROCCOLI_WITH_PCAP) || defined(BROCCOLI_HAVE_PCAP_PKTHDR) || defined(lib_pcap_pcap_h))
#define BRO_PCAP_SUPPORT
#endif
#if defined(BRO_PCAP_SUPPORT) && !defined(BROCCOLI_HAVE_PCAP_PKTHDR)
#include <pcap.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifndef FALSE
#define FALSE (0)
#endif

#ifndef TRUE
#define TRUE (!FALSE)
#endif

/* --- Types of values --------------------------------------------------------------------- */

/* As a question: any type. As an answer: a value that is not set. */
#define BRO_TYPE_UNKNOWN 0
#define BRO_TYPE_BOOL 1
#define BRO_TYPE_INT 2
#define BRO_TYPE_COUNT 3
#define BRO_TYPE_COUNTER 4
#define BRO_TYPE_DOUBLE 5
#define BRO_TYPE_TIME 6
#define BRO_TYPE_INTERVAL 7
#define BRO_TYPE_STRING 8
#define BRO_TYPE_PATTERN 9
#define BRO_TYPE_ENUM 10
#define BRO_TYPE_TIMER 11
#define BRO_TYPE_PORT 12
#define BRO_TYPE_IPADDR 13
#define BRO_TYPE_SUBNET 14
#define BRO_TYPE_ANY 15
#define BRO_TYPE_TABLE 16
#define BRO_TYPE_UNION 17
#define BRO_TYPE_RECORD 18
#define BRO_TYPE_LIST 19
#define BRO_TYPE_FUNC 20
#define BRO_TYPE_FILE 21
#define BRO_TYPE_VECTOR 22
#define BRO_TYPE_ERROR 23
/* These two exist here only: Bro itself has no packets, and its sets are tables. */
#define BRO_TYPE_PACKET 24
#define BRO_TYPE_SET 25
#define BRO_TYPE_MAX 26

/* --- Flags of a connection, to be combined with | ---------------------------------------- */

#define BRO_CFLAG_NONE 0
/* Connect again, in the background, when the peer is lost or could not be reached. */
#define BRO_CFLAG_RECONNECT (1 << 0)
/* Keep events that are sent while there is no connection, and deliver them later. */
#define BRO_CFLAG_ALWAYS_QUEUE (1 << 1)
/* Without effect. */
#define BRO_CFLAG_SHAREABLE (1 << 2)
/* Ask the peer to send every object in full. This is the default. */
#define BRO_CFLAG_DONTCACHE (1 << 3)
/* bro_conn_process_input() handles one event and returns. */
#define BRO_CFLAG_YIELD (1 << 4)
/* Let the peer refer to objects that it has sent before, which is far fewer bytes. A Bro 2.5.5
 * does so with a record although something nested in it has changed since: what you get is then old,
 * or not set. */
#define BRO_CFLAG_CACHE (1 << 5)

/* --- Scalars ----------------------------------------------------------------------------- */

typedef uint64_t uint64;
typedef uint32_t uint32;
typedef uint16_t uint16;
typedef uint8_t uint8;
typedef unsigned char uchar;

/* uint comes from <sys/types.h>, but not where the C library keeps strictly to a standard. */
#if defined(__GLIBC__)
#if !defined(__USE_MISC)
typedef unsigned int uint;
#endif
#elif !defined(_GNU_SOURCE) && !defined(_BSD_SOURCE)
typedef unsigned int uint;
#endif

/* --- Handles ----------------------------------------------------------------------------- */

typedef struct bro_conn BroConn;
typedef struct bro_event BroEvent;
typedef struct bro_buf BroBuf;
typedef struct bro_record BroRecord;
typedef struct bro_table BroTable;
typedef struct bro_table BroSet;
typedef struct bro_vector BroVector;
typedef struct bro_packet BroPacket;

/* --- Structures -------------------------------------------------------------------------- */

/* Bytes, which may contain NUL. The library puts another NUL behind them. */
typedef struct bro_string {
    uint32 str_len; /* without that NUL */
    uchar *str_val;
} BroString;

typedef struct bro_port {
    uint64 port_num; /* in host byte order */
    int port_proto;  /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_ICMP */
} BroPort;

/* An IPv6 address, or an IPv4 address in its mapped form ::ffff:a.b.c.d. */
typedef struct bro_addr {
    uint32 addr[4]; /* in network byte order */
} BroAddr;

typedef struct bro_subnet {
    BroAddr sn_net;
    uint32 sn_width; /* length of the prefix in bits */
} BroSubnet;

/* What waits to be sent and to be processed, see bro_conn_get_connstats(). */
typedef struct bro_conn_stats {
    int tx_buflen; /* bytes */
    int rx_buflen; /* bytes */
} BroConnStats;

/* An argument of an event. */
typedef struct bro_ev_arg {
    void *arg_data; /* NULL when it is not set */
    int arg_type;   /* BRO_TYPE_* */
} BroEvArg;

/* An event as a compact callback gets it. */
typedef struct bro_ev_meta {
    const char *ev_name;
    double ev_ts; /* when the event was made, in seconds since the epoch */
    int ev_numargs;
    BroEvArg *ev_args;
    const uchar *ev_start; /* the event as it came, fit for bro_event_send_raw() */
    const uchar *ev_end;   /* the byte behind it */
} BroEvMeta;

struct pcap_pkthdr;

#ifdef BRO_PCAP_SUPPORT
struct bro_packet {
    double pkt_time;
    uint32 pkt_hdr_size;
    uint32 pkt_link_type; /* DLT_* */
    struct pcap_pkthdr pkt_pcap_hdr;
    const unsigned char *pkt_data;
    const char *pkt_tag;
};
#endif

/* --- Callbacks --------------------------------------------------------------------------- */

/* Gets the arguments of an event one by one, each as a pointer. */
typedef void (*BroEventFunc)(BroConn *bc, void *user_data, ...);

/* Gets all of an event at once, whatever arguments it has. */
typedef void (*BroCompactEventFunc)(BroConn *bc, void *user_data, BroEvMeta *meta);

typedef void (*BroPacketFunc)(BroConn *bc, void *user_data, const BroPacket *packet);

/* Return TRUE to go on with the next element, FALSE to end. */
typedef int (*BroTableCallback)(void *key, void *val, void *user_data);
typedef int (*BroSetCallback)(void *val, void *user_data);

/*
 * Locks for an OpenSSL before 1.1. This library contains no OpenSSL and never
 * calls them; they are here for programs that fill in a BroCtx.
 */
struct CRYPTO_dynlock_value;
typedef void (*OpenSSL_lock_func)(int mode, int n, const char *file, int line);
typedef unsigned long (*OpenSSL_thread_id_func)(void);
typedef struct CRYPTO_dynlock_value *(*OpenSSL_dynlock_create_func)(const char *file, int line);
typedef void (*OpenSSL_dynlock_lock_func)(int mode, struct CRYPTO_dynlock_value *mutex,
                                          const char *file, int line);
typedef void (*OpenSSL_dynlock_free_func)(struct CRYPTO_dynlock_value *mutex, const char *file,
                                          int line);

/* For bro_init(); set it up with bro_ctx_init(). */
typedef struct bro_ctx {
    OpenSSL_lock_func lock_func;
    OpenSSL_thread_id_func id_func;
    OpenSSL_dynlock_create_func dl_create_func;
    OpenSSL_dynlock_lock_func dl_lock_func;
    OpenSSL_dynlock_free_func dl_free_func;
} BroCtx;

/* --- Start ------------------------------------------------------------------------------- */

/**
 * Prepares the library; to be called before all else, from one thread. It reads
 * the configuration. ctx may be NULL; what it holds is not used: it served to
 * give OpenSSL locks, and this library brings its own TLS. It stays the
 * caller's. Calling bro_init() again is harmless. Returns TRUE, always. A
 * program that makes an event or a connection without this call is ended with a
 * message on standard error.
 */
int bro_init(const BroCtx *ctx);

/**
 * Clears ctx, so that its members can be set one by one. Nothing is allocated,
 * and nothing happens when ctx is NULL.
 */
void bro_ctx_init(BroCtx *ctx);

/* --- Connections ------------------------------------------------------------------------- */

/**
 * Makes a handle for a connection to a peer; nothing is sent until
 * bro_conn_connect(). peer is "host:port", with a name or an address of
 * IPv4 or IPv6; brackets around the latter are allowed. With "ws://" in front
 * it is a Zeek's WebSocket port, with "wss://" the same over TLS. flags:
 * BRO_CFLAG_*.
 * The caller frees it with bro_conn_delete(). Returns NULL without a peer or
 * without memory.
 */
BroConn *bro_conn_new_str(const char *peer, int flags);

/**
 * Makes a handle for a connection to an IPv4 address, as bro_conn_new_str() does
 * for a text. Address and port are in network byte order. Returns NULL without an
 * address or without memory; the caller frees the handle with bro_conn_delete().
 */
BroConn *bro_conn_new(struct in_addr *ip_addr, uint16 port, int flags);

/**
 * Makes a handle for a connection to an IPv6 address, as bro_conn_new_str() does
 * for a text. Address and port are in network byte order. Returns NULL without an
 * address or without memory; the caller frees the handle with bro_conn_delete().
 */
BroConn *bro_conn_new6(struct in6_addr *ip_addr, uint16 port, int flags);

/**
 * Makes a handle for a stream socket that is connected already, by either side.
 * The socket is the library's from here on: bro_conn_delete() closes it, and nobody
 * else is to read, write or close it. Returns NULL for a negative socket or without
 * memory; the caller frees the handle with bro_conn_delete().
 */
BroConn *bro_conn_new_socket(int socket, int flags);

/**
 * Sets the class under which the peer knows this connection, before
 * bro_conn_connect(). A Bro requests events only from a peer whose class is the
 * one that it has configured. The name is copied; NULL takes the class away.
 */
void bro_conn_set_class(BroConn *bc, const char *classname);

/**
 * Returns the class that the peer has announced, "" for none, NULL while there
 * has been no connection. It holds until the next call of this function for the
 * connection, or bro_conn_delete().
 */
const char *bro_conn_get_peer_class(const BroConn *bc);

/**
 * Tells how many bytes wait to be sent and to be processed: what was accepted
 * and has not been handed to the network, and what has come in and no handler
 * has seen. What the peer has not confirmed waits again once its connection is lost.
 */
void bro_conn_get_connstats(const BroConn *bc, BroConnStats *cs);

/**
 * Writes what has been accepted, for at most 5 seconds, ends the connection
 * and frees the handle. A callback may delete its own connection. Returns
 * FALSE for NULL.
 */
int bro_conn_delete(BroConn *bc);

/**
 * Reports whether the connection is up, or lost with events that have come before
 * and that bro_conn_process_input() has not processed yet. Any thread may ask.
 */
int bro_conn_alive(const BroConn *bc);

/**
 * Returns a descriptor that is readable exactly when bro_conn_process_input()
 * has something to do, for select(), poll() and the like; nothing else may be
 * done with it. Returns -1 while there is no connection. Once the connection is
 * lost and bro_conn_process_input() has processed all that had arrived, it
 * closes the descriptor.
 */
int bro_conn_get_fd(BroConn *bc);

/**
 * Connects to the peer and does the handshake; asks for the events that are
 * registered. Waits, for at most 10 seconds; a peer that refuses is known at
 * once. Returns TRUE when the connection is up, or was already;
 * bro_conn_error() (romanesco.h) has the reason of a FALSE, which goes to standard
 * error too with bro_debug_messages set.
 * With BRO_CFLAG_RECONNECT, a FALSE is not the end: the library goes on trying
 * in the background, and does so whenever the connection is lost;
 * bro_conn_alive() tells. With BRO_CFLAG_BACKGROUND (romanesco.h) it does so from the first
 * attempt on: this function does not wait for the peer, and FALSE means that
 * the connection is not up yet.
 */
int bro_conn_connect(BroConn *bc);

/**
 * Connects to the peer anew, also when the connection is up: writes what it has
 * begun to write, for at most 5 seconds, ends the connection, and does what
 * bro_conn_connect() does. What is queued, or not confirmed, waits for the new
 * connection. Returns TRUE when that is up.
 */
int bro_conn_reconnect(BroConn *bc);

/**
 * Attaches a pointer of the caller's to a connection under a key, in place of
 * one that is there. The key is copied. What val points to stays the caller's:
 * the library never looks at it, nor frees it, not even in bro_conn_delete().
 * Any thread may call this. Nothing happens when bc or key is NULL; without
 * memory nothing is attached.
 */
void bro_conn_data_set(BroConn *bc, const char *key, void *val);

/**
 * Returns the pointer that bro_conn_data_set() attached to the connection under
 * the key; it is still the caller's. NULL when there is none, or bc or key is
 * NULL. Any thread may call this.
 */
void *bro_conn_data_get(BroConn *bc, const char *key);

/**
 * Detaches from the connection the pointer that bro_conn_data_set() attached
 * under the key, and returns it; what it points to is the caller's to free.
 * NULL when there is none, or bc or key is NULL. Any thread may call this.
 */
void *bro_conn_data_del(BroConn *bc, const char *key);

/* --- Events to send ---------------------------------------------------------------------- */

/**
 * Makes an event of that name, which is copied, without arguments. Its time is
 * the time of the call. The caller frees it with bro_event_free(), also after
 * sending it. Returns NULL when event_name is NULL, empty or longer than 65535
 * bytes, or memory is short.
 */
BroEvent *bro_event_new(const char *event_name);

/**
 * Frees an event. Values that were added to it were copied and stay the caller's.
 * NULL is allowed.
 */
void bro_event_free(BroEvent *be);

/**
 * Adds an argument: a deep copy of *val, whose C type goes with type
 * (BRO_TYPE_*). Ports are in host byte order, addresses in network byte order,
 * times and intervals in seconds. type_name names the type where Bro's scripts
 * do, as for enums; NULL otherwise. val and type_name stay the caller's.
 * Returns TRUE, or FALSE with the event as it was: when be or val is NULL, a
 * value of the type cannot be sent or is not valid, the event would get too
 * large, or memory is short.
 */
int bro_event_add_val(BroEvent *be, int type, const char *type_name, const void *val);

/**
 * Replaces argument val_num, counted from 0, by a deep copy of *val, whatever
 * type it had. type, type_name and val, which stay the caller's, have the
 * meaning that they have for bro_event_add_val(). Returns TRUE, or FALSE with
 * the event as it was: when there is no such argument, be or val is NULL, the
 * value cannot be sent or is not valid, or memory is short.
 */
int bro_event_set_val(BroEvent *be, int val_num, int type, const char *type_name,
                      const void *val);

/**
 * Sends an event. TRUE means that the event was accepted and will be written
 * in the background (or that the peer did not ask for it), FALSE that it was
 * not: the queue is full, and the peer does not make room for it in time, or there is no connection
 * and neither BRO_CFLAG_RECONNECT nor BRO_CFLAG_ALWAYS_QUEUE was given. With the former the events
 * wait for the next connection once the first connect has been called, with the latter always. Or
 * the peer is a Zeek, and has no counterpart of a value. bro_event_error() (romanesco.h) has the
 * reason. The event stays the caller's. May be called from several threads.
 */
int bro_event_send(BroConn *bc, BroEvent *be);

/**
 * Sends an event as it came in: data_len bytes at data, from ev_start to ev_end
 * of a BroEvMeta. They are copied. TRUE means that the event was
 * accepted and will be written in the background, or that data_len is 0. FALSE
 * means that it was not: an argument is NULL, data_len is negative or too large,
 * memory is short, the queue is full, or the state of the connection does not
 * allow it, by the rules of bro_event_send(). Any thread may call this.
 */
int bro_event_send_raw(BroConn *bc, const uchar *data, int data_len);

/**
 * Returns how many events have been accepted and not yet been encoded for the peer.
 */
int bro_event_queue_length(BroConn *bc);

/**
 * Returns how many events the queue may hold: the setting queue_max_events.
 * Large ones fill it sooner: it has 1 MiB for events of up to 128 KiB, and 32
 * MiB for larger ones, or what queue_max_bytes says for all.
 */
int bro_event_queue_length_max(BroConn *bc);

/**
 * Waits until all that was accepted is with the kernel, so that it arrives
 * although the process ends by _exit() or exec(). For at most a second, and only
 * while the connection is up; a peer that has not read in that time is not waited
 * for again before it does. Returns how many events are still queued. With
 * /broccoli/confirm it waits until the peer has confirmed it, and 0 says that it
 * has; 1 may stand for any number that are under way. With a spool, 0 says that
 * they are in it. Do not loop until it is 0 without a bound: a peer may never confirm.
 */
int bro_event_queue_flush(BroConn *bc);

/* --- Events to receive ------------------------------------------------------------------- */

/**
 * Registers func for events of that name. It is called from
 * bro_conn_process_input(), with a pointer to each of the event's arguments
 * after user_data; these hold until it returns. Several functions may be
 * registered for one event; they run in that order. Events that are registered
 * before bro_conn_connect() are asked of the peer by it, others by
 * bro_event_registry_request().
 */
void bro_event_registry_add(BroConn *bc, const char *event_name, BroEventFunc func,
                            void *user_data);

/**
 * Registers func for events of that name, as bro_event_registry_add() does. It is
 * called with all arguments and their types in a BroEvMeta. The BroEvMeta and what it points to
 * hold until the function returns.
 */
void bro_event_registry_add_compact(BroConn *bc, const char *event_name,
                                    BroCompactEventFunc func, void *user_data);

/**
 * Removes every function that is registered for events of that name. The peer
 * goes on sending them, if it was asked; they are dropped.
 */
void bro_event_registry_remove(BroConn *bc, const char *event_name);

/**
 * Registers the events of src, with their functions, at dst as well.
 */
void bro_conn_adopt_events(BroConn *src, BroConn *dst);

/**
 * Asks the peer for all events that are registered now. Before the connection
 * is up there is nothing to do: bro_conn_connect() asks.
 */
void bro_event_registry_request(BroConn *bc);

/**
 * Runs the handlers of all events that have arrived, or of one with
 * BRO_CFLAG_YIELD. Does not wait. Returns TRUE when there were any. One thread
 * at a time may call it for a connection. A handler may, for the events that have
 * come behind its own, up to 8 calls deep; what its event points to stays.
 */
int bro_conn_process_input(BroConn *bc);

/* --- Strings ----------------------------------------------------------------------------- */

/**
 * Makes an empty string of the structure at bs, whatever it held: nothing is
 * freed. Do this to a BroString on the stack before anything that may free its
 * contents, that is, before bro_string_assign() and bro_string_cleanup().
 * Nothing happens when bs is NULL.
 */
void bro_string_init(BroString *bs);

/**
 * Sets bs to a copy of the C string s, without the final NUL. What bs held
 * before is not freed, so bs need not be initialized; call bro_string_cleanup()
 * first if it has contents. The copy belongs to bs: release it with
 * bro_string_cleanup(). Returns TRUE, or FALSE with bs untouched when an
 * argument is NULL, the string is longer than an int can say, or memory is short.
 */
int bro_string_set(BroString *bs, const char *s);

/**
 * Sets bs to a copy of data_len bytes at data, which may be any bytes, NULs
 * among them. A NUL that str_len does not count is put behind the copy, so that
 * text can be used as a C string. What bs held before is not freed, so bs need
 * not be initialized; call bro_string_cleanup() first if it has contents. The
 * copy belongs to bs: release it with bro_string_cleanup(). Returns TRUE, or
 * FALSE with bs untouched when an argument is NULL, data_len is negative, or
 * memory is short.
 */
int bro_string_set_data(BroString *bs, const uchar *data, int data_len);

/**
 * Returns the bytes of bs, which stay its property and are good until it is
 * changed or released. They end in a NUL if the library made them. NULL when bs
 * is NULL or empty since bro_string_init().
 */
const uchar *bro_string_get_data(const BroString *bs);

/**
 * Returns how many bytes bs has, without the final NUL; 0 when bs is NULL.
 */
uint32 bro_string_get_length(const BroString *bs);

/**
 * Returns a new string that is a copy of bs, to be released with
 * bro_string_free(). NULL when bs is NULL or memory is short.
 */
BroString *bro_string_copy(BroString *bs);

/**
 * Replaces the contents of dst by a copy of those of src, and frees the old
 * ones: dst must have been initialized. When memory is short dst stays as it
 * was. Nothing happens when one of them is NULL, or both are the same.
 */
void bro_string_assign(BroString *src, BroString *dst);

/**
 * Frees the contents of bs, not bs itself, and leaves it empty. To be called
 * for a BroString that the caller owns, never for one that a callback or
 * another function of the library handed out. NULL is allowed.
 */
void bro_string_cleanup(BroString *bs);

/**
 * Frees a string that bro_string_copy() returned, with its contents. NULL is
 * allowed.
 */
void bro_string_free(BroString *bs);

/* --- Records ----------------------------------------------------------------------------- */

/**
 * Returns a new record without fields, to be released with bro_record_free(),
 * or NULL when memory is short. The fields that are added make its type, by
 * their order, names and types. A record also serves as the key of a table or
 * set that is indexed by several values: see bro_table_insert().
 *
 * Records, tables, sets and vectors have no lock. Several threads may use
 * different ones at the same time; whoever shares one must see to it that no
 * other thread uses it while it is changed.
 */
BroRecord *bro_record_new(void);

/**
 * Frees a record and all that it holds. To be called for records that
 * bro_record_new() returned, not for those that callbacks or other functions
 * of the library hand out. NULL is allowed.
 */
void bro_record_free(BroRecord *rec);

/**
 * Returns how many fields the record has, those that are not set among them;
 * 0 when rec is NULL.
 */
int bro_record_get_length(BroRecord *rec);

/**
 * Adds a field to the end of a record.
 *
 * name is its name; NULL stands for "", a field that is found by its position
 * only. type is a BRO_TYPE_* that says what val points to, as with all values;
 * numbers are of 64 bits even where a smaller one would do, ports are in host
 * byte order and addresses in network byte order. A BRO_TYPE_PATTERN is a
 * BroString, the expression without its slashes, and a BRO_TYPE_LIST, which is
 * the key of a table with several indices, a BroRecord. type_name is the name of
 * the type in the peer's scripts where it goes by one, which an enum has to, and
 * NULL otherwise. val is copied with all that it holds and remains the caller's.
 * When val is NULL the field is there but not set.
 *
 * Returns TRUE, or FALSE with the record as it was: when rec is NULL, values of
 * the type cannot be handed over, a port or the width of a subnet is out of
 * range, containers nest deeper than 64 levels, or memory is short.
 */
int bro_record_add_val(BroRecord *rec, const char *name, int type, const char *type_name,
                       const void *val);

/**
 * Returns the value of the field at position num, which counts from 0.
 *
 * type is read and written: unless it is NULL or points to BRO_TYPE_UNKNOWN,
 * the field must be of that type. In any case *type is the type of the field
 * afterwards, BRO_TYPE_UNKNOWN for one that is not set. What the result points
 * to depends on the type as with bro_record_add_val(), only that a
 * BRO_TYPE_BOOL may also be read as a uint64 on little-endian machines.
 *
 * The value stays the record's: do not free or change it. It is good until the
 * field is replaced or the record freed. NULL when there is no such field, it
 * is not set or of another type, or an argument is not valid.
 */
void *bro_record_get_nth_val(BroRecord *rec, int num, int *type);

/**
 * Returns the name of the field at position num, "" for one without a name. It
 * is the record's and good until that is freed. NULL when there is no such
 * field.
 */
const char *bro_record_get_nth_name(BroRecord *rec, int num);

/**
 * Returns the value of the first field that is called name.
 *
 * type is read and written: unless it is NULL or points to BRO_TYPE_UNKNOWN,
 * the field must be of that type. If there is such a field *type is its type
 * afterwards, BRO_TYPE_UNKNOWN for one that is not set.
 *
 * The value stays the record's: do not free or change it. It is good until the
 * field is replaced or the record freed. NULL when there is no such field, it
 * is not set or of another type, rec is NULL, or name is NULL or empty.
 */
void *bro_record_get_named_val(BroRecord *rec, const char *name, int *type);

/**
 * Replaces the value of the field at position num, which counts from 0, whatever
 * type it had; the name stays. type and type_name have the meaning that they
 * have for bro_record_add_val(). val is copied with all that it holds and
 * remains the caller's; it must not be NULL. Pointers to the old value are no
 * longer good. Returns TRUE, or FALSE with the record as it was: when there is
 * no such field, rec or val is NULL, the value is not valid, containers nest
 * deeper than 64 levels, or memory is short.
 */
int bro_record_set_nth_val(BroRecord *rec, int num, int type, const char *type_name,
                           const void *val);

/**
 * Replaces the value of the first field that is called name, whatever type it
 * had. type and type_name have the meaning that they have for
 * bro_record_add_val(). val is copied with all that it holds and remains the
 * caller's; it must not be NULL. Pointers to the old value are no longer good.
 * Returns TRUE, or FALSE with the record as it was: when there is no field of
 * that name (none is added), rec or val is NULL, name is NULL or empty, the
 * value is not valid, containers nest deeper than 64 levels, or memory is short.
 */
int bro_record_set_named_val(BroRecord *rec, const char *name, int type,
                             const char *type_name, const void *val);

/* --- Tables ------------------------------------------------------------------------------ */

/**
 * Returns a new table without entries, to be released with bro_table_free(), or
 * NULL when memory is short. The types of its keys and of its values are those
 * of the first entry.
 */
BroTable *bro_table_new(void);

/**
 * Frees a table and all that it holds. To be called for tables that
 * bro_table_new() returned, not for those that callbacks or other functions of
 * the library hand out. NULL is allowed.
 */
void bro_table_free(BroTable *tbl);

/**
 * Adds an entry to a table, or replaces the value of the entry that has the
 * same key.
 *
 * key_type and val_type are the BRO_TYPE_* of what key and val point to. A table
 * that is indexed by several values has keys of BRO_TYPE_LIST: key then points to
 * a BroRecord whose fields, all of them set, are these values in turn; their
 * names do not matter. Two records are the same key when they have the same types
 * and values, and so are two strings that have the same bytes.
 *
 * key and val are copied with all that they hold and remain the caller's.
 * Returns TRUE, or FALSE with the table as it was: when an argument is NULL, the
 * types are not those of the entries that are there, a value is not valid
 * (see bro_record_add_val()), or memory is short.
 */
int bro_table_insert(BroTable *tbl, int key_type, const void *key, int val_type,
                     const void *val);

/**
 * Returns the value that belongs to a key, which is to be of the type of the
 * table's keys: a BroRecord when they are of BRO_TYPE_LIST. The value stays the
 * table's: do not free or change it. It is good until it is replaced or the
 * table freed; bro_table_get_types() tells its type. NULL when an argument is
 * NULL, there is no such entry, or tbl is a set.
 */
void *bro_table_find(BroTable *tbl, const void *key);

/**
 * Returns how many entries the table has, -1 when tbl is NULL.
 */
int bro_table_get_size(BroTable *tbl);

/**
 * Calls cb for the entries of a table, in the order in which their keys were
 * first inserted, until it returns FALSE. It gets the key, the value and
 * user_data. Key and value stay the table's: the callback must not free or
 * change them, and it must not insert into the table or free it. Nothing
 * happens when tbl or cb is NULL.
 */
void bro_table_foreach(BroTable *tbl, BroTableCallback cb, void *user_data);

/**
 * Stores the types of a table's keys and values in *key_type and *val_type,
 * each of which may be NULL. Both are BRO_TYPE_UNKNOWN while the table is empty.
 * Nothing is stored when tbl is NULL.
 */
void bro_table_get_types(BroTable *tbl, int *key_type, int *val_type);

/* --- Sets -------------------------------------------------------------------------------- */

/**
 * Returns a new set without members, to be released with bro_set_free(), or
 * NULL when memory is short. The type of its members is that of the first one.
 */
BroSet *bro_set_new(void);

/**
 * Frees a set and all that it holds. To be called for sets that bro_set_new()
 * returned, not for those that callbacks or other functions of the library hand
 * out. NULL is allowed.
 */
void bro_set_free(BroSet *set);

/**
 * Adds a member to a set; one that is there already counts once. type is the
 * BRO_TYPE_* of what val points to. A set that is indexed by several values has
 * members of BRO_TYPE_LIST: val then points to a BroRecord whose fields, all of
 * them set, are these values in turn; their names do not matter. val is copied
 * and remains the caller's. Returns TRUE, or FALSE with the set as it was: when
 * an argument is NULL, the type is not that of the other members, the value is
 * not valid, or memory is short.
 */
int bro_set_insert(BroSet *set, int type, const void *val);

/**
 * Returns TRUE when the set has the member that key points to, which is to be
 * of the type of the set's members, and FALSE otherwise or when an argument is
 * NULL.
 */
int bro_set_find(BroSet *set, const void *key);

/**
 * Returns how many members the set has, -1 when set is NULL.
 */
int bro_set_get_size(BroSet *set);

/**
 * Calls cb for the members of a set, in the order in which they were inserted,
 * until it returns FALSE. It gets the member and user_data. The member stays the
 * set's: the callback must not free or change it, and it must not insert into
 * the set or free it. Nothing happens when set or cb is NULL.
 */
void bro_set_foreach(BroSet *set, BroSetCallback cb, void *user_data);

/**
 * Stores the type of a set's members in *type: BRO_TYPE_UNKNOWN while it is
 * empty. Nothing is stored when an argument is NULL.
 */
void bro_set_get_type(BroSet *set, int *type);

/* --- Vectors ----------------------------------------------------------------------------- */

/**
 * Returns a new vector without elements, to be released with bro_vector_free(),
 * or NULL when memory is short.
 */
BroVector *bro_vector_new(void);

/**
 * Frees a vector and all that it holds. To be called for vectors that
 * bro_vector_new() returned, not for those that callbacks or other functions
 * of the library hand out. NULL is allowed.
 */
void bro_vector_free(BroVector *vec);

/**
 * Returns how many elements the vector has, those that are not set among them;
 * 0 when vec is NULL.
 */
int bro_vector_get_length(BroVector *vec);

/**
 * Adds an element to the end of a vector. type is the BRO_TYPE_* of what val
 * points to, and type_name the name of that type in the peer's scripts where it
 * goes by one, which an enum has to, and NULL otherwise. val is copied with all
 * that it holds and remains the caller's. When val is NULL the element is there
 * but not set. A vector in Bro has elements of one type; that they agree is not
 * checked here. Returns TRUE, or FALSE with the vector as it was: when vec is
 * NULL, the value is not valid (see bro_record_add_val()), containers nest
 * deeper than 64 levels, or memory is short.
 */
int bro_vector_add_val(BroVector *vec, int type, const char *type_name, const void *val);

/**
 * Returns the element at position num, which counts from 0.
 *
 * type is read and written: unless it is NULL or points to BRO_TYPE_UNKNOWN,
 * the element must be of that type. If there is such an element *type is its
 * type afterwards, BRO_TYPE_UNKNOWN for one that is not set.
 *
 * The value stays the vector's: do not free or change it. It is good until the
 * element is replaced or the vector freed. NULL when there is no such element,
 * it is not set or of another type, or vec is NULL.
 */
void *bro_vector_get_nth_val(BroVector *vec, int num, int *type);

/**
 * Replaces the element at position num, which counts from 0, whatever type it
 * had. type and type_name have the meaning that they have for
 * bro_vector_add_val(). val is copied with all that it holds and remains the
 * caller's; it must not be NULL. Pointers to the old value are no longer good.
 * Returns TRUE, or FALSE with the vector as it was: when there is no such
 * element, vec or val is NULL, the value is not valid, containers nest deeper
 * than 64 levels, or memory is short.
 */
int bro_vector_set_nth_val(BroVector *vec, int num, int type, const char *type_name,
                           const void *val);

/* --- Buffers ----------------------------------------------------------------------------- */

/**
 * Returns a new, empty buffer that grows as needed, to be released with
 * bro_buf_free(), or NULL when memory is short. A buffer has a content pointer
 * at which the bro_buf_ptr_*() functions read and write; it starts at 0 and is
 * between 0 and the end of the used part. A buffer has no lock: it is for one
 * thread at a time.
 */
BroBuf *bro_buf_new(void);

/**
 * Frees a buffer and its contents. NULL is allowed.
 */
void bro_buf_free(BroBuf *buf);

/**
 * Adds a copy of data_len bytes at data to the end of the used part, without
 * moving the content pointer. data must not be in the buffer itself. Pointers
 * into the buffer are no longer good afterwards. Returns TRUE, or FALSE with the
 * buffer as it was: when an argument is NULL, data_len is negative, the buffer
 * would get larger than an int can say, or memory is short.
 */
int bro_buf_append(BroBuf *buf, void *data, int data_len);

/**
 * Removes what is before the content pointer, which is 0 afterwards: what was
 * read is no longer needed. Pointers into the buffer then point to other bytes.
 * Nothing happens when buf is NULL.
 */
void bro_buf_consume(BroBuf *buf);

/**
 * Empties the buffer and sets the content pointer to 0. The memory is kept for
 * what comes next. Nothing happens when buf is NULL.
 */
void bro_buf_reset(BroBuf *buf);

/**
 * Returns the start of the buffer's contents, of which the first
 * bro_buf_get_used_size() bytes are in use. The memory is the buffer's, and the
 * pointer is good until something is added or the buffer freed. NULL when buf
 * is NULL.
 */
uchar *bro_buf_get(BroBuf *buf);

/**
 * Returns the end of the used part, that is, a pointer to the first byte behind
 * it, or NULL when buf is NULL. The memory is the buffer's, and the pointer is
 * good until the buffer is changed or freed.
 */
uchar *bro_buf_get_end(BroBuf *buf);

/**
 * Returns how many bytes are allocated for the contents, which is at least what
 * is in use; 0 when buf is NULL.
 */
uint bro_buf_get_size(BroBuf *buf);

/**
 * Returns how many bytes are in use, from the start of the buffer; 0 when buf
 * is NULL.
 */
uint bro_buf_get_used_size(BroBuf *buf);

/**
 * Returns the place in the contents where the content pointer is, or NULL when
 * buf is NULL. The memory is the buffer's, and the pointer is good until the
 * buffer is changed or freed.
 */
uchar *bro_buf_ptr_get(BroBuf *buf);

/**
 * Returns the content pointer as bytes from the start of the buffer; 0 when buf
 * is NULL.
 */
uint32 bro_buf_ptr_tell(BroBuf *buf);

/**
 * Moves the content pointer by offset bytes from whence, as fseek() does:
 * SEEK_SET is the start of the buffer, SEEK_CUR the content pointer, SEEK_END
 * the end of the used part. Returns TRUE, or FALSE without moving it when that
 * would be outside of the used part, whence is none of these, or buf is NULL.
 */
int bro_buf_ptr_seek(BroBuf *buf, int offset, int whence);

/**
 * Returns TRUE when size bytes can be read at the content pointer, and FALSE
 * when there are less, size is negative or buf is NULL.
 */
int bro_buf_ptr_check(BroBuf *buf, int size);

/**
 * Copies size bytes from the content pointer to data and moves it behind them:
 * all of them and returns TRUE, or none and returns FALSE, because there are
 * less, size is negative or an argument is NULL. Reading 0 bytes always
 * succeeds.
 */
int bro_buf_ptr_read(BroBuf *buf, void *data, int size);

/**
 * Writes size bytes from data at the content pointer, over what is there, and
 * moves it behind them; the buffer grows when they reach beyond its end. data
 * must not be in the buffer itself. Returns TRUE, or FALSE with the buffer as it
 * was: when an argument is NULL, size is negative, the buffer would get larger
 * than an int can say, or memory is short. Writing 0 bytes always succeeds,
 * unless buf is NULL.
 */
int bro_buf_ptr_write(BroBuf *buf, void *data, int size);

/* --- Configuration files ----------------------------------------------------------------- */

/**
 * Chooses the domain in which the bro_conf_get_*() functions look first, for
 * the whole process: the section [domain] of the configuration file, in
 * whatever case either is written. NULL or "" chooses the default domain, which
 * is what comes before all sections; one that the file does not have leaves it
 * as the only one. The name is not kept.
 *
 * The configuration is read once, by bro_init() or the first call that needs
 * it, from the first of these that can be used: the file that
 * BROCCOLI_CONFIG_FILE names in the environment, ~/.broccoli.conf, and the file
 * that the library was installed with. The first two must be regular files of
 * the user's own that nobody else may read; a program that runs with more
 * rights than its user does not look at them. Any thread may call this,
 * also while others read the configuration.
 */
void bro_conf_set_domain(const char *domain);

/**
 * Stores the integer that the configuration has for the key val_name in *val.
 * It is looked for in the domain that bro_conf_set_domain() chose, then in the
 * default one. yes, on and true are 1, and no, off and false are 0; a number with
 * a point or in quotes is no integer. Returns TRUE, or FALSE with *val as it was
 * when there is none or an argument is NULL. Any thread may call this.
 */
int bro_conf_get_int(const char *val_name, int *val);

/**
 * Stores the floating-point number that the configuration has for the key
 * val_name in *val. It is looked for in the domain that bro_conf_set_domain()
 * chose, then in the default one, and must be written with a point and digits on
 * both sides of it, whatever the locale. Returns TRUE, or FALSE with *val as it
 * was when there is none or an argument is NULL. Any thread may call this.
 */
int bro_conf_get_dbl(const char *val_name, double *val);

/**
 * Returns the string that the configuration has for the key val_name, or NULL
 * when there is none or val_name is NULL. It is looked for in the domain that
 * bro_conf_set_domain() chose, then in the default one; what is written without
 * quotes and reads as a number or as yes or no is no string. The string is the
 * library's, not to be freed, and good as long as the process lives. Any thread
 * may call this.
 */
const char *bro_conf_get_str(const char *val_name);

/* --- Packets ----------------------------------------------------------------------------- */

/**
 * Sets the link type (DLT_* of libpcap) of the packets that are sent over the
 * connection from now on. Not while another thread sends packets over it.
 * Nothing happens when bc is NULL.
 */
void bro_conn_set_packet_ctxt(BroConn *bc, int link_type);

/**
 * Stores the link type (DLT_* of libpcap) of the packets that are sent over the
 * connection in *link_type, -1 when none was set. Nothing is stored when an
 * argument is NULL.
 */
void bro_conn_get_packet_ctxt(BroConn *bc, int *link_type);

/**
 * Makes a packet of copies of *hdr, in host byte order, and of the hdr->caplen
 * bytes at data. tag, which is for the receiver and may be NULL, is copied too.
 * The caller frees the packet with bro_packet_free(), also after sending it.
 * Returns NULL when hdr or data is NULL, caplen is above 1 MiB, or memory is
 * short.
 */
BroPacket *bro_packet_new(const struct pcap_pkthdr *hdr, const unsigned char *data,
                          const char *tag);

/**
 * Makes a copy of a packet, with a copy of its bytes; the caller frees it with
 * bro_packet_free(). Returns NULL when packet is NULL or memory is short.
 */
BroPacket *bro_packet_clone(const BroPacket *packet);

/**
 * Frees a packet that bro_packet_new() or bro_packet_clone() returned, with its
 * bytes. NULL is allowed.
 */
void bro_packet_free(BroPacket *packet);

/**
 * Sends a packet, with the link type that bro_conn_set_packet_ctxt() has set.
 * The packet is copied and stays the caller's. TRUE means that it
 * was accepted and will be written in the background. FALSE means that it was
 * not: an argument is NULL, the link type was not set or is not one of BSD
 * loopback, Ethernet, FDDI, raw IP and Linux cooked, memory is short, the queue
 * is full, or the state of the connection does not allow it, by the rules of
 * bro_event_send(). Several threads may send packets over one connection.
 */
int bro_packet_send(BroConn *bc, BroPacket *packet);

/* --- Time and addresses ------------------------------------------------------------------ */

/**
 * The twelve bytes that an IPv4 address begins with in its IPv6 form
 * (::ffff:0:0/96): a BroAddr that begins with them holds an IPv4 address in its
 * last word.
 */
extern const uint8 BRO_IPV4_MAPPED_PREFIX[12];

/**
 * Returns the time of the system's clock in seconds since the epoch, as values
 * of BRO_TYPE_TIME have it.
 */
double bro_util_current_time(void);

/**
 * Returns the time or duration at tv in seconds, the microseconds as the
 * fraction; 0.0 when tv is NULL.
 */
double bro_util_timeval_to_double(const struct timeval *tv);

/**
 * Returns TRUE when a holds an IPv4 address, that is, begins with
 * BRO_IPV4_MAPPED_PREFIX, and FALSE when it holds an IPv6 address or is NULL.
 */
int bro_util_is_v4_addr(const BroAddr *a);

/* --- Debugging --------------------------------------------------------------------------- */

/**
 * Set to 1 to have the calls into the library reported on standard error, to 0
 * (the default) for silence. May be changed at any time; /broccoli/debug_calltrace
 * in the configuration file sets it during bro_init().
 */
extern int bro_debug_calltrace;

/**
 * Set to 1 to have the library explain on standard error what it does and why
 * it refuses something, to 0 (the default) for silence. May be changed at any
 * time; /broccoli/debug_messages in the configuration file sets it during
 * bro_init().
 */
extern int bro_debug_messages;

#ifdef __cplusplus
}
#endif

#endif
