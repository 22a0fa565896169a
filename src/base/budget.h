/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A budget: how many of something, as bytes, may be held at one time.
 *
 * A budget belongs to one thread. Those of several threads may draw on one pool, so that together
 * they hold no more than it had: each draws a grain more than it needs, and gives back what it has
 * over, so that the pool's memory, which threads share, is seldom written. What a thread has drawn
 * and does not use, two grains at most, is out of the others' reach.
 */
#ifndef AX_BASE_BUDGET_H
#define AX_BASE_BUDGET_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct ax_budget_pool {
    _Atomic size_t left;
    size_t grain;
};

/* Zeroed but for `max`, it is a budget of its own. */
struct ax_budget {
    size_t used;
    size_t max;                  /* may be used; with a pool: was drawn */
    struct ax_budget_pool *pool; /* borrowed; NULL: none */
    size_t grain;                /* the pool's, here since threads write to its line */
};

/* For so many budgets together, which leave at most an eighth of it out of each other's reach. */
void ax_budget_pool_init(struct ax_budget_pool *pool, size_t max, size_t budget_count);

/* Draw on this pool from now on; nothing is in use. */
void ax_budget_join(struct ax_budget *budget, struct ax_budget_pool *pool);

/* Draw what is missing for `count` more. False: there is not so much. For ax_budget_take. */
AX_MUST_USE bool ax_budget_draw(struct ax_budget *budget, size_t count);
/* Give what is over back to the pool. For ax_budget_give. */
void ax_budget_return(struct ax_budget *budget);

/* Use `count` more. False: they may not be used. */
AX_MUST_USE static inline bool ax_budget_take(struct ax_budget *budget, size_t count)
{
    if (count > budget->max - budget->used && !ax_budget_draw(budget, count))
        return false;
    budget->used += count;
    return true;
}

/* Use fewer again. */
static inline void ax_budget_give(struct ax_budget *budget, size_t count)
{
    budget->used -= count;
    if (budget->pool && budget->max - budget->used > 2 * budget->grain)
        ax_budget_return(budget);
}

/* Whether `count` more might be used, at this moment. */
bool ax_budget_has(const struct ax_budget *budget, size_t count);

#endif
