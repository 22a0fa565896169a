/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed text: a pointer and a length. It owns nothing, need not end in NUL and may hold any
 * bytes. The owner of the bytes is stated where a struct ax_str is handed over.
 */
#ifndef AX_BASE_STR_H
#define AX_BASE_STR_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct ax_str {
    const char *ptr;
    size_t len;
};

/* A literal as text, and text as the arguments of "%.*s". */
#define AX_STR(literal)  ((struct ax_str){ (literal), sizeof(literal) - 1 })
#define AX_STR_ARG(text) (int)AX_MIN((text).len, (size_t)INT32_MAX), (text).ptr

static inline struct ax_str ax_str_from(const char *text)
{
    return (struct ax_str){ text, text ? strlen(text) : 0 };
}

static inline bool ax_str_equals(struct ax_str a, struct ax_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool ax_str_is(struct ax_str a, const char *text)
{
    return ax_str_equals(a, ax_str_from(text));
}

static inline bool ax_str_starts_with(struct ax_str a, struct ax_str prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool ax_str_ends_with(struct ax_str a, struct ax_str suffix)
{
    return a.len >= suffix.len &&
           (suffix.len == 0 || memcmp(a.ptr + a.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* Whether `rest` begins with `c`, which it then loses. */
static inline bool ax_str_take_char(struct ax_str *rest, char c)
{
    if (!rest->len || rest->ptr[0] != c)
        return false;
    rest->ptr++;
    rest->len--;
    return true;
}

/* Bytewise order: negative, 0 or positive, as memcmp; a prefix is smaller. */
int ax_str_compare(struct ax_str a, struct ax_str b);

/* Equal when ASCII letters are compared without case (header names). */
bool ax_str_equals_nocase(struct ax_str a, struct ax_str b);

/* Valid UTF-8 as RFC 3629 has it (no overlong forms, no surrogates, at most U+10FFFF). */
bool ax_str_is_utf8(struct ax_str text);

/* Valid UTF-8 without control characters, and without those that nobody sees but by what they do to
 * others: line separators and Unicode's format characters (U+202E turns round what follows), but
 * for the joiners that some scripts and emoji are written with. For names that people are to read.
 */
bool ax_str_is_plain(struct ax_str text);

/* The first `max` bytes of `text` at most, cut in front of a character that would not fit whole;
 * for messages that repeat a user's text. */
struct ax_str ax_str_cut(struct ax_str text, size_t max);

/* `text` without the spaces and tabs at its ends. */
struct ax_str ax_str_trim(struct ax_str text);

/* The line and the column, in characters, of a byte of `text`, both from 1; `at` may be its end. */
void ax_str_place(struct ax_str text, size_t at, unsigned *ret_line, unsigned *ret_column);

/* The length (1 to 4) of the valid UTF-8 character that `text` begins with; 0 when it is none. */
size_t ax_str_utf8_len(struct ax_str text);

/* The whole text as a decimal number. False, and *ret untouched, unless all of it is one number
 * without a sign (u64), or with an optional '-' (i64), that fits. */
AX_MUST_USE bool ax_str_to_u64(struct ax_str text, uint64_t *ret);
AX_MUST_USE bool ax_str_to_i64(struct ax_str text, int64_t *ret);

/* The name among `count` names (struct ax_str at names[i]) that differs from `text` by the fewest
 * edits (Levenshtein), for "did you mean"; -1 when none is within a third of its length (2 edits
 * are always allowed, but 1 in a text of up to 3 bytes, unless the name begins with it). Texts over
 * 64 bytes never match. */
long ax_str_nearest(struct ax_str text, const struct ax_str *names, size_t count);

#endif
