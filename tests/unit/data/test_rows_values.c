/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: columns of values set the fields of rows exactly as the setters do, value by value.
 * Method: fields of each datatype from columns of each kind that goes into them, with random values
 * and nulls, of many counts and from many rows on; the same by the setters of data/rows.h, and
 * every byte compared. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows_values.h"
#include "random.h"
#include "torture.h"

#include <inttypes.h>

enum { FIELDS = 12, ROWS_MAX = 200, CASES = 60, TEXTS = 3 };

static const struct {
    enum ax_datatype datatype;
    enum ax_type_kind kind;
    bool has_categories;
} fields[FIELDS] = {
    { AX_FP32, AX_TYPE_FLOAT64, false }, { AX_FP32, AX_TYPE_INT64, false },
    { AX_FP32, AX_TYPE_BOOL, false },    { AX_FP32, AX_TYPE_DURATION, false },
    { AX_FP64, AX_TYPE_FLOAT64, false }, { AX_FP64, AX_TYPE_INT64, false },
    { AX_FP64, AX_TYPE_BOOL, false },    { AX_FP32, AX_TYPE_STRING, true },
    { AX_FP32, AX_TYPE_FLOAT64, true },  { AX_INT64, AX_TYPE_INT64, false },
    { AX_BOOL, AX_TYPE_BOOL, false },    { AX_BYTES, AX_TYPE_STRING, false },
};

static const struct ax_str texts[TEXTS] = { { "UA", 2 }, { "AA", 2 }, { "", 0 } };

static struct ax_signature signature;
static struct ax_arena arena;
static struct ax_err err;

/* False: an allocation was refused. */
static bool good(enum ax_code code)
{
    if (code && !ax_torture_struck())
        fail_msg("%s", err.msg);
    return !code;
}

static bool set_up(void)
{
    char name[] = "a";
    ax_err_clear(&err);
    ax_arena_init(&arena, 4096, (size_t)16 << 20);
    if (!good(ax_signature_init(&signature, FIELDS, 0, &err)))
        return false;
    for (size_t i = 0; i < FIELDS; i++, name[0]++) {
        signature.inputs[i].datatype = fields[i].datatype;
        if (!good(ax_signature_name_input(&signature, i, ax_str_from(name), &err)) ||
            (fields[i].has_categories &&
             !good(ax_signature_add_dictionary(&signature, i, texts, TEXTS, &err))))
            return false;
    }
    return true;
}

static int tear_down(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    ax_signature_done(&signature);
    return 0;
}

/* Some are beyond what FP32 holds, or lose bits in it. */
static double random_number(uint64_t *state)
{
    uint64_t bits = test_random(state);
    return (double)(int64_t)bits * (bits % 7 ? 0x1p-60 : 1e300);
}

static void put_random(struct ax_values *values, size_t row, uint64_t *state)
{
    if (values->type.kind == AX_TYPE_BOOL)
        values->bools[row] = test_random(state) & 1;
    else if (values->type.kind == AX_TYPE_STRING)
        values->texts[row] = texts[test_random(state) % TEXTS];
    else if (values->type.kind == AX_TYPE_FLOAT64)
        values->f64s[row] = random_number(state);
    else
        values->i64s[row] = (int64_t)test_random(state);
}

/* Columns of `count` rows, of which none, some or most values are null. */
static bool make_columns(struct ax_values *columns, size_t count, uint64_t *state)
{
    for (size_t i = 0; i < FIELDS; i++) {
        uint64_t nulls_of_8 = test_random(state) % 3 * 3;
        struct ax_type type = { .kind = fields[i].kind };
        if (!good(ax_values_init(&columns[i], type, count, &arena, &err)))
            return false;
        for (size_t row = 0; row < count; row++) {
            put_random(&columns[i], row, state);
            if (test_random(state) % 8 < nulls_of_8)
                ax_values_set_null(&columns[i], row);
        }
        if (!nulls_of_8 && test_random(state) % 2)
            columns[i].validity = NULL;
    }
    return true;
}

