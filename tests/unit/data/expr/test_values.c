/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: types and stored types have the names and sizes that the lists say, columns of values know
 * their nulls, durations are read as written, and values print as they would be written.
 * Method: tables of names, texts and values; columns whose last word of bits is not full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "data/expr/expr.h"
#include "data/expr/value_text.h"

static void test_types(void **state)
{
    static const char *const unknown[] = { "",       "int",        "Int64",  "list<int32>", "list<",
                                           "int64>", "list<list>", " int64", "list<int64>x" };
    (void)state;
    for (unsigned kind = 0; kind < AX_TYPE_COUNT; kind++) {
        for (unsigned is_list = 0; is_list < 2; is_list++) {
            struct ax_type type = { (enum ax_type_kind)kind, is_list };
            struct ax_type found;
            assert_true(ax_type_from_name(ax_str_from(ax_type_name(type)), &found));
            assert_true(ax_type_equals(type, found));
            assert_true(ax_type_equals(ax_storage_type(ax_type_storage(type)), type));
        }
    }
    for (size_t i = 0; i < AX_COUNT(unknown); i++) {
        struct ax_type type;
        assert_false(ax_type_from_name(ax_str_from(unknown[i]), &type));
    }
}

static void test_storage(void **state)
{
    static const struct {
        const char *name;
        const char *type;
        size_t bytes;
    } cases[] = {
        { "bool", "bool", 1 },
        { "int32", "int64", 4 },
        { "int64", "int64", 8 },
        { "float32", "float64", 4 },
        { "float64", "float64", 8 },
        { "string", "string", 24 },
        { "bytes", "string", 24 },
        { "timestamp", "timestamp", 8 },
        { "duration", "duration", 8 },
        { "list<float32>", "list<float64>", 32 },
        { "list<bool>", "list<bool>", 8 },
    };
    struct ax_storage storage;
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        assert_true(ax_storage_from_name(ax_str_from(cases[i].name), &storage));
        assert_string_equal(ax_storage_name(storage), cases[i].name);
        assert_string_equal(ax_type_name(ax_storage_type(storage)), cases[i].type);
        assert_int_equal(ax_storage_bytes(storage), cases[i].bytes);
    }
    assert_false(ax_storage_from_name(AX_STR("float"), &storage));
}

