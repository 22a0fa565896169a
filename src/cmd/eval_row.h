/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row that `auspex eval` computes over: a JSON object as columns of one row.
 *
 * A whole number is int64, any other number float64, a text string, true and false bool, an array a
 * list; what is declared otherwise is read as that: "2013-10-01T00:00:00Z" as timestamp, "15m" as
 * duration. All of it lives in the arena.
 */
#ifndef AX_CMD_EVAL_ROW_H
#define AX_CMD_EVAL_ROW_H

#include "base/option.h"
#include "data/expr/expr.h"
#include "data/expr/values.h"

struct ax_eval_row {
    struct ax_scope_column *columns;
    const struct ax_values **inputs; /* a value of each column */
    size_t count;
};

/* `json` is an object, or none (NULL): no columns. `types` are "NAME=TYPE"; a column that only they
 * name is null. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_eval_row_read(struct ax_str json, const struct ax_option_list *types,
                                          struct ax_arena *arena, struct ax_eval_row *ret_row,
                                          struct ax_err *err);

#endif
