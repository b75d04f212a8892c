/*
 * What front and core share of one connection. Both sides are on one machine and
 * built together (they compare versions), so all numbers are in its byte order. The
 * layout is the same for front and core of 32 and of 64 bits, and has no addresses:
 * the core may be a process of its own. Then each side takes what it reads here for
 * what a stranger has written: it is checked where it is used, and nothing is read
 * twice. internal/library/shared has the same in Go, and a test compares the two.
 *
 * The fields that both sides change are read and written with atomic operations
 * only: __atomic_* here, sync/atomic there.
 */
#ifndef ROMANESCO_SHARED_H
#define ROMANESCO_SHARED_H

#include <stddef.h>
#include <stdint.h>

/* At a multiple of 8 bytes, also where the compiler asks for 4. */
typedef uint64_t __attribute__((aligned(8))) link_u64;

/* Bytes of a ring; a power of two. Pages that are never used cost nothing. The
 * outbound one may be larger: queue_max_bytes. */
#define LINK_RING_BYTES (1u << 20)
/* A record larger than this travels as a LINK_FAR record. */
#define LINK_NEAR_MAX (LINK_RING_BYTES / 8)
/* Bytes of such records that may wait in one direction; a single one always may. */
#define LINK_FAR_MAX (32u << 20)
/* No event may be larger than this, in the ring or on the wire. */
#define LINK_EVENT_MAX (16u << 20)
/* Events that may wait in the outbound ring, unless configured. */
#define LINK_QUEUE_MAX 16384u

/* Longest peer class and longest error text or message, with the final NUL. */
#define LINK_CLASS_MAX 256
#define LINK_ERROR_MAX 512
/* Descriptors from this number on select() cannot wait for: ours are there, if the limit allows. */
#define LINK_SELECTABLE 1024
/* Messages of the core that may wait for the host. */
#define LINK_MESSAGES 16
/* In struct link: owner, of a core that is gone: FUTEX_OWNER_DIED. */
#define LINK_OWNER_DIED 0x40000000u

/*
 * A ring has one producer and one consumer. head and tail count bytes since
 * the beginning; they are equal when it is empty. Records are contiguous, of
 * a multiple of eight bytes, and start with struct link_record.
 */
struct link_ring {
    link_u64 head; /* written by the producer, after the bytes */
    link_u64 pad0[7];
    link_u64 tail; /* written by the consumer, after it is done with the bytes */
    link_u64 pad1[7];
};

/* What a record is. */
enum link_kind {
    LINK_SKIP = 0,    /* filler up to the end of the ring */
    LINK_EVENT = 1,   /* struct link_event */
    LINK_RAW = 2,     /* outbound: the payload of a SERIAL message: struct link_raw */
    LINK_REQUEST = 3, /* outbound: names of events to ask for: struct link_raw, names
                         that each end in NUL */
    LINK_FAR = 4      /* struct link_far: the record is elsewhere */
};

struct link_record {
    uint32_t size; /* with this header; a multiple of 8 */
    uint32_t kind; /* enum link_kind */
};

/*
 * An event: this header, the name with a NUL, padded to 8; the arguments, each
 * a flat value (flat.h); then, inbound only, the wire's bytes of the event.
 */
struct link_event {
    struct link_record rec;
    double time;
    uint32_t num_args;
    uint32_t name_len; /* without the NUL */
    uint32_t raw_len;  /* bytes of the wire's form, 0 when there is none */
    uint32_t reserved;
};

struct link_raw {
    struct link_record rec;
    uint64_t len;
};

/*
 * A record that is too large for the ring. Within one process it is malloc()ed by the
 * producer and free()d by the consumer, and at is its address. Between two it is in the
 * far ring of its direction, and at is its place there, in bytes since the beginning.
 */
struct link_far {
    struct link_record rec;
    link_u64 at;
    link_u64 size; /* of the record */
};

