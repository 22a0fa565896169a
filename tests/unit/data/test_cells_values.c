/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: cells arrive in columns of the declared types as they are meant, or are refused by column
 * and row; nulls that were kept are told from cells that are not there; in steps of any size.
 * Method: a table of cells and types, with the value as JSON or the message; two columns of many
 * rows, and one row for all, with every budget; names that are mistyped. Also run with refused
 * allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/cells_values.h"
#include "data/expr/value_text.h"

#include "torture.h"

#include <math.h>

static struct ax_arena arena;
static struct ax_cells cells;
static struct ax_err err;

/* Whether it went well; else an allocation was refused. */
static bool good(enum ax_code code)
{
    if (code && !ax_torture_struck())
        fail_msg("%s", err.msg);
    return !code;
}

static int begin(void **state)
{
    (void)state;
    err = (struct ax_err)AX_ERR_INIT;
    ax_arena_init(&arena, 1024, (size_t)1 << 20);
    ax_cells_init(&cells, &arena);
    cells.keeps_nulls = true;
    return 0;
}

static int end(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    return 0;
}

static bool put(const char *name, struct ax_cell cell)
{
    size_t column;
    if (!good(ax_cells_column(&cells, ax_str_from(name), &column, &err)))
        return false;
    cell.row = cells.row_count - 1;
    cell.column = column;
    return good(ax_cells_put(&cells, cell, &err));
}

/* False: refused memory. What the cells themselves are refused for is in `err`. */
static bool fill(struct ax_cells_target *targets, size_t count, size_t rows, size_t budget)
{
    struct ax_cells_values values;
    const uint32_t *places;
    bool done = false;
    size_t cost = 0;
    if (!ax_cells_values_find(&cells, targets, count, "value of the test", AX_STR(""), &arena,
                              &places, &err)) {
        ax_cells_values_begin(&values, &cells, targets, count, places, rows, &arena);
        while (!done && !ax_cells_values_step(&values, budget, &cost, &done, &err))
            continue;
    }
    assert_true(err.code != AX_E_LIMIT || ax_torture_struck());
    return err.code != AX_E_LIMIT;
}

#define WHOLE(value) { .kind = AX_CELL_I64, .i64 = (value) }
#define FLOAT(value) { .kind = AX_CELL_F64, .f64 = (value) }
#define TEXT(value)  { .kind = AX_CELL_TEXT, .text = (value), .len = sizeof(value) - 1 }
#define FIELD(value) { .kind = AX_CELL_FIELD, .text = (value), .len = sizeof(value) - 1 }

