/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a byte of a scalar stands in the text that was parsed.
 *
 * A scalar's text differs from its source: quotes and escapes are gone, lines are folded,
 * indentation is cut. All of that adds, removes or changes white space only, so the characters that
 * are no white space are the same on both sides, in the same order: the place is that of the
 * character with the same number. An escape counts as what it stands for. Linear in the source;
 * only for messages.
 */
#include "base/yaml.h"

#include <assert.h>

/* Where reading of the source stands. */
struct cursor {
    const char *at, *end;
    unsigned line, column;
};

/* Bytes of the line break at `at`, as YAML 1.1 has them; 0: none. */
static size_t break_len(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    if (left >= 2 && at[0] == '\r' && at[1] == '\n')
        return 2;
    if (left >= 1 && (at[0] == '\r' || at[0] == '\n'))
        return 1;
    if (left >= 2 && memcmp(at, "\xC2\x85", 2) == 0)
        return 2;
    if (left >= 3 && (memcmp(at, "\xE2\x80\xA8", 3) == 0 || memcmp(at, "\xE2\x80\xA9", 3) == 0))
        return 3;
    return 0;
}

static bool is_white(const char *at, const char *end)
{
    return *at == ' ' || *at == '\t' || break_len(at, end) > 0;
}

static size_t character_len(const char *at, const char *end)
{
    size_t len = ax_str_utf8_len((struct ax_str){ at, (size_t)(end - at) });
    return len ? len : 1;
}

static void cursor_step(struct cursor *cursor)
{
    size_t len = break_len(cursor->at, cursor->end);
    if (len) {
        cursor->line++;
        cursor->column = 1;
    } else {
        len = character_len(cursor->at, cursor->end);
        cursor->column++;
    }
    cursor->at += len;
}

static void cursor_skip(struct cursor *cursor, size_t characters)
{
    for (; characters && cursor->at < cursor->end; characters--)
        cursor_step(cursor);
}

static bool cursor_is_at(const struct cursor *cursor, size_t ahead, char c)
{
    return (size_t)(cursor->end - cursor->at) > ahead && cursor->at[ahead] == c;
}

/* What an escape in double quotes stands for: its length in characters, and whether that is white
 * space. `\` in front of a line break joins the lines. */
static size_t escape_len(const struct cursor *cursor, bool *ret_white)
{
    static const char white[] = " \tnrtNLP\n\r";
    size_t digits = cursor_is_at(cursor, 1, 'x')   ? 2
                    : cursor_is_at(cursor, 1, 'u') ? 4
                    : cursor_is_at(cursor, 1, 'U') ? 8
                                                   : 0;
    uint32_t code = 0;
    for (size_t i = 0; i < digits && (size_t)(cursor->end - cursor->at) > i + 2; i++) {
        char c = cursor->at[i + 2];
        code = code << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (digits)
        *ret_white = code == ' ' || code == '\t' || code == '\n' || code == '\r' || code == 0x85 ||
                     code == 0x2028 || code == 0x2029;
    else
        *ret_white = cursor->end - cursor->at > 1 && strchr(white, cursor->at[1]) != NULL;
    return digits + 2;
}

/* Go to the scalar's first character. */
static void cursor_find(struct cursor *cursor, const struct ax_yaml *node, char *ret_style)
{
    while (cursor->at < cursor->end && cursor->line < node->line)
        cursor_step(cursor);
    while (cursor->at < cursor->end && cursor->column < node->column)
        cursor_step(cursor);
    char style = node->quoted && cursor->at < cursor->end ? *cursor->at : '\0';
    if (style == '|' || style == '>') {
        unsigned header = cursor->line;
        while (cursor->at < cursor->end && cursor->line == header)
            cursor_step(cursor);
    } else if (style) {
        cursor_step(cursor);
    }
    *ret_style = style;
}

/* Behind one character of the scalar, white or not. */
static void cursor_pass(struct cursor *cursor, char style, bool *ret_white)
{
    size_t len = 1;
    *ret_white = is_white(cursor->at, cursor->end);
    if (style == '"' && *cursor->at == '\\')
        len = escape_len(cursor, ret_white);
    else if (style == '\'' && *cursor->at == '\'')
        len = 2;
    cursor_skip(cursor, len);
}

void ax_yaml_locate(struct ax_str source, const struct ax_yaml *node, size_t at, unsigned *ret_line,
                    unsigned *ret_column)
{
    assert((source.ptr || !source.len) && node && node->kind == AX_YAML_SCALAR);
    assert(at <= node->text.len && ret_line && ret_column);
    const char *text_end = node->text.ptr + node->text.len;
    size_t before = 0; /* characters of the text in front of `at` that are no white space */
    for (const char *c = node->text.ptr; c < node->text.ptr + at; c += character_len(c, text_end))
        before += !is_white(c, text_end);
    if (ax_str_starts_with(source, AX_STR("\xEF\xBB\xBF")))
        source = (struct ax_str){ source.ptr + 3, source.len - 3 };
    struct cursor cursor = { source.ptr, source.ptr + source.len, 1, 1 };
    char style;
    cursor_find(&cursor, node, &style);
    struct cursor behind = cursor;
    while (before && cursor.at < cursor.end) {
        bool white;
        cursor_pass(&cursor, style, &white);
        before -= !white;
        behind = cursor;
    }
    bool wants_next = at < node->text.len && !is_white(node->text.ptr + at, text_end);
    for (bool white = true; wants_next && white && cursor.at < cursor.end;) {
        behind = cursor;
        cursor_pass(&cursor, style, &white);
    }
    *ret_line = behind.line;
    *ret_column = behind.column;
}
