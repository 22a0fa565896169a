/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable text with a maximum.
 *
 * A buffer is made with the most bytes it may ever hold; going over it fails with TOO_LARGE and
 * leaves the contents as they were. Growth may be refused (LIMIT), and copies nothing once it is
 * large (base/block.h). The
 * first failure sticks: later appends do nothing and return the same code, so a printer may append
 * many times and check once. Not thread-safe.
 */
#ifndef AX_BASE_BUF_H
#define AX_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

#include <stdarg.h>

#define AX_U64_TEXT_MAX 20

struct ax_buf {
    char *ptr;           /* owned; NULL while empty; not NUL-terminated */
    size_t len;          /* bytes used */
    size_t cap;          /* bytes allocated */
    size_t max;          /* most bytes allowed */
    enum ax_code failed; /* sticky: AX_E_TOO_LARGE or AX_E_LIMIT after a failed append */
};

void ax_buf_init(struct ax_buf *buf, size_t max);
void ax_buf_done(struct ax_buf *buf);

/* Empty it and keep the memory; also forgets a failure. */
void ax_buf_reset(struct ax_buf *buf);

/* Empty it and give back the memory above `keep` bytes. */
void ax_buf_clear(struct ax_buf *buf, size_t keep);

/* Room for `more` bytes behind the contents: a pointer to it, or NULL when the append would fail.
 * The caller writes there and then calls ax_buf_added with what it used. */
char *ax_buf_reserve(struct ax_buf *buf, size_t more);
void ax_buf_added(struct ax_buf *buf, size_t used);

enum ax_code ax_buf_append(struct ax_buf *buf, const void *ptr, size_t len);
enum ax_code ax_buf_append_str(struct ax_buf *buf, struct ax_str text);
enum ax_code ax_buf_append_char(struct ax_buf *buf, char c);
enum ax_code ax_buf_append_u64(struct ax_buf *buf, uint64_t value);
/* The decimal digits of a number, at most AX_U64_TEXT_MAX, without a NUL; returns how many. */
size_t ax_u64_text(uint64_t value, char *ret_text);
/* Between quotes, those in the text doubled, as SQL and CSV have it. */
enum ax_code ax_buf_append_quoted(struct ax_buf *buf, struct ax_str text, char quote);
/* Needs one byte more than the text while it prints. */
enum ax_code ax_buf_printf(struct ax_buf *buf, const char *fmt, ...) AX_PRINTF(2, 3);
enum ax_code ax_buf_vprintf(struct ax_buf *buf, const char *fmt, va_list args) AX_PRINTF(2, 0);

/* Drop the first `len` bytes (len <= buf->len). Moves the rest: O(rest). */
void ax_buf_consume(struct ax_buf *buf, size_t len);

/* What was appended comes from `part`: where that has failed, so has this. */
void ax_buf_fail_with(struct ax_buf *buf, const struct ax_buf *part);

/* Turn a sticky failure into an error ("body: over 1024 bytes"); `what` names the thing. */
AX_MUST_USE enum ax_code ax_buf_check(const struct ax_buf *buf, const char *what,
                                      struct ax_err *err);

/* A copy of the contents as a NUL-terminated text that the caller frees; the buffer is empty
 * afterwards. NULL after a failed append, or when memory is refused. */
char *ax_buf_take(struct ax_buf *buf);

static inline struct ax_str ax_buf_str(const struct ax_buf *buf)
{
    return (struct ax_str){ buf->ptr ? buf->ptr : "", buf->len };
}

#endif
