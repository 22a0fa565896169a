/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX-512 kernel: as the AVX2 kernel, but blocks of rows go through a register of 64 rows.
 *
 * What it needs is AVX-512 as CPUs have it since Ice Lake and Zen 4: with bytes (BW) and with the
 * look-up of bytes in 64 (VBMI). Those before run the AVX2 kernel, of which everything else here is
 * made: ranks, and the walks of a few rows.
 */
#include "engine/forest/kernel.h"
#include "engine/forest/few_avx2.h"
#include "engine/forest/mux_block.h"

#include <assert.h>

static size_t avx512_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    size_t few = ax_few_scratch_size(plan, rows);
    if (rows < plan->few)
        return few;
    return AX_MAX(few, ax_block_scratch_size_avx512(plan, rows));
}

static void avx512_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                         size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    assert(rows >= 1 && rows <= AX_BLOCK_ROWS_MAX && from + rows <= in->batch->rows && scratch);
    size_t few = ax_few_count(plan, rows), whole = rows - few;
    if (whole)
        ax_block_score_avx512(plan, in, from, whole, sums, scratch);
    if (few)
        ax_few_score(plan, in, from + whole, few,
                     (char *)sums + whole * c->group_count * ax_datatype_size(c->sum_type),
                     scratch);
}

static enum ax_code avx512_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    return ax_kernel_avx2.prepare(plan, err);
}

/* The compiler's function also asks whether the system keeps the larger registers (XGETBV). */
static bool avx512_runs_here(void)
{
    return ax_kernel_avx2.runs_here() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi");
}

const struct ax_forest_kernel ax_kernel_avx512 = {
    .name = "avx512",
    .rows_max = AX_BLOCK_ROWS_MAX,
    .runs_here = avx512_runs_here,
    .prepare = avx512_prepare,
    .scratch_size = avx512_scratch_size,
    .score = avx512_score,
};
