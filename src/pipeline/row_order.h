/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order that a query asks for at its top level.
 *
 * Training is only repeatable when its rows come in one order, so a query must say a total one:
 * `ORDER BY` result columns that no two rows share. Here its columns are found (by DuckDB's own
 * parser, which hands out the statement as JSON) and turned into a list for later ORDER BYs.
 */
#ifndef AX_PIPELINE_ROW_ORDER_H
#define AX_PIPELINE_ROW_ORDER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sql.h"

/* Append `"a", "b"` or `ALL` to `out`; the query is not run. Expected: INVALID (no SELECT, a syntax
 * error, no ORDER BY at the top level, or one by something else than result columns by name;
 * *ret_place, unless NULL, as ax_sql_tree_read has it). */
AX_MUST_USE enum ax_code ax_row_order_print(struct ax_sql *sql, struct ax_str query,
                                            struct ax_buf *out, size_t *ret_place,
                                            struct ax_err *err);

/* Refuse when two rows of `table` agree in all columns of the order (the text made above). */
AX_MUST_USE enum ax_code ax_row_order_check(struct ax_sql *sql, const char *table,
                                            struct ax_str order, struct ax_err *err);

#endif