static const struct {
    const char *type;
    struct ax_cell cell;
    const char *json; /* NULL: refused */
    const char *message;
} values[] = {
    { "bool", { .kind = AX_CELL_BOOL, .boolean = true }, "true", NULL },
    { "bool", FIELD("false"), "false", NULL },
    { "bool", WHOLE(1), NULL, "'x', row 0: true or false is wanted, found a whole number" },
    { "int64", WHOLE(INT64_MIN), "-9223372036854775808", NULL },
    { "int32", FLOAT(3), "3", NULL },
    { "int64", FLOAT(3.5), NULL, "'x', row 0: a whole number is wanted, found another number" },
    { "int64", FLOAT(0x1p63), NULL, "'x', row 0: a whole number is wanted, found another number" },
    { "int64",
      { .kind = AX_CELL_U64, .u64 = UINT64_MAX },
      NULL,
      "'x', row 0: a whole number is wanted, found a whole number over 2^63" },
    { "int64", FIELD("12"), "12", NULL },
    { "int64", TEXT("12"), NULL, "'x', row 0: a whole number is wanted, found '12'" },
    { "int64", { .kind = AX_CELL_NULL }, "null", NULL },
    { "float64", WHOLE(2), "2.0", NULL },
    { "float64", { .kind = AX_CELL_U64, .u64 = (uint64_t)1 << 63 }, "9223372036854776000.0", NULL },
    { "float32", FLOAT(0.5), "0.5", NULL },
    { "float64", FLOAT(-0.0), "0.0", NULL },
    { "float64", FLOAT(NAN), "null", NULL },
    { "float64", FIELD("-1.5e1"), "-15.0", NULL },
    { "float64", FIELD(""), NULL, "'x', row 0: a number is wanted, found ''" },
    { "float64",
      { .kind = AX_CELL_BOOL },
      NULL,
      "'x', row 0: a number is wanted, found true or false" },
    { "string", TEXT("EWR"), "\"EWR\"", NULL },
    { "string", FIELD("7"), "\"7\"", NULL },
    { "string", WHOLE(7), NULL, "'x', row 0: a text is wanted, found a whole number" },
    { "timestamp", TEXT("2013-10-01T02:00:00+02:00"), "\"2013-10-01T00:00:00Z\"", NULL },
    { "timestamp", TEXT("2013-10-01 00:00"), "\"2013-10-01T00:00:00Z\"", NULL },
    { "timestamp", WHOLE(1000000), "\"1970-01-01T00:00:01Z\"", NULL },
    { "timestamp", FIELD("1000000"), "\"1970-01-01T00:00:01Z\"", NULL },
    { "timestamp", WHOLE(253402300799999999), "\"9999-12-31T23:59:59.999999Z\"", NULL },
    { "timestamp", WHOLE(253402300800000000), NULL,
      "'x', row 0: the time lies outside of the years 1 to 9999" },
    { "timestamp", FIELD("-9223372036854775808"), NULL,
      "'x', row 0: the time lies outside of the years 1 to 9999" },
    { "timestamp", TEXT("soon"), NULL,
      "'x', row 0: a time (RFC 3339, or whole microseconds since 1970) is wanted, found 'soon'" },
    { "duration", WHOLE(60), "60", NULL },
    { "duration", TEXT("1m"), "60000000", NULL },
    { "duration", TEXT("soon"), NULL,
      "'x', row 0: a duration (90s, 15m, 24h, 7d, or whole microseconds) is wanted, found 'soon'" },
};

static void assert_json(const struct ax_values *column, const char *json)
{
    struct ax_buf out;
    ax_buf_init(&out, 4096);
    ax_values_put_json(&out, column, 0);
    if (!out.failed) {
        assert_int_equal(out.len, strlen(json));
        assert_memory_equal(out.ptr, json, out.len);
    }
    ax_buf_done(&out);
}

static void test_values(void **state)
{
    for (size_t i = 0; i < AX_COUNT(values); i++) {
        struct ax_cells_target target = { .name = AX_STR("x") };
        end(state);
        begin(state);
        assert_true(ax_storage_from_name(ax_str_from(values[i].type), &target.storage));
        if (!good(ax_cells_add_row(&cells, &err)) || !put("x", values[i].cell) ||
            !fill(&target, 1, 1, 1000))
            continue;
        assert_string_equal(err.msg, values[i].json ? "" : values[i].message);
        if (!values[i].json)
            continue;
        assert_int_equal(target.given[0], 1);
        assert_json(&target.values, values[i].json);
    }
}

/* A text without an offset is read in the column's zone. */
static void test_zone(void **state)
{
    (void)state;
    const struct ax_storage timestamp = { AX_STORAGE_TIMESTAMP, false };
    struct ax_cells_target targets[] = { { .name = AX_STR("x"), .storage = timestamp } };
    if (ax_zone_get(AX_STR("America/New_York"), &targets[0].zone, &err))
        skip();
    if (!good(ax_cells_add_row(&cells, &err)) ||
        !put("x", (struct ax_cell)TEXT("1970-01-01T00:00:00")) || !fill(targets, 1, 1, 1000))
        return;
    assert_int_equal(err.code, AX_OK);
    assert_int_equal(targets[0].values.i64s[0], INT64_C(5) * 3600 * 1000000);
}

