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
           "closed, or is not UTF-8, or is too long";
}

/* Where DuckDB names no line. */
static const char *reason_without_line(const char *message)
{
    if (strstr(message, "reached an invalid state"))
        return "lines end in LF and in CR LF, or a quote stands where none may";
    if (strstr(message, "does not support a full read"))
        return "a line is too long";
    return NULL;
}

void ax_csv_explain(struct ax_str path, struct ax_err *err)
{
    static const char mark[] = "CSV Error on Line: ";
    assert(path.len && err && err->code);
    const char *found = strstr(err->msg, mark);
    const char *whole = found ? NULL : reason_without_line(err->msg);
    if (whole) {
        ax_err_clear(err);
        (void)ax_fail(err, AX_E_INVALID, "'%.*s': %s", AX_STR_ARG(path), whole);
        return;
    }
    if (!found) {
        (void)ax_err_context(err, "'%.*s'", AX_STR_ARG(path));
        return;
    }
    long long line = strtoll(found + sizeof(mark) - 1, NULL, 10);
    const char *reason = reason_of(err->msg);
    ax_err_clear(err);
    (void)ax_fail(err, AX_E_INVALID, "%.*s: line %lld %s", AX_STR_ARG(path), line, reason);
}
