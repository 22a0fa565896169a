/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a budget gives no more than it has; budgets of one pool together give no more than that
 * had, all of it but for an eighth, and bring everything back. Method: one budget; several in
 * turns, with tables of sizes and random counts; and threads that take and give at once, which
 * count what they hold together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/budget.h"

#include "base/compiler.h"
#include "base/thread.h"

#include <stdlib.h>

#define THREADS 4

static void one_without_a_pool(void **state)
{
    (void)state;
    struct ax_budget budget = { .max = 10 };
    assert_true(ax_budget_take(&budget, 4) && ax_budget_take(&budget, 6));
    assert_true(ax_budget_take(&budget, 0));
    assert_false(ax_budget_take(&budget, 1));
    assert_false(ax_budget_has(&budget, 1));
    ax_budget_give(&budget, 3);
    assert_true(ax_budget_has(&budget, 3));
    assert_false(ax_budget_take(&budget, 4));
    assert_false(ax_budget_take(&budget, SIZE_MAX));
    assert_int_equal(budget.used, 7);
    assert_int_equal(budget.max, 10);
}

/* What the pool and those that drew on it have is always the whole. */
static void assert_whole(const struct ax_budget_pool *pool, const struct ax_budget *budgets,
                         size_t max)
{
    size_t sum = atomic_load(&pool->left);
    for (size_t i = 0; i < THREADS; i++) {
        assert_true(budgets[i].used <= budgets[i].max);
        sum += budgets[i].max;
    }
    assert_int_equal(sum, max);
}

static void several_of_a_pool(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 3, 4, 63, 64, 1000, (size_t)1 << 30, SIZE_MAX };
    srandom(3);
    for (size_t s = 0; s < AX_COUNT(sizes); s++) {
        struct ax_budget_pool pool;
        struct ax_budget budgets[THREADS] = { 0 };
        ax_budget_pool_init(&pool, sizes[s], THREADS);
        for (size_t i = 0; i < THREADS; i++)
            ax_budget_join(&budgets[i], &pool);
        for (size_t i = 0; i < 20000; i++) {
            struct ax_budget *budget = &budgets[random() % THREADS];
            size_t count = (size_t)random() % (sizes[s] / 3 + 2);
            bool has = ax_budget_has(budget, count);
            if (random() % 2)
                assert_int_equal(ax_budget_take(budget, count), has);
            else
                ax_budget_give(budget, AX_MIN(count, budget->used));
            assert_whole(&pool, budgets, sizes[s]);
        }
        assert_false(ax_budget_has(&budgets[0], SIZE_MAX) && sizes[s] < SIZE_MAX);
        /* Nobody uses any: the first may have all but what the others keep. */
        for (size_t i = 0; i < THREADS; i++)
            ax_budget_give(&budgets[i], budgets[i].used);
        assert_true(ax_budget_take(&budgets[0], sizes[s] - sizes[s] / 8));
        assert_whole(&pool, budgets, sizes[s]);
    }
}

/* One thread holds at most two grains that it does not use. */
static void little_is_out_of_reach(void **state)
{
    (void)state;
    struct ax_budget_pool pool;
    struct ax_budget budget = { 0 };
    ax_budget_pool_init(&pool, 6400, THREADS);
    assert_int_equal(pool.grain, 100);
    ax_budget_join(&budget, &pool);
    for (size_t i = 0; i < 6400; i++)
        assert_true(ax_budget_take(&budget, 1));
    assert_false(ax_budget_take(&budget, 1));
    for (size_t i = 0; i < 6400; i++) {
        ax_budget_give(&budget, 1);
        assert_true(budget.max - budget.used <= 200);
    }
    assert_true(atomic_load(&pool.left) >= 6200);
}

#define POOL_MAX ((size_t)5000)

static struct ax_budget_pool shared;
static _Atomic size_t held;

static void take_and_give(void *arg)
{
    struct ax_budget budget = { 0 };
    unsigned seed = (unsigned)(uintptr_t)arg;
    ax_budget_join(&budget, &shared);
    for (size_t i = 0; i < 100000; i++) {
        size_t count = (size_t)rand_r(&seed) % 2000;
        if (!ax_budget_take(&budget, count))
            count = 0;
        assert_true(atomic_fetch_add(&held, count) + count <= POOL_MAX);
        if (rand_r(&seed) % 3)
            count = budget.used;
        else
            count = budget.used / 2;
        (void)atomic_fetch_sub(&held, count);
        ax_budget_give(&budget, count);
    }
    (void)atomic_fetch_sub(&held, budget.used);
    ax_budget_give(&budget, budget.used);
    (void)atomic_fetch_add(&shared.left, budget.max);
}

static void threads_at_once(void **state)
{
    (void)state;
    struct ax_thread threads[THREADS];
    struct ax_err err = AX_ERR_INIT;
    ax_budget_pool_init(&shared, POOL_MAX, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(
            ax_thread_start(&threads[i], "taker", take_and_give, (void *)(uintptr_t)(i + 1), &err),
            AX_OK);
    for (size_t i = 0; i < THREADS; i++)
        ax_thread_join(&threads[i]);
    assert_int_equal(atomic_load(&shared.left), POOL_MAX);
    assert_int_equal(atomic_load(&held), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_without_a_pool),
        cmocka_unit_test(several_of_a_pool),
        cmocka_unit_test(little_is_out_of_reach),
        cmocka_unit_test(threads_at_once),
    };
    return cmocka_run_group_tests_name("base/budget", tests, NULL, NULL);
}
