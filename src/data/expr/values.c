/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of values are two arrays from an arena: the values, and a bit a row.
 */
#include "data/expr/values.h"

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
    size_t words = (rows + 63) / 64;
    void *data = ax_arena_alloc(arena, rows, ax_type_size(type));
    uint64_t *validity = data ? ax_arena_alloc(arena, words, sizeof(*validity)) : NULL;
    if (!validity)
        return ax_arena_fail(arena, "the values of an expression", err);
    memset(validity, 0xFF, words * sizeof(*validity));
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
