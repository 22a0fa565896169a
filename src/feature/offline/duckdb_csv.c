/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB's sniffer is never asked: it looks at the first 20,480 lines, and one line with a field
 * too many makes it find no format at all, or another one.
 */
#include "feature/offline/duckdb_csv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_BYTES_MAX   ((size_t)32 << 20)
#define BUFFER_BYTES_MIN   ((size_t)1 << 20)
#define BUFFERS_PER_MEMORY 16
#define HEADER_BYTES_MAX   ((size_t)1 << 20)

size_t ax_csv_buffer_bytes(const struct ax_offline *offline)
{
    assert(offline);
    size_t memory = offline->config.memory_bytes_max;
    if (!memory)
        return BUFFER_BYTES_MAX;
    return AX_MIN(AX_MAX(memory / BUFFERS_PER_MEMORY, BUFFER_BYTES_MIN), BUFFER_BYTES_MAX);
}

void ax_csv_put_options(struct ax_buf *out, size_t column_count, size_t buffer_bytes)
{
    assert(out && buffer_bytes);
    ax_buf_printf(out, ", columns={");
    for (size_t i = 0; i < column_count; i++)
        ax_buf_printf(out, "%s'c%zu':'VARCHAR'", i ? "," : "", i);
    ax_buf_printf(out,
                  "}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"', "
                  "comment='', allow_quoted_nulls=false, hive_partitioning=false, "
                  "max_line_size=%zu, buffer_size=%zu",
                  buffer_bytes / 2, buffer_bytes);
}

void ax_csv_put_first_line(struct ax_buf *out, struct ax_str path)
{
    assert(out && path.len);
    ax_buf_printf(out, "SELECT line FROM read_csv(%.*s", AX_STR_ARG(path));
    ax_buf_printf(out,
                  ", columns={'line':'VARCHAR'}, auto_detect=false, header=false, delim='\x01', "
                  "quote='', escape='', comment='', hive_partitioning=false, max_line_size=%zu, "
                  "buffer_size=%zu) LIMIT 1",
                  HEADER_BYTES_MAX, 2 * HEADER_BYTES_MAX);
}

/* ---- the header ---- */

/* A name in quotes, up to behind the quote that closes it. */
static enum ax_code take_quoted(struct ax_str *line, struct ax_buf *out, struct ax_err *err)
{
    size_t at = 1;
    for (; at < line->len; at++) {
        bool is_quote = line->ptr[at] == '"';
        bool is_doubled = is_quote && at + 1 < line->len && line->ptr[at + 1] == '"';
        if (is_quote && !is_doubled)
            break;
        at += is_doubled;
        (void)ax_buf_append_char(out, line->ptr[at]);
    }
    if (at == line->len)
        return ax_fail(err, AX_E_INVALID, "line 1 has a quote that is not closed");
    *line = (struct ax_str){ line->ptr + at + 1, line->len - at - 1 };
    return AX_OK;
}

enum ax_code ax_csv_next_name(struct ax_str *line, size_t number, struct ax_buf *out,
                              bool *ret_found, struct ax_err *err)
{
    assert(line && out && ret_found && err);
    size_t begin = out->len;
    if (!line->len && number) {
        *ret_found = false;
        return AX_OK;
    }
    if (number && line->ptr[0] == ',')
        *line = (struct ax_str){ line->ptr + 1, line->len - 1 };
    if (line->len && line->ptr[0] == '"' && take_quoted(line, out, err))
        return err->code;
    size_t end = 0;
    while (end < line->len && line->ptr[end] != ',')
        end++;
    (void)ax_buf_append(out, line->ptr, end);
    *line = (struct ax_str){ line->ptr + end, line->len - end };
    if (out->len == begin)
        ax_buf_printf(out, "column%zu", number);
    *ret_found = true;
    return AX_OK;
}

/* ---- what was wrong ---- */

/* DuckDB's words begin with the line itself, which may fill the message. */
static const char *reason_of(const char *message)
{
    static const struct {
        const char *theirs;
        const char *ours;
    } reasons[] = {
        { "Expected Number of Columns", "has not as many fields as the header" },
        { "unterminated quote", "has a quote that is not closed" },
        { "Maximum line size", "is too long" },
        { "unicode", "is not UTF-8" },
    };
    for (size_t i = 0; i < AX_COUNT(reasons); i++)
        if (strstr(message, reasons[i].theirs))
            return reasons[i].ours;
    return "cannot be read: it has not as many fields as the header, or a quote that is not "
           "closed, or is not UTF-8";
}

void ax_csv_explain(struct ax_str path, struct ax_err *err)
{
    static const char mark[] = "CSV Error on Line: ";
    assert(path.len && err && err->code);
    const char *found = strstr(err->msg, mark);
    if (!found) {
        (void)ax_err_context(err, "'%.*s'", AX_STR_ARG(path));
        return;
    }
    long long line = strtoll(found + sizeof(mark) - 1, NULL, 10);
    const char *reason = reason_of(err->msg);
    ax_err_clear(err);
    (void)ax_fail(err, AX_E_INVALID, "%.*s: line %lld %s", AX_STR_ARG(path), line, reason);
}