static void test_nulls(void **state)
{
    enum { ROWS = 70 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_values values;
    (void)state;
    ax_arena_init(&arena, 4096, 1 << 20);
    for (unsigned kind = 0; kind < AX_TYPE_COUNT; kind++) {
        for (unsigned is_list = 0; is_list < 2; is_list++) {
            struct ax_type type = { (enum ax_type_kind)kind, is_list };
            assert_int_equal(ax_values_init(&values, type, ROWS, &arena, &err), AX_OK);
            memset(values.data, 0x55, ROWS * ax_type_size(type));
            ax_values_set_null(&values, 63);
            ax_values_set_null(&values, ROWS - 1);
            size_t nulls = 0;
            for (size_t row = 0; row < ROWS; row++)
                nulls += ax_values_is_null(&values, row);
            assert_int_equal(nulls, 2);
            assert_true(ax_values_is_null(&values, 63) && ax_values_is_null(&values, ROWS - 1));
            if (!is_list && kind == AX_TYPE_STRING)
                assert_int_equal(values.texts[63].len, 0);
        }
    }
    ax_arena_done(&arena);
}

/* Slices begin and end anywhere: in a word of bits, at its end, and over the whole of several. */
static void test_slices(void **state)
{
    enum { ROWS = 200 };
    static const size_t counts[] = { 0, 1, 7, 63, 64, 65, 130 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_values values, slice;
    (void)state;
    ax_arena_init(&arena, 4096, 1 << 20);
    struct ax_type type = { AX_TYPE_INT64, false };
    assert_int_equal(ax_values_init(&values, type, ROWS, &arena, &err), AX_OK);
    for (size_t row = 0; row < ROWS; row++) {
        values.i64s[row] = (int64_t)row;
        if (row % 3 == 0 || row % 7 == 0)
            ax_values_set_null(&values, row);
    }
    for (size_t from = 0; from <= ROWS; from++) {
        for (size_t i = 0; i < AX_COUNT(counts); i++) {
            size_t count = AX_MIN(counts[i], ROWS - from);
            assert_int_equal(ax_values_slice(&values, from, count, &arena, &slice, &err), AX_OK);
            assert_int_equal(slice.rows, count);
            for (size_t row = 0; row < count; row++) {
                assert_int_equal(ax_values_is_null(&slice, row),
                                 ax_values_is_null(&values, from + row));
                assert_int_equal(slice.i64s[row], values.i64s[from + row]);
            }
        }
    }
    values.validity = NULL;
    assert_int_equal(ax_values_slice(&values, 65, 9, &arena, &slice, &err), AX_OK);
    assert_null(slice.validity);
    ax_arena_done(&arena);
}

static void test_nan(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_values values;
    (void)state;
    ax_arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(
        ax_values_init(&values, (struct ax_type){ AX_TYPE_FLOAT64, false }, 4, &arena, &err),
        AX_OK);
    memcpy(values.f64s, (double[]){ NAN, -0.0, INFINITY, 1 }, 4 * sizeof(double));
    ax_values_take_nan(&values);
    assert_true(ax_values_is_null(&values, 0));
    assert_false(signbit(values.f64s[1]));
    assert_true(isinf(values.f64s[2]) && values.f64s[3] == 1);
    assert_false(ax_values_is_null(&values, 2));
    ax_arena_done(&arena);
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t us; /* INT64_MIN: refused */
    } cases[] = {
        { "90s", 90000000 },
        { "15m", 900000000 },
        { "24h", INT64_C(86400000000) },
        { "7d", INT64_C(604800000000) },
        { "500ms", 500000 },
        { "3us", 3 },
        { "0s", 0 },
        { "-2h", INT64_C(-7200000000) },
        { "", INT64_MIN },
        { "s", INT64_MIN },
        { "15", INT64_MIN },
        { "15 m", INT64_MIN },
        { "15M", INT64_MIN },
        { "1.5h", INT64_MIN },
        { "1w", INT64_MIN },
        { "1h30m", INT64_MIN },
        { "+1h", INT64_MIN },
        { "--1h", INT64_MIN },
        { "99999999999d", INT64_MIN },
        { "99999999999999999999s", INT64_MIN },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        int64_t us = INT64_MIN;
        enum ax_code code = ax_duration_parse(ax_str_from(cases[i].text), &us, &err);
        assert_int_equal(code, cases[i].us == INT64_MIN ? AX_E_INVALID : AX_OK);
        assert_int_equal(us, cases[i].us);
    }
}

static void check_printed(struct ax_values *values, size_t row, const char *text, const char *json)
{
    struct ax_buf out;
    ax_buf_init(&out, 1000);
    ax_values_put_text(&out, values, row);
    assert_true(ax_str_is(ax_buf_str(&out), text));
    ax_buf_reset(&out);
    ax_values_put_json(&out, values, row);
    assert_true(ax_str_is(ax_buf_str(&out), json));
    ax_buf_done(&out);
}

static void test_printing(void **state)
{
    int64_t moments[] = { 1, INT64_C(5400000000) };
    struct ax_str texts[] = { AX_STR("it's"), AX_STR("\"\n") };
    uint64_t first = 1;
    struct ax_span spans[] = { { 0, 2 }, { 1, 0 } };
    struct ax_values times = { .type = { AX_TYPE_TIMESTAMP, false }, .rows = 2, .i64s = moments };
    struct ax_values lengths = { .type = { AX_TYPE_DURATION, false }, .rows = 2, .i64s = moments };
    struct ax_values words = {
        .type = { AX_TYPE_STRING, false }, .rows = 2, .texts = texts, .validity = &first
    };
    struct ax_values lists = {
        .type = { AX_TYPE_STRING, true }, .rows = 2, .spans = spans, .items = &words
    };
    (void)state;
    check_printed(&times, 0, "1970-01-01T00:00:00.000001Z", "\"1970-01-01T00:00:00.000001Z\"");
    check_printed(&lengths, 0, "1us", "1");
    check_printed(&lengths, 1, "90m", "5400000000");
    check_printed(&words, 0, "'it''s'", "\"it's\"");
    check_printed(&words, 1, "null", "null");
    check_printed(&lists, 0, "['it''s', null]", "[\"it's\", null]");
    check_printed(&lists, 1, "[]", "[]");
    words.validity = NULL;
    check_printed(&words, 1, "'\"\n'", "\"\\\"\\n\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),    cmocka_unit_test(test_storage),
        cmocka_unit_test(test_nulls),    cmocka_unit_test(test_slices),
        cmocka_unit_test(test_nan),      cmocka_unit_test(test_durations),
        cmocka_unit_test(test_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
