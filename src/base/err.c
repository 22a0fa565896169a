/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors in the caller's storage. Formatting goes through vsnprintf into the fixed message; what
 * does not fit is cut in front of a UTF-8 character, so that a message stays valid text.
 */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void err_cut(char *text, size_t size)
{
    size_t len = size - 1;
    size_t start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0)
        start--;
    text[start == len ? len : start] = '\0';
}

AX_PRINTF(3, 0) static void err_format(char *text, size_t size, const char *fmt, va_list args)
{
    int wanted = vsnprintf(text, size, fmt, args);
    if (wanted < 0)
        text[0] = '\0';
    else if ((size_t)wanted >= size)
        err_cut(text, size);
}

enum ax_code ax_fail(struct ax_err *err, enum ax_code code, const char *fmt, ...)
{
    assert(err && code != AX_OK && fmt);
    if (err->code != AX_OK)
        return err->code;
    va_list args;
    va_start(args, fmt);
    err_format(err->msg, sizeof(err->msg), fmt, args);
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
    err_format(what, sizeof(what), fmt, args);
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
    err_format(err->msg, sizeof(err->msg), fmt, args);
    va_end(args);
    size_t used = strlen(err->msg);
    int wanted = snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", cause);
    if (wanted >= 0 && (size_t)wanted >= sizeof(err->msg) - used)
        err_cut(err->msg, sizeof(err->msg));
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
