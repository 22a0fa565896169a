/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB reads the rows as a table of ours, whose only chunk is all of them.
 */
#include "feature/offline/duckdb_keep.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

struct kept_table {
    struct ax_sql_table base;
    struct ax_sql_chunk chunk;
};

struct kept_scan {
    struct ax_sql_scan base;
    bool is_over;
};

static enum ax_code scan_new(const struct ax_sql_table *table AX_UNUSED,
                             struct ax_sql_scan **ret_scan, struct ax_err *err AX_UNUSED)
{
    struct kept_scan *scan = ax_xalloc(sizeof(*scan));
    *ret_scan = &scan->base;
    return AX_OK;
}

static enum ax_code scan_next(struct ax_sql_scan *base, struct ax_sql_chunk *ret_chunk,
                              struct ax_err *err AX_UNUSED)
{
    struct kept_scan *scan = container_of(base, struct kept_scan, base);
    const struct kept_table *table = container_of_const(base->table, struct kept_table, base);
    *ret_chunk = table->chunk;
    if (scan->is_over)
        ret_chunk->rows = 0;
    scan->is_over = true;
    return AX_OK;
}

static void scan_free(struct ax_sql_scan *base)
{
    free(container_of(base, struct kept_scan, base));
}

enum ax_code ax_offline_keep(struct ax_offline *offline, const struct ax_kept_rows *rows,
                             struct ax_err *err)
{
    assert(offline && rows && rows->table && rows->columns && rows->column_count && err);
    struct kept_table table = { .base = { .name = "ax_kept_rows",
                                          .columns = rows->columns,
                                          .column_count = rows->column_count,
                                          .row_count = rows->chunk.rows,
                                          .scan_new = scan_new,
                                          .scan_next = scan_next,
                                          .scan_free = scan_free },
                                .chunk = rows->chunk };
    if (ax_sql_add_table(offline->sql, &table.base, err))
        return err->code;
    ax_buf_printf(&offline->text, rows->is_first ? "CREATE TEMP TABLE %s AS " : "INSERT INTO %s ",
                  rows->table);
    (void)ax_buf_append_str(&offline->text, rows->query);
    enum ax_code code = ax_offline_run(offline, err);
    ax_sql_remove_table(offline->sql, &table.base);
    return code;
}
