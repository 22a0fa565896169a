/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: two values are the same when they are, or are neighbours as they are stored, and in no
 * other case, across zero, powers of two and infinity; what is null on one side is missing or
 * extra; lists are compared item by item; errors are told symmetrically. Method: pairs with their
 * outcomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/consistency_value.h"

#include <float.h>
#include <math.h>

static enum ax_consistency_outcome of_f64(double a, double b, enum ax_storage_kind kind)
{
    const struct ax_sql_column x = { .type = AX_SQL_F64, .f64s = &a };
    const struct ax_sql_column y = { .type = AX_SQL_F64, .f64s = &b };
    return ax_consistency_compare(&x, &y, 0, (struct ax_storage){ kind, false });
}

static void neighbours_are_equal(void **state)
{
    (void)state;
    static const double numbers[] = { 0,       1,        -1,      0.1,       DBL_MIN,
                                      DBL_MAX, -DBL_MAX, 1 << 20, -0.999999, 5e-324 };
    for (size_t i = 0; i < AX_COUNT(numbers); i++) {
        double up = nextafter(numbers[i], INFINITY);
        double down = nextafter(numbers[i], -INFINITY);
        assert_int_equal(of_f64(numbers[i], numbers[i], AX_STORAGE_FLOAT64), AX_CONSISTENCY_EQUAL);
        assert_int_equal(of_f64(numbers[i], up, AX_STORAGE_FLOAT64), AX_CONSISTENCY_EQUAL);
        assert_int_equal(of_f64(down, numbers[i], AX_STORAGE_FLOAT64), AX_CONSISTENCY_EQUAL);
        assert_int_equal(of_f64(down, up, AX_STORAGE_FLOAT64), AX_CONSISTENCY_DIFFERING);
    }
    assert_int_equal(of_f64(0.0, -0.0, AX_STORAGE_FLOAT64), AX_CONSISTENCY_EQUAL);
    assert_int_equal(of_f64(INFINITY, -INFINITY, AX_STORAGE_FLOAT64), AX_CONSISTENCY_DIFFERING);
    double narrow = (double)0.1F;
    double next = (double)nextafterf(0.1F, 1);
    assert_int_equal(of_f64(narrow, next, AX_STORAGE_FLOAT32), AX_CONSISTENCY_EQUAL);
    assert_int_equal(of_f64(narrow, next, AX_STORAGE_FLOAT64), AX_CONSISTENCY_DIFFERING);
    assert_int_equal(of_f64(narrow, (double)nextafterf((float)next, 1), AX_STORAGE_FLOAT32),
                     AX_CONSISTENCY_DIFFERING);
}

static void other_types_are_exact(void **state)
{
    (void)state;
    const int64_t a[] = { 1, 2, 3 };
    const int64_t b[] = { 1, 3, 3 };
    const uint64_t first_two = 3;
    const uint64_t last_two = 6;
    const struct ax_storage whole = { AX_STORAGE_INT64, false };
    struct ax_sql_column x = { .type = AX_SQL_I64, .i64s = a };
    struct ax_sql_column y = { .type = AX_SQL_I64, .i64s = b };
    assert_int_equal(ax_consistency_compare(&x, &y, 0, whole), AX_CONSISTENCY_EQUAL);
    assert_int_equal(ax_consistency_compare(&x, &y, 1, whole), AX_CONSISTENCY_DIFFERING);
    x.validity = &first_two;
    y.validity = &last_two;
    assert_int_equal(ax_consistency_compare(&x, &y, 0, whole), AX_CONSISTENCY_EXTRA);
    assert_int_equal(ax_consistency_compare(&x, &y, 2, whole), AX_CONSISTENCY_MISSING);
    y.validity = &first_two;
    assert_int_equal(ax_consistency_compare(&x, &y, 2, whole), AX_CONSISTENCY_EQUAL);
    const struct ax_str texts[] = { AX_STR("a"), AX_STR("b") };
    const struct ax_storage text = { AX_STORAGE_STRING, false };
    const struct ax_sql_column s = { .type = AX_SQL_TEXT, .texts = texts };
    const struct ax_sql_column t = { .type = AX_SQL_TEXT, .texts = texts + 1 };
    assert_int_equal(ax_consistency_compare(&s, &s, 0, text), AX_CONSISTENCY_EQUAL);
    assert_int_equal(ax_consistency_compare(&s, &t, 0, text), AX_CONSISTENCY_DIFFERING);
}

/* The same items elsewhere in the column; one more, one null, one else. */
static void lists_are_equal_by_their_items(void **state)
{
    (void)state;
    const double a[] = { 1, 2, 9, 1, 2, 3 };
    const uint64_t all_but_second = 0x3D;
    const struct ax_storage list = { AX_STORAGE_FLOAT64, true };
    struct ax_sql_column items = { .type = AX_SQL_F64, .f64s = a };
    const struct ax_sql_list left[] = { { 0, 2 }, { 0, 2 }, { 1, 2 }, { 0, 0 } };
    const struct ax_sql_list right[] = { { 3, 2 }, { 3, 3 }, { 4, 2 }, { 5, 0 } };
    const struct ax_sql_column x = { .type = AX_SQL_LIST, .lists = left, .items = &items };
    const struct ax_sql_column y = { .type = AX_SQL_LIST, .lists = right, .items = &items };
    assert_int_equal(ax_consistency_compare(&x, &y, 0, list), AX_CONSISTENCY_EQUAL);
    assert_int_equal(ax_consistency_compare(&x, &y, 1, list), AX_CONSISTENCY_DIFFERING);
    assert_int_equal(ax_consistency_compare(&x, &y, 2, list), AX_CONSISTENCY_DIFFERING);
    assert_int_equal(ax_consistency_compare(&x, &y, 3, list), AX_CONSISTENCY_EQUAL);
    items.validity = &all_but_second;
    assert_int_equal(ax_consistency_compare(&x, &y, 0, list), AX_CONSISTENCY_DIFFERING);
}

static double smape(double a, double b)
{
    const struct ax_sql_column x = { .type = AX_SQL_F64, .f64s = &a };
    const struct ax_sql_column y = { .type = AX_SQL_F64, .f64s = &b };
    return ax_consistency_smape(&x, &y, 0);
}

static void errors_are_symmetric(void **state)
{
    (void)state;
    assert_true(smape(0, 0) == 0 && smape(INFINITY, INFINITY) == 0);
    assert_true(smape(1, 3) == 1 && smape(3, 1) == 1 && smape(-1, -3) == 1);
    assert_true(smape(0, 5) == 2 && smape(-5, 5) == 2 && smape(1, INFINITY) == 2);
    assert_true(isfinite(smape(DBL_MAX, -DBL_MAX)));
    const struct ax_str texts[] = { AX_STR("a") };
    const struct ax_sql_column s = { .type = AX_SQL_TEXT, .texts = texts };
    assert_true(ax_consistency_smape(&s, &s, 0) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_equal),
        cmocka_unit_test(other_types_are_exact),
        cmocka_unit_test(lists_are_equal_by_their_items),
        cmocka_unit_test(errors_are_symmetric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
