/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: sums are exact and rounded once, in whatever order they were made.
 * Method: results of Python's math.fsum; random values of all magnitudes, added and merged in
 * random orders, against long arithmetic (window_oracle.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>

#include "base/random.h"
#include "feature/window_sum.h"
#include "unit/feature/window_oracle.h"

enum { COUNT_MAX = 60 };

static struct ax_random numbers;

static void shuffle(double *values, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = ax_random_below(&numbers, i);
        double kept = values[i - 1];
        values[i - 1] = values[other];
        values[other] = kept;
    }
}

static void sums_are_those_of_fsum(void **state)
{
    (void)state;
    struct {
        double values[10];
        double sum;
    } cases[] = {
        { { 0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4,
            0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4,
            0x1.999999999999ap-4, 0x1.999999999999ap-4 },
          0x1.0000000000000p+0 },
        { { 0x1.7e43c8800759cp+996, 0x1.4e718d7d7625ap+664, 0x1.0000000000000p+0,
            -0x1.7e43c8800759cp+996, -0x1.4e718d7d7625ap+664, 0, 0, 0, 0, 0 },
          0x1.0000000000000p+0 },
        { { 0x1.0000000000000p+53, 0x1.0000000000000p+0, 0x1.4484bfeebc2a0p-100, 0, 0, 0, 0, 0, 0,
            0 },
          0x1.0000000000001p+53 },
        { { 0x1.0000000000000p+53, 0x1.0000000000000p+0, -0x1.4484bfeebc2a0p-100, 0, 0, 0, 0, 0, 0,
            0 },
          0x1.0000000000000p+53 },
        { { 0x0.0000000000001p-1022, 0x0.0000000000001p-1022, 0x0.0000000000001p-1022, 0, 0, 0, 0,
            0, 0, 0 },
          0x0.0000000000003p-1022 },
        { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 0 },
        { { 0x1.1c37937e08000p+53, 0x1.0000000000000p+0, 0x1.cd2b297d889bcp-54, 0, 0, 0, 0, 0, 0,
            0 },
          0x1.1c37937e08001p+53 },
        { { 0x1.0000000000000p+0, 0x1.0000000000000p-53, 0x1.0000000000000p-106, 0, 0, 0, 0, 0, 0,
            0 },
          0x1.0000000000001p+0 },
        { { 0x1.0000000000000p+0, 0x1.0000000000000p-53, -0x1.0000000000000p-106, 0, 0, 0, 0, 0, 0,
            0 },
          0x1.0000000000000p+0 },
        { { 0x1.0000000000000p-1022, -0x0.0000000000001p-1022, 0, 0, 0, 0, 0, 0, 0, 0 },
          0x0.fffffffffffffp-1022 },
        { { 0x1.56e1fc2f8f359p-997, 0x1.7e43c8800759cp+996, -0x1.7e43c8800759cp+996,
            0x0.012688b70e62bp-1022, 0, 0, 0, 0, 0, 0 },
          0x1.56e1fc302279fp-997 },
        { { 0x1.a666666666666p+1, -0x1.199999999999ap+0, -0x1.199999999999ap+1, 0, 0, 0, 0, 0, 0,
            0 },
          -0x1.0000000000000p-51 },
        { { -0x1.0c5300342457cp+256, -0x1.7a727250a54f4p+184, 0x1.0179a594b2b8cp-235,
            0x1.b0892206bdf40p+177, -0x1.ecd7cd72ffc74p-63, -0x1.3ba76f008eb5ep+180, 0, 0, 0, 0 },
          -0x1.0c5300342457cp+256 },
        { { 0x1.4fa8775889590p+258, -0x1.836dd4d2ab1c0p-151, -0x1.128309aebce2ep-146,
            0x1.78e0de7681c6cp+234, -0x1.c2d1b6847aa30p-288, 0x1.5f0cfac6f8da0p-237, 0, 0, 0, 0 },
          0x1.4fa878d16a377p+258 },
        { { -0x1.5cc6431ef24fcp-258, -0x1.9700fb384ce84p-271, 0x1.4b56116ec998ap-26,
            -0x1.be7a9b3df3f80p+91, 0x1.b68984c9c1804p+135, -0x1.ae3ada8b33130p+287, 0, 0, 0, 0 },
          -0x1.ae3ada8b33130p+287 },
        { { -0x1.c5aa1024c49c0p-167, 0x1.83f59f2ec9592p-202, -0x1.db4088ee9892ap+205,
            -0x1.21ce2cdefa78cp+145, 0x1.1daafd503602cp+7, -0x1.42f9c6fc4aa60p+92, 0, 0, 0, 0 },
          -0x1.db4088ee9892ap+205 },
        { { 0x1.2f3276b3aa8a0p+243, 0x1.5c76aad0adc88p+295, -0x1.1209478c431dep+43,
            0x1.74b30cea6d554p-273, 0x1.6cf44523ccbdap-134, 0x1.96c3eadc52bdcp+32, 0, 0, 0, 0 },
          0x1.5c76aad0adc89p+295 },
        { { 0x1.dbc8bd4558960p+284, 0x1.1b107835496c8p-87, 0x1.1055abd4e441cp+285,
            -0x1.dd0296b70d074p-175, -0x1.bf0430c24dc72p+194, -0x1.a55b8353f52e2p-233, 0, 0, 0, 0 },
          0x1.fe3a0a77908ccp+285 },
        { { -0x1.6ebf9434afd00p-149, -0x1.eb64425a61c5ap+136, 0x1.133e2e35252f6p-180,
            -0x1.d2bfd7328fbd4p-255, -0x1.f482fc9028920p+297, -0x1.5a34b672fb668p-17, 0, 0, 0, 0 },
          -0x1.f482fc9028920p+297 },
        { { 0x1.633ac78cea400p-271, -0x1.85cbb4fe25ff0p-224, -0x1.91492c333af90p+247,
            -0x1.dfde82068a97cp-99, 0x1.e2be31b437404p-3, 0x1.c4792c86d8da0p-144, 0, 0, 0, 0 },
          -0x1.91492c333af90p+247 },
    };
    ax_random_init(&numbers, 1, 0);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        for (int round = 0; round < 20; round++) {
            struct ax_window_sum sum = { 0 };
            for (size_t k = 0; k < 10; k++)
                assert_true(ax_window_sum_add(&sum, cases[i].values[k]));
            assert_true(ax_window_sum_result(&sum) == cases[i].sum);
            ax_window_sum_done(&sum);
            shuffle(cases[i].values, 10);
        }
    }
}

