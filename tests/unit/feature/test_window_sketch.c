/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: sketches say what they promise, and say the same whatever the order of values and merges.
 * Method: many values, counted exactly beside; the same multiset in parts that are merged in random
 * orders; the limits, one value below and above.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "feature/window_sketch.h"

#include <math.h>

enum { PARTS = 5 };

static struct ax_random numbers;

static size_t below(size_t bound)
{
    return ax_random_below(&numbers, bound);
}

/* count_distinct of 0 .. count - 1, each up to three times, merged of parts. */
static int64_t count_merged(int64_t count)
{
    struct ax_window_distinct parts[PARTS] = { 0 }, all = { 0 };
    for (int64_t i = 0; i < count; i++) {
        for (size_t times = 1 + below(3); times > 0; times--)
            assert_true(ax_window_distinct_add(&parts[below(PARTS)], ax_window_hash_i64(i)));
    }
    for (size_t i = 0, from = below(PARTS); i < PARTS; i++)
        assert_true(ax_window_distinct_merge(&all, &parts[(from + i) % PARTS]));
    int64_t result = ax_window_distinct_result(&all);
    assert_true(ax_window_distinct_bytes(&all) <= ax_window_distinct_bytes_max());
    for (size_t i = 0; i < PARTS; i++)
        ax_window_distinct_done(&parts[i]);
    ax_window_distinct_done(&all);
    return result;
}

static void different_values_are_counted(void **state)
{
    (void)state;
    ax_random_init(&numbers, 1, 0);
    for (int64_t count = 0; count <= AX_WINDOW_EXACT_VALUES; count += 16)
        assert_int_equal(count_merged(count), count);
    const int64_t counts[] = { 257, 300, 700, 1500, 2560, 4000, 20000, 300000 };
    for (size_t i = 0; i < AX_COUNT(counts); i++) {
        int64_t result = count_merged(counts[i]);
        /* Four times the standard error. */
        assert_true(fabs((double)(result - counts[i])) < 4 * 0.0325 * (double)counts[i]);
        for (int again = 0; again < 3; again++)
            assert_int_equal(count_merged(counts[i]), result);
    }
}

static void equal_values_have_equal_hashes(void **state)
{
    (void)state;
    assert_true(ax_window_hash_f64(0.0) == ax_window_hash_f64(-0.0));
    assert_true(ax_window_hash_f64(1.0) != ax_window_hash_f64(2.0));
    assert_true(ax_window_hash_text(AX_STR("a")) != ax_window_hash_text(AX_STR("b")));
    assert_true(ax_window_hash_i64(0) != 0);
}

static int order_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void quantiles_are_within_a_percent(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static double values[COUNT];
    ax_random_init(&numbers, 2, 0);
    for (int family = 0; family < 4; family++) {
        struct ax_window_quantile parts[PARTS] = { 0 }, all = { 0 };
        for (size_t i = 0; i < COUNT; i++) {
            double normal = ax_random_normal(&numbers);
            values[i] = family == 0   ? exp(normal * 5)
                        : family == 1 ? floor(normal * 3)
                        : family == 2 ? normal * 1e-200
                                      : 42;
            assert_true(ax_window_quantile_add(&parts[below(PARTS)], ax_window_bucket(values[i]),
                                               values[i]));
        }
        for (size_t i = 0; i < PARTS; i++)
            assert_true(ax_window_quantile_merge(&all, &parts[i]));
        qsort(values, COUNT, sizeof *values, order_numbers);
        for (size_t i = 0; i < COUNT; i += 7) {
            double q = (double)i / (COUNT - 1);
            double exact = values[(size_t)(q * (COUNT - 1))];
            double result = ax_window_quantile_result(&all, q);
            assert_true(fabs(result - exact) <= 0.0100001 * fabs(exact));
            assert_true(family != 3 || result == 42);
        }
        for (size_t i = 0; i < PARTS; i++)
            ax_window_quantile_done(&parts[i]);
        ax_window_quantile_done(&all);
    }
}

