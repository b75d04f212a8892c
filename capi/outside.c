#include "outside.h"

#include "cancel.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "control.h"
#include "core_message.h"
#include "debug.h"
#include "fork.h"
#include "futex.h"
#include "preflight.h"
#include "process.h"
#include "spawn.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* What a core may take for an answer beyond the time for what it was asked. */
#define ANSWER_MS 1000
/* How often at the most it is looked whether a core is there. */
#define LOOK_MS 100
/* The pause before another is started: none, then so long, then twice as long each time, up to a
 * bound that is lower for one that had a connection. */
#define PAUSE_MS 100
#define PAUSE_DOUBLED 7u
#define PAUSE_DOUBLED_UP 2u
/* After so long a core has lived. */
#define LIVED_MS 10000

/* How this process reaches its core; what it has started serves its children, too. */
static struct {
    pthread_mutex_t lock;
    int socket;
    struct descriptor_id id;
} core = {.lock = PTHREAD_MUTEX_INITIALIZER, .socket = -1};

void
outside_init(struct outside *o)
{
    memset(o, 0, sizeof *o);
    o->control = o->visible = -1;
}

int
outside_wanted(struct reason *why)
{
    const char *where = conf_str("/broccoli/core", NULL);

    why->text[0] = '\0';
    if (where && strcmp(where, "process") != 0 && strcmp(where, "library") != 0)
        return reason_set(why, "core %s: neither library nor process", where);
    if (!where && strcmp(BROCCOLI_CORE, "library") == 0)
        return !preflight_can_load();
    return strcmp(where ? where : BROCCOLI_CORE, "process") == 0;
}

void
outside_settle(void)
{
    pthread_mutex_init(&core.lock, NULL); /* a thread that is no more may have held it */
}

/* --- Reaching it ------------------------------------------------------------------------------ */

static void
begin_message(struct core_attach *a, enum core_kind kind)
{
    memset(a, 0, sizeof *a);
    a->kind = kind;
    snprintf(a->version, sizeof a->version, "%s", ROMANESCO_VERSION);
}

/* Where the settings end, and the events to ask for begin: these are no matter of the process. */
static size_t
without_requests(const char *settings, size_t len)
{
    const char *p = settings;

    while (p < settings + len && *p)
        p += strlen(p) + 1;
    return (size_t)(p - settings) + 1;
}

/* Tells a core that was just started what it is for. */
static int
begin(int fd, const char *settings, size_t len)
{
    size_t size = sizeof(struct core_attach) + (len = without_requests(settings, len));
    char *message = malloc(size);
    struct core_attach a;
    int ok;

    if (!message)
        return FALSE;
    begin_message(&a, CORE_BEGIN);
    memcpy(message, &a, sizeof a);
    memcpy(message + sizeof a, settings, len);
    ok = control_send(fd, message, size, NULL, 0, now_ms() + ANSWER_MS);
    free(message);
    return ok;
}

/* A core that another process has started, and that is found by a path: -1 if there is none that
 * may be trusted. Only root, and who runs this process, may have made it. */
static int
find_core(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct ucred who;
    socklen_t len = sizeof who;
    int fd;

    if (!path || path[0] != '/' || strlen(path) >= sizeof at.sun_path)
        return -1;
    strcpy(at.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
                0); /* nobody is waited for */
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
        (who.uid == 0 || who.uid == geteuid()))
        return descriptor_raise(fd);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* fresh: not one that is there already. Under the lock of the core. */
static int
reach(const char *settings, size_t len, int fresh, struct reason *why)
{
    if (!fresh && core.socket >= 0 && descriptor_is(core.socket, &core.id) &&
        !control_ended(core.socket))
        return TRUE;
    descriptor_close(&core.socket, &core.id);
    core.socket = fresh ? -1 : find_core(conf_str("/broccoli/core_socket", NULL));
    if (core.socket >= 0) {
        core.id = descriptor_id(core.socket);
        return TRUE;
    }
    core.socket = spawn_core(why);
    if (core.socket < 0)
        return FALSE;
    core.id = descriptor_id(core.socket);
    if (begin(core.socket, settings, len))
        return TRUE;
    reason_set(
        why,
        "cannot use the core, which has ended as soon as it was started (%s): RLIMIT_AS, or a "
        "filter of system calls?",
        strerror(errno));
    descriptor_close(&core.socket, &core.id);
    return FALSE;
}

