/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors in the caller's storage. What does not fit is cut in front of a UTF-8 character, so that a
 * message stays valid text.
 *
 * The conversions are done here rather than by vsnprintf, for which a text ends at its first NUL: a
 * text of a user's is shown whole, its control characters as \u0000. Only what messages need is
 * known: no flag but 0, a width for numbers only, '*' for the length of a text or a precision only.
 */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* The message, which holds `len` of at most `size - 1` bytes. */
struct line {
    char *text;
    size_t size, len;
    bool is_cut;
};

static void line_put(struct line *line, const char *ptr, size_t len)
{
    size_t room = line->size - 1 - line->len;
    line->is_cut |= len > room;
    len = AX_MIN(len, room);
    memcpy(line->text + line->len, ptr, len);
    line->len += len;
}

/* How many characters from here on may stand in a line as they are. */
static size_t count_shown(const char *ptr, size_t len)
{
    size_t count = 0;
    while (count < len && (unsigned char)ptr[count] >= 0x20 && ptr[count] != 0x7F)
        count++;
    return count;
}

/* Text that may be a user's. Nothing of it ends the line or is lost behind a NUL. */
static void line_put_shown(struct line *line, const char *ptr, size_t len)
{
    while (len > 0 && !line->is_cut) {
        size_t shown = count_shown(ptr, len);
        char escape[8];
        line_put(line, ptr, shown);
        if (shown < len &&
            snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)ptr[shown]) > 0)
            line_put(line, escape, strlen(escape));
        shown = AX_MIN(shown + 1, len);
        ptr += shown;
        len -= shown;
    }
}

/* What stands between '%' and the letter of a conversion. */
struct conversion {
    bool has_zeros;
    int width;
    int precision; /* negative: none */
    bool is_exact; /* ".*": the length of a text, which need not end in NUL */
    char size;     /* 'l', 'L' for "ll", 'z' or 0 */
    char type;
};

static const char *conversion_read(const char *fmt, va_list *args, struct conversion *ret)
{
    struct conversion read = { .precision = -1 };
    read.has_zeros = *fmt == '0';
    for (; *fmt >= '0' && *fmt <= '9'; fmt++)
        read.width = read.width * 10 + (*fmt - '0');
    if (*fmt == '.') {
        read.precision = 0;
        for (fmt++; *fmt >= '0' && *fmt <= '9'; fmt++)
            read.precision = read.precision * 10 + (*fmt - '0');
        read.is_exact = *fmt == '*';
        if (read.is_exact) {
            read.precision = va_arg(*args, int);
            fmt++;
        }
    }
    for (; *fmt == 'l' || *fmt == 'z'; fmt++)
        read.size = read.size == 'l' ? 'L' : *fmt;
    read.type = *fmt;
    *ret = read;
    return fmt + 1;
}

static void line_put_signed(struct line *line, const struct conversion *how, va_list *args)
{
    char text[64];
    long long value = how->size == 'L'   ? va_arg(*args, long long)
                      : how->size == 'l' ? va_arg(*args, long)
                      : how->size == 'z' ? va_arg(*args, ssize_t)
                                         : va_arg(*args, int);
    if (snprintf(text, sizeof(text), how->has_zeros ? "%0*lld" : "%*lld", how->width, value) > 0)
        line_put(line, text, strlen(text));
}

static void line_put_unsigned(struct line *line, const struct conversion *how, va_list *args)
{
    char text[64];
    unsigned long long value = how->size == 'L'   ? va_arg(*args, unsigned long long)
                               : how->size == 'l' ? va_arg(*args, unsigned long)
                               : how->size == 'z' ? va_arg(*args, size_t)
                                                  : va_arg(*args, unsigned);
    int len = how->type == 'u' ? snprintf(text, sizeof(text), "%*llu", how->width, value)
              : how->has_zeros ? snprintf(text, sizeof(text), "%0*llx", how->width, value)
                               : snprintf(text, sizeof(text), "%*llx", how->width, value);
    if (len > 0)
        line_put(line, text, strlen(text));
}

static void line_put_double(struct line *line, const struct conversion *how, va_list *args)
{
    char text[400]; /* the largest as "%f", with some digits */
    int precision = how->precision < 0 ? 6 : how->precision;
    double value = va_arg(*args, double);
    int len = how->type == 'f' ? snprintf(text, sizeof(text), "%.*f", precision, value)
                               : snprintf(text, sizeof(text), "%.*g", precision, value);
    if (len > 0)
        line_put(line, text, strlen(text));
}

static void line_put_text(struct line *line, const struct conversion *how, va_list *args)
{
    const char *text = va_arg(*args, const char *);
    size_t max = how->precision < 0 ? SIZE_MAX : (size_t)how->precision;
    size_t len = how->is_exact ? max : text ? strnlen(text, max) : 0;
    line_put_shown(line, text, len);
}

