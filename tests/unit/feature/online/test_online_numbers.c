/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: numbers that go straight from parts into a model's rows are those that columns would make.
 * Method: random parts of all storages of numbers, some missing, with defaults and without, into
 * fields of each datatype, from many rows on; the same by columns that are read, defaulted and
 * written, and every byte compared. A number that does not fit is refused by both, in one row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows_values.h"
#include "feature/online/online_numbers.h"

#include "random_columns.h"

#include <inttypes.h>

enum { CASES = 200, ROWS_MAX = 64, GROUPS = 2 };

static const struct {
    enum ax_storage_kind storage;
    enum ax_datatype datatype;
    bool has_categories;
} fields[] = { { AX_STORAGE_BOOL, AX_FP32, false },     { AX_STORAGE_BOOL, AX_FP64, false },
               { AX_STORAGE_BOOL, AX_BOOL, false },     { AX_STORAGE_INT32, AX_FP32, false },
               { AX_STORAGE_INT32, AX_FP64, false },    { AX_STORAGE_INT32, AX_INT32, false },
               { AX_STORAGE_INT32, AX_FP32, true },     { AX_STORAGE_INT64, AX_FP32, false },
               { AX_STORAGE_INT64, AX_FP64, false },    { AX_STORAGE_INT64, AX_INT64, false },
               { AX_STORAGE_FLOAT32, AX_FP32, false },  { AX_STORAGE_FLOAT32, AX_FP64, false },
               { AX_STORAGE_FLOAT64, AX_FP32, false },  { AX_STORAGE_FLOAT64, AX_FP64, false },
               { AX_STORAGE_FLOAT64, AX_FP32, true },   { AX_STORAGE_DURATION, AX_FP64, false },
               { AX_STORAGE_DURATION, AX_INT64, false } };

enum { FIELDS = AX_COUNT(fields) };

static struct ax_signature signature;
static struct ax_online_layout layout;
static struct ax_field defaults[FIELDS];
static struct ax_values stored[FIELDS], columns[FIELDS];
/* Two groups, of the same parts. */
static const struct ax_online_part *parts[GROUPS * ROWS_MAX];
static const struct ax_online_groups groups = { parts, ROWS_MAX };

static int set_up(void **state)
{
    static const struct ax_str names[] = { { "0", 1 }, { "7", 1 }, { "0.1", 3 } };
    struct ax_storage storages[FIELDS];
    (void)state;
    ax_arena_init(&arena, (size_t)1 << 20, (size_t)256 << 20);
    assert_int_equal(ax_signature_init(&signature, FIELDS, 0, &err), AX_OK);
    signature.unknown_category_is_missing = true;
    for (size_t i = 0; i < FIELDS; i++) {
        char name[8];
        storages[i] = (struct ax_storage){ .kind = fields[i].storage };
        signature.inputs[i].datatype = fields[i].datatype;
        (void)snprintf(name, sizeof(name), "x%zu", i);
        assert_int_equal(ax_signature_name_input(&signature, i, ax_str_from(name), &err), AX_OK);
        if (fields[i].has_categories)
            assert_int_equal(
                ax_signature_add_dictionary(&signature, i, names, AX_COUNT(names), &err), AX_OK);
    }
    return ax_online_layout_init(&layout, 7, storages, FIELDS, &arena, &err);
}

static int tear_down(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    ax_signature_done(&signature);
    return 0;
}

/* One number of the kind, and none of some fields; a null that is said is no value. */
static void random_defaults(void)
{
    for (size_t i = 0; i < FIELDS; i++) {
        struct ax_field *field = &defaults[i];
        *field = (struct ax_field){ .storage = { .kind = fields[i].storage },
                                    .has_default = chance(2),
                                    .default_is_null = chance(4) };
        if (fields[i].storage == AX_STORAGE_BOOL)
            field->default_value.truth = chance(2);
        else if (ax_storage_type(field->storage).kind == AX_TYPE_FLOAT64)
            field->default_value.f64 = 0.1;
        else
            field->default_value.i64 = 7;
    }
}

static void random_parts(size_t count)
{
    const struct ax_values *list[FIELDS];
    struct ax_online_stamp stamp = { 1, 2, 3 };
    for (size_t i = 0; i < FIELDS; i++) {
        random_column(&stored[i], defaults[i].storage, count);
        list[i] = &stored[i];
    }
    for (size_t row = 0; row < count; row++) {
        size_t bytes = ax_online_part_write(&layout, &stamp, list, row, NULL);
        struct ax_online_part *part = ax_arena_alloc(&arena, bytes / 8, 8);
        assert_non_null(part);
        (void)ax_online_part_write(&layout, &stamp, list, row, part);
        parts[row] = parts[ROWS_MAX + row] = chance(8) ? NULL : part;
    }
}

