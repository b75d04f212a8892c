#include "api.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/**
 * Makes an empty string of the structure at bs, whatever it held: nothing is
 * freed. Do this to a BroString on the stack before anything that may free its
 * contents, that is, before bro_string_assign() and bro_string_cleanup().
 * Nothing happens when bs is NULL.
 */
BRO_API void
bro_string_init(BroString *bs)
{
    if (bs)
        memset(bs, 0, sizeof *bs);
}

/**
 * Sets bs to a copy of the C string s, without the final NUL. What bs held
 * before is not freed, so bs need not be initialized; call bro_string_cleanup()
 * first if it has contents. The copy belongs to bs: release it with
 * bro_string_cleanup(). Returns TRUE, or FALSE with bs untouched when an
 * argument is NULL, the string is longer than an int can say, or memory is short.
 */
BRO_API int
bro_string_set(BroString *bs, const char *s)
{
    size_t len;

    if (!bs || !s || (len = strlen(s)) > INT_MAX)
        return FALSE;
    return bro_string_set_data(bs, (const uchar *)s, (int)len);
}

/**
 * Sets bs to a copy of data_len bytes at data, which may be any bytes, NULs
 * among them. A NUL that str_len does not count is put behind the copy, so that
 * text can be used as a C string. What bs held before is not freed, so bs need
 * not be initialized; call bro_string_cleanup() first if it has contents. The
 * copy belongs to bs: release it with bro_string_cleanup(). Returns TRUE, or
 * FALSE with bs untouched when an argument is NULL, data_len is negative, or
 * memory is short.
 */
BRO_API int
bro_string_set_data(BroString *bs, const uchar *data, int data_len)
{
    uchar *copy;

    if (!bs || !data || data_len < 0)
        return FALSE;
    if (!(copy = malloc((size_t)data_len + 1)))
        return FALSE;
    memcpy(copy, data, (size_t)data_len);
    copy[data_len] = '\0';
    bs->str_len = (uint32)data_len;
    bs->str_val = copy;
    return TRUE;
}

/**
 * Returns the bytes of bs, which stay its property and are good until it is
 * changed or released. They end in a NUL if the library made them. NULL when bs
 * is NULL or empty since bro_string_init().
 */
BRO_API const uchar *
bro_string_get_data(const BroString *bs)
{
    return bs ? bs->str_val : NULL;
}

/**
 * Returns how many bytes bs has, without the final NUL; 0 when bs is NULL.
 */
BRO_API uint32
bro_string_get_length(const BroString *bs)
{
    return bs ? bs->str_len : 0;
}

/**
 * Returns a new string that is a copy of bs, to be released with
 * bro_string_free(). NULL when bs is NULL or memory is short.
 */
BRO_API BroString *
bro_string_copy(BroString *bs)
{
    BroString *copy;

    if (!bs || !(copy = calloc(1, sizeof *copy)))
        return NULL;
    bro_string_assign(bs, copy);
    if (!copy->str_val) {
        free(copy);
        return NULL;
    }
    return copy;
}

/**
 * Replaces the contents of dst by a copy of those of src, and frees the old
 * ones: dst must have been initialized. When memory is short dst stays as it
 * was. Nothing happens when one of them is NULL, or both are the same.
 */
BRO_API void
bro_string_assign(BroString *src, BroString *dst)
{
    BroString copy;
    const uchar *data;

    if (!src || !dst || src == dst || src->str_len > INT_MAX)
        return;
    data = src->str_val;
    if (!data && src->str_len == 0)
        data = (const uchar *)"";
    if (!bro_string_set_data(&copy, data, (int)src->str_len))
        return;
    bro_string_cleanup(dst);
    *dst = copy;
}

/**
 * Frees the contents of bs, not bs itself, and leaves it empty. To be called
 * for a BroString that the caller owns, never for one that a callback or
 * another function of the library handed out. NULL is allowed.
 */
BRO_API void
bro_string_cleanup(BroString *bs)
{
    if (!bs)
        return;
    free(bs->str_val);
    bro_string_init(bs);
}

/**
 * Frees a string that bro_string_copy() returned, with its contents. NULL is
 * allowed.
 */
BRO_API void
bro_string_free(BroString *bs)
{
    bro_string_cleanup(bs);
    free(bs);
}
