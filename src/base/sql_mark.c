/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where DuckDB's words say that a statement is wrong.
 *
 * They end in a piece of the line with a mark below it, in columns of a terminal:
 *
 *     LINE 2: ...t sched_dep, at from flights
 *                               ^
 *
 * The piece is looked for in that line of the statement; its dots stand for what was cut off.
 */
#include "base/sql.h"

#include <assert.h>
#include <duckdb.h>
#include <stdlib.h>

#include "base/sql_handle.h"

#define CUT AX_STR("...")

static struct ax_str line_at(struct ax_str text, unsigned long number)
{
    const char *end = text.ptr + text.len;
    const char *line = text.ptr;
    for (unsigned long i = 1; i < number && line; i++) {
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return (struct ax_str){ end, 0 };
    const char *behind = memchr(line, '\n', (size_t)(end - line));
    return (struct ax_str){ line, (size_t)((behind ? behind : end) - line) };
}

/* Bytes of the first so many columns, each of one code point. */
static size_t bytes_of(struct ax_str text, size_t columns)
{
    size_t at = 0;
    while (at < text.len && columns--)
        do
            at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80);
    return at;
}

size_t ax_sql_find_mark(const char *message, struct ax_str text)
{
    assert(message && text.ptr);
    static const char begin[] = "\n\nLINE ";
    const char *head = strstr(message, begin);
    if (!head)
        return SIZE_MAX;
    head += 2;
    char *colon;
    unsigned long number = strtoul(head + strlen("LINE "), &colon, 10);
    const char *newline = strchr(head, '\n');
    const char *mark = newline ? strchr(newline, '^') : NULL;
    if (strncmp(colon, ": ", 2) != 0 || !mark)
        return SIZE_MAX;
    struct ax_str piece = { colon + 2, (size_t)(newline - colon) - 2 };
    size_t columns = (size_t)(mark - newline) - 1;
    size_t before = (size_t)(piece.ptr - head);
    if (ax_str_starts_with(piece, CUT)) {
        piece = (struct ax_str){ piece.ptr + CUT.len, piece.len - CUT.len };
        before += CUT.len;
    }
    if (piece.len > CUT.len && memcmp(piece.ptr + piece.len - CUT.len, CUT.ptr, CUT.len) == 0)
        piece.len -= CUT.len;
    struct ax_str line = line_at(text, number);
    const char *found = line.len ? memmem(line.ptr, line.len, piece.ptr, piece.len) : NULL;
    if (!found || columns < before)
        return SIZE_MAX;
    return (size_t)(found - text.ptr) + bytes_of(piece, columns - before);
}