/* Magnitudes that do not fit the buckets: whatever collapses when, the result is the same. */
static void collapsing_does_not_depend_on_order(void **state)
{
    (void)state;
    ax_random_init(&numbers, 3, 0);
    for (int round = 0; round < 200; round++) {
        double values[50], first[11];
        size_t count = 1 + below(50);
        for (size_t i = 0; i < count; i++)
            values[i] = ldexp(ax_random_uniform(&numbers) - 0.3, (int)below(400) - 200);
        for (int again = 0; again < 4; again++) {
            struct ax_window_quantile parts[PARTS] = { 0 }, all = { 0 };
            for (size_t i = count; i > 1; i--) {
                size_t other = below(i);
                double kept = values[i - 1];
                values[i - 1] = values[other];
                values[other] = kept;
            }
            for (size_t i = 0; i < count; i++)
                assert_true(ax_window_quantile_add(&parts[below(PARTS)],
                                                   ax_window_bucket(values[i]), values[i]));
            for (size_t i = 0; i < PARTS; i++)
                assert_true(ax_window_quantile_merge(&all, &parts[i]));
            for (int q = 0; q <= 10; q++) {
                double result = ax_window_quantile_result(&all, q / 10.0);
                assert_true(again == 0 || result == first[q]);
                first[q] = result;
            }
            assert_true(ax_window_quantile_bytes(&all) <= ax_window_quantile_bytes_max());
            for (size_t i = 0; i < PARTS; i++)
                ax_window_quantile_done(&parts[i]);
            ax_window_quantile_done(&all);
        }
    }
}

static void top_add(struct ax_window_top *top, int64_t value, uint64_t times)
{
    struct ax_window_top_entry entry = { ax_window_hash_i64(value), times, { .i64 = value } };
    assert_true(ax_window_top_add(top, AX_WINDOW_CELL_I64, false, &entry));
}

static void frequent_values_are_counted_up_to_a_limit(void **state)
{
    (void)state;
    ax_random_init(&numbers, 4, 0);
    struct ax_window_top parts[PARTS] = { 0 }, all = { 0 };
    for (int64_t value = 0; value < AX_WINDOW_EXACT_VALUES; value++) {
        for (int64_t times = 0; times <= value % 10; times++)
            top_add(&parts[below(PARTS)], value, 1);
    }
    for (size_t i = 0; i < PARTS; i++)
        assert_true(ax_window_top_merge(&all, AX_WINDOW_CELL_I64, false, &parts[i]));
    assert_false(all.is_over);
    ax_window_top_sort(&all, AX_WINDOW_CELL_I64);
    assert_int_equal(all.entries[0].value.i64, 9); /* Of those that came ten times the least. */
    assert_int_equal(all.entries[0].count, 10);
    assert_int_equal(all.entries[1].value.i64, 19);
    ax_window_top_clear(&all, AX_WINDOW_CELL_I64, false);
    for (size_t i = 0; i < PARTS; i++)
        assert_true(ax_window_top_merge(&all, AX_WINDOW_CELL_I64, false, &parts[i]));
    top_add(&all, 5, 1);
    assert_false(all.is_over);
    top_add(&all, -1, 1);
    assert_true(all.is_over);
    top_add(&all, 5, 1); /* And stays so. */
    assert_true(all.is_over);
    assert_true(ax_window_top_bytes(&all) <= ax_window_top_bytes_max());
    for (size_t i = 0; i < PARTS; i++)
        ax_window_top_done(&parts[i], AX_WINDOW_CELL_I64, false);
    ax_window_top_done(&all, AX_WINDOW_CELL_I64, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(different_values_are_counted),
        cmocka_unit_test(equal_values_have_equal_hashes),
        cmocka_unit_test(quantiles_are_within_a_percent),
        cmocka_unit_test(collapsing_does_not_depend_on_order),
        cmocka_unit_test(frequent_values_are_counted_up_to_a_limit),
    };
    return cmocka_run_group_tests_name("feature/window_sketch", tests, NULL, NULL);
}
