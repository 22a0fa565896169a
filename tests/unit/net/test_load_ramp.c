/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the search ends at the highest rate that the server can take, within a twentieth, in few
 * steps, and one bad step does not lead it astray; verdicts are what a result says.
 * Method: servers that are functions: a capacity, or a plan of verdicts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/load_ramp.h"

static void it_finds_the_capacity(void **state)
{
    (void)state;
    const uint64_t capacities[] = { 1, 2, 3, 10, 999, 1000, 1001, 54321, 9999999, 10000000 };
    const uint64_t firsts[] = { 1, 1000, 77777, AX_LOAD_RATE_MAX };
    for (size_t i = 0; i < AX_COUNT(capacities); i++) {
        for (size_t k = 0; k < AX_COUNT(firsts); k++) {
            struct ax_load_ramp ramp;
            ax_load_ramp_init(&ramp, firsts[k]);
            assert_int_equal(ramp.rate, firsts[k]);
            unsigned steps = 1;
            uint64_t last_passed = 0;
            for (;;) {
                bool passes = ramp.rate <= capacities[i];
                if (passes) {
                    assert_true(ramp.rate > last_passed);
                    last_passed = ramp.rate;
                }
                if (!ax_load_ramp_next(&ramp, passes ? AX_LOAD_PASSED : AX_LOAD_SLOW))
                    break;
                assert_true(ramp.rate >= 1 && ramp.rate <= AX_LOAD_RATE_MAX);
                steps++;
            }
            assert_true(steps <= AX_LOAD_RAMP_STEPS_MAX);
            assert_int_equal(ramp.passed, last_passed);
            assert_true(ramp.passed <= capacities[i]);
            assert_true((double)ramp.passed * 1.05 >= (double)capacities[i] ||
                        ramp.passed + 1 > capacities[i]);
        }
    }
}

static void nothing_passes(void **state)
{
    (void)state;
    struct ax_load_ramp ramp;
    ax_load_ramp_init(&ramp, 1000);
    unsigned steps = 1;
    while (ax_load_ramp_next(&ramp, AX_LOAD_FAILED))
        steps++;
    /* 1000, 500, … 1, each twice. */
    assert_int_equal(steps, 20);
    assert_int_equal(ramp.passed, 0);
    assert_int_equal(ramp.failed, 1);
    assert_int_equal(ramp.verdict, AX_LOAD_FAILED);
}

static void one_bad_step_is_tried_again(void **state)
{
    (void)state;
    struct ax_load_ramp ramp;
    ax_load_ramp_init(&ramp, 1000);
    assert_true(ax_load_ramp_next(&ramp, AX_LOAD_PASSED));
    assert_int_equal(ramp.rate, 2000);
    assert_true(ax_load_ramp_next(&ramp, AX_LOAD_LATE));
    assert_int_equal(ramp.rate, 2000);
    assert_true(ax_load_ramp_next(&ramp, AX_LOAD_PASSED));
    assert_int_equal(ramp.rate, 4000);
    assert_true(ax_load_ramp_next(&ramp, AX_LOAD_SLOW));
    assert_int_equal(ramp.rate, 4000);
    assert_true(ax_load_ramp_next(&ramp, AX_LOAD_LATE));
    assert_int_equal(ramp.rate, 2828);
    assert_int_equal(ramp.failed, 4000);
    assert_int_equal(ramp.verdict, AX_LOAD_LATE);
}

static struct ax_load_result result;

static void make_result(uint64_t latency_ns, uint64_t slip_ns)
{
    result = (struct ax_load_result){ .sent = 100, .answers = 100 };
    ax_histogram_reset(&result.latency);
    ax_histogram_reset(&result.slip);
    for (int i = 0; i < 100; i++) {
        ax_histogram_add(&result.latency, latency_ns);
        ax_histogram_add(&result.slip, slip_ns);
    }
}

static void verdicts_follow_from_results(void **state)
{
    (void)state;
    const struct {
        uint64_t latency_ns, slip_ns, unsent;
        enum ax_load_verdict verdict;
    } cases[] = {
        { 900000, 1000, 0, AX_LOAD_PASSED },   { 1000000, 1000, 0, AX_LOAD_PASSED },
        { 900000, 800000, 0, AX_LOAD_PASSED }, { 1100000, 1000, 0, AX_LOAD_SLOW },
        { 1100000, 200000, 0, AX_LOAD_LATE },  { 900000, 1000, 1, AX_LOAD_FAILED },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        make_result(cases[i].latency_ns, cases[i].slip_ns);
        result.unsent = cases[i].unsent;
        assert_int_equal(ax_load_ramp_judge(&result, 1000000), cases[i].verdict);
    }
    result = (struct ax_load_result){ 0 };
    assert_int_equal(ax_load_ramp_judge(&result, 1000000), AX_LOAD_FAILED);
}

static void verdicts_have_texts(void **state)
{
    (void)state;
    assert_string_equal(ax_load_verdict_text(AX_LOAD_PASSED), "passed");
    assert_string_equal(ax_load_verdict_text(AX_LOAD_SLOW), "slow");
    assert_string_equal(ax_load_verdict_text(AX_LOAD_FAILED), "failed");
    assert_string_equal(ax_load_verdict_text(AX_LOAD_LATE), "client late");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_the_capacity),
        cmocka_unit_test(nothing_passes),
        cmocka_unit_test(one_bad_step_is_tried_again),
        cmocka_unit_test(verdicts_follow_from_results),
        cmocka_unit_test(verdicts_have_texts),
    };
    return cmocka_run_group_tests_name("net/load_ramp", tests, NULL, NULL);
}
