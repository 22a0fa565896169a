/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of floating-point arithmetic, made to obey the rules of the language; and the choice
 * among columns. The common cases, that all of a column is finite and that nothing is null, are
 * plain loops.
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

/* Turn -0 into 0, and tell whether all are finite: what is not gives NaN times 0. */
static bool settle_zeros(double *x, size_t rows)
{
    typedef double f64x2 AX_VECTOR(16);
    f64x2 sums[2] = { { 0 }, { 0 } };
    double sum = 0;
    size_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        f64x2 value[2];
        memcpy(value, x + row, sizeof(value));
        value[0] += 0.0;
        value[1] += 0.0;
        sums[0] += value[0] * 0.0;
        sums[1] += value[1] * 0.0;
        memcpy(x + row, value, sizeof(value));
    }
    for (; row < rows; row++) {
        x[row] += 0.0;
        sum += x[row] * 0.0;
    }
    sums[0] += sums[1];
    return sum + sums[0][0] + sums[0][1] == 0;
}

void ax_call_settle(struct ax_call *call)
{
    struct ax_values *out = call->out;
    assert(out->type.kind == AX_TYPE_FLOAT64 && !out->type.is_list);
    if (!settle_zeros(out->f64s, call->rows))
        ax_call_settle_infinite(call);
}

void ax_call_settle_infinite(struct ax_call *call)
{
    struct ax_values *out = call->out;
    for (size_t row = 0; row < call->rows; row++)
        if (isnan(out->f64s[row]) || (isinf(out->f64s[row]) && !has_infinite_argument(call, row)))
            ax_values_set_null(out, row);
}

void ax_values_find_present(const struct ax_values *values, uint8_t *where)
{
    if (!values->validity)
        memset(where, 1, values->rows);
    for (size_t row = 0; values->validity && row < values->rows; row++)
        where[row] = values->validity[row / 64] >> (row % 64) & 1;
}

void ax_values_find_true(const struct ax_values *values, uint8_t *where)
{
    assert(values->type.kind == AX_TYPE_BOOL && !values->type.is_list);
    ax_values_find_present(values, where);
    for (size_t row = 0; row < values->rows; row++)
        where[row] &= values->bools[row];
}

/* The validity bits of the rows that are copied. */
static void copy_validity(struct ax_values *out, const struct ax_values *from, const uint8_t *where)
{
    for (size_t word = 0; word < (out->rows + 63) / 64; word++) {
        size_t count = AX_MIN(out->rows - word * 64, (size_t)64);
        uint64_t mask = 0;
        for (size_t i = 0; i < count; i++)
            mask |= (uint64_t)where[word * 64 + i] << i;
        uint64_t bits = from->validity ? from->validity[word] : ~UINT64_C(0);
        out->validity[word] = (out->validity[word] & ~mask) | (bits & mask);
    }
}

void ax_values_copy_where(struct ax_values *out, const struct ax_values *from, const uint8_t *where)
{
    assert(ax_type_equals(out->type, from->type) && !out->type.is_list && out->validity);
    size_t size = ax_type_size(out->type);
    if (size == 1) {
        for (size_t row = 0; row < out->rows; row++)
            out->bools[row] = where[row] ? from->bools[row] : out->bools[row];
    } else if (size == sizeof(int64_t)) {
        /* Of float64 too: eight bytes are eight bytes. */
        for (size_t row = 0; row < out->rows; row++)
            memcpy(&out->i64s[row], where[row] ? &from->i64s[row] : &out->i64s[row], size);
    } else {
        for (size_t row = 0; row < out->rows; row++)
            if (where[row])
                out->texts[row] = from->texts[row];
    }
    copy_validity(out, from, where);
}
