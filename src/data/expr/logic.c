/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three-valued logic, and the choice among values. These see nulls, so each says itself where its
 * result is null.
 */
#include "data/expr/function_rules.h"
#include "data/expr/operators.h"

static bool has_nulls(const struct ax_call *call)
{
    bool has = false;
    for (size_t i = 0; i < call->arg_count; i++)
        has |= call->args[i]->validity != NULL;
    return has;
}

/* `and` is decided by a false, `or` by a true; if there is none, a null makes it null. From row
 * `row` on. */
static void connect_rows(struct ax_call *call, bool decides, size_t row)
{
    for (; row < call->rows; row++) {
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

/* The same for eight rows at a time, a byte each. Under the nulls it leaves 0, too. */
static void connect_with_nulls(struct ax_call *call, bool decides)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t *validity = call->out->validity;
    size_t row = 0;
    for (; row + 8 <= call->rows; row += 8) {
        uint64_t decided = 0, present = ones;
        for (size_t i = 0; i < call->arg_count; i++) {
            const struct ax_values *arg = call->args[i];
            uint64_t here = ones, bytes;
            if (arg->validity)
                here = ax_bytes_of_bits(arg->validity[row / 64] >> (row % 64));
            memcpy(&bytes, arg->bools + row, sizeof(bytes));
            decided |= (decides ? bytes : bytes ^ ones) & here;
            present &= here;
        }
        present |= decided;
        uint64_t out = (decides ? decided : decided ^ ones) & present;
        memcpy(call->out->bools + row, &out, sizeof(out));
        validity[row / 64] &= ~((ax_bits_of_bytes(present) ^ 0xFF) << (row % 64));
    }
    connect_rows(call, decides, row);
}

static void connect(struct ax_call *call, bool decides)
{
    uint8_t *out = call->out->bools;
    if (has_nulls(call)) {
        connect_with_nulls(call, decides);
        return;
    }
    memcpy(out, call->args[0]->bools, call->rows);
    for (size_t i = 1; i < call->arg_count; i++) {
        const uint8_t *arg = call->args[i]->bools;
        for (size_t row = 0; row < call->rows; row++)
            out[row] = decides ? out[row] | arg[row] : out[row] & arg[row];
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

static void copy_all(struct ax_values *out, const struct ax_values *from)
{
    size_t words = (out->rows + 63) / 64;
    memcpy(out->data, from->data, out->rows * ax_type_size(out->type));
    if (from->validity)
        memcpy(out->validity, from->validity, words * sizeof(*out->validity));
}

/* The arguments: what `else` says, then conditions and values in turn. The last one is laid on
 * first, so that the first condition that is true has the last word. */
enum ax_code ax_operator_case(struct ax_call *call, struct ax_err *err)
{
    uint8_t where[AX_VALUES_ROWS_MAX];
    (void)err;
    copy_all(call->out, call->args[0]);
    for (size_t i = call->arg_count; i > 1; i -= 2) {
        ax_values_find_true(call->args[i - 2], where);
        ax_values_copy_where(call->out, call->args[i - 1], where);
    }
    return AX_OK;
}

/* The values of `from` where there is none yet: what is done for each row is done for nulls only.
 */
static void fill_missing(struct ax_values *out, const struct ax_values *from)
{
    size_t size = ax_type_size(out->type);
    for (size_t row = 0; row < out->rows; row += 64) {
        size_t left = AX_MIN(out->rows - row, (size_t)64);
        uint64_t bits = from->validity ? from->validity[row / 64] : ~UINT64_C(0);
        bits &= ~out->validity[row / 64] & ~UINT64_C(0) >> (64 - left);
        out->validity[row / 64] |= bits;
        for (; bits; bits &= bits - 1) {
            size_t at = (row + (size_t)__builtin_ctzll(bits)) * size;
            memcpy((char *)out->data + at, (const char *)from->data + at, size);
        }
    }
}

enum ax_code ax_operator_coalesce(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    copy_all(call->out, call->args[0]);
    for (size_t i = 1; i < call->arg_count; i++)
        fill_missing(call->out, call->args[i]);
    return AX_OK;
}
