/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB reads the rows as a table of ours, chunk by chunk, and writes them as Parquet to a hidden
 * file beside the place, which takes its name when it is on the disk.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "data/expr/values_sql.h"
#include "pipeline/served_form.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_BYTES_MAX    ((size_t)1 << 20)
#define ARENA_FIRST_BYTES ((size_t)256 << 10)
#define ARENA_BYTES_MAX   ((size_t)256 << 20)
#define MEMORY_BYTES_MAX  ((size_t)256 << 20)

struct rows_table {
    struct ax_sql_table base;
    const struct ax_served_form *form;
    struct ax_str rows;
};

struct rows_scan {
    struct ax_sql_scan base;
    size_t at; /* of the rows' bytes */
    struct ax_arena arena;
};

static enum ax_code scan_new(const struct ax_sql_table *table AX_UNUSED,
                             struct ax_sql_scan **ret_scan, struct ax_err *err AX_UNUSED)
{
    struct rows_scan *scan = ax_xalloc(sizeof(*scan));
    ax_arena_init(&scan->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    *ret_scan = &scan->base;
    return AX_OK;
}

static void scan_free(struct ax_sql_scan *base)
{
    struct rows_scan *scan = container_of(base, struct rows_scan, base);
    ax_arena_done(&scan->arena);
    free(scan);
}

/* The next rows. */
static size_t take_rows(const struct rows_table *table, struct rows_scan *scan,
                        const struct ax_served_row **rows)
{
    size_t count = 0;
    for (; count < AX_VALUES_ROWS_MAX && scan->at < table->rows.len; count++) {
        rows[count] = (const struct ax_served_row *)(const void *)(table->rows.ptr + scan->at);
        scan->at += rows[count]->bytes;
    }
    return count;
}

/* The moments, the digest, and what was seen: columns ahead of the values. Returns how many. */
static size_t fill_head(const struct ax_served_form *form, const struct ax_served_row *const *rows,
                        size_t count, struct ax_arena *arena, struct ax_sql_column *columns)
{
    size_t numbers = 2 + 2 * form->seen_count;
    int64_t *all = ax_arena_alloc(arena, numbers * count, sizeof(*all));
    struct ax_str *digests = ax_arena_alloc(arena, count, sizeof(*digests));
    if (!all || !digests)
        return 0;
    int64_t *at = all;
    int64_t *made = all + count;
    for (size_t row = 0; row < count; row++) {
        const struct ax_online_stamp *stamp = &ax_served_row_part(rows[row])->stamp;
        at[row] = stamp->time;
        made[row] = stamp->created;
        digests[row] = ax_str_from(form->digest);
        for (size_t i = 0; i < 2 * form->seen_count; i++)
            all[(2 + i) * count + row] = (int64_t)rows[row]->seen[i] - 1;
    }
    size_t filled = 0;
    columns[filled++] = (struct ax_sql_column){ .type = AX_SQL_TIMESTAMP, .i64s = at };
    columns[filled++] = (struct ax_sql_column){ .type = AX_SQL_TIMESTAMP, .i64s = made };
    columns[filled++] = (struct ax_sql_column){ .type = AX_SQL_TEXT, .texts = digests };
    for (size_t i = 0; i < 2 * form->seen_count; i++)
        columns[filled++] =
            (struct ax_sql_column){ .type = AX_SQL_I64, .i64s = all + (2 + i) * count };
    return filled;
}

static bool fill_values(const struct ax_served_form *form, const struct ax_served_row *const *rows,
                        size_t count, struct ax_arena *arena, struct ax_sql_column *columns,
                        struct ax_err *err)
{
    size_t fields = form->layout.field_count;
    struct ax_values *values = ax_arena_alloc(arena, fields, sizeof(*values));
    struct ax_sql_column *items = ax_arena_alloc(arena, fields, sizeof(*items));
    size_t *numbers = ax_arena_alloc(arena, fields, sizeof(*numbers));
    const struct ax_online_part **parts =
        ax_arena_alloc(arena, count, sizeof(const struct ax_online_part *));
    if (!values || !items || !numbers || !parts)
        return false;
    for (size_t row = 0; row < count; row++)
        parts[row] = ax_served_row_part(rows[row]);
    for (size_t i = 0; i < fields; i++)
        numbers[i] = i;
    if (ax_online_read(&form->layout, numbers, fields, parts, count, arena, values, err))
        return false;
    for (size_t i = 0; i < fields; i++) {
        struct ax_sql_list *lists = NULL;
        if (values[i].type.is_list && !(lists = ax_arena_alloc(arena, count, sizeof(*lists))))
            return false;
        columns[i] = ax_values_lend_sql(&values[i], lists, &items[i]);
    }
    return true;
}

static enum ax_code scan_next(struct ax_sql_scan *base, struct ax_sql_chunk *ret_chunk,
                              struct ax_err *err)
{
    struct rows_scan *scan = container_of(base, struct rows_scan, base);
    const struct rows_table *table = container_of_const(base->table, struct rows_table, base);
    const struct ax_served_row *rows[AX_VALUES_ROWS_MAX];
    ax_arena_reset(&scan->arena);
    size_t count = take_rows(table, scan, rows);
    if (!count) {
        *ret_chunk = (struct ax_sql_chunk){ 0 };
        return AX_OK;
    }
    struct ax_sql_column *columns =
        ax_arena_alloc(&scan->arena, table->form->column_count, sizeof(*columns));
    size_t head = columns ? fill_head(table->form, rows, count, &scan->arena, columns) : 0;
    if (!head || !fill_values(table->form, rows, count, &scan->arena, columns + head, err))
        return err->code ? err->code : ax_arena_fail(&scan->arena, "served vectors", err);
    *ret_chunk = (struct ax_sql_chunk){ .rows = count, .columns = columns };
    return AX_OK;
}

/* ---- the file ---- */

static enum ax_code copy(struct ax_sql *sql, const struct rows_table *table, const char *path,
                         struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, TEXT_BYTES_MAX);
    (void)ax_buf_append_str(&text, AX_STR("COPY (SELECT * FROM ax_served_rows()) TO "));
    ax_sql_put_literal(&text, ax_str_from(path));
    (void)ax_buf_append_str(&text, AX_STR(" (FORMAT parquet, COMPRESSION zstd)"));
    if (!ax_buf_check(&text, "the query", err) && !ax_sql_add_table(sql, &table->base, err)) {
        (void)(ax_sql_run(sql, ax_buf_str(&text), err) != AX_OK);
        ax_sql_remove_table(sql, &table->base);
    }
    ax_buf_done(&text);
    return err->code;
}

enum ax_code ax_served_file_write(const char *path, const struct ax_served_form *form,
                                  struct ax_str rows, struct ax_err *err)
{
    assert(path && strrchr(path, '/') && form && rows.len && err);
    const struct ax_sql_config config = { .threads = 1, .memory_bytes_max = MEMORY_BYTES_MAX };
    const struct rows_table table = { .base = { .name = "ax_served_rows",
                                                .columns = form->columns,
                                                .column_count = form->column_count,
                                                .row_count = AX_SQL_ROWS_UNKNOWN,
                                                .scan_new = scan_new,
                                                .scan_next = scan_next,
                                                .scan_free = scan_free },
                                      .form = form,
                                      .rows = rows };
    char hidden[PATH_MAX];
    struct ax_sql *sql;
    const char *name = strrchr(path, '/') + 1;
    int len = snprintf(hidden, sizeof(hidden), "%.*s.%s", (int)(name - path), path, name);
    if (len < 0 || (size_t)len >= sizeof(hidden))
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    if (ax_sql_open(&config, &sql, err))
        return err->code;
    if (copy(sql, &table, hidden, err) || ax_file_publish(hidden, path, err))
        (void)unlink(hidden);
    ax_sql_close(sql);
    return err->code;
}
