/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for FP32 and FP64 fields are most of what models take: they are written as the setters
 * would, without asking for each which field it is. All others go through the setters.
 */
#include "data/rows_values.h"

#include <assert.h>

/* `widened` of each row that is there. */
#define SET_FLOATS(widened)                                         \
    for (size_t row = 0; row < values->rows; row++, to += stride) { \
        if (ax_values_is_null(values, row))                         \
            continue;                                               \
        double value = (widened);                                   \
        if (is_single)                                              \
            *(float *)(void *)to = (float)value;                    \
        else                                                        \
            *(double *)(void *)to = value;                          \
    }

static void set_floats(const struct ax_column *column, size_t from, const struct ax_values *values)
{
    bool is_single = column->datatype == AX_FP32;
    size_t stride = column->stride;
    char *to = (char *)column->values + from * stride;
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        SET_FLOATS(values->bools[row]);
        return;
    case AX_TYPE_FLOAT64:
        SET_FLOATS(values->f64s[row]);
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        SET_FLOATS((double)values->i64s[row]);
        return;
    case AX_TYPE_STRING:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no number");
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

enum ax_code ax_rows_set_values(struct ax_rows *rows, size_t from, size_t input,
                                const struct ax_values *values, struct ax_arena *arena,
                                struct ax_err *err)
{
    assert(rows && values && arena && err && !values->type.is_list);
    assert(input < rows->signature->input_count && from <= rows->count &&
           values->rows <= rows->count - from);
    const struct ax_column *column = &rows->columns[input];
    bool is_float = column->datatype == AX_FP32 || column->datatype == AX_FP64;
    if (is_float && !rows->signature->inputs[input].categories &&
        values->type.kind != AX_TYPE_STRING) {
        set_floats(column, from, values);
        return AX_OK;
    }
    for (size_t row = 0; row < values->rows; row++) {
        if (!ax_values_is_null(values, row) &&
            set_value(rows, from + row, input, values, row, arena, err))
            return err->code;
    }
    return AX_OK;
}