enum { ROWS = 300 };

static bool put_many(void)
{
    for (size_t row = 0; row < ROWS; row++) {
        struct ax_cell number = WHOLE((int64_t)row);
        struct ax_cell text = TEXT("yes");
        if (row % 7 == 0)
            number.kind = AX_CELL_NULL;
        if (!good(ax_cells_add_row(&cells, &err)) || (row % 5 && !put("b", number)) ||
            (row % 3 && !put("a", text)))
            return false;
    }
    return true;
}

static void check_many(const struct ax_cells_target *targets)
{
    for (size_t row = 0; row < ROWS; row++) {
        bool has_text = row % 3;
        bool has_number = row % 5 && row % 7;
        assert_int_equal(ax_values_is_null(&targets[0].values, row), !has_text);
        assert_int_equal(targets[0].values.texts[row].len, has_text ? 3 : 0);
        assert_int_equal(ax_values_is_null(&targets[1].values, row), !has_number);
        assert_int_equal(targets[1].values.i64s[row], has_number ? row : 0);
        assert_int_equal(targets[1].given[row / 64] >> (row % 64) & 1, row % 5 != 0);
        assert_true(ax_values_is_null(&targets[2].values, row));
    }
}

static void make_targets(struct ax_cells_target *targets)
{
    targets[0] =
        (struct ax_cells_target){ .name = AX_STR("a"), .storage = { .kind = AX_STORAGE_STRING } };
    targets[1] =
        (struct ax_cells_target){ .name = AX_STR("b"), .storage = { .kind = AX_STORAGE_INT64 } };
    targets[2] = (struct ax_cells_target){ .name = AX_STR("carrier"),
                                           .storage = { .kind = AX_STORAGE_BOOL } };
}

static void test_steps(void **state)
{
    for (size_t budget = 1; budget < 100000; budget *= 7) {
        struct ax_cells_target targets[3];
        end(state);
        begin(state);
        make_targets(targets);
        if (!put_many() || !fill(targets, AX_COUNT(targets), ROWS, budget))
            continue;
        assert_int_equal(err.code, AX_OK);
        check_many(targets);
    }
}

/* One row that is that of all; and none. */
static void test_one_for_all(void **state)
{
    (void)state;
    struct ax_cells_target targets[3];
    make_targets(targets);
    if (!good(ax_cells_add_row(&cells, &err)) || !put("b", (struct ax_cell)WHOLE(5)) ||
        !put("carrier", (struct ax_cell){ .kind = AX_CELL_NULL }) ||
        !fill(targets, AX_COUNT(targets), ROWS, 10))
        return;
    for (size_t row = 0; row < ROWS; row++) {
        assert_true(ax_values_is_null(&targets[0].values, row));
        assert_false(targets[0].given[row / 64] >> (row % 64) & 1);
        assert_false(ax_values_is_null(&targets[1].values, row));
        assert_int_equal(targets[1].values.i64s[row], 5);
        assert_true(ax_values_is_null(&targets[2].values, row));
        assert_true(targets[2].given[row / 64] >> (row % 64) & 1);
    }
    if (fill(targets, AX_COUNT(targets), 0, 10))
        assert_int_equal(targets[1].values.rows, 0);
}

static void test_names(void **state)
{
    static const char *const names[][2] = {
        { "carier", "row 1: 'carier' is no value of the test; nearest is 'carrier'" },
        { "something else", "row 1: 'something else' is no value of the test" },
    };
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        struct ax_cells_target targets[3];
        end(state);
        begin(state);
        make_targets(targets);
        if (!good(ax_cells_add_row(&cells, &err)) || !put("b", (struct ax_cell)WHOLE(5)) ||
            !good(ax_cells_add_row(&cells, &err)) ||
            !put(names[i][0], (struct ax_cell){ .kind = AX_CELL_BOOL }) ||
            !fill(targets, AX_COUNT(targets), 2, 10))
            continue;
        assert_int_equal(err.code, AX_E_INVALID);
        assert_string_equal(err.msg, names[i][1]);
        /* It may be meant for something else, whatever is in it. */
        cells.columns[1].is_others = true;
        ax_err_clear(&err);
        if (fill(targets, AX_COUNT(targets), 2, 10)) {
            assert_int_equal(err.code, AX_OK);
            assert_int_equal(targets[1].values.i64s[0], 5);
            assert_true(ax_values_is_null(&targets[2].values, 1));
        }
    }
}

