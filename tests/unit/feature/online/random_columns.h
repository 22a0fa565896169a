/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random columns of any storage for tests, and comparing what became of their values where they
 * were stored.
 */
#ifndef AX_TESTS_UNIT_FEATURE_ONLINE_RANDOM_COLUMNS_H
#define AX_TESTS_UNIT_FEATURE_ONLINE_RANDOM_COLUMNS_H

#include "base/random.h"
#include "data/expr/values.h"

#include <math.h>

/* The test initialises them. */
static struct ax_arena arena;
static struct ax_random numbers;
static struct ax_err err = AX_ERR_INIT;

static bool chance(uint64_t of)
{
    return ax_random_below(&numbers, of) == 0;
}

static void random_scalar(struct ax_values *values, enum ax_storage_kind kind, size_t row)
{
    static const double reals[] = { 0.1, -2.5, 1e300, -1e39, INFINITY, 0, 16777217, -1e-50 };
    uint64_t bits = ax_random_next(&numbers);
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        values->bools[row] = bits & 1;
        return;
    case AX_TYPE_FLOAT64:
        values->f64s[row] = reals[bits % AX_COUNT(reals)];
        return;
    case AX_TYPE_STRING: {
        size_t len = bits % 30;
        char *text = ax_arena_alloc(&arena, len + 1, 1);
        assert_non_null(text);
        memset(text, kind == AX_STORAGE_BYTES ? 0 : 'x', len);
        values->texts[row] = (struct ax_str){ text, len };
        return;
    }
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        values->i64s[row] = (int64_t)(bits & 1 ? bits : bits % 1000);
        return;
    case AX_TYPE_COUNT:
        break;
    }
    fail();
}

/* Every other one has nulls. */
static void random_column(struct ax_values *values, struct ax_storage storage, size_t rows)
{
    assert_int_equal(ax_values_init(values, ax_storage_type(storage), rows, &arena, &err), AX_OK);
    if (storage.is_list) {
        struct ax_storage element = { storage.kind, false };
        values->items = ax_arena_alloc(&arena, 1, sizeof(*values->items));
        assert_non_null(values->items);
        random_column(values->items, element, rows * 3);
    }
    bool has_nulls = chance(2);
    for (size_t row = 0; row < rows; row++) {
        if (has_nulls && chance(5))
            ax_values_set_null(values, row);
        else if (storage.is_list)
            values->spans[row] = (struct ax_span){ (uint32_t)(3 * row), (uint32_t)(row % 4) };
        else
            random_scalar(values, storage.kind, row);
    }
}

/* Whether a value is stored as null though it is none. */
static bool is_lost(enum ax_storage_kind kind, const struct ax_values *values, size_t row)
{
    if (kind == AX_STORAGE_INT32)
        return values->i64s[row] != (int32_t)values->i64s[row];
    return kind == AX_STORAGE_FLOAT32 && isfinite(values->f64s[row]) &&
           !isfinite((float)values->f64s[row]);
}

static void assert_scalar(enum ax_storage_kind kind, const struct ax_values *in, size_t row,
                          const struct ax_values *out, size_t at)
{
    bool is_null = ax_values_is_null(in, row) || is_lost(kind, in, row);
    assert_int_equal(ax_values_is_null(out, at), is_null);
    if (out->type.kind == AX_TYPE_STRING)
        assert_true(ax_str_equals(out->texts[at], is_null ? AX_STR("") : in->texts[row]));
    else if (out->type.kind == AX_TYPE_BOOL)
        assert_int_equal(out->bools[at], is_null ? 0 : in->bools[row]);
    else if (kind == AX_STORAGE_FLOAT32)
        assert_true(out->f64s[at] == (is_null ? 0 : (double)(float)in->f64s[row]) &&
                    (out->f64s[at] != 0 || !signbit(out->f64s[at])));
    else
        assert_int_equal(out->i64s[at], is_null ? 0 : in->i64s[row]);
}

static void assert_value(struct ax_storage storage, const struct ax_values *in, size_t row,
                         const struct ax_values *out, size_t at)
{
    if (!storage.is_list) {
        assert_scalar(storage.kind, in, row, out, at);
        return;
    }
    assert_int_equal(ax_values_is_null(out, at), ax_values_is_null(in, row));
    assert_int_equal(out->spans[at].count, in->spans[row].count);
    for (size_t i = 0; i < in->spans[row].count; i++)
        assert_scalar(storage.kind, in->items, in->spans[row].from + i, out->items,
                      out->spans[at].from + i);
}

#endif