static void line_put_value(struct line *line, const struct conversion *how, va_list *args)
{
    char c;
    switch (how->type) {
    case 's':
        line_put_text(line, how, args);
        break;
    case 'd':
        line_put_signed(line, how, args);
        break;
    case 'u':
    case 'x':
        line_put_unsigned(line, how, args);
        break;
    case 'f':
    case 'g':
        line_put_double(line, how, args);
        break;
    case 'c':
        c = (char)va_arg(*args, int);
        line_put_shown(line, &c, 1);
        break;
    case '%':
        line_put(line, "%", 1);
        break;
    default:
        assert(!"a conversion that messages do not have");
    }
}

/* Without the character at its end, which may not be whole. */
static void err_cut(char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0)
        start--;
    text[start] = '\0';
}

void ax_err_print(char *text, size_t size, const char *fmt, va_list args)
{
    assert(text && size && fmt);
    struct line line = { text, size, 0, false };
    va_list rest;
    va_copy(rest, args);
    while (*fmt) {
        size_t plain = strcspn(fmt, "%");
        line_put(&line, fmt, plain);
        fmt += plain;
        if (!*fmt)
            break;
        struct conversion how;
        fmt = conversion_read(fmt + 1, &rest, &how);
        line_put_value(&line, &how, &rest);
    }
    va_end(rest);
    text[line.len] = '\0';
    if (line.is_cut)
        err_cut(text, line.len);
}

enum ax_code ax_fail(struct ax_err *err, enum ax_code code, const char *fmt, ...)
{
    assert(err && code != AX_OK && fmt);
    if (err->code != AX_OK)
        return err->code;
    va_list args;
    va_start(args, fmt);
    ax_err_print(err->msg, sizeof(err->msg), fmt, args);
    va_end(args);
    err->code = code;
    return code;
}

/* What a caller would act on; everything else is ours to look into. */
static enum ax_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return AX_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return AX_E_DENIED;
    case EEXIST:
    case ENOTEMPTY:
        return AX_E_EXISTS;
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOTDIR:
        return AX_E_INVALID;
    case EFBIG:
        return AX_E_TOO_LARGE;
    case EAGAIN:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
        return AX_E_LIMIT;
    case ETIMEDOUT:
        return AX_E_TIMEOUT;
    case EADDRINUSE:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return AX_E_UNAVAILABLE;
    default:
        return AX_E_INTERNAL;
    }
}

enum ax_code ax_fail_errno(struct ax_err *err, int errnum, const char *fmt, ...)
{
    assert(err && errnum > 0 && fmt);
    if (err->code != AX_OK)
        return err->code;
    char what[sizeof(err->msg)];
    va_list args;
    va_start(args, fmt);
    ax_err_print(what, sizeof(what), fmt, args);
    va_end(args);
    const char *words = strerrordesc_np(errnum);
    if (!words)
        return ax_fail(err, code_of_errno(errnum), "%s: error %d of the system", what, errnum);
    return ax_fail(err, code_of_errno(errnum), "%s: %s", what, words);
}

enum ax_code ax_err_context(struct ax_err *err, const char *fmt, ...)
{
    assert(err && err->code != AX_OK && fmt);
    char cause[sizeof(err->msg)];
    memcpy(cause, err->msg, sizeof(cause));
    va_list args;
    va_start(args, fmt);
    ax_err_print(err->msg, sizeof(err->msg), fmt, args);
    va_end(args);
    size_t used = strlen(err->msg);
    int wanted = snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", cause);
    if (wanted >= 0 && (size_t)wanted >= sizeof(err->msg) - used)
        err_cut(err->msg, sizeof(err->msg) - 1);
    return err->code;
}

void ax_err_clear(struct ax_err *err)
{
    assert(err);
    err->code = AX_OK;
    err->msg[0] = '\0';
}

struct code_row {
    const char *name;
    const char *text;
    int http;
    int grpc;
};

static const struct code_row *code_row(enum ax_code code)
{
    static const struct code_row rows[] = { { "OK", "ok", 200, 0 },
#define X(name, text, http, grpc) { #name, text, http, grpc },
                                            AX_ERR_LIST(X)
#undef X
    };
    assert((size_t)code < AX_COUNT(rows));
    return &rows[code];
}

const char *ax_code_text(enum ax_code code)
{
    return code_row(code)->text;
}

const char *ax_code_name(enum ax_code code)
{
    return code_row(code)->name;
}

int ax_code_http(enum ax_code code)
{
    return code_row(code)->http;
}

int ax_code_grpc(enum ax_code code)
{
    return code_row(code)->grpc;
}
