/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of texts.
 *
 * Positions and lengths count code points, from 1, as in DuckDB, whose answers these are. A result
 * that is a part of an argument is that part, borrowed; others are written to the call's arena. In
 * rows that are null the arguments are empty texts and zeros, so loops need not look.
 */
#include "data/expr/strings.h"
#include "base/unicode.h"
#include "data/expr/text_room.h"

#include <assert.h>

static struct ax_str text_at(const struct ax_call *call, size_t arg, size_t row)
{
    return call->args[arg]->texts[row];
}

static int64_t i64_at(const struct ax_call *call, size_t arg, size_t row)
{
    return call->args[arg]->i64s[row];
}

static enum ax_code room_fail(const struct ax_call *call, struct ax_err *err)
{
    return ax_arena_fail(call->arena, "the texts of an expression", err);
}

enum ax_code ax_string_length(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->i64s[row] = (int64_t)ax_unicode_count(text_at(call, 0, row));
    return AX_OK;
}

/* ---- case ---- */

static size_t map_case(struct ax_str text, uint32_t (*map)(uint32_t), char *out)
{
    size_t len = 0;
    while (text.len)
        len += ax_unicode_put(map(ax_unicode_take(&text)), out + len);
    return len;
}

static enum ax_code change_case(struct ax_call *call, uint32_t (*map)(uint32_t), struct ax_err *err)
{
    struct ax_text_room room = { .arena = call->arena };
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row);
        char *out = ax_text_room_ask(&room, AX_UNICODE_CASE_GROWTH(text.len) + 1);
        if (!out)
            return room_fail(call, err);
        call->out->texts[row] = ax_text_room_keep(&room, map_case(text, map, out));
    }
    return AX_OK;
}

enum ax_code ax_string_lower(struct ax_call *call, struct ax_err *err)
{
    return change_case(call, ax_unicode_lower, err);
}

enum ax_code ax_string_upper(struct ax_call *call, struct ax_err *err)
{
    return change_case(call, ax_unicode_upper, err);
}

/* ---- ends ---- */

#define CODE_POINTS      0x110000
#define WALKED_BYTES_MAX 64

/* The code points to be cut off: spaces, or those of a text. A short one is walked for each that is
 * asked for; those of a long one are marked, or texts of 60 kB would take seconds. */
struct cut_set {
    bool is_spaces;
    bool is_marked;
    struct ax_str text;
    uint64_t *marks; /* a bit a code point; NULL until one is needed */
};

static void mark(struct cut_set *set, bool on)
{
    for (struct ax_str rest = set->text; rest.len;) {
        uint32_t code_point = ax_unicode_take(&rest);
        uint64_t bit = UINT64_C(1) << code_point % 64;
        set->marks[code_point / 64] &= ~bit;
        set->marks[code_point / 64] |= on ? bit : 0;
    }
    set->is_marked = on;
}

/* False when the arena has no room for marks. */
static bool cut_set_change(struct cut_set *set, struct ax_str text, struct ax_arena *arena)
{
    if (text.ptr == set->text.ptr && text.len == set->text.len)
        return true;
    if (set->is_marked)
        mark(set, false);
    set->text = text;
    if (text.len <= WALKED_BYTES_MAX)
        return true;
    if (!set->marks)
        set->marks = ax_arena_zalloc(arena, CODE_POINTS / 64, sizeof(*set->marks));
    if (set->marks)
        mark(set, true);
    return set->marks;
}

static bool is_cut(uint32_t code_point, const struct cut_set *set)
{
    if (set->is_spaces)
        return ax_unicode_is_space(code_point);
    if (set->is_marked)
        return set->marks[code_point / 64] >> code_point % 64 & 1;
    for (struct ax_str rest = set->text; rest.len;)
        if (ax_unicode_take(&rest) == code_point)
            return true;
    return false;
}

static struct ax_str trim_left(struct ax_str text, const struct cut_set *set)
{
    struct ax_str rest = text;
    while (rest.len && is_cut(ax_unicode_take(&rest), set))
        text = rest;
    return text;
}

