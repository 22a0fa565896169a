/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few rows at a time.
 *
 * Up to ROWS of them are ranked and then walk together, run by run, so that a node is fetched from
 * far memory once for all of them. How many rows are a few is estimated from the shape of the
 * forest, in instructions that were counted in the compiled code.
 */
#include "engine/forest/few_avx2.h"
#include "engine/forest/oblivious_avx2.h"
#include "engine/forest/rank_avx2.h"

#include <assert.h>
#include <string.h>

#define ROWS           ((size_t)16)
#define LIMIT_PORTABLE ((size_t)12)
#define LIMIT_LEAST    ((size_t)6)
#define LIMIT_MOST     ((size_t)40)
#define ROW_BYTES      (AX_RANKED_COLUMNS_MAX * sizeof(uint16_t)) /* of ranks */
#define ALIGN_UP(n)    (((n) + 63) & ~(size_t)63)

/* What a block of up to 32 rows costs in a tree, without ranking, in instructions. */
static size_t block_cost(const struct ax_mux_tree *tree)
{
    size_t cost = 80 + 10 * (size_t)tree->levels + 24 * (size_t)tree->sets;
    for (size_t height = 0; height <= AX_MUX_TILE_HEIGHT; height++)
        cost += 9 * (((size_t)1 << height) - 1) * tree->tiles[height];
    return cost + 17 * (size_t)tree->joins;
}

/* What one row costs in a run, the same way. */
static size_t run_cost(const struct ax_ranked_run *run, size_t trees)
{
    return run->has_links ? 60 * trees : trees * (5 * (size_t)run->depth + 4);
}

/* Where all trees are oblivious both ways compare all splits, a row each with every table of its
 * columns. By measuring: 21, 12 and 7 rows where there are 1, 4 and 8 tables. */
static size_t oblivious_limit(const struct ax_oblivious *oblivious)
{
    return 80 / (3 + oblivious->table_count);
}

/* Instructions of a block are wider and slower, those of a walk wait more often for memory; by
 * measuring the former count two thirds. */
size_t ax_few_limit(const struct ax_forest_plan *plan)
{
    assert(plan);
    const struct ax_mux *mux = &plan->mux;
    const struct ax_ranked *ranked = &plan->ranked;
    if (!mux->trees)
        return SIZE_MAX;
    if (plan->oblivious.is_for_few)
        return oblivious_limit(&plan->oblivious);
    if (!ranked->runs)
        return LIMIT_PORTABLE;
    size_t block = 0, row = 1;
    for (size_t t = 0; t < mux->tree_count; t++)
        block += block_cost(&mux->trees[t]);
    for (size_t i = 0; i < ranked->run_count; i++)
        row += run_cost(&ranked->runs[i],
                        ranked->runs[i].tree_end - (i ? ranked->runs[i - 1].tree_end : 0));
    return AX_MIN(AX_MAX(2 + block * 2 / 3 / row, LIMIT_LEAST), LIMIT_MOST);
}

static bool is_by_ranks(const struct ax_forest_plan *plan)
{
    return plan->ranked.runs || plan->oblivious.is_for_few;
}

static size_t gathered_size(const struct ax_compiled *c)
{
    return ALIGN_UP(c->feature_count * ax_datatype_size(c->input_type));
}

size_t ax_few_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan);
    if (!is_by_ranks(plan))
        return ax_kernel_portable.scratch_size(plan, rows);
    return gathered_size(&plan->compiled) + AX_MIN(rows, ROWS) * ROW_BYTES +
           ALIGN_UP(sizeof(uint16_t));
}

static void score_ranked(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                         size_t from, size_t rows, void *sums, void *scratch)
{
    uint16_t *ranks = (uint16_t *)(void *)((char *)scratch + gathered_size(&plan->compiled));
    memset(ranks, 0, rows * ROW_BYTES);
    for (size_t r = 0; r < rows; r++)
        ax_mux_rank_row_avx2(plan, ax_forest_plan_row(plan, in, from + r, scratch),
                             ranks + r * AX_RANKED_COLUMNS_MAX);
    if (plan->oblivious.is_for_few)
        ax_oblivious_walk_avx2(&plan->oblivious, &plan->compiled, ranks, rows, sums);
    else
        ax_ranked_walk(&plan->ranked, &plan->compiled, ranks, rows, sums);
}

void ax_few_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in, size_t from,
                  size_t rows, void *sums, void *scratch)
{
    assert(plan && in && from + rows <= in->batch->rows && sums && scratch);
    const struct ax_compiled *c = &plan->compiled;
    size_t row_bytes = c->group_count * ax_datatype_size(c->sum_type);
    bool by_ranks = is_by_ranks(plan);
    size_t most = by_ranks ? ROWS : ax_kernel_portable.rows_max;
    for (size_t r = 0; r < rows; r += most) {
        size_t count = AX_MIN(most, rows - r);
        char *to = (char *)sums + r * row_bytes;
        if (by_ranks)
            score_ranked(plan, in, from + r, count, to, scratch);
        else
            ax_kernel_portable.score(plan, in, from + r, count, to, scratch);
    }
}
