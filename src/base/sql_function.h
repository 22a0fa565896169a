/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of ours that SQL may call, over columns.
 *
 * A function has a name, fixed types and a callback that computes a chunk at a time. DuckDB calls
 * it from several of its threads at once; each has a call of its own (struct ax_sql_call), where
 * the callback keeps what it computes with. It may be called for rows that the query drops later,
 * and must give the same answer for the same arguments: DuckDB computes what is constant once.
 */
#ifndef AX_BASE_SQL_FUNCTION_H
#define AX_BASE_SQL_FUNCTION_H

#include "base/sql.h"

struct ax_sql_function;

/* What one thread computes with; begins the implementer's struct. */
struct ax_sql_call {
    const struct ax_sql_function *function;
};

struct ax_sql_function {
    const char *name;
    const struct ax_sql_kind *parameters;
    size_t parameter_count; /* 0: is called with chunks that have rows and no columns */
    struct ax_sql_kind result;
    bool sees_nulls; /* else a row with a null argument is null, whatever was computed */

    /* A new call, or NULL when memory is refused; `function` of it is set by the caller. Any
     * thread. */
    struct ax_sql_call *(*call_new)(const struct ax_sql_function *function);
    /* The result of `in` (at most 2,048 rows): a column of the result's type and as many rows, in
     * memory of the call's that stays as it is until its next run. Texts are UTF-8. A failure ends
     * the query with that error. */
    enum ax_code (*call_run)(struct ax_sql_call *call, const struct ax_sql_chunk *in,
                             struct ax_sql_column *ret_result, struct ax_err *err);
    void (*call_free)(struct ax_sql_call *call);
};

/* `function` is borrowed until the handle is closed. Functions of one name are told apart by their
 * parameters. Fails only as INTERNAL. */
AX_MUST_USE enum ax_code ax_sql_add_function(struct ax_sql *sql,
                                             const struct ax_sql_function *function,
                                             struct ax_err *err);

#endif
