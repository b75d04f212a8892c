/*
 * Reads the protocol of sftp, version 3, as it passes on a channel: what the
 * client asks for, and what came of it. It believes nothing: neither lengths,
 * nor that there is an answer to each request, nor that numbers are used once.
 * Part of libssh.a.
 */
#include "includes.h"

#include "sensor-data.h"
#include "sensor-msg.h"
#include "sensor-text.h"

#include <stdlib.h>
#include <string.h>

enum {
    FXP_INIT = 1,
    FXP_VERSION,
    FXP_OPEN,
    FXP_CLOSE,
    FXP_READ,
    FXP_WRITE,
    FXP_SETSTAT = 9,
    FXP_FSETSTAT,
    FXP_OPENDIR,
    FXP_REMOVE = 13,
    FXP_MKDIR,
    FXP_RMDIR,
    FXP_RENAME = 18,
    FXP_SYMLINK = 20,
    FXP_STATUS = 101,
    FXP_HANDLE,
    FXP_DATA,
    FXP_EXTENDED = 200
};

/* What is kept of a packet: two paths and what is around them. */
#define HEAD_BYTES 9216
/* Of packets that have data, whose beginning is enough. */
#define DATA_HEAD_BYTES 512
/* Of the first packet; what is longer is no sftp. */
#define INIT_BYTES 1024
/* Of a path, before it is escaped. */
#define PATH_BYTES 4096
#define HANDLE_BYTES 256
/* Requests and handles that are kept. What is beyond is told without its end. */
#define REQUESTS_MAX 1024
#define HANDLES_MAX 1024

struct handle {
    struct handle *next;
    char *path;
    uint64_t bytes_read, bytes_written;
    size_t len;
    unsigned char name[HANDLE_BYTES];
};

struct request {
    struct request *next;
    uint32_t id, len; /* len: of what is written */
    unsigned char type;
    const char *op; /* NULL: not told */
    char *path, *target;
    struct handle *handle;
};

/* One direction. */
struct flow {
    unsigned char head[HEAD_BYTES];
    size_t kept;         /* of head */
    uint64_t len, taken; /* of the packet; 4 bytes of length are before it */
    unsigned char length[4];
    unsigned got; /* of length */
    int has_begun, is_broken;
};

struct sensor_sftp {
    sensor_sftp_told *told;
    void *arg;
    struct flow client, server;
    struct request *first, **last;
    struct handle *handles;
    size_t num_requests, num_handles;
};

struct sensor_sftp *
sensor_sftp_new(sensor_sftp_told *told, void *arg)
{
    struct sensor_sftp *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->told = told;
    s->arg = arg;
    s->last = &s->first;
    return s;
}

enum sensor_sftp_state
sensor_sftp_state(const struct sensor_sftp *s)
{
    if (!s->client.has_begun)
        return s->client.is_broken ? SENSOR_SFTP_NONE : SENSOR_SFTP_MAYBE;
    return s->client.is_broken || s->server.is_broken ? SENSOR_SFTP_BROKEN : SENSOR_SFTP_IS;
}

/* --- Reading a packet ----------------------------------------------------------------------- */

struct reader {
    const unsigned char *p;
    size_t kept, at; /* at may be beyond what is kept */
    uint64_t len;    /* of the packet */
    int is_bad;
};