/*
 * What state a connection is in, and the only place that says so. conn.h has
 * the table of what each state allows.
 */
enum link_state {
    LINK_NEW = 0,     /* no core has had it */
    LINK_OPENING = 1, /* the core makes an attempt, and a thread of the host waits for it */
    LINK_UP = 2,      /* handshake done on both sides */
    LINK_RETRY = 3,   /* lost or not reached; the core goes on trying */
    LINK_DOWN = 4,    /* lost or refused, and nobody tries; error says why */
    LINK_CLOSING = 5, /* exit or delete: what was accepted is being written */
    LINK_CLOSED = 6   /* the core will not touch the link again */
};

/*
 * With a spool the outbound ring lies in a file, so that it survives the
 * process: this header, then, LINK_SPOOL_DATA bytes from the beginning, the
 * ring's data. What the core takes off the ring goes into a log beside it.
 * Where the core is another process, which keeps the ring, the file has an empty one.
 */
#define LINK_SPOOL_MAGIC "BroSpool"
#define LINK_SPOOL_LAYOUT 1 /* of the header and of all records in the ring */
#define LINK_SPOOL_DATA 4096
#define LINK_PEER_MAX 320
#define LINK_BOOT_MAX 40

struct link_spool {
    char magic[8];
    uint32_t layout;
    uint32_t pid; /* for people only */
    link_u64 ring_size;
    link_u64 confirmed;       /* the number of the last batch that the peer has confirmed */
    char boot[LINK_BOOT_MAX]; /* which run of the machine wrote to the ring */
    char peer[LINK_PEER_MAX];
    char class_name[LINK_CLASS_MAX];
    struct link_ring ring;
    link_u64 unused[8]; /* of the ring, once */
};

/* A file that the core has or has had open and no child may keep open. Device and
 * inode tell which it is, for numbers are used again. */
struct link_private {
    link_u64 device, inode;
    int32_t fd;
    int32_t reserved;
};
/* Of these the first are for sockets, in turn; the last is for the lock of an adopted spool. */
#define LINK_SOCKETS 8
#define LINK_ADOPTED LINK_SOCKETS
#define LINK_PRIVATES (LINK_SOCKETS + 1)

/*
 * Why a connection is not up, as far as the core has found out while nobody
 * waited: the first cause since it was up. The core writes one of two, counts
 * begun before that and published after it, so that the host can copy the other
 * at any time, and tell when that was too slow. The text goes by words.
 */
struct link_cause {
    link_u64 ups; /* how often the connection has come up before */
    link_u64 text[LINK_ERROR_MAX / 8];
};

/* What the core has to tell the host: a ring of lines. What has no room is dropped. */
struct link_message {
    uint32_t level; /* BRO_LOG_* */
    char text[LINK_ERROR_MAX];
};

struct link_log {
    uint32_t head; /* counts messages; written by the core, after the message */
    uint32_t tail; /* written by the host, after it has copied the message */
    uint32_t dropped;
    uint32_t reserved;
    struct link_message messages[LINK_MESSAGES];
};

struct link {
    struct link_ring out;             /* from host to core; not used where a spool has one */
    struct link_ring in;              /* from core to host */
    struct link_ring far_out, far_in; /* between two processes only: of large records */

