/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The portable kernel: rows are walked as they are, without ranks.
 *
 * Where most trees are nearly complete, one by one, each through 8 of them at once (numbers.h).
 * Other forests are walked by walk.c: a few rows one by one, too; more go through one tree after
 * the other together, which keeps the processor as busy and touches each node once.
 */
#include "engine/forest/kernel.h"

#include <assert.h>

/* From here on rows in one tree are the better way. */
#define TOGETHER_MIN 6
#define ALIGN_UP(n)  (((n) + 63) & ~(size_t)63)

/* The parts of the scratch. */
struct portable_scratch {
    void *gathered;
    uint32_t *slots; /* or what numbers.h has instead */
    union ax_leaf *leaves;
    size_t bytes;
};

static struct portable_scratch portable_divide(const struct ax_forest_plan *plan, size_t rows,
                                               void *memory)
{
    const struct ax_compiled *c = &plan->compiled;
    size_t row = plan->numbers.runs ? plan->numbers.value_count : c->slot_count;
    size_t gathered = ALIGN_UP(c->feature_count * ax_datatype_size(c->input_type));
    size_t slots = ALIGN_UP(AX_MIN(rows, AX_WALK_ROWS) * row * sizeof(uint32_t));
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
    return portable_divide(plan, rows, NULL).bytes;
}

static void score_numbers(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                          size_t from, size_t rows, void *sums, const struct portable_scratch *s)
{
    const struct ax_numbers *numbers = &plan->numbers;
    for (size_t r = 0; r < rows; r++)
        ax_numbers_fill(numbers, &plan->compiled,
                        ax_forest_plan_row(plan, in, from + r, s->gathered),
                        s->slots + r * numbers->value_count);
    ax_numbers_walk(numbers, &plan->compiled, s->slots, rows, sums);
}

static void portable_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                           size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    assert(rows >= 1 && rows <= AX_WALK_ROWS && from + rows <= in->batch->rows && sums && scratch);
    struct portable_scratch s = portable_divide(plan, rows, scratch);
    if (plan->numbers.runs) {
        score_numbers(plan, in, from, rows, sums, &s);
        return;
    }
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

static enum ax_code portable_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    if (plan->numbers.is_made)
        return AX_OK;
    return ax_numbers_init(&plan->numbers, &plan->compiled, err);
}

static bool portable_runs_here(void)
{
    return true;
}

const struct ax_forest_kernel ax_kernel_portable = {
    .name = "portable",
    .rows_max = AX_WALK_ROWS,
    .runs_here = portable_runs_here,
    .prepare = portable_prepare,
    .scratch_size = portable_scratch_size,
    .score = portable_score,
};
