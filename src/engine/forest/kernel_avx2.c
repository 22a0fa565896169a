/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX2 kernel: blocks of rows go through the programs of mux.h, and a few rows walk.
 */
#include "engine/forest/kernel.h"
#include "engine/forest/few_avx2.h"
#include "engine/forest/mux_block.h"
#include "engine/forest/oblivious_avx2.h"

#include <assert.h>

static size_t avx2_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    size_t few = ax_few_scratch_size(plan, rows);
    if (rows < plan->few)
        return few;
    size_t blocks = plan->oblivious.runs ? ax_oblivious_scratch_size(plan, rows)
                                         : ax_block_scratch_size_avx2(plan, rows);
    return AX_MAX(few, blocks);
}

/* Blocks of rows, and what is left of them when it is only a few. */
static void avx2_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                       size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    assert(rows >= 1 && rows <= AX_BLOCK_ROWS_MAX && from + rows <= in->batch->rows && scratch);
    size_t few = ax_few_count(plan, rows), whole = rows - few;
    if (whole && plan->oblivious.runs)
        ax_oblivious_score_avx2(plan, in, from, whole, sums, scratch);
    else if (whole)
        ax_block_score_avx2(plan, in, from, whole, sums, scratch);
    if (few)
        ax_few_score(plan, in, from + whole, few,
                     (char *)sums + whole * c->group_count * ax_datatype_size(c->sum_type),
                     scratch);
}

static enum ax_code avx2_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    if (!plan->mux.is_made && ax_mux_init(&plan->mux, &plan->compiled, err))
        return err->code;
    if (!plan->oblivious.is_made &&
        ax_oblivious_init(&plan->oblivious, &plan->compiled, &plan->mux, err))
        return err->code;
    if (ax_few_prepare(plan, err))
        return err->code;
    if (plan->mux.deep_count && !plan->deep.trees &&
        ax_deep_init(&plan->deep, &plan->compiled, &plan->mux, err))
        return err->code;
    plan->few = ax_few_limit(plan);
    return AX_OK;
}

bool ax_kernel_avx2_runs_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
}

const struct ax_forest_kernel ax_kernel_avx2 = {
    .name = "avx2",
    .rows_max = AX_BLOCK_ROWS_MAX,
    .runs_here = ax_kernel_avx2_runs_here,
    .prepare = avx2_prepare,
    .scratch_size = avx2_scratch_size,
    .score = avx2_score,
};
