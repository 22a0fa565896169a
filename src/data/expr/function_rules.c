/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of floating-point arithmetic, made to obey the rules of the language. The common case,
 * that all of a column is finite, is one plain loop.
 */
#include "data/expr/function_rules.h"

#include <assert.h>
#include <math.h>

static bool has_infinite_argument(const struct ax_call *call, size_t row)
{
    for (size_t i = 0; i < call->arg_count; i++) {
        const struct ax_values *arg = call->args[i];
        if (arg->type.kind == AX_TYPE_FLOAT64 && !arg->type.is_list && isinf(arg->f64s[row]))
            return true;
    }
    return false;
}

void ax_call_settle(struct ax_call *call)
{
    struct ax_values *out = call->out;
    assert(out->type.kind == AX_TYPE_FLOAT64 && !out->type.is_list);
    bool all_finite = true;
    for (size_t row = 0; row < call->rows; row++) {
        out->f64s[row] += 0.0; /* turns -0 into 0 */
        all_finite &= (bool)isfinite(out->f64s[row]);
    }
    for (size_t row = 0; row < call->rows && !all_finite; row++)
        if (isnan(out->f64s[row]) || (isinf(out->f64s[row]) && !has_infinite_argument(call, row)))
            ax_values_set_null(out, row);
}
