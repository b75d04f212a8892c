/*
 * What passes between front and core where that is another process. Read by C alone;
 * internal/library/server has the same.
 *
 * The core has a socket (SOCK_SEQPACKET) for each process that started it or found it by its
 * path; copies of it are inherited. It takes struct core_attach, with descriptors, once for
 * each link; and first of all, from who has started it, CORE_BEGIN and the settings that
 * concern the process. Each link then has a stream of its own, for struct core_message and
 * what follows, and one answer to each.
 */
#ifndef ROMANESCO_CORE_MESSAGE_H
#define ROMANESCO_CORE_MESSAGE_H

#include <stdint.h>

#define CORE_VERSION_MAX 32

enum core_kind {
    CORE_BEGIN = 1,   /* struct core_attach, then settings as config_text() writes them */
    CORE_ATTACH = 2,  /* struct core_attach */
    CORE_CONNECT = 3, /* settings; with the descriptors that wake, and that of a socket */
    CORE_CLOSE = 4    /* uint32_t: milliseconds */
};

/* Which descriptors come with a message, in this order: the stream and the memory always with
 * CORE_ATTACH, the two that wake always with CORE_CONNECT. */
enum core_with {
    CORE_WITH_PROCESS = 1, /* a pidfd of the process */
    CORE_WITH_SPOOL = 2,   /* the ring's file and the lock */
    CORE_WITH_SOCKET = 4,  /* the socket that was given */
    CORE_QUIETLY = 8       /* nobody waits for the attempt: as with BRO_CFLAG_BACKGROUND */
};

struct core_attach {
    uint32_t kind;
    uint32_t with;
    char version[CORE_VERSION_MAX];
};

struct core_message {
    uint32_t kind;
    uint32_t with;
    uint32_t size; /* of what follows */
};

/* Nothing that follows may be larger. */
#define CORE_MESSAGE_MAX (8u << 20)

struct core_answer {
    uint32_t result; /* enum link_result, or what follows; of CORE_CLOSE: whether all was written */
};

/* The core was started for other files, or another user. */
#define CORE_ELSEWHERE 3

#endif
