/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions as SQL of other engines: the same answer, value for value.
 *
 * DuckDB is the only dialect so far; Spark's and Flink's will stand beside it. Every literal and
 * every call carries a cast, since DuckDB's own types differ (0.1 is DECIMAL there, a sum of bigint
 * HUGEINT); what may overflow or leave a function's domain is guarded by CASE, never by TRY, which
 * costs 27 to 380 times as much.
 *
 * A guard names its arguments several times, so the text of one SQL expression may grow as a power
 * of its depth. ax_expr_put_select does not: what is named several times becomes a column of a
 * query inside.
 */
#ifndef AX_DATA_EXPR_EXPR_SQL_H
#define AX_DATA_EXPR_EXPR_SQL_H

#include "base/buf.h"
#include "base/sql.h"
#include "data/expr/expr.h"
#include "data/expr/expr_text.h"

enum ax_sql_dialect { AX_SQL_DUCKDB };

/* Append the tree as one SQL expression that binds as tightly as a name. `put_input` appends the
 * name of a column of the query, quoted. The column must hold what ax_values would: of the
 * computation type, no NaN. */
void ax_expr_put_sql(struct ax_buf *out, const struct ax_expr *expr, enum ax_sql_dialect dialect,
                     ax_expr_put_input_fn put_input, void *arg);

/* A column that a query computes. */
struct ax_expr_column {
    const struct ax_expr *expr;
    struct ax_str name;
};

/* Append "SELECT <keep>, <columns> FROM <from>", with queries inside where they are needed: for
 * expressions of any depth. `keep` is what stands before the columns, "*" or names with commas, and
 * may be empty; `from` is what may stand behind FROM, without WHERE. Names of columns are not
 * qualified, and do not begin with '~'. Rows keep their order and number. */
void ax_expr_put_select(struct ax_buf *out, const struct ax_expr_column *columns, size_t count,
                        struct ax_str keep, struct ax_str from, enum ax_sql_dialect dialect,
                        ax_expr_put_input_fn put_input, void *arg);

/* The name of a type in SQL: "BIGINT", "DOUBLE[]"; durations are BIGINT microseconds. */
const char *ax_type_sql(struct ax_type type, enum ax_sql_dialect dialect) AX_RETURNS_NONNULL;

/* Append the value of a stored column as expressions see it: widened, NaN as null, -0 as 0; of
 * lists, their elements. Bytes stay as they are. */
void ax_storage_put_sql(struct ax_buf *out, struct ax_storage storage, struct ax_str column,
                        enum ax_sql_dialect dialect);

/* Register in a DuckDB handle the functions that it lacks. Once a handle, before the first query
 * that uses them. Expected: those of ax_sql_open. */
AX_MUST_USE enum ax_code ax_expr_register(struct ax_sql *sql, struct ax_err *err);

/* The name under which a function is registered for arguments of these types, quoted; every
 * combination of types has one of its own: "ax_bucket(string, int64)". */
void ax_expr_put_registered(struct ax_buf *out, const struct ax_function *function,
                            const struct ax_type *types, size_t count);

#endif
