/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparisons, and the functions that are made of them. Numbers and times are ordered as such,
 * false stands before true, texts are ordered by their bytes.
 */
#include "data/expr/function_rules.h"
#include "data/expr/operators.h"

#include <assert.h>

/* What ax_str_compare says of equal texts. */
static const int same = 0;

/* One comparison, over all types. The type is looked at once a column. */
#define X(name, op)                                                           \
    enum ax_code ax_operator_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                         \
        const struct ax_values *a = call->args[0];                            \
        const struct ax_values *b = call->args[1];                            \
        uint8_t *out = call->out->bools;                                      \
        (void)err;                                                            \
        switch (a->type.kind) {                                               \
        case AX_TYPE_BOOL:                                                    \
            for (size_t row = 0; row < call->rows; row++)                     \
                out[row] = a->bools[row] op b->bools[row];                    \
            break;                                                            \
        case AX_TYPE_FLOAT64:                                                 \
            for (size_t row = 0; row < call->rows; row++)                     \
                out[row] = a->f64s[row] op b->f64s[row];                      \
            break;                                                            \
        case AX_TYPE_STRING:                                                  \
            for (size_t row = 0; row < call->rows; row++) {                   \
                int order = ax_str_compare(a->texts[row], b->texts[row]);     \
                out[row] = order op same;                                     \
            }                                                                 \
            break;                                                            \
        case AX_TYPE_INT64:                                                   \
        case AX_TYPE_TIMESTAMP:                                               \
        case AX_TYPE_DURATION:                                                \
            for (size_t row = 0; row < call->rows; row++)                     \
                out[row] = a->i64s[row] op b->i64s[row];                      \
            break;                                                            \
        case AX_TYPE_COUNT:                                                   \
            assert(false);                                                    \
        }                                                                     \
        return AX_OK;                                                         \
    }
X(equal, ==)
X(not_equal, !=)
X(less, <)
X(less_equal, <=)
X(greater, >)
X(greater_equal, >=)
#undef X

/* Below zero, zero or above: how two values that are not null are ordered. */
static int compare_values(const struct ax_values *a, const struct ax_values *b, size_t row)
{
    switch (a->type.kind) {
    case AX_TYPE_BOOL:
        return (int)a->bools[row] - (int)b->bools[row];
    case AX_TYPE_FLOAT64:
        return (a->f64s[row] > b->f64s[row]) - (a->f64s[row] < b->f64s[row]);
    case AX_TYPE_STRING:
        return ax_str_compare(a->texts[row], b->texts[row]);
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        break;
    }
    return (a->i64s[row] > b->i64s[row]) - (a->i64s[row] < b->i64s[row]);
}

/* The largest or the smallest of the arguments that are not null, text by text. */
static void take_extreme_by_row(struct ax_call *call, int sign)
{
    for (size_t row = 0; row < call->rows; row++) {
        const struct ax_values *best = NULL;
        for (size_t i = 0; i < call->arg_count; i++) {
            const struct ax_values *arg = call->args[i];
            if (!ax_values_is_null(arg, row) &&
                (!best || sign * compare_values(arg, best, row) > 0))
                best = arg;
        }
        if (best)
            ax_values_copy(call->out, best, row);
        else
            ax_values_set_null(call->out, row);
    }
}

/* Lay one argument of numbers over those before it; under a null lies a number, too. */
#define X(name, type, member)                                                            \
    static void lay_##name(struct ax_values *out, const struct ax_values *arg, int sign) \
    {                                                                                    \
        for (size_t row = 0; row < out->rows; row++) {                                   \
            bool here = !ax_values_is_null(arg, row);                                    \
            bool had = out->validity[row / 64] >> (row % 64) & 1;                        \
            type a = arg->member[row];                                                   \
            type b = out->member[row];                                                   \
            bool better = sign > 0 ? a > b : a < b;                                      \
            out->member[row] = here & (!had | better) ? a : b;                           \
        }                                                                                \
        for (size_t word = 0; word < (out->rows + 63) / 64; word++)                      \
            out->validity[word] |= arg->validity ? arg->validity[word] : ~UINT64_C(0);   \
    }
X(i64, int64_t, i64s)
X(f64, double, f64s)
#undef X

static void take_extreme(struct ax_call *call, int sign)
{
    struct ax_values *out = call->out;
    if (out->type.kind == AX_TYPE_STRING || out->type.kind == AX_TYPE_BOOL) {
        take_extreme_by_row(call, sign);
        return;
    }
    const struct ax_values *first = call->args[0];
    memcpy(out->data, first->data, out->rows * ax_type_size(out->type));
    if (first->validity)
        memcpy(out->validity, first->validity, (out->rows + 63) / 64 * sizeof(uint64_t));
    for (size_t i = 1; i < call->arg_count; i++) {
        if (out->type.kind == AX_TYPE_FLOAT64)
            lay_f64(out, call->args[i], sign);
        else
            lay_i64(out, call->args[i], sign);
    }
}

enum ax_code ax_operator_greatest(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    take_extreme(call, 1);
    return AX_OK;
}

enum ax_code ax_operator_least(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    take_extreme(call, -1);
    return AX_OK;
}

/* The first argument, or null where both are equal. */
enum ax_code ax_operator_nullif(struct ax_call *call, struct ax_err *err)
{
    const struct ax_values *a = call->args[0];
    const struct ax_values *b = call->args[1];
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        bool is_null = ax_values_is_null(a, row);
        if (is_null || (!ax_values_is_null(b, row) && compare_values(a, b, row) == 0))
            ax_values_set_null(call->out, row);
        else
            ax_values_copy(call->out, a, row);
    }
    return AX_OK;
}