static struct ax_str trim_right(struct ax_str text, const struct cut_set *set)
{
    while (text.len) {
        size_t at = text.len - 1;
        while (((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            at--;
        struct ax_str last = { text.ptr + at, text.len - at };
        if (!is_cut(ax_unicode_take(&last), set))
            break;
        text.len = at;
    }
    return text;
}

static enum ax_code trim(struct ax_call *call, bool left, bool right, struct ax_err *err)
{
    struct cut_set set = { .is_spaces = call->arg_count == 1 };
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row);
        if (!set.is_spaces && !cut_set_change(&set, text_at(call, 1, row), call->arena))
            return room_fail(call, err);
        if (left)
            text = trim_left(text, &set);
        if (right)
            text = trim_right(text, &set);
        call->out->texts[row] = text;
    }
    return AX_OK;
}

enum ax_code ax_string_trim(struct ax_call *call, struct ax_err *err)
{
    return trim(call, true, true, err);
}

enum ax_code ax_string_ltrim(struct ax_call *call, struct ax_err *err)
{
    return trim(call, true, false, err);
}

enum ax_code ax_string_rtrim(struct ax_call *call, struct ax_err *err)
{
    return trim(call, false, true, err);
}

/* ---- parts ---- */

/* Code points [from, to) of a text; `from` is not behind its end. */
static struct ax_str part(struct ax_str text, int64_t from, int64_t to)
{
    if (to <= from)
        return AX_STR("");
    size_t begin = ax_unicode_offset(text, (size_t)from);
    struct ax_str rest = { text.ptr + begin, text.len - begin };
    return (struct ax_str){ rest.ptr, ax_unicode_offset(rest, (size_t)(to - from)) };
}

/* `start` 0 is the place in front of the first code point, where there is none. */
static struct ax_str substr(struct ax_str text, int64_t start, int64_t length)
{
    if (start == 0)
        return part(text, 0, length > 0 ? length - 1 : 0);
    int64_t from = start - 1;
    if (start < 0) {
        int64_t count = (int64_t)ax_unicode_count(text);
        from = -(start + 1) < count ? count + start : 0;
    }
    if (length <= 0)
        return AX_STR("");
    return part(text, from, length > INT64_MAX - from ? INT64_MAX : from + length);
}

enum ax_code ax_string_substr(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->texts[row] = substr(text_at(call, 0, row), i64_at(call, 1, row),
                                       call->arg_count > 2 ? i64_at(call, 2, row) : INT64_MAX);
    return AX_OK;
}

enum ax_code ax_string_left(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row);
        int64_t to = i64_at(call, 1, row);
        if (to < 0)
            to += (int64_t)ax_unicode_count(text);
        call->out->texts[row] = part(text, 0, to);
    }
    return AX_OK;
}

enum ax_code ax_string_right(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row);
        int64_t n = i64_at(call, 1, row);
        int64_t count = (int64_t)ax_unicode_count(text);
        int64_t from = n < -count ? count : n < 0 ? -n : n < count ? count - n : 0;
        call->out->texts[row] = part(text, from, count);
    }
    return AX_OK;
}

/* ---- searching ---- */

/* Where `what` is in `text` first, or its length when it is nowhere. Nothing is at the begin. */
static size_t find(struct ax_str text, struct ax_str what)
{
    if (!what.len)
        return 0;
    const char *at = text.len ? memmem(text.ptr, text.len, what.ptr, what.len) : NULL;
    return at ? (size_t)(at - text.ptr) : text.len;
}

enum ax_code ax_string_starts_with(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = ax_str_starts_with(text_at(call, 0, row), text_at(call, 1, row));
    return AX_OK;
}

enum ax_code ax_string_ends_with(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row), end = text_at(call, 1, row);
        size_t from = text.len - AX_MIN(end.len, text.len);
        call->out->bools[row] =
            ax_str_equals((struct ax_str){ text.ptr + from, text.len - from }, end);
    }
    return AX_OK;
}

enum ax_code ax_string_contains(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row), what = text_at(call, 1, row);
        call->out->bools[row] = !what.len || find(text, what) < text.len;
    }
    return AX_OK;
}

enum ax_code ax_string_strpos(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row), what = text_at(call, 1, row);
        size_t at = find(text, what);
        bool found = !what.len || at < text.len;
        call->out->i64s[row] =
            found ? (int64_t)ax_unicode_count((struct ax_str){ text.ptr, at }) + 1 : 0;
    }
    return AX_OK;
}

