/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the times of a schedule are what rate, arrivals and seed say, and the parts of a divided
 * one make up the whole.
 * Method: constant times are compared with arithmetic, Poisson's with what theory says of the mean,
 * the spread and the number in an interval; the bounds are five standard deviations of a seed that
 * is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/load_schedule.h"

#include <math.h>
#include <stdlib.h>

static struct ax_load_schedule schedule;

static void constant_times_do_not_drift(void **state)
{
    (void)state;
    const struct {
        double rate;
        unsigned number;
        double due_ns;
    } cases[] = {
        { 1000, 0, 0 },       { 1000, 1, 1e6 },          { 1000, 1000000, 1e12 },
        { 3, 3000000, 1e15 }, { 7000000, 7000000, 1e9 }, { 0.5, 3, 6e9 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ax_load_schedule_init(&schedule, AX_LOAD_CONSTANT, cases[i].rate, 1, 0, 1);
        for (unsigned n = 0; n < cases[i].number; n++)
            ax_load_schedule_next(&schedule);
        assert_int_equal(schedule.taken, cases[i].number);
        /* A nanosecond in eleven days. */
        assert_true(fabs(schedule.due_ns - cases[i].due_ns) <= 1);
    }
}

static void constant_parts_are_dealt_in_turn(void **state)
{
    (void)state;
    for (size_t parts = 1; parts <= 5; parts++) {
        for (size_t part = 0; part < parts; part++) {
            ax_load_schedule_init(&schedule, AX_LOAD_CONSTANT, 1000, 1, part, parts);
            for (size_t n = 0; n < 100; n++) {
                assert_true(fabs(schedule.due_ns - (double)(n * parts + part) * 1e6) <= 1);
                ax_load_schedule_next(&schedule);
            }
        }
    }
}

enum { COUNT = 100000 };
static double times[COUNT];

static void take(double rate, uint64_t seed, size_t part, size_t parts)
{
    ax_load_schedule_init(&schedule, AX_LOAD_POISSON, rate, seed, part, parts);
    for (size_t n = 0; n < COUNT; n++) {
        times[n] = schedule.due_ns;
        ax_load_schedule_next(&schedule);
    }
}

/* Gaps are exponential: mean and deviation are the same, a share of exp(-x) is over x means. */
static void poisson_gaps_are_exponential(void **state)
{
    (void)state;
    const struct {
        size_t part, parts;
    } cases[] = { { 0, 1 }, { 0, 4 }, { 3, 4 } };
    for (size_t i = 0; i < 3; i++) {
        take(2000, 7, cases[i].part, cases[i].parts);
        double mean_ns = 500000.0 * (double)cases[i].parts;
        double squares = 0;
        size_t over[3] = { 0 };
        double before = 0;
        for (size_t n = 0; n < COUNT; n++) {
            double gap = (times[n] - before) / mean_ns;
            assert_true(gap > 0);
            before = times[n];
            squares += gap * gap;
            for (size_t k = 0; k < 3; k++)
                over[k] += gap > (double)(k + 1);
        }
        const double limit = 5 / sqrt(COUNT);
        assert_true(fabs(times[COUNT - 1] / mean_ns / COUNT - 1) < limit);
        /* The variance of the square of a gap is 20. */
        assert_true(fabs(squares / COUNT - 2) < limit * sqrt(20));
        for (size_t k = 0; k < 3; k++) {
            double share = exp(-(double)(k + 1));
            assert_true(fabs((double)over[k] / COUNT - share) < limit * sqrt(share * (1 - share)));
        }
    }
}

static void poisson_does_not_begin_at_once(void **state)
{
    (void)state;
    double sum = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        ax_load_schedule_init(&schedule, AX_LOAD_POISSON, 1000, seed, 0, 1);
        assert_true(schedule.due_ns > 0);
        sum += schedule.due_ns;
    }
    assert_true(fabs(sum / 1000 / 1e6 - 1) < 5 / sqrt(1000));
}

static void seeds_and_parts_repeat_and_differ(void **state)
{
    (void)state;
    static double first[COUNT];
    take(1000, 5, 0, 2);
    for (size_t n = 0; n < COUNT; n++)
        first[n] = times[n];
    take(1000, 5, 0, 2);
    assert_memory_equal(first, times, sizeof(times));
    const struct {
        uint64_t seed;
        size_t part;
    } others[] = { { 6, 0 }, { 5, 1 }, { 4, 0 }, { 6, 1 } };
    for (size_t i = 0; i < 4; i++) {
        take(1000, others[i].seed, others[i].part, 2);
        size_t same = 0;
        for (size_t n = 0; n < COUNT; n++)
            same += times[n] == first[n];
        assert_int_equal(same, 0);
        /* Nor is it the same sequence some steps later. */
        for (size_t n = 0; n + 2 < COUNT; n++)
            assert_false(fabs(times[n + 1] - times[n] - (first[1] - first[0])) < 0.01 &&
                         fabs(times[n + 2] - times[n + 1] - (first[2] - first[1])) < 0.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_times_do_not_drift),
        cmocka_unit_test(constant_parts_are_dealt_in_turn),
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(poisson_does_not_begin_at_once),
        cmocka_unit_test(seeds_and_parts_repeat_and_differ),
    };
    return cmocka_run_group_tests_name("net/load_schedule", tests, NULL, NULL);
}
