/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over the record: one finds its end and counts the fields, one copies them.
 */
#include "data/csv_header.h"

#include "base/map.h"

#include <assert.h>

#define COLUMNS_MAX     65536
#define SHOWN_BYTES_MAX 64

/* The length of the record without its end of line; SIZE_MAX when a quote is not closed. */
static size_t record_len(struct ax_str text, size_t *ret_fields)
{
    bool quoted = false;
    size_t fields = 1;
    size_t i = 0;
    for (; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '\n' || c == '\r'))
            break;
        fields += !quoted && c == ',';
    }
    *ret_fields = fields;
    return quoted ? SIZE_MAX : i;
}

/* Copy the field that begins at `text` into `out`; returns what it took, without the comma. */
static size_t copy_field(struct ax_str text, char *out, size_t *ret_len)
{
    bool quoted = false;
    size_t len = 0;
    size_t i = 0;
    for (; i < text.len && (quoted || text.ptr[i] != ','); i++) {
        bool is_quote = text.ptr[i] == '"';
        bool is_doubled = is_quote && quoted && i + 1 < text.len && text.ptr[i + 1] == '"';
        if (is_doubled)
            i++;
        else if (is_quote)
            quoted = !quoted;
        if (!is_quote || is_doubled)
            out[len++] = text.ptr[i];
    }
    *ret_len = len;
    return i;
}

static enum ax_code check_twice(const struct ax_str *names, size_t count, struct ax_err *err)
{
    struct ax_map seen;
    ax_map_init(&seen);
    for (size_t i = 0; i < count && !err->code; i++)
        if (ax_map_put(&seen, names[i], (void *)(uintptr_t)&names[i]))
            (void)ax_fail(err, AX_E_INVALID, "the header has the column '%.*s' twice",
                          AX_STR_ARG(ax_str_cut(names[i], SHOWN_BYTES_MAX)));
    ax_map_done(&seen);
    return err->code;
}

enum ax_code ax_csv_header_parse(struct ax_str text, struct ax_arena *arena,
                                 struct ax_str **ret_names, size_t *ret_count, struct ax_err *err)
{
    assert((text.ptr || !text.len) && arena && ret_names && ret_count && err);
    static const struct ax_str mark = { "\xef\xbb\xbf", 3 };
    size_t count = 0;
    if (ax_str_starts_with(text, mark))
        text = (struct ax_str){ text.ptr + mark.len, text.len - mark.len };
    size_t len = record_len(text, &count);
    if (len == 0)
        return ax_fail(err, AX_E_INVALID, "the first line is empty; it must name the columns");
    if (len == SIZE_MAX)
        return ax_fail(err, AX_E_INVALID, "a quote in the header is not closed");
    if (count > COLUMNS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "the header has over %d columns", COLUMNS_MAX);
    text.len = len;
    if (!ax_str_is_utf8(text) || memchr(text.ptr, '\0', text.len))
        return ax_fail(err, AX_E_INVALID, "the header is not UTF-8, or has a NUL");
    struct ax_str *names = ax_arena_alloc(arena, count, sizeof(*names));
    char *out = names ? ax_arena_alloc(arena, text.len, 1) : NULL;
    if (!out)
        return ax_arena_fail(arena, "the header", err);
    for (size_t i = 0; i < count; i++) {
        size_t used = copy_field(text, out, &names[i].len);
        names[i].ptr = out;
        out += names[i].len;
        used += used < text.len; /* the comma */
        text = (struct ax_str){ text.ptr + used, text.len - used };
    }
    if (check_twice(names, count, err))
        return err->code;
    *ret_names = names;
    *ret_count = count;
    return AX_OK;
}