/* The file that tells of a spool, for the core to map. */
static int
open_ring(const struct spool *spool)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/ring", spool->folder) >= sizeof path)
        return -1;
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

static int
send_attach(BroConn *bc, int stream, struct reason *why)
{
    int process =
        (int)syscall(SYS_pidfd_open, getpid(), 0); /* Linux 5.3; the stream's end tells, too */
    int ring = bc->spool ? open_ring(bc->spool) : -1;
    int fds[5] = {stream, bc->memory.fd}, n = 2, ok;
    struct core_attach a;

    begin_message(&a, CORE_ATTACH);
    if (process >= 0) {
        a.with |= CORE_WITH_PROCESS;
        fds[n++] = process;
    }
    if (ring >= 0) {
        a.with |= CORE_WITH_SPOOL;
        fds[n++] = ring;
        fds[n++] = bc->spool->lock;
    }
    ok = (!bc->spool || ring >= 0) &&
         control_send(core.socket, &a, sizeof a, fds, n, now_ms() + ANSWER_MS);
    if (!ok)
        reason_set(why, "cannot reach the core: %s", strerror(errno));
    if (process >= 0)
        close(process);
    if (ring >= 0)
        close(ring);
    return ok;
}

/* Tells a core of the link, unless it knows; fresh: another one. */
static int
attach(BroConn *bc, int fresh, struct reason *why)
{
    struct outside *o = &bc->outside;
    int pair[2], ok;

    if (!fresh && o->control >= 0 && descriptor_is(o->control, &o->control_id) &&
        !control_ended(o->control))
        return TRUE;
    descriptor_close(&o->control, &o->control_id);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return reason_set(why, "cannot make a socket: %s", strerror(errno));
    pthread_mutex_lock(&core.lock);
    ok = reach(o->settings, o->settings_len, fresh, why) && send_attach(bc, pair[1], why);
    pthread_mutex_unlock(&core.lock);
    close(pair[1]);
    if (!ok) {
        close(pair[0]);
        return FALSE;
    }
    o->owed = 0;
    o->control = descriptor_raise(pair[0]);
    o->control_id = descriptor_id(o->control);
    return TRUE;
}

/* --- Descriptors ------------------------------------------------------------------------------ */

static void
close_end(int *fd, struct descriptor_id *id)
{
    if (*fd >= 0)
        descriptor_close(fd, id);
}

void
outside_leave(BroConn *bc)
{
    struct outside *o = &bc->outside;

    close_end(&o->control, &o->control_id);
    close_end(&o->visible, &o->visible_id);
    if (bc->memory.outside)
        close_end(&bc->memory.fd, &o->memory_id);
}

void
outside_close_visible(BroConn *bc)
{
    close_end(&bc->outside.visible, &bc->outside.visible_id);
}

void
outside_forget(BroConn *bc)
{
    struct outside *o = &bc->outside;

    close_end(&o->control, &o->control_id);
    if (bc->memory.outside)
        close_end(&bc->memory.fd, &o->memory_id);
}

/* Takes the number of the last one, which the host may be waiting on. */
int
outside_make_visible(BroConn *bc)
{
    struct outside *o = &bc->outside;
    struct descriptor_id id;
    int fd = descriptor_epoll(&id, bc->to_host, o->control);

    if (fd < 0)
        return FALSE;
    if (o->visible >= 0 && descriptor_is(o->visible, &o->visible_id) &&
        dup3(fd, o->visible, O_CLOEXEC) >= 0)
        close(fd);
    else
        o->visible = fd;
    o->visible_id = id;
    return TRUE;
}

/* --- Asking it ------------------------------------------------------------------------------- */

static int
ask(BroConn *bc, const struct core_message *m, const void *data, const int *fds, int n,
    int64_t deadline)
{
    if (m->size > CORE_MESSAGE_MAX) {
        errno = EMSGSIZE;
        return FALSE;
    }
    return control_send(bc->outside.control, m, sizeof *m, fds, n, deadline) &&
           control_send(bc->outside.control, data, m->size, NULL, 0, deadline);
}

