/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawing on a pool, and giving back.
 *
 * Counts order nothing else in memory, so all is relaxed. Near the end of the pool a budget draws
 * no grain, only what it needs.
 */
#include "base/budget.h"

#include <assert.h>
#include <stdint.h>

/* Of the pool, that all budgets together may hold and not use. */
#define IDLE_PART ((size_t)8)

void ax_budget_pool_init(struct ax_budget_pool *pool, size_t max, size_t budget_count)
{
    assert(pool && budget_count);
    atomic_init(&pool->left, max);
    pool->grain = max / (2 * IDLE_PART * budget_count);
}

void ax_budget_join(struct ax_budget *budget, struct ax_budget_pool *pool)
{
    assert(budget && !budget->used && !budget->pool && pool);
    *budget = (struct ax_budget){ .pool = pool, .grain = pool->grain };
}

static bool pool_take(struct ax_budget_pool *pool, size_t count)
{
    size_t left = atomic_load_explicit(&pool->left, memory_order_relaxed);
    while (left >= count)
        if (atomic_compare_exchange_weak_explicit(&pool->left, &left, left - count,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

bool ax_budget_draw(struct ax_budget *budget, size_t count)
{
    assert(budget && count > budget->max - budget->used);
    if (!budget->pool)
        return false;
    size_t missing = count - (budget->max - budget->used);
    if (missing <= SIZE_MAX - budget->grain && pool_take(budget->pool, missing + budget->grain))
        missing += budget->grain;
    else if (!pool_take(budget->pool, missing))
        return false;
    budget->max += missing;
    return true;
}

void ax_budget_return(struct ax_budget *budget)
{
    assert(budget && budget->pool && budget->used <= budget->max);
    size_t over = budget->max - budget->used - budget->grain;
    budget->max -= over;
    (void)atomic_fetch_add_explicit(&budget->pool->left, over, memory_order_relaxed);
}

bool ax_budget_has(const struct ax_budget *budget, size_t count)
{
    assert(budget && budget->used <= budget->max);
    size_t own = budget->max - budget->used;
    return count <= own ||
           (budget->pool &&
            count - own <= atomic_load_explicit(&budget->pool->left, memory_order_relaxed));
}
