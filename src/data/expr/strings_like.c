/* SPDX-License-Identifier: Apache-2.0 */
/*
 * like and ilike, in DuckDB too.
 *
 * A pattern that is pieces between '%' alone is looked for piece by piece, as bytes. Others go a
 * code point at a time, and try what stands behind a '%' at each place: at most (length of the
 * pattern) x (length of the text) steps, so the pattern has a bound.
 */
#include "base/unicode.h"
#include "data/expr/strings.h"

static bool is_like(uint32_t pattern, uint32_t code_point, bool nocase)
{
    return pattern == '_' || pattern == code_point ||
           (nocase && ax_unicode_lower(pattern) == ax_unicode_lower(code_point));
}

/* Each '%' takes as little as will do; when what stands behind it does not fit, the last one takes
 * one code point more. Earlier ones never need to, since what they took was the shortest. */
static bool like(struct ax_str text, struct ax_str pattern, bool nocase)
{
    struct ax_str behind = { NULL, 0 }; /* the pattern behind the last '%' */
    struct ax_str from = { NULL, 0 };   /* the text that it was tried on */
    while (text.len) {
        if (pattern.len && pattern.ptr[0] == '%') {
            pattern.ptr++;
            pattern.len--;
            behind = pattern;
            from = text;
            continue;
        }
        struct ax_str next_pattern = pattern, next_text = text;
        if (pattern.len &&
            is_like(ax_unicode_take(&next_pattern), ax_unicode_take(&next_text), nocase)) {
            pattern = next_pattern;
            text = next_text;
            continue;
        }
        if (!behind.ptr)
            return false;
        (void)ax_unicode_take(&from);
        pattern = behind;
        text = from;
    }
    while (pattern.len && pattern.ptr[0] == '%') {
        pattern.ptr++;
        pattern.len--;
    }
    return !pattern.len;
}

/* The same for a pattern without '_', whose pieces are bytes: each is looked for from the left, but
 * for the last one, which is at the end. */
static bool like_pieces(struct ax_str text, struct ax_str pattern)
{
    const char *sign = pattern.len ? memchr(pattern.ptr, '%', pattern.len) : NULL;
    struct ax_str piece = { pattern.ptr, sign ? (size_t)(sign - pattern.ptr) : pattern.len };
    if (!sign)
        return ax_str_equals(text, pattern);
    if (!ax_str_starts_with(text, piece))
        return false;
    text = (struct ax_str){ text.ptr + piece.len, text.len - piece.len };
    for (;;) {
        size_t left = pattern.len - (size_t)(sign + 1 - pattern.ptr);
        const char *next = left ? memchr(sign + 1, '%', left) : NULL;
        piece = (struct ax_str){ sign + 1, next ? (size_t)(next - sign - 1) : left };
        if (!next)
            return text.len >= piece.len &&
                   memcmp(text.ptr + text.len - piece.len, piece.ptr, piece.len) == 0;
        const char *found = memmem(text.ptr, text.len, piece.ptr, piece.len);
        if (!found)
            return false;
        text.len -= (size_t)(found - text.ptr) + piece.len;
        text.ptr = found + piece.len;
        sign = next;
    }
}

/* What is known of a pattern: with one '%' alone it is a beginning and an end. */
struct like_pattern {
    struct ax_str text;
    bool has_pieces; /* no '_' */
    bool has_ends;
    struct ax_str begin;
    struct ax_str end;
};

static struct like_pattern look_at_pattern(struct ax_str text)
{
    struct like_pattern pattern = { .text = text };
    pattern.has_pieces = !text.len || !memchr(text.ptr, '_', text.len);
    const char *sign = text.len ? memchr(text.ptr, '%', text.len) : NULL;
    if (!sign)
        return pattern;
    pattern.begin = (struct ax_str){ text.ptr, (size_t)(sign - text.ptr) };
    pattern.end = (struct ax_str){ sign + 1, text.len - pattern.begin.len - 1 };
    pattern.has_ends =
        pattern.has_pieces && (!pattern.end.len || !memchr(pattern.end.ptr, '%', pattern.end.len));
    return pattern;
}

/* The first and the last byte rule out most; only where they fit is it worth to call memcmp. */
static bool has_ends(struct ax_str text, const struct like_pattern *pattern)
{
    struct ax_str begin = pattern->begin, end = pattern->end;
    if (text.len < begin.len + end.len)
        return false;
    if (begin.len && (text.ptr[0] != begin.ptr[0] ||
                      (begin.len > 1 && memcmp(text.ptr, begin.ptr, begin.len) != 0)))
        return false;
    const char *tail = text.ptr + text.len - end.len;
    return !end.len || (text.ptr[text.len - 1] == end.ptr[end.len - 1] &&
                        (end.len == 1 || memcmp(tail, end.ptr, end.len) == 0));
}

static bool like_pattern(struct ax_str text, const struct like_pattern *pattern)
{
    if (pattern->has_ends)
        return has_ends(text, pattern);
    return pattern->has_pieces ? like_pieces(text, pattern->text)
                               : like(text, pattern->text, false);
}

/* Whether a row has a pattern; where it is too long the result is null. */
static bool has_pattern(struct ax_call *call, size_t row)
{
    bool fits = call->args[1]->texts[row].len <= AX_STRING_PATTERN_MAX;
    if (!fits)
        ax_values_set_null(call->out, row);
    return fits;
}

enum ax_code ax_string_like(struct ax_call *call, struct ax_err *err)
{
    /* Mostly there is one pattern, the same bytes in each row. */
    struct like_pattern pattern = look_at_pattern(AX_STR(""));
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = call->args[1]->texts[row];
        if (!has_pattern(call, row))
            continue;
        if (text.ptr != pattern.text.ptr || text.len != pattern.text.len)
            pattern = look_at_pattern(text);
        call->out->bools[row] = like_pattern(call->args[0]->texts[row], &pattern);
    }
    return AX_OK;
}

enum ax_code ax_string_ilike(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        if (has_pattern(call, row))
            call->out->bools[row] =
                like(call->args[0]->texts[row], call->args[1]->texts[row], true);
    return AX_OK;
}
