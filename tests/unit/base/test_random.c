/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a seed repeats its numbers, and they are spread as the header says.
 * Method: published numbers of splitmix64; moments and extremes of many draws, within five standard
 * deviations of a fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

#include <math.h>

enum { COUNT = 200000 };

static struct ax_random random_numbers;

/* The first numbers of the reference implementation from the state 1234567. */
static void it_is_splitmix64(void **state)
{
    (void)state;
    const uint64_t known[] = { 6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                               4593380528125082431u, 16408922859458223821u };
    random_numbers.state = 1234567;
    for (size_t i = 0; i < 5; i++)
        assert_true(ax_random_next(&random_numbers) == known[i]);
}

static void streams_repeat_and_differ(void **state)
{
    (void)state;
    struct ax_random again;
    for (uint64_t seed = 0; seed < 50; seed++) {
        for (uint64_t stream = 0; stream < 50; stream++) {
            struct ax_random beside, next;
            ax_random_init(&random_numbers, seed, stream);
            ax_random_init(&again, seed, stream);
            ax_random_init(&beside, seed, stream + 1);
            ax_random_init(&next, seed + 1, stream);
            uint64_t first = ax_random_next(&random_numbers);
            assert_true(ax_random_next(&again) == first);
            assert_true(ax_random_next(&beside) != first);
            assert_true(ax_random_next(&next) != first);
        }
    }
}

static void below_stays_below_and_is_even(void **state)
{
    (void)state;
    const uint64_t bounds[] = { 1, 2, 3, 7, 10 };
    ax_random_init(&random_numbers, 3, 0);
    for (size_t i = 0; i < 5; i++) {
        size_t counts[10] = { 0 };
        for (size_t n = 0; n < COUNT; n++) {
            uint64_t drawn = ax_random_below(&random_numbers, bounds[i]);
            assert_true(drawn < bounds[i]);
            counts[drawn]++;
        }
        double share = 1 / (double)bounds[i];
        for (size_t k = 0; k < bounds[i]; k++)
            assert_true(fabs((double)counts[k] - COUNT * share) <=
                        5 * sqrt(COUNT * share * (1 - share)));
    }
    /* A bound whose multiples leave half of the numbers out. */
    uint64_t huge = ((uint64_t)1 << 63) + 1;
    for (size_t n = 0; n < 1000; n++)
        assert_true(ax_random_below(&random_numbers, huge) < huge);
}

static void uniform_lies_inside(void **state)
{
    (void)state;
    ax_random_init(&random_numbers, 4, 0);
    double sum = 0, lowest = 1, highest = 0;
    for (size_t n = 0; n < COUNT; n++) {
        double drawn = ax_random_uniform(&random_numbers);
        assert_true(drawn > 0 && drawn < 1);
        sum += drawn;
        lowest = fmin(lowest, drawn);
        highest = fmax(highest, drawn);
    }
    assert_true(fabs(sum / COUNT - 0.5) < 5 * sqrt(1.0 / 12 / COUNT));
    assert_true(lowest < 1e-4 && highest > 1 - 1e-4);
}

static void normal_has_its_moments(void **state)
{
    (void)state;
    ax_random_init(&random_numbers, 5, 0);
    double sum = 0, squares = 0, fourths = 0;
    for (size_t n = 0; n < COUNT; n++) {
        double drawn = ax_random_normal(&random_numbers);
        sum += drawn;
        squares += drawn * drawn;
        fourths += drawn * drawn * drawn * drawn;
    }
    assert_true(fabs(sum / COUNT) < 5 / sqrt(COUNT));
    assert_true(fabs(squares / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
    assert_true(fabs(fourths / COUNT - 3) < 5 * sqrt(96.0 / COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_splitmix64),
        cmocka_unit_test(streams_repeat_and_differ),
        cmocka_unit_test(below_stays_below_and_is_even),
        cmocka_unit_test(uniform_lies_inside),
        cmocka_unit_test(normal_has_its_moments),
    };
    return cmocka_run_group_tests_name("base/random", tests, NULL, NULL);
}
