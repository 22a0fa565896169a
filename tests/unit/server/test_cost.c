/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what calls take is learnt, from whatever calls there are, is not lost to one that was
 * preempted, and never becomes nothing or endless.
 * Method: calls of a made-up engine, with noise, in tables of batch sizes; predictions are compared
 * with what it would take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "server/cost.h"

#include <stdlib.h>

static uint64_t engine_ns(size_t rows, double fixed_ns, double row_ns)
{
    double noise = 0.95 + 0.1 * (double)(random() % 1000) / 1000;
    return (uint64_t)((fixed_ns + row_ns * (double)rows) * noise);
}

static void learn_many(struct ax_cost *cost, const size_t *rows, size_t count, double fixed_ns,
                       double row_ns)
{
    for (size_t i = 0; i < 400; i++)
        ax_cost_learn(cost, rows[i % count], engine_ns(rows[i % count], fixed_ns, row_ns));
}

static void assert_near(const struct ax_cost *cost, size_t rows, double wanted_ns)
{
    assert_in_range(ax_cost_call_ns(cost, rows), (uint64_t)(wanted_ns * 0.75),
                    (uint64_t)(wanted_ns * 1.3));
}

static void test_learns(void **state)
{
    (void)state;
    static const size_t mixed[] = { 1, 100, 2, 1000, 1, 50 };
    static const size_t single[] = { 1 };
    static const double fixed[] = { 500, 2000, 20000 };
    static const double per_row[] = { 50, 1000, 300000 };
    for (size_t i = 0; i < AX_COUNT(fixed); i++) {
        for (size_t k = 0; k < AX_COUNT(per_row); k++) {
            struct ax_cost cost = { 0 };
            learn_many(&cost, mixed, AX_COUNT(mixed), fixed[i], per_row[k]);
            assert_near(&cost, 1, fixed[i] + per_row[k]);
            assert_near(&cost, 50, fixed[i] + 50 * per_row[k]);
            assert_near(&cost, 1000, fixed[i] + 1000 * per_row[k]);
            struct ax_cost of_single = { 0 };
            learn_many(&of_single, single, 1, fixed[i], per_row[k]);
            assert_near(&of_single, 1, fixed[i] + per_row[k]);
        }
    }
}

static void test_rows(void **state)
{
    (void)state;
    struct ax_cost cost = { 0 };
    assert_false(ax_cost_is_known(&cost));
    assert_int_equal(ax_cost_rows(&cost, 250000), 25);
    ax_cost_set(&cost, 1000, 100);
    assert_true(ax_cost_is_known(&cost));
    assert_int_equal(ax_cost_call_ns(&cost, 10), 2000);
    assert_int_equal(ax_cost_rows(&cost, 2000), 10);
    assert_int_equal(ax_cost_rows(&cost, 1), 1);
    ax_cost_set(&cost, 0, 0);
    assert_true(ax_cost_is_known(&cost));
    assert_int_equal(ax_cost_rows(&cost, UINT64_MAX), 1000000000);
}

static void test_one_outlier_is_not_believed(void **state)
{
    (void)state;
    static const size_t rows[] = { 1, 64 };
    struct ax_cost cost = { 0 };
    learn_many(&cost, rows, AX_COUNT(rows), 1000, 1000);
    uint64_t before_ns = ax_cost_call_ns(&cost, 64);
    ax_cost_learn(&cost, 64, UINT64_MAX);
    assert_in_range(ax_cost_call_ns(&cost, 64), before_ns, before_ns * 114 / 100);
    /* The first call of all was one: it is forgotten soon. */
    struct ax_cost first = { 0 };
    ax_cost_learn(&first, 1, 3000000);
    assert_int_equal(ax_cost_rows(&first, 250000), 1);
    for (size_t i = 0; i < 200; i++)
        ax_cost_learn(&first, ax_cost_rows(&first, 250000),
                      engine_ns(ax_cost_rows(&first, 250000), 1000, 1000));
    assert_near(&first, 200, 201000);
    /* And a model that has become slower is followed. */
    learn_many(&cost, rows, AX_COUNT(rows), 1000, 20000);
    assert_near(&cost, 64, 1281000);
}

static void test_extremes(void **state)
{
    (void)state;
    struct ax_cost cost = { 0 };
    ax_cost_doubt(&cost);
    assert_false(ax_cost_is_known(&cost));
    for (size_t i = 0; i < 10000; i++)
        ax_cost_learn(&cost, SIZE_MAX, 0);
    assert_true(ax_cost_is_known(&cost) && ax_cost_rows(&cost, 1000) >= 1);
    for (size_t i = 0; i < 10000; i++)
        ax_cost_learn(&cost, 1, UINT64_MAX);
    assert_in_range(ax_cost_call_ns(&cost, 1), 1000000000, UINT64_MAX / 4);
    uint64_t before_ns = ax_cost_call_ns(&cost, 1);
    for (size_t i = 0; i < 100; i++)
        ax_cost_doubt(&cost);
    assert_in_range(ax_cost_call_ns(&cost, 1), before_ns / 10, before_ns / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_one_outlier_is_not_believed),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
