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

/* Nodes of forests that are walked without ranks. */
#define NUMBERS_NODES_MAX ((size_t)50000)
/* Instructions to rank a feature of one row, and of one of a block's rows. */
#define RANK_ONE  ((size_t)48)
#define RANK_MANY ((size_t)25)

/* ---- which way ---- */

enum way {
    WAY_PORTABLE, /* by numbers where the forest has them */
    WAY_RANKS,
    WAY_OBLIVIOUS,
};

/* Whether rows that come as they are cost less than ranking them would. By measuring, ranking costs
 * what 40 steps do, a feature, and is worth it when nodes of 6 bytes would not stay near. */
static bool is_for_numbers(const struct ax_compiled *c)
{
    return c->input_type == AX_FP32 && c->node_count + c->wide_count <= NUMBERS_NODES_MAX;
}

enum ax_code ax_few_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    assert(plan && plan->mux.is_made && err);
    if (plan->oblivious.is_for_few)
        return AX_OK;
    bool by_numbers = is_for_numbers(&plan->compiled);
    if (by_numbers && ax_kernel_portable.prepare(plan, err))
        return err->code;
    if (by_numbers && plan->numbers.runs)
        return AX_OK;
    if (ax_kernel_ranks.prepare(plan, err) || plan->ranked.runs)
        return err->code;
    return ax_kernel_portable.prepare(plan, err);
}

static enum way way_of(const struct ax_forest_plan *plan)
{
    if (plan->oblivious.is_for_few)
        return WAY_OBLIVIOUS;
    if (plan->numbers.runs && is_for_numbers(&plan->compiled))
        return WAY_PORTABLE;
    return plan->ranked.runs ? WAY_RANKS : WAY_PORTABLE;
}

/* ---- how many rows are a few ---- */

/* What a block of up to 32 rows costs in a tree, without ranking, in instructions. */
static size_t block_cost(const struct ax_mux_tree *tree)
{
    size_t cost = 80 + 10 * (size_t)tree->levels + 24 * (size_t)tree->sets;
    for (size_t height = 0; height <= AX_MUX_TILE_HEIGHT; height++)
        cost += 9 * (((size_t)1 << height) - 1) * tree->tiles[height];
    return cost + 17 * (size_t)tree->joins;
}

/* What one row costs, the same way, to be ranked and in the runs. */
static size_t ranked_cost(const struct ax_forest_plan *plan)
{
    size_t row = RANK_ONE * plan->mux.source_count, from = 0;
    for (size_t i = 0; i < plan->ranked.run_count; from = plan->ranked.runs[i++].tree_end) {
        const struct ax_ranked_run *run = &plan->ranked.runs[i];
        size_t trees = run->tree_end - from;
        row += run->has_links ? 50 * trees : trees * (4 * (size_t)run->depth + 4);
    }
    return row;
}

/* Where all trees are oblivious both ways compare all splits, a row each with every table of its
 * columns. By measuring: 21, 12 and 7 rows where there are 1, 4 and 8 tables. */
static size_t oblivious_limit(const struct ax_oblivious *oblivious)
{
    return 80 / (3 + oblivious->table_count);
}

static size_t numbers_cost(const struct ax_numbers *numbers)
{
    size_t row = numbers->value_count, from = 0;
    for (size_t i = 0; i < numbers->run_count; from = numbers->runs[i++].tree_end) {
        const struct ax_numbers_run *run = &numbers->runs[i];
        size_t trees = run->tree_end - from;
        row += run->is_walked ? 60 * trees : trees * (4 * (size_t)run->depth + 4);
    }
    return row;
}

/* A block costs the same for any number of rows, but for ranking them. Its instructions are wider
 * and slower, those of a walk wait more often for memory; by measuring the former count three
 * quarters. */
size_t ax_few_limit(const struct ax_forest_plan *plan)
{
    assert(plan);
    const struct ax_mux *mux = &plan->mux;
    enum way way = way_of(plan);
    if (!mux->trees)
        return SIZE_MAX;
    if (way == WAY_OBLIVIOUS)
        return oblivious_limit(&plan->oblivious);
    if (way == WAY_PORTABLE && !plan->numbers.runs)
        return LIMIT_PORTABLE;
    size_t block = 0, row = way == WAY_RANKS ? ranked_cost(plan) : numbers_cost(&plan->numbers);
    for (size_t t = 0; t < mux->tree_count; t++)
        block += block_cost(&mux->trees[t]);
    size_t ranking = RANK_MANY * mux->source_count;
    row = row > ranking ? row - ranking : 1;
    return AX_MIN(AX_MAX(2 + block * 3 / 4 / row, LIMIT_LEAST), LIMIT_MOST);
}