/* What it says in return. FALSE: nothing, and it is no use to ask it again. */
static int
answer(BroConn *bc, struct core_answer *a, int64_t deadline)
{
    struct outside *o = &bc->outside;
    int failed, got = TRUE;

    for (o->owed++; got && o->owed > 0; o->owed--)
        got = control_receive(o->control, a, sizeof *a, deadline, bc->link->generation);
    if (got)
        return TRUE;
    failed = errno;
    close_end(&bc->outside.control, &bc->outside.control_id);
    errno = failed;
    return FALSE;
}

/* What the core has written into memory that it can still write to. */
static void
copy_error(const BroConn *bc, struct reason *why)
{
    memcpy(why->text, bc->link->error, LINK_ERROR_MAX - 1);
    why->text[LINK_ERROR_MAX - 1] = '\0';
}

/* quietly: nobody waits for the attempt. */
static int
ask_to_connect(BroConn *bc, int quietly, struct reason *why)
{
    struct outside *o = &bc->outside;
    int64_t deadline = now_ms() + (quietly ? 0 : o->timeout_ms + ANSWER_MS);
    int given = bc->socket >= 0 ? CORE_WITH_SOCKET : 0;
    struct core_message m = {CORE_CONNECT, (uint32_t)given | (quietly ? CORE_QUIETLY : 0),
                             (uint32_t)o->settings_len};
    int fds[3] = {bc->to_core, bc->to_host, bc->socket};
    struct core_answer a = {0};
    int asked = ask(bc, &m, o->settings, fds, given ? 3 : 2, deadline);

    if (asked && quietly) { /* the state of the link will tell */
        o->owed++;
        return LINK_TRYING;
    }
    if (!asked || !answer(bc, &a, deadline)) {
        int failed = errno;

        if (failed == ECHILD)
            reason_set(why, "the process was forked while it was connecting");
        else if (failed == EPIPE)
            reason_set(why, "cannot use the core, which has ended: RLIMIT_AS, or no memory?");
        else
            reason_set(why, "cannot use the core, which does not answer: %s", strerror(failed));
        errno = failed;
        return LINK_REFUSED;
    }
    if (a.result != LINK_CONNECTED)
        copy_error(bc, why);
    return a.result <= CORE_ELSEWHERE ? (int)a.result : LINK_REFUSED;
}

static enum link_result
connect_by_core(BroConn *bc, int quietly, struct reason *why)
{
    int result = LINK_REFUSED, fresh;

    for (fresh = FALSE; fresh <= TRUE; fresh++) {
        why->text[0] = '\0';
        errno = 0;
        result = attach(bc, fresh, why) ? ask_to_connect(bc, quietly, why) : LINK_REFUSED;
        if (result != CORE_ELSEWHERE && (result != LINK_REFUSED || errno != EPIPE))
            break; /* neither is it for others, nor has it just ended */
    }
    if (result > LINK_TRYING)
        result = LINK_REFUSED;
    if (result != LINK_REFUSED && !outside_make_visible(bc))
        LOG_LATER(BRO_LOG_WARNING, "cannot make a descriptor to wait on: %s", strerror(errno));
    return (enum link_result)result;
}

/* A host that has closed the descriptor of the memory has closed that of the connection, too, and
 * the core is writing what was accepted: other memory is for what follows. The old stays mapped,
 * since another thread may be looking at it. */
static int
renew_memory(BroConn *bc)
{
    struct link_memory fresh;

    if (descriptor_is(bc->memory.fd, &bc->outside.memory_id))
        return TRUE;
    if (!link_new_outside(&fresh, bc->memory.out.size, bc->memory.out.pos))
        return FALSE;
    pthread_mutex_lock(&bc->lock);
    bc->memory = fresh;
    __atomic_store_n(&bc->link, fresh.link, __ATOMIC_RELEASE);
    link_move(&fresh.link->state, LINK_OPENING);
    log_ask(bc);
    pthread_mutex_unlock(&bc->lock);
    bc->outside.memory_id = descriptor_id(fresh.fd);
    return TRUE;
}

