/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three-valued logic, and the choice among values. These see nulls, so each says itself where its
 * result is null.
 */
#include "data/expr/function_rules.h"
#include "data/expr/operators.h"

/* `and` is decided by a false, `or` by a true; if there is none, a null makes it null. */
static void connect(struct ax_call *call, bool decides)
{
    for (size_t row = 0; row < call->rows; row++) {
        bool decided = false;
        bool unknown = false;
        for (size_t i = 0; i < call->arg_count; i++) {
            const struct ax_values *arg = call->args[i];
            bool is_null = ax_values_is_null(arg, row);
            unknown |= is_null;
            decided |= !is_null && (bool)arg->bools[row] == decides;
        }
        call->out->bools[row] = decided == decides;
        if (unknown && !decided)
            ax_values_set_null(call->out, row);
    }
}

enum ax_code ax_operator_and(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    connect(call, false);
    return AX_OK;
}

enum ax_code ax_operator_or(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    connect(call, true);
    return AX_OK;
}

enum ax_code ax_operator_not(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = !call->args[0]->bools[row];
    return AX_OK;
}

enum ax_code ax_operator_is_null(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = ax_values_is_null(call->args[0], row);
    return AX_OK;
}

static void test_truth(struct ax_call *call, bool truth)
{
    const struct ax_values *arg = call->args[0];
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = !ax_values_is_null(arg, row) && (bool)arg->bools[row] == truth;
}

enum ax_code ax_operator_is_true(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    test_truth(call, true);
    return AX_OK;
}

enum ax_code ax_operator_is_false(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    test_truth(call, false);
    return AX_OK;
}

static void choose(struct ax_values *out, const struct ax_values *from, size_t row)
{
    if (ax_values_is_null(from, row))
        ax_values_set_null(out, row);
    else
        ax_values_copy(out, from, row);
}

/* The arguments: what `else` says, then conditions and values in turn. */
enum ax_code ax_operator_case(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        size_t chosen = 0;
        for (size_t i = 1; i + 1 < call->arg_count && !chosen; i += 2)
            if (!ax_values_is_null(call->args[i], row) && call->args[i]->bools[row])
                chosen = i + 1;
        choose(call->out, call->args[chosen], row);
    }
    return AX_OK;
}

enum ax_code ax_operator_coalesce(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        size_t i = 0;
        while (i + 1 < call->arg_count && ax_values_is_null(call->args[i], row))
            i++;
        choose(call->out, call->args[i], row);
    }
    return AX_OK;
}
