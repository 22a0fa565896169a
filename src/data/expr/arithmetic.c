/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic, one plain loop an operator. Integers that overflow are null, and so is what is
 * divided by zero; moments leave no year that has four digits. For float64 see ax_call_settle.
 */
#include "data/expr/function_rules.h"
#include "data/expr/operators.h"

#include "base/calendar.h"

#include <math.h>

/* Two rows at once: compilers that are asked for small code make no vectors of plain loops. */
typedef double f64x2 AX_VECTOR(16);
typedef uint64_t u64x2 AX_VECTOR(16);

/* Sums and differences of integers, two at a time: `differs` has its sign bit set where the result
 * does not fit, which is looked for again only when there is one. */
#define X(name, op, differs, overflows)                                       \
    enum ax_code ax_operator_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                         \
        const int64_t *a = call->args[0]->i64s;                               \
        const int64_t *b = call->args[1]->i64s;                               \
        int64_t *out = call->out->i64s;                                       \
        u64x2 signs = { 0 };                                                  \
        size_t row = 0;                                                       \
        (void)err;                                                            \
        for (; row + 2 <= call->rows; row += 2) {                             \
            u64x2 x, y;                                                       \
            memcpy(&x, a + row, sizeof(x));                                   \
            memcpy(&y, b + row, sizeof(y));                                   \
            u64x2 z = x op y;                                                 \
            signs |= (differs);                                               \
            memcpy(out + row, &z, sizeof(z));                                 \
        }                                                                     \
        if ((signs[0] | signs[1]) >> 63)                                      \
            row = 0;                                                          \
        for (; row < call->rows; row++)                                       \
            if (AX_UNLIKELY(overflows(a[row], b[row], &out[row])))            \
                ax_values_set_null(call->out, row);                           \
        return AX_OK;                                                         \
    }
X(add_i64, +, (x ^ z) & (y ^ z), __builtin_add_overflow)
X(subtract_i64, -, (x ^ y) & (x ^ z), __builtin_sub_overflow)
#undef X

/* Products: `overflows` computes and tells. */
#define X(name, overflows)                                                    \
    enum ax_code ax_operator_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                         \
        const int64_t *a = call->args[0]->i64s;                               \
        const int64_t *b = call->args[1]->i64s;                               \
        int64_t *out = call->out->i64s;                                       \
        (void)err;                                                            \
        for (size_t row = 0; row < call->rows; row++)                         \
            if (AX_UNLIKELY(overflows(a[row], b[row], &out[row])))            \
                ax_values_set_null(call->out, row);                           \
        return AX_OK;                                                         \
    }
X(multiply_i64, __builtin_mul_overflow)
#undef X

/* Floating point, as ax_call_settle says, in one go: adding 0 makes 0 of -0, and what is not finite
 * gives NaN times 0. Two vectors at once need not wait for each other's sums. */
#define X(name, op)                                                           \
    enum ax_code ax_operator_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                         \
        const double *a = call->args[0]->f64s;                                \
        const double *b = call->args[1]->f64s;                                \
        double *out = call->out->f64s;                                        \
        f64x2 sums[2] = { { 0 }, { 0 } };                                     \
        double sum = 0;                                                       \
        size_t row = 0;                                                       \
        (void)err;                                                            \
        for (; row + 4 <= call->rows; row += 4) {                             \
            f64x2 x[2], y[2];                                                 \
            memcpy(x, a + row, sizeof(x));                                    \
            memcpy(y, b + row, sizeof(y));                                    \
            x[0] = (x[0] op y[0]) + 0.0;                                      \
            x[1] = (x[1] op y[1]) + 0.0;                                      \
            sums[0] += x[0] * 0.0;                                            \
            sums[1] += x[1] * 0.0;                                            \
            memcpy(out + row, x, sizeof(x));                                  \
        }                                                                     \
        for (; row < call->rows; row++) {                                     \
            out[row] = (a[row] op b[row]) + 0.0;                              \
            sum += out[row] * 0.0;                                            \
        }                                                                     \
        sums[0] += sums[1];                                                   \
        if (!(sum + sums[0][0] + sums[0][1] == 0))                            \
            ax_call_settle_infinite(call);                                    \
        return AX_OK;                                                         \
    }
X(add_f64, +)
X(subtract_f64, -)
X(multiply_f64, *)
#undef X

enum ax_code ax_operator_divide_f64(struct ax_call *call, struct ax_err *err)
{
    const double *a = call->args[0]->f64s;
    const double *b = call->args[1]->f64s;
    (void)err;
    /* By zero it is null, also when an infinity is divided: NaN stands for it. */
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = b[row] == 0 ? NAN : a[row] / b[row];
    ax_call_settle(call);
    return AX_OK;
}

enum ax_code ax_operator_divide_durations(struct ax_call *call, struct ax_err *err)
{
    const int64_t *a = call->args[0]->i64s;
    const int64_t *b = call->args[1]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = b[row] == 0 ? NAN : (double)a[row] / (double)b[row];
    ax_call_settle(call);
    return AX_OK;
}

enum ax_code ax_operator_divide_i64(struct ax_call *call, struct ax_err *err)
{
    const int64_t *a = call->args[0]->i64s;
    const int64_t *b = call->args[1]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        if (b[row] == 0 || (b[row] == -1 && a[row] == INT64_MIN))
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = a[row] / b[row];
    }
    return AX_OK;
}

enum ax_code ax_operator_remainder_i64(struct ax_call *call, struct ax_err *err)
{
    const int64_t *a = call->args[0]->i64s;
    const int64_t *b = call->args[1]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        if (b[row] == 0)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = b[row] == -1 ? 0 : a[row] % b[row];
    }
    return AX_OK;
}

enum ax_code ax_operator_negate_i64(struct ax_call *call, struct ax_err *err)
{
    const int64_t *a = call->args[0]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        if (a[row] == INT64_MIN)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = -a[row];
    }
    return AX_OK;
}

enum ax_code ax_operator_negate_f64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = -call->args[0]->f64s[row];
    ax_call_settle(call);
    return AX_OK;
}

static void set_time(struct ax_values *out, size_t row, bool overflowed, int64_t us)
{
    if (overflowed || us < AX_CALENDAR_MIN_US || us > AX_CALENDAR_MAX_US)
        ax_values_set_null(out, row);
    else
        out->i64s[row] = us;
}

/* timestamp + duration, in either order. */
enum ax_code ax_operator_add_time(struct ax_call *call, struct ax_err *err)
{
    const int64_t *a = call->args[0]->i64s;
    const int64_t *b = call->args[1]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        int64_t us = 0;
        bool overflowed = AX_ADD_OVERFLOWS(a[row], b[row], &us);
        set_time(call->out, row, overflowed, us);
    }
    return AX_OK;
}

enum ax_code ax_operator_subtract_time(struct ax_call *call, struct ax_err *err)
{
    const int64_t *a = call->args[0]->i64s;
    const int64_t *b = call->args[1]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        int64_t us = 0;
        bool overflowed = __builtin_sub_overflow(a[row], b[row], &us);
        set_time(call->out, row, overflowed, us);
    }
    return AX_OK;
}