    uint32_t generation;    /* of the process that has made it: see process.h */
    uint32_t state;         /* enum link_state; changed by link_move() alone */
    uint32_t core_asleep;   /* the core waits for to_core; the producer wakes it */
    uint32_t host_signaled; /* to_host is, or is about to be, readable */
    uint32_t core_starved;  /* the core waits for room in the inbound ring */
    uint32_t rx_buffered;   /* bytes of the peer's that wait in the core */
    uint32_t tx_buffered;   /* bytes for the peer that wait there */
    uint32_t tx_spooled;    /* and those that wait in the spool */
    uint32_t takes_log;     /* while this is not 0, messages go into the log: enum link_takes */
    uint32_t next_socket;   /* which of these the core writes next: */
    struct link_private privates[LINK_PRIVATES]; /* for a child to close */
    /* A core that is a process of its own: the kernel marks the second when that ends, by its list
     * of robust futexes, of which the first is a link. 0: there is none, or no such kernel. */
    link_u64 owner_link;
    uint32_t owner;
    uint32_t reserved;
    link_u64 far_out_bytes; /* of far records that wait, outbound and inbound */
    link_u64 far_in_bytes;
    link_u64 accepted; /* events that went into the outbound ring; the host's */
    link_u64 done;     /* of these: the core is through with them */
    link_u64 unwanted; /* of these: the peer had not asked for them */
    link_u64 refused;  /* of these: could not be put on the wire */
    link_u64 full;     /* events that the queue had no room for */

    link_u64 taken; /* how far the core has taken the outbound ring; its tail is behind that as
                       long as the peer has not confirmed, where the core may die by itself */
    link_u64
        written;   /* how far the outbound ring is with the kernel, in bytes since the beginning */
    link_u64 sent; /* the same, though the peer may be to confirm it */
    uint32_t flushers; /* threads of the host that wait for that, on: */
    uint32_t progress; /* a futex; counts what they may be waiting for */

    /* The core's before the state becomes LINK_UP, the host's after. */
    char peer_class[LINK_CLASS_MAX];
    /* Why a connect has failed: the core's during that call, the caller's after it. */
    char error[LINK_ERROR_MAX];

    struct link_cause causes[2]; /* where "published" is odd, the second */
    uint32_t cause_begun;
    uint32_t cause_published;
    struct link_log log;
};

/*
 * Between two processes all of it is in one sealed file in memory: struct link, and at these
 * places the rings' data. A page that nobody has touched takes no memory.
 */
#define LINK_AT_IN 32768u
#define LINK_AT_OUT (LINK_AT_IN + LINK_RING_BYTES)
/* Behind that the far rings, outbound and inbound, of so many bytes each: two of the largest
 * records fit, wherever the first one begins. */
#define LINK_FAR_RING (64u << 20)

/* The bit of a state in a set of states. */
#define LINK_IN(state) (1u << (state))

/* What a state is that a stranger may have written. */
static inline uint32_t
link_state_of(uint32_t state)
{
    return state <= LINK_CLOSED ? state : LINK_DOWN;
}

/*
 * Moves a link's state, for front and core alike. FALSE (0), and nothing changes,
 * when the new one cannot follow: somebody else was first.
 */
static inline int
link_move(uint32_t *state, uint32_t to)
{
    /* From which states each can be entered. */
    static const uint32_t from[] = {
        [LINK_NEW] = 0,
        [LINK_OPENING] =
            LINK_IN(LINK_NEW) | LINK_IN(LINK_UP) | LINK_IN(LINK_RETRY) | LINK_IN(LINK_DOWN),
        [LINK_UP] = LINK_IN(LINK_OPENING) | LINK_IN(LINK_RETRY),
        [LINK_RETRY] = LINK_IN(LINK_OPENING) | LINK_IN(LINK_UP),
        [LINK_DOWN] = LINK_IN(LINK_OPENING) | LINK_IN(LINK_UP) | LINK_IN(LINK_RETRY),
        [LINK_CLOSING] = LINK_IN(LINK_NEW) | LINK_IN(LINK_OPENING) | LINK_IN(LINK_UP) |
                         LINK_IN(LINK_RETRY) | LINK_IN(LINK_DOWN),
        [LINK_CLOSED] = LINK_IN(LINK_CLOSING),
    };
    uint32_t now = __atomic_load_n(state, __ATOMIC_ACQUIRE);

    while (from[to] & LINK_IN(link_state_of(now)))
        if (__atomic_compare_exchange_n(state, &now, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
            return 1;
    return 0;
}

#endif