/* What is read of the parts, then the defaults. */
static void make_columns(size_t count)
{
    size_t all[FIELDS];
    for (size_t i = 0; i < FIELDS; i++)
        all[i] = i;
    assert_int_equal(ax_online_read(&layout, all, FIELDS, parts, count, &arena, columns, &err),
                     AX_OK);
    for (size_t i = 0; i < FIELDS; i++) {
        const union ax_literal value = ax_field_default(&defaults[i]);
        for (size_t row = 0; row < count; row++) {
            if (parts[row])
                assert_value(defaults[i].storage, &stored[i], row, &columns[i], row);
            if (!ax_values_is_null(&columns[i], row) || !ax_field_has_default(&defaults[i]))
                continue;
            columns[i].validity[row / 64] |= (uint64_t)1 << (row % 64);
            if (columns[i].type.kind == AX_TYPE_BOOL)
                columns[i].bools[row] = value.truth;
            else if (columns[i].type.kind == AX_TYPE_FLOAT64)
                columns[i].f64s[row] = value.f64;
            else
                columns[i].i64s[row] = value.i64;
        }
    }
}

/* All fields but one are numbers of the parts. */
static enum ax_code set_straight(struct ax_rows *rows, size_t to, size_t first, size_t count,
                                 size_t without)
{
    struct ax_online_number made[FIELDS];
    size_t which[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        which[i] = FIELDS - 1 - i;
        made[which[i]] = ax_online_number_of(i == without ? AX_ONLINE_NUMBER_NONE : i % GROUPS,
                                             &layout, i, &defaults[i]);
    }
    return ax_online_numbers_set(made, which, &groups, first, count, rows, to, &err);
}

static void assert_same(const struct ax_rows *found, const struct ax_rows *expected, uint64_t seed)
{
    for (size_t input = 0; input < FIELDS; input++) {
        const struct ax_column *a = &found->columns[input];
        const struct ax_column *b = &expected->columns[input];
        for (size_t row = 0; row < expected->count; row++) {
            if (ax_column_is_valid(a, row) != ax_column_is_valid(b, row) ||
                memcmp(ax_column_at(a, row), ax_column_at(b, row), ax_datatype_size(b->datatype)))
                fail_msg("seed %" PRIu64 ", input %zu, row %zu", seed, input, row);
        }
    }
}

static void test_as_by_columns(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct ax_rows found, expected;
        ax_random_init(&numbers, seed, 0);
        assert_int_equal(set_up(NULL), 0);
        size_t count = seed < 20 ? seed : ax_random_below(&numbers, ROWS_MAX) + 1;
        size_t from = ax_random_below(&numbers, 70);
        random_defaults();
        random_parts(count);
        make_columns(count);
        assert_int_equal(ax_rows_init(&found, &signature, from + count + 1, &arena, &err), AX_OK);
        assert_int_equal(ax_rows_init(&expected, &signature, from + count + 1, &arena, &err),
                         AX_OK);
        size_t half = count / 2;
        size_t without = ax_random_below(&numbers, 2 * FIELDS);
        assert_int_equal(set_straight(&found, from, 0, half, without), AX_OK);
        assert_int_equal(set_straight(&found, from + half, half, count - half, without), AX_OK);
        for (size_t i = 0; i < FIELDS; i++)
            if (i != without)
                assert_int_equal(
                    ax_rows_set_values(&expected, from, i, &columns[i], 0, count, &arena, &err),
                    AX_OK);
        assert_same(&found, &expected, seed);
        tear_down(NULL);
    }
}

static void test_refused(void **state)
{
    enum { INPUT = 9, COUNT = 30, FROM = 5, BAD = 20 };
    (void)state;
    struct ax_rows rows;
    assert_int_equal(fields[INPUT].storage, AX_STORAGE_INT64);
    signature.inputs[INPUT].datatype = AX_INT32;
    int64_t values[COUNT] = { [BAD] = (int64_t)1 << 40 };
    struct ax_values column = { .type = { AX_TYPE_INT64, false }, .rows = COUNT, .i64s = values };
    struct ax_values none[FIELDS];
    const struct ax_values *list[FIELDS];
    struct ax_online_stamp stamp = { 1, 2, 3 };
    for (size_t i = 0; i < FIELDS; i++) {
        assert_int_equal(
            ax_values_init(&none[i],
                           ax_storage_type((struct ax_storage){ .kind = fields[i].storage }), COUNT,
                           &arena, &err),
            AX_OK);
        for (size_t row = 0; row < COUNT; row++)
            ax_values_set_null(&none[i], row);
        list[i] = i == INPUT ? &column : &none[i];
    }
    for (size_t row = 0; row < COUNT; row++) {
        struct ax_online_part *part = ax_arena_alloc(&arena, layout.bytes / 8, 8);
        assert_non_null(part);
        (void)ax_online_part_write(&layout, &stamp, list, row, part);
        parts[row] = parts[ROWS_MAX + row] = part;
    }
    memset(defaults, 0, sizeof(defaults));
    assert_int_equal(ax_rows_init(&rows, &signature, FROM + COUNT, &arena, &err), AX_OK);
    assert_int_equal(set_straight(&rows, FROM, 0, COUNT, FIELDS), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "input 'x9', row 25"));
    ax_err_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_by_columns),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
