#include "api.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 4096

/* size is at most INT_MAX: offsets are handed in as int. */
struct bro_buf {
    uchar *data;
    uint size;
    uint used;
    uint pos; /* the content pointer: at most used */
};

/* Room for len bytes at offset at. */
static int
reserve(BroBuf *buf, uint at, int len)
{
    uint need, size = buf->size;
    uchar *data;

    if (len > (int)(INT_MAX - at))
        return FALSE;
    if ((need = at + (uint)len) <= size)
        return TRUE;
    while (size < need)
        size = size > INT_MAX / 2 ? INT_MAX : 2 * size;
    if (!(data = realloc(buf->data, size)))
        return FALSE;
    buf->data = data;
    buf->size = size;
    return TRUE;
}

/**
 * Returns a new, empty buffer that grows as needed, to be released with
 * bro_buf_free(), or NULL when memory is short. A buffer has a content pointer
 * at which the bro_buf_ptr_*() functions read and write; it starts at 0 and is
 * between 0 and the end of the used part. A buffer has no lock: it is for one
 * thread at a time.
 */
BRO_API BroBuf *
bro_buf_new(void)
{
    BroBuf *buf = calloc(1, sizeof *buf);

    if (!buf)
        return NULL;
    if (!(buf->data = calloc(1, FIRST_SIZE))) {
        free(buf);
        return NULL;
    }
    buf->size = FIRST_SIZE;
    return buf;
}

/**
 * Frees a buffer and its contents. NULL is allowed.
 */
BRO_API void
bro_buf_free(BroBuf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    free(buf);
}

/**
 * Adds a copy of data_len bytes at data to the end of the used part, without
 * moving the content pointer. data must not be in the buffer itself. Pointers
 * into the buffer are no longer good afterwards. Returns TRUE, or FALSE with the
 * buffer as it was: when an argument is NULL, data_len is negative, the buffer
 * would get larger than an int can say, or memory is short.
 */
BRO_API int
bro_buf_append(BroBuf *buf, void *data, int data_len)
{
    if (!buf || data_len < 0 || (!data && data_len > 0))
        return FALSE;
    if (data_len == 0)
        return TRUE;
    if (!reserve(buf, buf->used, data_len))
        return FALSE;
    memcpy(buf->data + buf->used, data, (size_t)data_len);
    buf->used += (uint)data_len;
    return TRUE;
}

/**
 * Removes what is before the content pointer, which is 0 afterwards: what was
 * read is no longer needed. Pointers into the buffer then point to other bytes.
 * Nothing happens when buf is NULL.
 */
BRO_API void
bro_buf_consume(BroBuf *buf)
{
    if (!buf || buf->pos == 0)
        return;
    memmove(buf->data, buf->data + buf->pos, buf->used - buf->pos);
    buf->used -= buf->pos;
    buf->pos = 0;
}

/**
 * Empties the buffer and sets the content pointer to 0. The memory is kept for
 * what comes next. Nothing happens when buf is NULL.
 */
BRO_API void
bro_buf_reset(BroBuf *buf)
{
    if (buf)
        buf->used = buf->pos = 0;
}

/**
 * Returns the start of the buffer's contents, of which the first
 * bro_buf_get_used_size() bytes are in use. The memory is the buffer's, and the
 * pointer is good until something is added or the buffer freed. NULL when buf
 * is NULL.
 */
BRO_API uchar *
bro_buf_get(BroBuf *buf)
{
    return buf ? buf->data : NULL;
}

/**
 * Returns the end of the used part, that is, a pointer to the first byte behind
 * it, or NULL when buf is NULL. The memory is the buffer's, and the pointer is
 * good until the buffer is changed or freed.
 */
BRO_API uchar *
bro_buf_get_end(BroBuf *buf)
{
    return buf ? buf->data + buf->used : NULL;
}

/**
 * Returns how many bytes are allocated for the contents, which is at least what
 * is in use; 0 when buf is NULL.
 */
BRO_API uint
bro_buf_get_size(BroBuf *buf)
{
    return buf ? buf->size : 0;
}

/**
 * Returns how many bytes are in use, from the start of the buffer; 0 when buf
 * is NULL.
 */
BRO_API uint
bro_buf_get_used_size(BroBuf *buf)
{
    return buf ? buf->used : 0;
}

/**
 * Returns the place in the contents where the content pointer is, or NULL when
 * buf is NULL. The memory is the buffer's, and the pointer is good until the
 * buffer is changed or freed.
 */
BRO_API uchar *
bro_buf_ptr_get(BroBuf *buf)
{
    return buf ? buf->data + buf->pos : NULL;
}

/**
 * Returns the content pointer as bytes from the start of the buffer; 0 when buf
 * is NULL.
 */
BRO_API uint32
bro_buf_ptr_tell(BroBuf *buf)
{
    return buf ? buf->pos : 0;
}

/**
 * Moves the content pointer by offset bytes from whence, as fseek() does:
 * SEEK_SET is the start of the buffer, SEEK_CUR the content pointer, SEEK_END
 * the end of the used part. Returns TRUE, or FALSE without moving it when that
 * would be outside of the used part, whence is none of these, or buf is NULL.
 */
BRO_API int
bro_buf_ptr_seek(BroBuf *buf, int offset, int whence)
{
    int64_t to = offset;

    if (!buf)
        return FALSE;
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        to += buf->pos;
        break;
    case SEEK_END:
        to += buf->used;
        break;
    default:
        return FALSE;
    }
    if (to < 0 || to > buf->used)
        return FALSE;
    buf->pos = (uint)to;
    return TRUE;
}

/**
 * Returns TRUE when size bytes can be read at the content pointer, and FALSE
 * when there are less, size is negative or buf is NULL.
 */
BRO_API int
bro_buf_ptr_check(BroBuf *buf, int size)
{
    return buf && size >= 0 && (uint)size <= buf->used - buf->pos;
}

/**
 * Copies size bytes from the content pointer to data and moves it behind them:
 * all of them and returns TRUE, or none and returns FALSE, because there are
 * less, size is negative or an argument is NULL. Reading 0 bytes always
 * succeeds.
 */
BRO_API int
bro_buf_ptr_read(BroBuf *buf, void *data, int size)
{
    if (size == 0)
        return TRUE;
    if (!data || !bro_buf_ptr_check(buf, size))
        return FALSE;
    memcpy(data, buf->data + buf->pos, (size_t)size);
    buf->pos += (uint)size;
    return TRUE;
}

/**
 * Writes size bytes from data at the content pointer, over what is there, and
 * moves it behind them; the buffer grows when they reach beyond its end. data
 * must not be in the buffer itself. Returns TRUE, or FALSE with the buffer as it
 * was: when an argument is NULL, size is negative, the buffer would get larger
 * than an int can say, or memory is short. Writing 0 bytes always succeeds,
 * unless buf is NULL.
 */
BRO_API int
bro_buf_ptr_write(BroBuf *buf, void *data, int size)
{
    if (!buf || size < 0 || (!data && size > 0))
        return FALSE;
    if (size == 0)
        return TRUE;
    if (!reserve(buf, buf->pos, size))
        return FALSE;
    memcpy(buf->data + buf->pos, data, (size_t)size);
    buf->pos += (uint)size;
    if (buf->used < buf->pos)
        buf->used = buf->pos;
    return TRUE;
}