static void
note_state(BroConn *bc)
{
    __atomic_store_n(&bc->outside.seen, conn_state(bc), __ATOMIC_RELAXED);
}

uint32_t
outside_state(const BroConn *bc)
{
    return bc->memory.outside ? __atomic_load_n(&bc->outside.seen, __ATOMIC_RELAXED)
                              : conn_state(bc);
}

/* The core asks nothing of the machine's interfaces: a zone goes to it as a number. */
static const char *
numbered_zone(const char *peer, char *text, size_t size)
{
    const char *zone = peer ? strchr(peer, '%') : NULL, *end = zone ? strchr(zone, ']') : NULL;
    char name[IF_NAMESIZE];
    unsigned index;

    if (!end || end - zone - 1 >= IF_NAMESIZE)
        return peer;
    memcpy(name, zone + 1, (size_t)(end - zone - 1));
    name[end - zone - 1] = '\0';
    index = if_nametoindex(name);
    if (!index ||
        snprintf(text, size, "%.*s%u%s", (int)(zone + 1 - peer), peer, index, end) >= (int)size)
        return peer;
    return text;
}

enum link_result
outside_connect(BroConn *bc, const struct core_config *cfg, char *error)
{
    struct outside *o = &bc->outside;
    enum link_result result = LINK_REFUSED;
    struct reason why;

    struct core_config numbered = *cfg;
    char peer[LINK_PEER_MAX];

    numbered.peer = numbered_zone(cfg->peer, peer, sizeof peer);
    free(o->settings);
    o->settings = config_text(&numbered, &o->settings_len);
    o->timeout_ms = cfg->timeout_ms;
    if (!o->settings) {
        snprintf(error, LINK_ERROR_MAX, "no memory");
        return LINK_REFUSED;
    }
    note_state(bc);
    if (!renew_memory(bc))
        reason_set(&why, "cannot get memory for a queue: %s", strerror(errno));
    else
        result = connect_by_core(bc, FALSE, &why);
    note_state(bc);
    snprintf(error, LINK_ERROR_MAX, "%s", why.text);
    return result;
}

/* --- Ending --------------------------------------------------------------------------------- */

/* Whether somebody has to write what waits; a core that is gone is replaced for that. */
static int
is_to_be_closed(BroConn *bc)
{
    struct reason why;

    if (!bc->memory.outside)
        return FALSE;
    if (bc->outside.control >= 0 && control_ended(bc->outside.control))
        outside_lost(bc);
    if (bc->outside.control < 0 && bc->outside.settings && ring_used(&bc->memory.out) > 0)
        connect_by_core(bc, TRUE, &why);
    return bc->outside.control >= 0;
}

int
outside_close(BroConn **handles, int n, uint32_t timeout_ms)
{
    static const struct core_message close_it = {CORE_CLOSE, 0, sizeof timeout_ms};
    int64_t deadline = now_ms() + timeout_ms + ANSWER_MS;
    struct core_answer a;
    int i, all = TRUE;

    for (i = 0; i < n; i++) {
        if (!is_to_be_closed(handles[i]))
            all = all && (!handles[i]->memory.outside || ring_used(&handles[i]->memory.out) == 0);
        else if (!ask(handles[i], &close_it, &timeout_ms, NULL, 0, deadline))
            close_end(&handles[i]->outside.control,
                      &handles[i]->outside.control_id); /* it sees that */
    }
    for (i = 0; i < n; i++)
        if (handles[i]->outside.control >= 0)
            all = answer(handles[i], &a, deadline) && a.result && all;
    return all;
}

/* --- Its death ------------------------------------------------------------------------------- */

/* The core counts what it is through with; what it had not let go of is to be sent again. */
static void
count_again(BroConn *bc)
{
    struct link *l = bc->link;
    uint64_t pos = __atomic_load_n(&bc->memory.out.shared->tail, __ATOMIC_ACQUIRE);
    uint64_t events = 0, far = 0;
    struct link_record *rec;

    __atomic_store_n(&l->taken, pos, __ATOMIC_RELAXED);
    while ((rec = ring_at(&bc->memory.out, &pos))) {
        events += rec->kind != LINK_REQUEST;
        if (rec->kind == LINK_FAR)
            far += ((struct link_far *)rec)->size;
    }
    __atomic_store_n(&l->done, l->accepted - events, __ATOMIC_RELAXED);
    __atomic_store_n(&l->far_out_bytes, far, __ATOMIC_SEQ_CST);
}

