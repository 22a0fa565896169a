/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of ours that SQL may read: rows that a callback hands out while the query runs.
 *
 * A table is read as `FROM name()`, any number of times in a query; each is a scan of its own. A
 * scan is read by one thread at a time, from its first row to its last, and its order is the
 * query's where the query asks for no other. Columns that a query does not name are not copied.
 */
#ifndef AX_BASE_SQL_TABLE_H
#define AX_BASE_SQL_TABLE_H

#include "base/sql.h"

struct ax_sql_table;

/* One reading of a table; begins the implementer's struct. */
struct ax_sql_scan {
    const struct ax_sql_table *table;
};

struct ax_sql_table_column {
    const char *name;
    struct ax_sql_kind kind;
};

#define AX_SQL_ROWS_UNKNOWN UINT64_MAX

struct ax_sql_table {
    const char *name;
    const struct ax_sql_table_column *columns; /* at least one */
    size_t column_count;
    uint64_t row_count; /* for DuckDB's plan; AX_SQL_ROWS_UNKNOWN */

    /* Begin at the first row; `table` of the scan is set by the caller. One of DuckDB's threads.
     * A failure ends the query with that error, here and in scan_next. */
    enum ax_code (*scan_new)(const struct ax_sql_table *table, struct ax_sql_scan **ret_scan,
                             struct ax_err *err);
    /* The next rows, as many as there are at hand; 0 rows: over. A chunk stays as it is until the
     * next call. Texts are UTF-8. Not always the same thread. */
    enum ax_code (*scan_next)(struct ax_sql_scan *scan, struct ax_sql_chunk *ret_chunk,
                              struct ax_err *err);
    /* May come before the last row: a query need not read all. */
    void (*scan_free)(struct ax_sql_scan *scan);
};

/* `table` is borrowed until it is removed or the handle is closed. The name is free again then.
 * Expected: EXISTS (the name). */
AX_MUST_USE enum ax_code ax_sql_add_table(struct ax_sql *sql, const struct ax_sql_table *table,
                                          struct ax_err *err);
/* Ends a stream that reads it. */
void ax_sql_remove_table(struct ax_sql *sql, const struct ax_sql_table *table);

#endif