/* Whatever is in a column that is passed over. */
static void test_passed_over(void **state)
{
    (void)state;
    static const uint32_t places[] = { 0, AX_CELLS_PASSED_OVER };
    struct ax_cells_target target = { .name = AX_STR("t"), .storage = { .kind = AX_STORAGE_BOOL } };
    struct ax_cells_values filled;
    bool done = false;
    size_t cost = 0;
    if (!good(ax_cells_add_row(&cells, &err)) ||
        !put("t", (struct ax_cell){ .kind = AX_CELL_BOOL, .boolean = true }) ||
        !put("x", (struct ax_cell)TEXT("anything")))
        return;
    ax_cells_values_begin(&filled, &cells, &target, 1, places, 1, &arena);
    while (!done && !ax_cells_values_step(&filled, 10, &cost, &done, &err))
        continue;
    if (good(err.code))
        assert_true(target.values.bools[0]);
}

/* Feast's times: seconds, of which the least int64 is none (NaT), alone and in a list. */
static void test_seconds(void **state)
{
    static const struct {
        struct ax_cell cell;
        const char *json, *message;
    } times[] = {
        { WHOLE(-2), "\"1969-12-31T23:59:58Z\"", NULL },
        { FLOAT(3), "\"1970-01-01T00:00:03Z\"", NULL },
        { TEXT("1970-01-01T00:00:03Z"), "\"1970-01-01T00:00:03Z\"", NULL },
        { WHOLE(INT64_MIN), "null", NULL },
        { WHOLE(253402300799), "\"9999-12-31T23:59:59Z\"", NULL },
        { WHOLE(253402300800), NULL, "'t', row 0: the time lies outside of the years 1 to 9999" },
        { WHOLE(INT64_MIN + 1), NULL, "'t', row 0: the time lies outside of the years 1 to 9999" },
        { WHOLE(INT64_MAX), NULL, "'t', row 0: the time lies outside of the years 1 to 9999" },
        { FLOAT(0.5), NULL,
          "'t', row 0: a time (RFC 3339, or whole seconds since 1970) is wanted, found another "
          "number" },
    };
    for (size_t i = 0; i < 2 * AX_COUNT(times); i++) {
        size_t at = i / 2, column;
        bool is_list = i % 2;
        struct ax_cells_target target = { .name = AX_STR("t"),
                                          .storage = { .kind = AX_STORAGE_TIMESTAMP, is_list },
                                          .in_seconds = true };
        end(state);
        begin(state);
        if (!good(ax_cells_add_row(&cells, &err)) ||
            !good(ax_cells_column(&cells, AX_STR("t"), &column, &err)) ||
            (is_list && !good(ax_cells_begin_list(&cells, 0, column, &err))) ||
            !put("t", times[at].cell))
            continue;
        if (is_list)
            ax_cells_end_list(&cells);
        if (!fill(&target, 1, 1, 10))
            continue;
        assert_string_equal(err.msg, times[at].message ? times[at].message : "");
        if (times[at].json)
            assert_json(is_list ? target.values.items : &target.values, times[at].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, begin, end),
        cmocka_unit_test_setup_teardown(test_zone, begin, end),
        cmocka_unit_test_setup_teardown(test_steps, begin, end),
        cmocka_unit_test_setup_teardown(test_one_for_all, begin, end),
        cmocka_unit_test_setup_teardown(test_names, begin, end),
        cmocka_unit_test_setup_teardown(test_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(test_seconds, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