/* ---- joining and dividing ---- */

static size_t replaced_len(struct ax_str text, struct ax_str from, struct ax_str to)
{
    size_t len = 0;
    for (size_t at; (at = find(text, from)) < text.len;) {
        len += at + to.len;
        text = (struct ax_str){ text.ptr + at + from.len, text.len - at - from.len };
    }
    return len + text.len;
}

static char *put(char *out, const char *ptr, size_t len)
{
    if (len)
        memcpy(out, ptr, len);
    return out + len;
}

static void replace(struct ax_str text, struct ax_str from, struct ax_str to, char *out)
{
    for (size_t at; (at = find(text, from)) < text.len;) {
        out = put(out, text.ptr, at);
        out = put(out, to.ptr, to.len);
        text = (struct ax_str){ text.ptr + at + from.len, text.len - at - from.len };
    }
    (void)put(out, text.ptr, text.len);
}

enum ax_code ax_string_replace(struct ax_call *call, struct ax_err *err)
{
    struct ax_text_room room = { .arena = call->arena };
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = text_at(call, 0, row);
        struct ax_str from = text_at(call, 1, row), to = text_at(call, 2, row);
        call->out->texts[row] = text;
        if (!from.len || find(text, from) == text.len)
            continue;
        size_t len = replaced_len(text, from, to);
        if (len > AX_MAX(AX_MAX(text.len, to.len), AX_STRING_MADE_MAX)) {
            ax_values_set_null(call->out, row);
            continue;
        }
        char *out = ax_text_room_ask(&room, len);
        if (!out)
            return room_fail(call, err);
        replace(text, from, to, out);
        call->out->texts[row] = ax_text_room_keep(&room, len);
    }
    return AX_OK;
}

/* The piece in front of the next `delimiter`; *rest goes on behind it, or is done. An empty
 * delimiter stands between all code points. */
static struct ax_str next_piece(struct ax_str *rest, struct ax_str delimiter, bool *ret_last)
{
    struct ax_str text = *rest;
    size_t at = delimiter.len ? find(text, delimiter) : ax_unicode_offset(text, 1);
    *ret_last = at == text.len;
    size_t skipped = AX_MIN(at + delimiter.len, text.len);
    *rest = (struct ax_str){ text.ptr + skipped, text.len - skipped };
    return (struct ax_str){ text.ptr, at };
}

static int64_t count_pieces(struct ax_str text, struct ax_str delimiter)
{
    int64_t count = 1;
    bool last = false;
    for (;; count++) {
        (void)next_piece(&text, delimiter, &last);
        if (last)
            return count;
    }
}

static struct ax_str split_part(struct ax_str text, struct ax_str delimiter, int64_t number)
{
    if (number < 0)
        number += count_pieces(text, delimiter) + 1;
    bool last = number <= 0;
    while (!last) {
        struct ax_str piece = next_piece(&text, delimiter, &last);
        if (--number == 0)
            return piece;
    }
    return AX_STR("");
}

enum ax_code ax_string_split_part(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->texts[row] =
            split_part(text_at(call, 0, row), text_at(call, 1, row), i64_at(call, 2, row));
    return AX_OK;
}

enum ax_code ax_string_concat(struct ax_call *call, struct ax_err *err)
{
    struct ax_text_room room = { .arena = call->arena };
    for (size_t row = 0; row < call->rows; row++) {
        size_t len = 0, longest = AX_STRING_MADE_MAX;
        for (size_t i = 0; i < call->arg_count; i++) {
            size_t one = ax_values_is_null(call->args[i], row) ? 0 : text_at(call, i, row).len;
            longest = AX_MAX(longest, one);
            len += one;
        }
        if (len > longest) {
            ax_values_set_null(call->out, row);
            continue;
        }
        char *out = ax_text_room_ask(&room, len);
        if (!out)
            return room_fail(call, err);
        for (size_t i = 0; i < call->arg_count; i++)
            if (!ax_values_is_null(call->args[i], row))
                out = put(out, text_at(call, i, row).ptr, text_at(call, i, row).len);
        call->out->texts[row] = ax_text_room_keep(&room, len);
    }
    return AX_OK;
}
