/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values are copied: a column of a batch may have any stride, and what lies under its nulls is
 * nobody's.
 */
#include "engine/batch_values.h"

#include <assert.h>

static void copy_value(const struct ax_column *column, size_t row, struct ax_values *values,
                       size_t at)
{
    const void *value = ax_column_at(column, row);
    if (column->datatype == AX_FP32)
        values->f64s[at] = *(const float *)value;
    else if (column->datatype == AX_FP64)
        values->f64s[at] = *(const double *)value;
    else if (column->datatype == AX_INT64)
        values->i64s[at] = *(const int64_t *)value;
    else if (column->datatype == AX_BOOL)
        values->bools[at] = *(const uint8_t *)value != 0;
    else
        values->texts[at] = *(const struct ax_str *)value;
}

static enum ax_type_kind kind_of(enum ax_datatype datatype)
{
    if (datatype == AX_BOOL)
        return AX_TYPE_BOOL;
    if (datatype == AX_INT64)
        return AX_TYPE_INT64;
    assert(datatype == AX_FP32 || datatype == AX_FP64 || datatype == AX_BYTES);
    return datatype == AX_BYTES ? AX_TYPE_STRING : AX_TYPE_FLOAT64;
}

static enum ax_code make_column(const struct ax_column *column, size_t from, size_t rows,
                                struct ax_arena *arena, struct ax_values *ret, struct ax_err *err)
{
    struct ax_type type = { kind_of(column->datatype), false };
    if (ax_values_init(ret, type, rows, arena, err))
        return err->code;
    for (size_t at = 0; at < rows; at++) {
        if (ax_column_is_valid(column, from + at))
            copy_value(column, from + at, ret, at);
        else
            ax_values_set_null(ret, at);
        if (type.kind == AX_TYPE_STRING && !ax_str_is_utf8(ret->texts[at]))
            ax_values_set_null(ret, at);
    }
    if (type.kind == AX_TYPE_FLOAT64)
        ax_values_take_nan(ret);
    return AX_OK;
}

enum ax_code ax_batch_values_make(const struct ax_batch *batch, size_t from, size_t rows,
                                  const bool *reads, struct ax_arena *arena,
                                  const struct ax_values ***ret, struct ax_err *err)
{
    assert(batch && from + rows <= batch->rows && reads && arena && ret && err);
    const struct ax_values **made =
        ax_arena_zalloc(arena, batch->column_count, sizeof(const struct ax_values *));
    struct ax_values *values = ax_arena_alloc(arena, batch->column_count, sizeof(*values));
    if (!made || !values)
        return ax_arena_fail(arena, "the values of conditions", err);
    for (size_t i = 0; i < batch->column_count; i++) {
        if (!reads[i])
            continue;
        if (make_column(&batch->columns[i], from, rows, arena, &values[i], err))
            return err->code;
        made[i] = &values[i];
    }
    *ret = made;
    return AX_OK;
}