static double any_number(int spread)
{
    double uniform = ax_random_uniform(&numbers) - 0.5;
    return ldexp(uniform, (int)ax_random_below(&numbers, (uint64_t)spread) - spread / 2);
}

/* A sum of parts that were merged in a random order. */
static void merge_parts(struct ax_window_sum *sum, const double *values, size_t count)
{
    struct ax_window_sum parts[4] = { 0 };
    for (size_t i = 0; i < count; i++)
        assert_true(ax_window_sum_add(&parts[ax_random_below(&numbers, 4)], values[i]));
    for (size_t i = 0; i < 4; i++) {
        assert_true(ax_window_sum_merge(sum, &parts[i]));
        ax_window_sum_done(&parts[i]);
    }
}

static void order_and_merges_do_not_matter(void **state)
{
    (void)state;
    const int spreads[] = { 2, 60, 120, 300, 2000 };
    ax_random_init(&numbers, 2, 0);
    for (int round = 0; round < 4000; round++) {
        double values[COUNT_MAX];
        size_t count = 1 + ax_random_below(&numbers, COUNT_MAX);
        int spread = spreads[round % 5];
        for (size_t i = 0; i < count; i++) /* Half of them cancel. */
            values[i] = i % 2 && round % 3 ? -values[i - 1] : any_number(spread);
        shuffle(values, count);
        struct ax_window_sum sum = { 0 };
        merge_parts(&sum, values, count);
        assert_true(ax_window_sum_result(&sum) == oracle_sum(values, count));
        /* What is added and taken out again leaves no trace, though the sum is held otherwise. */
        double mean = ax_window_sum_mean(&sum, (int64_t)count);
        assert_true(ax_window_sum_add(&sum, DBL_MAX) && ax_window_sum_add(&sum, -DBL_MAX));
        assert_true(sum.is_wide);
        assert_true(ax_window_sum_result(&sum) == oracle_sum(values, count));
        assert_true(ax_window_sum_mean(&sum, (int64_t)count) == mean);
        /* A sum that was wide, used again. */
        ax_window_sum_clear(&sum);
        assert_true(ax_window_sum_result(&sum) == 0);
        assert_true(ax_window_sum_add(&sum, values[0]));
        assert_true(ax_window_sum_result(&sum) == values[0]);
        ax_window_sum_done(&sum);
    }
}

static void a_mean_is_finite_where_the_sum_is_not(void **state)
{
    (void)state;
    struct ax_window_sum sum = { 0 };
    for (int i = 0; i < 4; i++)
        assert_true(ax_window_sum_add(&sum, DBL_MAX));
    assert_true(isinf(ax_window_sum_result(&sum)));
    assert_true(ax_window_sum_mean(&sum, 4) == DBL_MAX);
    for (int i = 0; i < 8; i++)
        assert_true(ax_window_sum_add(&sum, -DBL_MAX));
    assert_true(ax_window_sum_result(&sum) == -INFINITY);
    for (int i = 0; i < 4; i++)
        assert_true(ax_window_sum_add(&sum, DBL_MAX));
    assert_true(ax_window_sum_add(&sum, 1));
    assert_true(ax_window_sum_result(&sum) == 1);
    ax_window_sum_done(&sum);
    struct ax_window_sum thirds = { 0 };
    for (int i = 0; i < 3; i++)
        assert_true(ax_window_sum_add(&thirds, 1.0 / 3));
    assert_true(ax_window_sum_mean(&thirds, 3) == 1.0 / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_fsum),
        cmocka_unit_test(order_and_merges_do_not_matter),
        cmocka_unit_test(a_mean_is_finite_where_the_sum_is_not),
    };
    return cmocka_run_group_tests_name("feature/window_sum", tests, NULL, NULL);
}