/* All of them, by so many rows at a time, which divide 64. */
static enum ax_code set_all(struct ax_rows *rows, size_t to, const struct ax_values *columns,
                            size_t count, size_t step)
{
    for (size_t first = 0; first < count; first += step) {
        for (size_t i = 0; i < FIELDS; i++)
            if (ax_rows_set_values(rows, to + first, i, &columns[i], first,
                                   AX_MIN(step, count - first), &arena, &err))
                return err.code;
    }
    return AX_OK;
}

static enum ax_code set_one(struct ax_rows *rows, size_t to, size_t input,
                            const struct ax_values *values, size_t row)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return ax_rows_set_bool(rows, to, input, values->bools[row], &err);
    case AX_TYPE_STRING:
        return ax_rows_set_str(rows, to, input, values->texts[row], &err);
    case AX_TYPE_FLOAT64:
        return ax_rows_set_f64(rows, to, input, values->f64s[row], &err);
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        return ax_rows_set_i64(rows, to, input, values->i64s[row], &err);
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_COUNT:
        break;
    }
    fail();
    return AX_E_INTERNAL;
}

static void assert_same(const struct ax_rows *found, const struct ax_rows *expected, uint64_t seed)
{
    for (size_t input = 0; input < FIELDS; input++) {
        for (size_t row = 0; row < expected->count; row++) {
            const struct ax_column *a = &found->columns[input];
            const struct ax_column *b = &expected->columns[input];
            bool is_there = ax_column_is_valid(b, row);
            assert_int_equal(ax_column_is_valid(a, row), is_there);
            bool is_text = b->datatype == AX_BYTES;
            size_t size = is_text ? 0 : ax_datatype_size(b->datatype);
            bool is_same = is_text
                               ? !is_there || ax_str_equals(*(struct ax_str *)ax_column_at(a, row),
                                                            *(struct ax_str *)ax_column_at(b, row))
                               : !memcmp(ax_column_at(a, row), ax_column_at(b, row), size);
            if (!is_same)
                fail_msg("seed %" PRIu64 ", input %zu, row %zu", seed, input, row);
        }
    }
}

static void run_case(uint64_t seed)
{
    uint64_t state = seed * 7919 + 1;
    struct ax_values columns[FIELDS];
    struct ax_rows found, expected;
    size_t count = seed < 20 ? seed : test_random(&state) % ROWS_MAX;
    size_t from = test_random(&state) % 70;
    size_t step = (size_t)1 << test_random(&state) % 7;
    if (!make_columns(columns, count, &state) ||
        !good(ax_rows_init(&found, &signature, from + count + 1, &arena, &err)) ||
        !good(ax_rows_init(&expected, &signature, from + count + 1, &arena, &err)) ||
        !good(set_all(&found, from, columns, count, step)))
        return;
    for (size_t i = 0; i < FIELDS; i++)
        for (size_t row = 0; row < count; row++)
            if (!ax_values_is_null(&columns[i], row))
                assert_int_equal(set_one(&expected, from + row, i, &columns[i], row), AX_OK);
    assert_same(&found, &expected, seed);
}

static void test_as_the_setters(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CASES; seed++) {
        if (set_up())
            run_case(seed);
        tear_down(NULL);
    }
}

/* The message names the row as it is counted in the rows, far behind the first of them. */
static void test_refused(void **state)
{
    (void)state;
    enum { COUNT = 40, BAD = 37, FROM = 5 };
    uint64_t random = 1;
    struct ax_values columns[FIELDS];
    struct ax_rows rows;
    if (!set_up() || !make_columns(columns, COUNT, &random) ||
        !good(ax_rows_init(&rows, &signature, FROM + COUNT, &arena, &err)))
        return;
    columns[7].validity = NULL;
    for (size_t row = 0; row < COUNT; row++)
        columns[7].texts[row] = row == BAD ? AX_STR("ZZ") : texts[0];
    if (set_all(&rows, FROM, columns, COUNT, 16) == AX_E_LIMIT)
        return;
    assert_int_equal(err.code, AX_E_INVALID);
    assert_non_null(strstr(err.msg, "input 'h', row 42"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_setters),
        cmocka_unit_test_teardown(test_refused, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
