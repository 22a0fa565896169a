/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of values are one piece of an arena: the values, and behind them a bit a row.
 */
#include "data/expr/values.h"

#include "base/bits.h"

#include <assert.h>
#include <math.h>

static const size_t type_sizes[AX_TYPE_COUNT] = {
    [AX_TYPE_BOOL] = sizeof(uint8_t),      [AX_TYPE_INT64] = sizeof(int64_t),
    [AX_TYPE_FLOAT64] = sizeof(double),    [AX_TYPE_STRING] = sizeof(struct ax_str),
    [AX_TYPE_TIMESTAMP] = sizeof(int64_t), [AX_TYPE_DURATION] = sizeof(int64_t),
};

size_t ax_type_size(struct ax_type type)
{
    assert(type.kind < AX_TYPE_COUNT);
    return type.is_list ? sizeof(struct ax_span) : type_sizes[type.kind];
}

enum ax_code ax_values_init(struct ax_values *values, struct ax_type type, size_t rows,
                            struct ax_arena *arena, struct ax_err *err)
{
    assert(values && arena && err);
    size_t words = ax_bits_words(rows);
    /* More rows than could be are more than any arena has. */
    size_t bytes = rows <= SIZE_MAX / 32 ? rows * ax_type_size(type) : SIZE_MAX / 2;
    bytes = (bytes + 7) / 8 * 8;
    char *data = ax_arena_alloc(arena, 1, bytes + words * sizeof(uint64_t));
    if (!data)
        return ax_arena_fail(arena, "the values of an expression", err);
    uint64_t *validity = (uint64_t *)(void *)(data + bytes);
    for (size_t i = 0; i < words; i++)
        validity[i] = ~UINT64_C(0);
    *values = (struct ax_values){ .type = type, .rows = rows, .data = data, .validity = validity };
    return AX_OK;
}

void ax_values_set_null(struct ax_values *values, size_t row)
{
    assert(values->validity && row < values->rows);
    values->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
    if (values->type.is_list) {
        values->spans[row] = (struct ax_span){ 0 };
        return;
    }
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        values->bools[row] = 0;
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        values->i64s[row] = 0;
        break;
    case AX_TYPE_FLOAT64:
        values->f64s[row] = 0;
        break;
    case AX_TYPE_STRING:
        values->texts[row] = AX_STR("");
        break;
    case AX_TYPE_COUNT:
        assert(false);
    }
}

size_t ax_values_first_lost(const struct ax_values *before, const struct ax_values *after)
{
    assert(before && after && before->rows == after->rows);
    for (size_t row = 0; after->validity != before->validity && row < before->rows; row++) {
        if (ax_values_is_null(after, row) && !ax_values_is_null(before, row))
            return row;
    }
    return SIZE_MAX;
}

void ax_values_take_nan(struct ax_values *values)
{
    assert(values && values->type.kind == AX_TYPE_FLOAT64 && !values->type.is_list);
    assert(values->validity || !values->rows);
    for (size_t row = 0; row < values->rows; row++) {
        if (isnan(values->f64s[row]))
            ax_values_set_null(values, row);
        else
            values->f64s[row] += 0.0; /* turns -0 into 0 */
    }
}

enum ax_code ax_values_slice(const struct ax_values *values, size_t from, size_t count,
                             struct ax_arena *arena, struct ax_values *ret_slice,
                             struct ax_err *err)
{
    assert(values && from <= values->rows && count <= values->rows - from && arena && err);
    uint64_t *bits = values->validity ? values->validity + from / 64 : NULL;
    if (bits && from % 64) {
        bits = ax_arena_alloc(arena, ax_bits_words(count), sizeof(*bits));
        if (!bits)
            return ax_arena_fail(arena, "the values of an expression", err);
        ax_bits_copy(bits, values->validity, values->rows, from, count);
    }
    *ret_slice = *values;
    ret_slice->rows = count;
    ret_slice->validity = bits;
    if (count)
        ret_slice->data = (char *)values->data + from * ax_type_size(values->type);
    return AX_OK;
}

/* A column of its own with the same nulls, and values that are still to be written. */
static enum ax_code copy_validity(const struct ax_values *values, struct ax_arena *arena,
                                  struct ax_values *ret_copy, struct ax_err *err)
{
    if (ax_values_init(ret_copy, values->type, values->rows, arena, err))
        return err->code;
    if (values->validity)
        memcpy(ret_copy->validity, values->validity,
               ax_bits_words(values->rows) * sizeof(*values->validity));
    return AX_OK;
}

static enum ax_code narrow_to_f32(struct ax_values *values, struct ax_arena *arena,
                                  struct ax_err *err)
{
    struct ax_values narrow;
    if (copy_validity(values, arena, &narrow, err))
        return err->code;
    for (size_t row = 0; row < values->rows; row++) {
        narrow.f64s[row] = (double)(float)values->f64s[row];
        if (isinf(narrow.f64s[row]) && !isinf(values->f64s[row]))
            ax_values_set_null(&narrow, row);
    }
    *values = narrow;
    return AX_OK;
}

static enum ax_code narrow_to_i32(struct ax_values *values, struct ax_arena *arena,
                                  struct ax_err *err)
{
    struct ax_values narrow;
    if (copy_validity(values, arena, &narrow, err))
        return err->code;
    for (size_t row = 0; row < values->rows; row++) {
        narrow.i64s[row] = values->i64s[row];
        if (narrow.i64s[row] < INT32_MIN || narrow.i64s[row] > INT32_MAX)
            ax_values_set_null(&narrow, row);
    }
    *values = narrow;
    return AX_OK;
}

enum ax_code ax_values_narrow(struct ax_values *values, struct ax_storage storage,
                              struct ax_arena *arena, struct ax_err *err)
{
    assert(values && arena && err && ax_type_equals(values->type, ax_storage_type(storage)));
    if (storage.kind != AX_STORAGE_FLOAT32 && storage.kind != AX_STORAGE_INT32)
        return AX_OK;
    struct ax_values *narrow = values;
    if (storage.is_list) {
        narrow = ax_arena_alloc(arena, 1, sizeof(*narrow));
        if (!narrow)
            return ax_arena_fail(arena, "the values of an expression", err);
        *narrow = *values->items;
    }
    if (storage.kind == AX_STORAGE_FLOAT32 ? narrow_to_f32(narrow, arena, err)
                                           : narrow_to_i32(narrow, arena, err))
        return err->code;
    if (storage.is_list)
        values->items = narrow;
    return AX_OK;
}
