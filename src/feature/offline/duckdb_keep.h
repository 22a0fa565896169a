/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that were made here, of a stream, become rows of a table of DuckDB's.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_KEEP_H
#define AX_FEATURE_OFFLINE_DUCKDB_KEEP_H

#include "base/sql_table.h"
#include "feature/offline/duckdb_store.h"

#define AX_KEPT_ROWS "ax_kept_rows()"

struct ax_kept_rows {
    const char *table;   /* its name */
    bool is_first;       /* it is made; else they are appended */
    struct ax_str query; /* what of them is kept: a SELECT from AX_KEPT_ROWS */
    const struct ax_sql_table_column *columns;
    size_t column_count;
    struct ax_sql_chunk chunk; /* as many rows as there are */
};

/* All is borrowed for the call. Expected: TOO_LARGE, LIMIT, CANCELLED. */
AX_MUST_USE enum ax_code ax_offline_keep(struct ax_offline *offline,
                                         const struct ax_kept_rows *rows, struct ax_err *err);

#endif
