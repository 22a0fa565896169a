/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for FP32 and FP64 fields are most of what models take: they are written as the setters
 * would, without asking for each which field it is. All others go through the setters.
 */
#include "data/rows_values.h"

#include <assert.h>

/* A number as every setter takes it. */
static inline double number_at(const struct ax_values *values, size_t row)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return values->bools[row];
    case AX_TYPE_FLOAT64:
        return values->f64s[row];
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        return (double)values->i64s[row];
    case AX_TYPE_STRING:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no number");
    return 0;
}

/* Rows [first, first + rows), of one word of validity, of a field that takes numbers as they are.
 */
static inline void set_floats(const struct ax_column *column, size_t at,
                              const struct ax_values *values, size_t first, size_t rows)
{
    size_t stride = column->stride;
    char *to = (char *)column->values + at * stride;
    uint64_t absent = values->validity ? ~values->validity[first / 64] >> (first % 64) : 0;
    bool is_fp32 = column->datatype == AX_FP32;
    absent &= UINT64_MAX >> (64 - rows);
    if (!absent && is_fp32 && values->type.kind == AX_TYPE_FLOAT64) {
        for (size_t row = 0; row < rows; row++, to += stride)
            *(float *)(void *)to = (float)values->f64s[first + row];
        return;
    }
    for (size_t row = 0; row < rows; row++, to += stride) {
        if (absent >> row & 1)
            continue;
        double value = number_at(values, first + row);
        if (is_fp32)
            *(float *)(void *)to = (float)value;
        else
            *(double *)(void *)to = value;
    }
}

static enum ax_code set_text(struct ax_rows *rows, size_t row, size_t input, struct ax_str text,
                             struct ax_arena *arena, struct ax_err *err)
{
    if (rows->signature->inputs[input].datatype == AX_BYTES) {
        text.ptr = ax_arena_strdup(arena, text);
        if (!text.ptr)
            return ax_arena_fail(arena, "the texts of a row", err);
    }
    return ax_rows_set_str(rows, row, input, text, err);
}

static enum ax_code set_value(struct ax_rows *rows, size_t row, size_t input,
                              const struct ax_values *values, size_t at, struct ax_arena *arena,
                              struct ax_err *err)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return ax_rows_set_bool(rows, row, input, values->bools[at], err);
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        return ax_rows_set_i64(rows, row, input, values->i64s[at], err);
    case AX_TYPE_FLOAT64:
        return ax_rows_set_f64(rows, row, input, values->f64s[at], err);
    case AX_TYPE_STRING:
        return set_text(rows, row, input, values->texts[at], arena, err);
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no field");
    return AX_E_INTERNAL;
}

static enum ax_code set_each(struct ax_rows *rows, size_t to, size_t input,
                             const struct ax_values *values, size_t first, size_t count,
                             struct ax_arena *arena, struct ax_err *err)
{
    for (size_t row = 0; row < count; row++) {
        if (!ax_values_is_null(values, first + row) &&
            set_value(rows, to + row, input, values, first + row, arena, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_rows_set_values(struct ax_rows *rows, size_t to, size_t input,
                                const struct ax_values *values, size_t first, size_t count,
                                struct ax_arena *arena, struct ax_err *err)
{
    assert(rows && to <= rows->count && count <= rows->count - to && values && arena && err);
    assert(first % 64 + count <= 64);
    const struct ax_column *column = &rows->columns[input];
    bool is_float = column->datatype == AX_FP32 || column->datatype == AX_FP64;
    if (!is_float || rows->signature->inputs[input].categories ||
        values->type.kind == AX_TYPE_STRING)
        return set_each(rows, to, input, values, first, count, arena, err);
    if (count == 1)
        set_floats(column, to, values, first, 1); /* as one of its own */
    else if (count)
        set_floats(column, to, values, first, count);
    return AX_OK;
}
