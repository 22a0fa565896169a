/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: quantiles are never below the true value and at most 0.8 % above it; count, sum and the
 * extremes are exact.
 * Method: compare with the sorted values themselves, over small, mixed and huge numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

#include <math.h>
#include <stdlib.h>

static struct ax_histogram histogram;
static struct ax_histogram other;

static void empty_has_no_quantile(void **state)
{
    (void)state;
    ax_histogram_reset(&histogram);
    assert_int_equal(ax_histogram_quantile(&histogram, 0.99), 0);
    assert_true(ax_histogram_mean(&histogram) == 0.0);
    assert_int_equal(histogram.count, 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    ax_histogram_reset(&histogram);
    for (uint64_t value = 0; value < 256; value++)
        ax_histogram_add(&histogram, value);
    for (uint64_t value = 0; value < 256; value++)
        assert_int_equal(ax_histogram_quantile(&histogram, (double)(value + 1) / 256), value);
    assert_int_equal(histogram.min, 0);
    assert_int_equal(histogram.max, 255);
    assert_int_equal(histogram.sum, 255 * 128);
}

/* At least the share q of the values is not above the quantile: of three, the half is two. */
static void a_share_between_two_values_is_the_upper_one(void **state)
{
    (void)state;
    const struct {
        double q;
        uint64_t value;
    } cases[] = { { 0, 10 },    { 0.33, 10 }, { 0.34, 20 }, { 0.5, 20 },
                  { 0.66, 20 }, { 0.67, 30 }, { 0.99, 30 }, { 1, 30 } };
    ax_histogram_reset(&histogram);
    for (uint64_t value = 10; value <= 30; value += 10)
        ax_histogram_add(&histogram, value);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(ax_histogram_quantile(&histogram, cases[i].q), cases[i].value);
    assert_true(ax_histogram_mean(&histogram) == 20.0);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void quantiles_are_close(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    uint64_t x = 88172645463325252u;
    ax_histogram_reset(&histogram);
    for (size_t i = 0; i < COUNT; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        /* All octaves up to the largest value alike. */
        values[i] = (x >> 24) >> (x % 40);
        ax_histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof(values[0]), compare);
    const double quantiles[] = { 0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 1 };
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        size_t rank = (size_t)ceil(quantiles[i] * COUNT);
        uint64_t truth = values[rank ? rank - 1 : 0];
        uint64_t found = ax_histogram_quantile(&histogram, quantiles[i]);
        assert_true(found >= truth);
        assert_true((double)found <= (double)truth * 1.008);
    }
    assert_int_equal(histogram.min, values[0]);
    assert_int_equal(histogram.max, values[COUNT - 1]);
}

static void huge_values_share_the_last_bucket(void **state)
{
    (void)state;
    ax_histogram_reset(&histogram);
    ax_histogram_add(&histogram, AX_HISTOGRAM_VALUE_MAX);
    ax_histogram_add(&histogram, UINT64_MAX / 2);
    assert_int_equal(histogram.buckets[AX_HISTOGRAM_BUCKET_COUNT - 1], 2);
    assert_true(ax_histogram_quantile(&histogram, 0.5) == UINT64_MAX / 2);
}

static void merging_is_adding(void **state)
{
    (void)state;
    static struct ax_histogram all;
    ax_histogram_reset(&histogram);
    ax_histogram_reset(&other);
    ax_histogram_reset(&all);
    for (uint64_t value = 1; value < 2000000; value = value * 3 / 2 + 1) {
        ax_histogram_add(value % 2 ? &histogram : &other, value);
        ax_histogram_add(&all, value);
    }
    /* Either way round: one has the smallest value, the other the largest. */
    static struct ax_histogram before;
    before = histogram;
    ax_histogram_merge(&histogram, &other);
    assert_memory_equal(&histogram, &all, sizeof(all));
    ax_histogram_merge(&other, &before);
    assert_memory_equal(&other, &all, sizeof(all));
    ax_histogram_reset(&other);
    ax_histogram_merge(&histogram, &other);
    assert_memory_equal(&histogram, &all, sizeof(all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_no_quantile),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(a_share_between_two_values_is_the_upper_one),
        cmocka_unit_test(quantiles_are_close),
        cmocka_unit_test(huge_values_share_the_last_bucket),
        cmocka_unit_test(merging_is_adding),
    };
    return cmocka_run_group_tests_name("base/histogram", tests, NULL, NULL);
}