/* Nobody waits for the core any more. */
static void
wake_waiters(struct link *l)
{
    __atomic_add_fetch(&l->progress, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_FUTEX, &l->progress, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void
outside_lost(BroConn *bc)
{
    static const char text[] = "the core, a process of its own, has ended";
    struct outside *o = &bc->outside;
    int retry = bc->flags & BRO_CFLAG_RECONNECT && bc->peer;
    int64_t now = now_ms();
    unsigned n, most = conn_is(bc, LINK_IN(LINK_UP)) ? PAUSE_DOUBLED_UP : PAUSE_DOUBLED;

    pthread_mutex_lock(&bc->lock);
    close_end(&o->control, &o->control_id);
    n = o->deaths++;
    o->again_at = n ? now + ((int64_t)PAUSE_MS << (n < most ? n : most)) : now;
    count_again(bc);
    errors_cause(bc->link, text);
    __atomic_store_n(&bc->link->owner, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&bc->link->core_asleep, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&bc->link->host_signaled, 0, __ATOMIC_SEQ_CST);
    link_move(&bc->link->state, retry ? LINK_RETRY : LINK_DOWN);
    wake_waiters(bc->link);
    pthread_mutex_unlock(&bc->lock);
    LOG_LATER(BRO_LOG_WARNING, "[%s] connection lost: %s", bc->peer ? bc->peer : "", text);
}

/* In turn. */
static void
start_another(BroConn *bc)
{
    struct reason why;

    if (conn_state(bc) != LINK_RETRY || bc->outside.control >= 0 ||
        now_ms() < bc->outside.again_at || !bc->outside.settings)
        return;
    if (connect_by_core(bc, TRUE, &why) != LINK_REFUSED)
        return;
    bc->outside.again_at = now_ms() + ((int64_t)PAUSE_MS << PAUSE_DOUBLED);
    LOG_LATER(BRO_LOG_WARNING, "[%s] %s", bc->peer ? bc->peer : "", why.text);
}

/* By the mark of the kernel, which costs no system call: a host may have given up all of them
 * but those that it needs for sending. Without one it is looked now and then. */
static int
may_be_gone(BroConn *bc, int now)
{
    struct outside *o = &bc->outside;
    uint32_t owner = __atomic_load_n(&bc->link->owner, __ATOMIC_ACQUIRE);
    int64_t time;

    if (now || owner & LINK_OWNER_DIED)
        return TRUE;
    if (owner && __atomic_load_n(&o->control, __ATOMIC_RELAXED) >= 0)
        return FALSE;
    time = now_coarse_ms();
    if (time - __atomic_load_n(&o->looked_at, __ATOMIC_RELAXED) < LOOK_MS)
        return FALSE;
    __atomic_store_n(&o->looked_at, time, __ATOMIC_RELAXED);
    return TRUE;
}

/* In turn. */
static void
look(BroConn *bc)
{
    struct outside *o = &bc->outside;

    if (o->control >= 0 && control_ended(o->control))
        outside_lost(bc);
    else if (o->deaths && now_coarse_ms() > o->again_at + LIVED_MS)
        o->deaths = 0;
    start_another(bc);
}

void
outside_look(BroConn *bc, int now)
{
    int held;

    if (!bc->memory.outside || !bc->outside.settings || !fork_owns(bc))
        return;
    note_state(bc);
    if (!may_be_gone(bc, now))
        return;
    held = cancel_hold();
    if (pthread_mutex_trylock(&bc->turn) == 0) { /* who has it sees it by itself */
        if (conn_is(bc, ~(LINK_IN(LINK_CLOSING) | LINK_IN(LINK_CLOSED))))
            look(bc);
        pthread_mutex_unlock(&bc->turn);
    }
    cancel_release(held);
}
