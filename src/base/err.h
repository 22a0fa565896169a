/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: a short list of codes, and one line of text in storage that the caller owns.
 *
 * 0 is success. `err` is the last parameter, never NULL, never written on success, so calls can be
 * chained with `||`. Reporting never allocates and two threads never share a message. LIMIT,
 * TIMEOUT and UNAVAILABLE may be retried; the others will fail again.
 */
#ifndef AX_BASE_ERR_H
#define AX_BASE_ERR_H

#include "base/compiler.h"

#include <stdarg.h>

/* One list: the enum, its text, its HTTP status and its gRPC status. */
#define AX_ERR_LIST(X)                         \
    X(INVALID, "invalid argument", 400, 3)     \
    X(UNAUTHENTICATED, "who are you", 401, 16) \
    X(DENIED, "not allowed", 403, 7)           \
    X(NOT_FOUND, "not found", 404, 5)          \
    X(EXISTS, "already exists", 409, 6)        \
    X(CONFLICT, "changed meanwhile", 409, 10)  \
    X(CANCELLED, "cancelled", 499, 1)          \
    X(TOO_LARGE, "too large", 413, 8)          \
    X(LIMIT, "limit reached", 503, 8)          \
    X(TIMEOUT, "timed out", 504, 4)            \
    X(UNAVAILABLE, "unavailable", 503, 14)     \
    X(UNSUPPORTED, "not supported", 501, 12)   \
    X(INTERNAL, "internal error", 500, 13)

enum ax_code {
    AX_OK = 0,
#define X(name, text, http, grpc) AX_E_##name,
    AX_ERR_LIST(X)
#undef X
};

/*
 * A failure: its kind, and one line for whoever must act on it.
 *
 * The first failure wins: later ones are ignored, so cleanup code cannot hide the cause. A caller
 * that recovers clears it first.
 */
struct ax_err {
    enum ax_code code;
    char msg[240];
};
#define AX_ERR_INIT { .code = AX_OK }

/* Record a failure and return its code, so that callers `return ax_fail(...)`. When `err` already
 * holds a failure, that one stays and its code is returned. A text that is too long is cut at a
 * character boundary; control characters in texts are shown as \u0000, and a text given with its
 * length ("%.*s") may hold NUL. Only the conversions that err.c has are known. `code` is never
 * AX_OK. */
enum ax_code ax_fail(struct ax_err *err, enum ax_code code, const char *fmt, ...) AX_PRINTF(3, 4);

/* The same for a failed call of the system: the code follows from `errnum` (ENOENT: NOT_FOUND,
 * EACCES: DENIED, ENOMEM, EMFILE: LIMIT, …; else INTERNAL), and ": " and the system's words for it
 * are added to the text. */
enum ax_code ax_fail_errno(struct ax_err *err, int errnum, const char *fmt, ...) AX_PRINTF(3, 4);

/* Put context in front of the message: "load 'fraud': " and then the cause. Returns err->code. */
enum ax_code ax_err_context(struct ax_err *err, const char *fmt, ...) AX_PRINTF(2, 3);

void ax_err_clear(struct ax_err *err);

/* Print as those above do, into other storage, for functions that hand on their own arguments. */
void ax_err_print(char *text, size_t size, const char *fmt, va_list args) AX_PRINTF(3, 0);

/* The code's own words ("not found"); never NULL. */
const char *ax_code_text(enum ax_code code) AX_RETURNS_NONNULL;

/* The code's name as written in logs and JSON ("NOT_FOUND"); AX_OK is "OK". */
const char *ax_code_name(enum ax_code code) AX_RETURNS_NONNULL;

/* The HTTP status and the gRPC status of a code, from the list above; AX_OK is 200 and 0. */
int ax_code_http(enum ax_code code);
int ax_code_grpc(enum ax_code code);

#endif
