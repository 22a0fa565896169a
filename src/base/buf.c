/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded, growable buffer. Capacity doubles from 256 bytes and never passes the maximum; the
 * memory is a block, so that a large one grows without a copy. A failed append leaves the contents
 * and marks the buffer, so that printers need one check.
 */
#include "base/buf.h"

#include "base/alloc.h"
#include "base/block.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_CAP_MIN 256

void ax_buf_init(struct ax_buf *buf, size_t max)
{
    assert(buf && max > 0);
    *buf = (struct ax_buf){ .max = max };
}

void ax_buf_done(struct ax_buf *buf)
{
    if (!buf)
        return;
    ax_block_free(buf->ptr, buf->cap);
    *buf = (struct ax_buf){ .max = buf->max };
}

void ax_buf_reset(struct ax_buf *buf)
{
    assert(buf);
    buf->len = 0;
    buf->failed = AX_OK;
}

void ax_buf_clear(struct ax_buf *buf, size_t keep)
{
    if (buf->cap > keep)
        ax_buf_done(buf);
    else
        ax_buf_reset(buf);
}

static bool buf_grow(struct ax_buf *buf, size_t need)
{
    size_t cap = AX_MAX(buf->cap, BUF_CAP_MIN);
    while (cap < need && cap <= buf->max / 2)
        cap *= 2;
    cap = AX_MIN(AX_MAX(cap, need), buf->max);
    char *ptr = ax_block_grow(buf->ptr, buf->cap, buf->len, cap);
    if (!ptr)
        return false;
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

static bool has_room(const struct ax_buf *buf, size_t more)
{
    return buf->ptr && !buf->failed && more <= buf->cap - buf->len;
}

char *ax_buf_reserve(struct ax_buf *buf, size_t more)
{
    assert(buf && buf->max > 0);
    if (has_room(buf, more))
        return buf->ptr + buf->len;
    if (buf->failed)
        return NULL;
    if (more > buf->max - buf->len) {
        buf->failed = AX_E_TOO_LARGE;
        return NULL;
    }
    if (!buf_grow(buf, buf->len + more)) {
        buf->failed = AX_E_LIMIT;
        return NULL;
    }
    return buf->ptr + buf->len;
}

void ax_buf_added(struct ax_buf *buf, size_t used)
{
    assert(buf && used <= buf->cap - buf->len);
    buf->len += used;
}

enum ax_code ax_buf_append(struct ax_buf *buf, const void *ptr, size_t len)
{
    assert(buf && (ptr || !len));
    if (!has_room(buf, len) && !ax_buf_reserve(buf, len))
        return buf->failed;
    if (len)
        memcpy(buf->ptr + buf->len, ptr, len);
    buf->len += len;
    return AX_OK;
}

enum ax_code ax_buf_append_str(struct ax_buf *buf, struct ax_str text)
{
    return ax_buf_append(buf, text.ptr, text.len);
}

enum ax_code ax_buf_append_char(struct ax_buf *buf, char c)
{
    assert(buf);
    if (has_room(buf, 1)) {
        buf->ptr[buf->len++] = c;
        return AX_OK;
    }
    return ax_buf_append(buf, &c, 1);
}

/* Of a number of so many bits, how many digits it has at most, and the least with so many. */
static size_t digits_of(uint64_t value)
{
    static const uint64_t least[AX_U64_TEXT_MAX] = { 0,
                                                     10,
                                                     100,
                                                     1000,
                                                     10000,
                                                     100000,
                                                     1000000,
                                                     10000000,
                                                     100000000,
                                                     1000000000,
                                                     10000000000,
                                                     100000000000,
                                                     1000000000000,
                                                     10000000000000,
                                                     100000000000000,
                                                     1000000000000000,
                                                     10000000000000000,
                                                     100000000000000000,
                                                     1000000000000000000,
                                                     10000000000000000000U };
    size_t bits = 64 - (size_t)__builtin_clzll(value | 1);
    size_t most = bits * 1233 >> 12; /* log10(2) */
    return most + (value >= least[most]);
}

size_t ax_u64_text(uint64_t value, char *ret_text)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    size_t count = value ? digits_of(value) : 1;
    char *at = ret_text + count;
    for (; value >= 100; value /= 100)
        memcpy(at -= 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(at - 2, pairs + value * 2, 2);
    else
        at[-1] = (char)('0' + value);
    return count;
}

enum ax_code ax_buf_append_u64(struct ax_buf *buf, uint64_t value)
{
    char digits[AX_U64_TEXT_MAX];
    return ax_buf_append(buf, digits, ax_u64_text(value, digits));
}

enum ax_code ax_buf_append_quoted(struct ax_buf *buf, struct ax_str text, char quote)
{
    (void)ax_buf_append_char(buf, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote)
            (void)ax_buf_append_char(buf, quote);
        (void)ax_buf_append_char(buf, text.ptr[i]);
    }
    return ax_buf_append_char(buf, quote);
}

enum ax_code ax_buf_vprintf(struct ax_buf *buf, const char *fmt, va_list args)
{
    assert(buf && fmt);
    if (buf->failed)
        return buf->failed;
    va_list again;
    va_copy(again, args);
    char *at = buf->ptr ? buf->ptr + buf->len : NULL;
    int wanted = vsnprintf(at, buf->cap - buf->len, fmt, args);
    if (wanted < 0) {
        buf->failed = AX_E_LIMIT;
    } else if ((size_t)wanted < buf->cap - buf->len) {
        buf->len += (size_t)wanted;
    } else if ((at = ax_buf_reserve(buf, (size_t)wanted + 1))) {
        (void)vsnprintf(at, (size_t)wanted + 1, fmt, again);
        buf->len += (size_t)wanted;
    }
    va_end(again);
    return buf->failed;
}

enum ax_code ax_buf_printf(struct ax_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    enum ax_code code = ax_buf_vprintf(buf, fmt, args);
    va_end(args);
    return code;
}

void ax_buf_consume(struct ax_buf *buf, size_t len)
{
    assert(buf && len <= buf->len);
    buf->len -= len;
    if (buf->len && len)
        memmove(buf->ptr, buf->ptr + len, buf->len);
}

void ax_buf_fail_with(struct ax_buf *buf, const struct ax_buf *part)
{
    assert(buf && part);
    if (!buf->failed)
        buf->failed = part->failed;
}

enum ax_code ax_buf_check(const struct ax_buf *buf, const char *what, struct ax_err *err)
{
    assert(buf && what && err);
    if (buf->failed == AX_E_TOO_LARGE)
        return ax_fail(err, AX_E_TOO_LARGE, "%s: over %zu bytes", what, buf->max);
    if (buf->failed)
        return ax_fail(err, buf->failed, "no memory for %s", what);
    return AX_OK;
}

char *ax_buf_take(struct ax_buf *buf)
{
    char *text = buf->failed ? NULL : ax_try_alloc(buf->len + 1, 1);
    if (!text)
        return NULL;
    if (buf->len)
        memcpy(text, buf->ptr, buf->len);
    text[buf->len] = '\0';
    ax_buf_done(buf);
    return text;
}
