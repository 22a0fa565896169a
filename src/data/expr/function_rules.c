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

void ax_values_find_true(const struct ax_values *values, uint8_t *where)
{
    assert(values->type.kind == AX_TYPE_BOOL && !values->type.is_list);
    size_t row = 0;
    memcpy(where, values->bools, values->rows);
    for (; values->validity && row + 8 <= values->rows; row += 8) {
        uint64_t bytes;
        memcpy(&bytes, where + row, sizeof(bytes));
        bytes &= ax_bytes_of_bits(values->validity[row / 64] >> (row % 64));
        memcpy(where + row, &bytes, sizeof(bytes));
    }
    for (; row < values->rows; row++)
        where[row] &= !ax_values_is_null(values, row);
}

static uint64_t load_8(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static uint64_t bits_of(const uint8_t *where, size_t count)
{
    uint64_t bits = 0;
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        bits |= ax_bits_of_bytes(load_8(where + i)) << i;
    for (; i < count; i++)
        bits |= (uint64_t)where[i] << i;
    return bits;
}

/* The validity bits of the rows that are copied. */
static void copy_validity(struct ax_values *out, const struct ax_values *from, const uint8_t *where)
{
    for (size_t word = 0; word < (out->rows + 63) / 64; word++) {
        uint64_t bits = from->validity ? from->validity[word] : ~UINT64_C(0);
        if ((bits & out->validity[word]) == ~UINT64_C(0))
            continue;
        uint64_t mask = bits_of(where + word * 64, AX_MIN(out->rows - word * 64, (size_t)64));
        out->validity[word] = (out->validity[word] & ~mask) | (bits & mask);
    }
}

/* Of float64 too: eight bytes are eight bytes. Two at once, as the masks that choose them. */
static void copy_words_where(uint64_t *out, const uint64_t *from, const uint8_t *where, size_t rows)
{
    typedef uint64_t u64x2 AX_VECTOR(16);
    size_t row = 0;
    for (; row + 2 <= rows; row += 2) {
        u64x2 a, b, mask = { where[row], where[row + 1] };
        memcpy(&a, out + row, sizeof(a));
        memcpy(&b, from + row, sizeof(b));
        a ^= (a ^ b) & -mask;
        memcpy(out + row, &a, sizeof(a));
    }
    for (; row < rows; row++)
        out[row] = where[row] ? from[row] : out[row];
}

void ax_values_copy_where(struct ax_values *out, const struct ax_values *from, const uint8_t *where)
{
    assert(ax_type_equals(out->type, from->type) && !out->type.is_list && out->validity);
    size_t size = ax_type_size(out->type);
    if (size == 1) {
        for (size_t row = 0; row < out->rows; row++)
            out->bools[row] = where[row] ? from->bools[row] : out->bools[row];
    } else if (size == sizeof(int64_t)) {
        copy_words_where((uint64_t *)out->data, (const uint64_t *)from->data, where, out->rows);
    } else {
        for (size_t row = 0; row < out->rows; row++)
            if (where[row])
                out->texts[row] = from->texts[row];
    }
    copy_validity(out, from, where);
}