/* ---- by ranks ---- */

static size_t gathered_size(const struct ax_compiled *c)
{
    return ALIGN_UP(c->feature_count * ax_datatype_size(c->input_type));
}

static size_t ranks_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    return gathered_size(&plan->compiled) + AX_MIN(rows, ROWS) * ROW_BYTES +
           ALIGN_UP(sizeof(uint16_t));
}

static void score_ranked(const struct ax_forest_plan *plan, enum way way,
                         const struct ax_forest_input *in, size_t from, size_t rows, void *sums,
                         void *scratch)
{
    uint16_t *ranks = (uint16_t *)(void *)((char *)scratch + gathered_size(&plan->compiled));
    memset(ranks, 0, rows * ROW_BYTES);
    for (size_t r = 0; r < rows; r++)
        ax_mux_rank_row_avx2(plan, ax_forest_plan_row(plan, in, from + r, scratch),
                             ranks + r * AX_RANKED_COLUMNS_MAX);
    if (way == WAY_OBLIVIOUS)
        ax_oblivious_walk_avx2(&plan->oblivious, &plan->compiled, ranks, rows, sums);
    else
        ax_ranked_walk(&plan->ranked, &plan->compiled, ranks, rows, sums);
}

/* ---- calls ---- */

size_t ax_few_count(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan);
    size_t left = rows % AX_MUX_ROWS;
    return rows < plan->few ? rows : left < plan->few ? left : 0;
}

size_t ax_few_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan);
    return way_of(plan) == WAY_PORTABLE ? ax_kernel_portable.scratch_size(plan, rows)
                                        : ranks_scratch_size(plan, rows);
}

void ax_few_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in, size_t from,
                  size_t rows, void *sums, void *scratch)
{
    assert(plan && in && from + rows <= in->batch->rows && sums && scratch);
    const struct ax_compiled *c = &plan->compiled;
    size_t row_bytes = c->group_count * ax_datatype_size(c->sum_type);
    enum way way = way_of(plan);
    size_t most = way == WAY_PORTABLE ? ax_kernel_portable.rows_max : ROWS;
    for (size_t r = 0; r < rows; r += most) {
        size_t count = AX_MIN(most, rows - r);
        char *to = (char *)sums + r * row_bytes;
        if (way == WAY_PORTABLE)
            ax_kernel_portable.score(plan, in, from + r, count, to, scratch);
        else
            score_ranked(plan, way, in, from + r, count, to, scratch);
    }
}

/* ---- the kernel `ranks`: all rows are a few ---- */

static enum ax_code ranks_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    if (!plan->mux.is_made && ax_mux_init(&plan->mux, &plan->compiled, err))
        return err->code;
    if (!plan->ranked.is_made && ax_ranked_init(&plan->ranked, &plan->compiled, &plan->mux, err))
        return err->code;
    return plan->ranked.runs ? AX_OK : ax_kernel_portable.prepare(plan, err);
}

static size_t kernel_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    return plan->ranked.runs ? ranks_scratch_size(plan, rows)
                             : ax_kernel_portable.scratch_size(plan, rows);
}

static void kernel_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                         size_t from, size_t rows, void *sums, void *scratch)
{
    assert(rows >= 1 && rows <= ROWS && from + rows <= in->batch->rows && sums && scratch);
    if (plan->ranked.runs)
        score_ranked(plan, WAY_RANKS, in, from, rows, sums, scratch);
    else
        ax_kernel_portable.score(plan, in, from, rows, sums, scratch);
}

const struct ax_forest_kernel ax_kernel_ranks = {
    .name = "ranks",
    .rows_max = ROWS,
    .runs_here = ax_kernel_avx2_runs_here,
    .prepare = ranks_prepare,
    .scratch_size = kernel_scratch_size,
    .score = kernel_score,
};
