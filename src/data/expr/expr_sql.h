/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions as SQL of other engines: the same answer, value for value.
 *
 * DuckDB is the only dialect so far; Spark's and Flink's will stand beside it. Every literal and
 * every call carries a cast, since DuckDB's own types differ (0.1 is DECIMAL there, a sum of bigint
 * HUGEINT); what may overflow or leave a function's domain is guarded by CASE, never by TRY, which
 * costs 27 to 380 times as much.
 */
#ifndef AX_DATA_EXPR_EXPR_SQL_H
#define AX_DATA_EXPR_EXPR_SQL_H

#include "base/buf.h"
#include "base/sql.h"
#include "data/expr/expr.h"

enum ax_sql_dialect { AX_SQL_DUCKDB };

/* How an input is called in the query: append its name, quoted. The column must hold what
 * ax_values would: of the computation type, no NaN. */
typedef void (*ax_expr_put_input_fn)(struct ax_buf *out, size_t input, void *arg);

/* Append the tree as one SQL expression in parentheses. */
void ax_expr_put_sql(struct ax_buf *out, const struct ax_expr *expr, enum ax_sql_dialect dialect,
                     ax_expr_put_input_fn put_input, void *arg);

/* The name of a type in SQL: "BIGINT", "DOUBLE[]"; durations are BIGINT microseconds. */
const char *ax_type_sql(struct ax_type type, enum ax_sql_dialect dialect) AX_RETURNS_NONNULL;

/* Register in a DuckDB handle the functions that it lacks. Once a handle, before the first query
 * that uses them. Expected: those of ax_sql_open. */
AX_MUST_USE enum ax_code ax_expr_register(struct ax_sql *sql, struct ax_err *err);

#endif
