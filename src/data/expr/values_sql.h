/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of a query's result as values, and values as columns of SQL.
 */
#ifndef AX_DATA_EXPR_VALUES_SQL_H
#define AX_DATA_EXPR_VALUES_SQL_H

#include "base/sql.h"
#include "data/expr/values.h"

/* Scalars as they lie there. What is under a null is not to be looked at. */
struct ax_values ax_values_borrow_sql(const struct ax_sql_column *column, struct ax_type type,
                                      size_t rows);

/* Lists, too, whose items are copied to the arena. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_values_read_sql(const struct ax_sql_column *column, struct ax_type type,
                                            size_t rows, struct ax_arena *arena,
                                            struct ax_values *ret_values, struct ax_err *err);

struct ax_sql_kind ax_values_sql_kind(struct ax_type type);
/* The same of what is stored so: texts and bytes have one type, and two kinds. */
struct ax_sql_kind ax_storage_sql_kind(struct ax_storage storage);

/* The way back, borrowed. Of a list the column has `lists`, one a row, and `items`; else they may
 * be NULL. */
struct ax_sql_column ax_values_lend_sql(const struct ax_values *values, struct ax_sql_list *lists,
                                        struct ax_sql_column *items);

#endif
