/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The portable kernel: rows become slots, and walk.c walks them.
 *
 * A few rows go one by one, each through many trees at once; more go through one tree after the
 * other together, which keeps the processor as busy and touches each node once.
 */
#include "engine/forest/kernel.h"

#include <assert.h>

/* From here on rows in one tree are the better way. */
#define TOGETHER_MIN 6
#define ALIGN_UP(n)  (((n) + 63) & ~(size_t)63)

/* The parts of the scratch. */
struct portable_scratch {
    void *gathered;
    uint32_t *slots;
    union ax_leaf *leaves;
    size_t bytes;
};

static struct portable_scratch portable_divide(const struct ax_compiled *c, size_t rows,
                                               void *memory)
{
    size_t gathered = ALIGN_UP(c->feature_count * ax_datatype_size(c->input_type));
    size_t slots = ALIGN_UP(AX_MIN(rows, AX_WALK_ROWS) * c->slot_count * sizeof(uint32_t));
    size_t leaves = ALIGN_UP((c->tree_count + 1) * sizeof(union ax_leaf));
    struct portable_scratch s = { .bytes = gathered + slots + leaves };
    char *at = memory;
    if (!at)
        return s;
    s.gathered = at;
    s.slots = (uint32_t *)(void *)(at += gathered);
    s.leaves = (union ax_leaf *)(void *)(at + slots);
    return s;
}

static size_t portable_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    return portable_divide(&plan->compiled, rows, NULL).bytes;
}

static void portable_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                           size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    assert(rows >= 1 && rows <= AX_WALK_ROWS && from + rows <= in->batch->rows && sums && scratch);
    struct portable_scratch s = portable_divide(c, rows, scratch);
    for (size_t r = 0; r < rows; r++)
        ax_compiled_fill(c, ax_forest_plan_row(plan, in, from + r, s.gathered),
                         s.slots + r * c->slot_count);
    if (rows >= TOGETHER_MIN) {
        ax_compiled_walk_rows(c, s.slots, rows, sums);
        return;
    }
    size_t row_bytes = c->group_count * ax_datatype_size(c->sum_type);
    for (size_t r = 0; r < rows; r++)
        ax_compiled_walk_row(c, s.slots + r * c->slot_count, (char *)sums + r * row_bytes,
                             s.leaves);
}

static bool portable_runs_here(void)
{
    return true;
}

const struct ax_forest_kernel ax_kernel_portable = {
    .name = "portable",
    .rows_max = AX_WALK_ROWS,
    .runs_here = portable_runs_here,
    .scratch_size = portable_scratch_size,
    .score = portable_score,
};