static uint32_t
u32_of(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
get_u32(struct reader *r)
{
    uint32_t value;

    if (r->is_bad || r->at > r->kept || r->kept - r->at < 4) {
        r->is_bad = 1;
        return 0;
    }
    value = u32_of(r->p + r->at);
    r->at += 4;
    return value;
}

static void
skip(struct reader *r, size_t n)
{
    if (r->is_bad || r->len - r->at < n)
        r->is_bad = 1;
    else
        r->at += n;
}

/* A string, of which what was not kept is missing. */
static const unsigned char *
get_string(struct reader *r, size_t *len)
{
    uint32_t n = get_u32(r);
    const unsigned char *p = r->p + r->at;

    *len = 0;
    if (r->is_bad || r->len - r->at < n) {
        r->is_bad = 1;
        return NULL;
    }
    *len = n < r->kept - r->at ? n : r->kept - r->at;
    r->at += n;
    return p;
}

/* A path as text, NULL without memory or if there is none. */
static char *
get_path(struct reader *r)
{
    size_t len;
    const unsigned char *p = get_string(r, &len);
    char *path;

    if (!p)
        return NULL;
    if (len > PATH_BYTES)
        len = PATH_BYTES;
    path = malloc(len * SENSOR_ESCAPED + 1);
    if (path)
        path[sensor_escape((const char *)p, len, path)] = '\0';
    return path;
}

/* --- Handles -------------------------------------------------------------------------------- */

static struct handle *
find_handle(const struct sensor_sftp *s, const unsigned char *name, size_t len)
{
    struct handle *h = s->handles;

    while (h && (h->len != len || memcmp(h->name, name, len) != 0))
        h = h->next;
    return h;
}

static struct handle *
get_handle(const struct sensor_sftp *s, struct reader *r)
{
    size_t len;
    const unsigned char *name = get_string(r, &len);

    return name ? find_handle(s, name, len) : NULL;
}

static void
add_handle(struct sensor_sftp *s, struct reader *r, char **path)
{
    size_t len;
    const unsigned char *name = get_string(r, &len);
    struct handle *h;

    if (!name || len > HANDLE_BYTES || s->num_handles >= HANDLES_MAX || !(h = calloc(1, sizeof *h)))
        return;
    memcpy(h->name, name, len);
    h->len = len;
    h->path = *path;
    *path = NULL;
    h->next = s->handles;
    s->handles = h;
    s->num_handles++;
}

static void
remove_handle(struct sensor_sftp *s, struct handle *h)
{
    struct handle **at = &s->handles;
    struct request *r;

    for (r = s->first; r; r = r->next) {
        if (r->handle == h)
            r->handle = NULL;
    }
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    s->num_handles--;
    free(h->path);
    free(h);
}

/* --- Requests ------------------------------------------------------------------------------- */

/* What is told: its name, and what the packet has, p a path, t a second one, h a handle. */
static const struct operation {
    unsigned char type;
    const char *extension, *op, *has;
} operations[] = {
    {FXP_OPEN, NULL, "open", "p"},
    {FXP_CLOSE, NULL, "close", "h"},
    {FXP_READ, NULL, NULL, "h"},
    {FXP_WRITE, NULL, NULL, "h"},
    {FXP_SETSTAT, NULL, "setstat", "p"},
    {FXP_FSETSTAT, NULL, "setstat", "h"},
    {FXP_OPENDIR, NULL, "opendir", "p"},
    {FXP_REMOVE, NULL, "remove", "p"},
    {FXP_MKDIR, NULL, "mkdir", "p"},
    {FXP_RMDIR, NULL, "rmdir", "p"},
    {FXP_RENAME, NULL, "rename", "pt"},
    {FXP_SYMLINK, NULL, "symlink", "pt"},
    {FXP_EXTENDED, "posix-rename@openssh.com", "rename", "pt"},
    {FXP_EXTENDED, "hardlink@openssh.com", "link", "pt"},
    {FXP_EXTENDED, "lsetstat@openssh.com", "setstat", "p"},
    {FXP_EXTENDED, "copy-data", "copy", "h"},
};

static const struct operation *
find_operation(unsigned char type, const unsigned char *name, size_t len)
{
    const struct operation *o = operations, *end = o + sizeof operations / sizeof *o;

    for (; o < end; o++) {
        if (o->type == type && (!o->extension || (name && strlen(o->extension) == len &&
                                                  memcmp(name, o->extension, len) == 0)))
            return o;
    }
    return NULL;
}

static void
free_request(struct request *r)
{
    free(r->path);
    free(r->target);
    free(r);
}

static void
tell(struct sensor_sftp *s, const struct request *r, uint32_t status)
{
    struct sensor_sftp_op op = {.op = r->op, .path = r->path, .target = r->target};

    op.status = status;
    if (r->handle && !op.path)
        op.path = r->handle->path;
    if (r->handle && r->type == FXP_CLOSE) {
        op.bytes_read = r->handle->bytes_read;
        op.bytes_written = r->handle->bytes_written;
    }
    if (r->op)
        s->told(s->arg, &op);
}

/* What a request that has succeeded, or will not be answered, changes. */
static void
take_effect(struct sensor_sftp *s, struct request *r)
{
    if (r->handle && r->type == FXP_WRITE)
        r->handle->bytes_written += r->len;
    if (r->handle && r->type == FXP_CLOSE) {
        remove_handle(s, r->handle);
        r->handle = NULL;
    }
}

static void
read_args(struct sensor_sftp *s, struct request *q, const char *has, struct reader *r)
{
    for (; *has; has++) {
        if (*has == 'p')
            q->path = get_path(r);
        else if (*has == 't')
            q->target = get_path(r);
        else
            q->handle = get_handle(s, r);
    }
    if (q->type == FXP_WRITE) {
        skip(r, 8); /* where */
        q->len = get_u32(r);
        if (r->is_bad || q->len > r->len - r->at)
            q->len = 0;
    }
}

static void
ask(struct sensor_sftp *s, unsigned char type, struct reader *r)
{
    const struct operation *o;
    const unsigned char *name = NULL;
    struct request *q;
    size_t len = 0;

    q = calloc(1, sizeof *q);
    if (!q)
        return;
    q->id = get_u32(r);
    q->type = type;
    if (type == FXP_EXTENDED)
        name = get_string(r, &len);
    if ((o = find_operation(type, name, len))) {
        q->op = o->op;
        read_args(s, q, o->has, r);
    }
    if (s->num_requests < REQUESTS_MAX && !s->server.is_broken) {
        *s->last = q;
        s->last = &q->next;
        s->num_requests++;
        return;
    }
    tell(s, q, SENSOR_SFTP_UNANSWERED);
    take_effect(s, q);
    free_request(q);
}

/* Takes out the oldest request of a number. */
static struct request *
take_request(struct sensor_sftp *s, uint32_t id)
{
    struct request **at = &s->first, *q;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    q = *at;
    if (!q)
        return NULL;
    *at = q->next;
    if (!*at)
        s->last = at;
    q->next = NULL;
    s->num_requests--;
    return q;
}

static void
answer(struct sensor_sftp *s, unsigned char type, struct reader *r)
{
    uint32_t id = get_u32(r), status = 0;
    struct request *q = r->is_bad ? NULL : take_request(s, id);

    if (!q)
        return;
    if (type == FXP_STATUS)
        status = get_u32(r);
    if (r->is_bad)
        status = SENSOR_SFTP_UNANSWERED;
    if (type == FXP_DATA && q->type == FXP_READ && q->handle) {
        uint32_t len = get_u32(r);

        if (!r->is_bad && len <= r->len - r->at)
            q->handle->bytes_read += len;
    }
    tell(s, q, status);
    if (type == FXP_HANDLE && (q->type == FXP_OPEN || strcmp(q->op ? q->op : "", "opendir") == 0))
        add_handle(s, r, &q->path);
    if (status == 0)
        take_effect(s, q);
    free_request(q);
}

/* --- Packets -------------------------------------------------------------------------------- */

static void
end_packet(struct sensor_sftp *s, struct flow *f)
{
    struct reader r = {f->head, f->kept, 1, f->len, 0};
    unsigned char type = f->head[0];
    int from_client = f == &s->client;

    f->got = 0;
    f->kept = 0;
    f->taken = 0;
    if (!f->has_begun) {
        f->has_begun = type == (from_client ? FXP_INIT : FXP_VERSION);
        f->is_broken = !f->has_begun;
    } else if (from_client) {
        ask(s, type, &r);
    } else {
        answer(s, type, &r);
    }
}

/* What is to be kept of the packet; its first byte says what it is. */
static size_t
to_keep(const struct flow *f)
{
    size_t most = f->kept > 0 && (f->head[0] == FXP_WRITE || f->head[0] == FXP_DATA)
                      ? DATA_HEAD_BYTES
                      : HEAD_BYTES;

    if (f->kept == 0)
        most = 1;
    return f->len < most ? (size_t)f->len : most;
}

static size_t
take_length(struct flow *f, const unsigned char *p, size_t len, int from_client)
{
    size_t n = 0;

    while (n < len && f->got < 4)
        f->length[f->got++] = p[n++];
    if (f->got < 4)
        return n;
    f->len = u32_of(f->length);
    if (f->len == 0 || (!f->has_begun && from_client && (f->len < 5 || f->len > INIT_BYTES)))
        f->is_broken = 1;
    return n;
}

static size_t
take_packet(struct flow *f, const unsigned char *p, size_t len)
{
    size_t keep = to_keep(f), n;

    if (len > f->len - f->taken)
        len = (size_t)(f->len - f->taken);
    if (f->kept >= keep) {
        f->taken += len;
        return len;
    }
    n = keep - f->kept < len ? keep - f->kept : len;
    memcpy(f->head + f->kept, p, n);
    f->kept += n;
    f->taken += n;
    return n;
}

void
sensor_sftp_add(struct sensor_sftp *s, int from_client, const void *data, size_t len)
{
    struct flow *f = from_client ? &s->client : &s->server;
    const unsigned char *p = data;
    size_t n;

    while (len > 0 && !f->is_broken) {
        n = f->got < 4 ? take_length(f, p, len, from_client) : take_packet(f, p, len);
        if (f->got == 4 && f->taken == f->len && !f->is_broken)
            end_packet(s, f);
        p += n;
        len -= n;
    }
}

void
sensor_sftp_end(struct sensor_sftp *s)
{
    struct request *q;
    struct handle *h;

    while ((q = s->first)) {
        s->first = q->next;
        tell(s, q, SENSOR_SFTP_UNANSWERED);
        free_request(q);
    }
    while ((h = s->handles)) {
        struct sensor_sftp_op op = {
            .op = "close", .path = h->path, .status = SENSOR_SFTP_UNANSWERED};

        op.bytes_read = h->bytes_read;
        op.bytes_written = h->bytes_written;
        s->told(s->arg, &op);
        s->handles = h->next;
        free(h->path);
        free(h);
    }
    free(s);
}
