/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of operators, for the table in functions_operator.c: arithmetic.c, comparison.c,
 * membership.c, logic.c and cast.c. All are as ax_function_fn says.
 */
#ifndef AX_DATA_EXPR_OPERATORS_H
#define AX_DATA_EXPR_OPERATORS_H

#include "data/expr/function.h"

#define AX_OPERATOR_LIST(X) \
    X(add_i64)              \
    X(add_f64)              \
    X(add_time)             \
    X(subtract_i64)         \
    X(subtract_f64)         \
    X(subtract_time)        \
    X(multiply_i64)         \
    X(multiply_f64)         \
    X(divide_f64)           \
    X(divide_i64)           \
    X(divide_durations)     \
    X(remainder_i64)        \
    X(negate_i64)           \
    X(negate_f64)           \
    X(equal)                \
    X(not_equal)            \
    X(less)                 \
    X(less_equal)           \
    X(greater)              \
    X(greater_equal)        \
    X(and)                  \
    X(or)                   \
    X(not)                  \
    X(is_null)              \
    X(is_true)              \
    X(is_false)             \
    X(in)                   \
    X(case)                 \
    X(coalesce)             \
    X(nullif)               \
    X(greatest)             \
    X(least)                \
    X(cast_i64_to_f64)      \
    X(cast_bool_to_f64)     \
    X(cast_text_to_f64)     \
    X(cast_f64_to_i64)      \
    X(cast_bool_to_i64)     \
    X(cast_text_to_i64)     \
    X(cast_time_to_i64)     \
    X(cast_i64_to_bool)     \
    X(cast_f64_to_bool)     \
    X(cast_text_to_bool)    \
    X(cast_i64_to_text)     \
    X(cast_f64_to_text)     \
    X(cast_bool_to_text)    \
    X(cast_time_to_text)    \
    X(cast_text_to_time)    \
    X(cast_i64_to_time)

#define X(name) enum ax_code ax_operator_##name(struct ax_call *call, struct ax_err *err);
AX_OPERATOR_LIST(X)
#undef X

/* The constants of `in` as a table; no state where not all of them are constant. */
AX_MUST_USE enum ax_code ax_operator_prepare_in(const struct ax_expr *call, void **ret_state,
                                                struct ax_err *err);
void ax_operator_release_in(void *state);

#endif
