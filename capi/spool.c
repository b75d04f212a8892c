#include "spool.h"

#include "api.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct link_spool) <= LINK_SPOOL_DATA, "the header has its place");

/* Folders have this name once they are complete, and another one before. */
#define COMPLETE "broccoli-"
#define UNFINISHED ".unfinished-"

/*
 * Events may hold passwords, and whoever can put a folder into the spool can
 * have it sent: nobody else may do so, or, as in /tmp, may at least not touch
 * ours, and others' are left alone.
 */
static int
dir_is_safe(const char *dir, struct reason *why)
{
    struct stat st;

    if (dir[0] != '/')
        return reason_set(why, "spool_dir %s: it must be a full path", dir);
    if (stat(dir, &st) < 0)
        return reason_set(why, "spool_dir %s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return reason_set(why, "spool_dir %s: it is no directory", dir);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return reason_set(
            why, "spool_dir %s: it must belong to root or to the user of this process", dir);
    if (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX))
        return reason_set(
            why,
            "spool_dir %s: others can write to it; chmod go-w, or +t if several users share it",
            dir);
    return TRUE;
}

/* A file in the folder that is ours from the beginning. */
static int
create(const char *folder, const char *name)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int
make_lock(struct spool *s)
{
    s->lock = create(s->folder, "lock");
    s->lock_id = descriptor_id(s->lock);
    return s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0;
}

/* Its blocks are there from the beginning: a disk that is full is not to raise
 * a signal in the host, and neither is a limit. */
static int
allocate(int fd, size_t size)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
        errno = EFBIG;
    else
        errno = posix_fallocate(fd, 0, (off_t)size);
    return errno == 0;
}

static int
make_ring(struct spool *s, int outside)
{
    int fd = create(s->folder, "ring");
    int ok = fd >= 0 && allocate(fd, s->size);
    void *map = MAP_FAILED;
    int failed;

    if (ok && !outside)
        map = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    failed = errno;
    if (fd >= 0)
        close(fd);
    errno = failed;
    if (map != MAP_FAILED)
        s->map = map;
    return ok && (outside || s->map);
}

static void
read_boot(char *boot)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, boot, LINK_BOOT_MAX - 1) : 0;

    boot[n > 0 ? n : 0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

static void
fill(struct link_spool *m, const struct spool *s, const char *peer)
{
    memcpy(m->magic, LINK_SPOOL_MAGIC, sizeof m->magic);
    m->layout = LINK_SPOOL_LAYOUT;
    m->pid = (uint32_t)getpid();
    m->ring_size = s->size - LINK_SPOOL_DATA;
    snprintf(m->peer, sizeof m->peer, "%s", peer);
    read_boot(m->boot);
}

/* Writes to the ring's file. */
static int
write_ring(const struct spool *s, const void *data, size_t size, off_t at)
{
    char path[PATH_MAX];
    int fd, ok;

    if ((size_t)snprintf(path, sizeof path, "%s/ring", s->folder) >= sizeof path)
        return FALSE;
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    ok = fd >= 0 && pwrite(fd, data, size, at) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return ok;
}

static int
describe(struct spool *s, const char *peer)
{
    struct link_spool head = {.layout = 0};

    if (s->map) {
        fill(s->map, s, peer);
        return TRUE;
    }
    fill(&head, s, peer);
    return write_ring(s, &head, sizeof head, 0);
}

void
spool_set_class(struct spool *s, const char *class_name)
{
    char name[LINK_CLASS_MAX] = "";

    snprintf(name, sizeof name, "%s", class_name ? class_name : "");
    if (s->map)
        memcpy(s->map->class_name, name, sizeof name);
    else
        write_ring(s, name, sizeof name, offsetof(struct link_spool, class_name));
}

/* Gives the folder its name. */
static int
complete(struct spool *s, const char *dir)
{
    const char *mark = s->folder + strlen(dir) + strlen("/" UNFINISHED);
    char *name;

    if (asprintf(&name, "%s/" COMPLETE "%s", dir, mark) < 0)
        return FALSE;
    if (rename(s->folder, name) < 0) {
        free(name);
        return FALSE;
    }
    free(s->folder);
    s->folder = name;
    return TRUE;
}

static void
unlink_in(const char *folder, const char *name)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path)
        unlink(path);
}

static void
remove_folder(struct spool *s)
{
    unlink_in(s->folder, "ring");
    unlink_in(s->folder, "lock");
    rmdir(s->folder);
}

struct spool *
spool_new(const char *dir, const char *peer, size_t ring_bytes, int outside, struct reason *why)
{
    struct spool *s;

    if (!dir_is_safe(dir, why))
        return NULL;
    s = calloc(1, sizeof *s);
    if (!s) {
        reason_set(why, "no memory");
        return NULL;
    }
    s->lock = -1;
    s->size = LINK_SPOOL_DATA + (outside ? LINK_SPOOL_DATA : ring_bytes);
    if (asprintf(&s->folder, "%s/" UNFINISHED "XXXXXX", dir) < 0 || !mkdtemp(s->folder)) {
        reason_set(why, "spool_dir %s: cannot make a folder: %s", dir, strerror(errno));
        free(s->folder);
        free(s);
        return NULL;
    }
    if (make_ring(s, outside) && describe(s, peer)) {
        /* Late: the child of another thread's fork() has a copy of the lock until we are in the
         * list, and nobody is there to close it. */
        if (make_lock(s) && complete(s, dir))
            return s;
    }
    reason_set(why, "spool_dir %s: cannot make a ring of %zu bytes: %s", dir, s->size,
               strerror(errno));
    remove_folder(s);
    spool_forget(s);
    return NULL;
}

/* The core removes its log when all of it has been confirmed. */
void
spool_leave(struct spool *s)
{
    char path[PATH_MAX];

    if ((!s->map || s->map->ring.head == s->map->ring.tail) &&
        (size_t)snprintf(path, sizeof path, "%s/log", s->folder) < sizeof path &&
        access(path, F_OK) < 0 && errno == ENOENT)
        remove_folder(s);
}

void
spool_unlock(struct spool *s)
{
    descriptor_close(&s->lock, &s->lock_id);
}

void
spool_forget(struct spool *s)
{
    if (s->map)
        munmap(s->map, s->size);
    spool_unlock(s);
    free(s->folder);
    free(s);
}
