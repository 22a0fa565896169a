/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the compiled form to runs of oblivious trees.
 *
 * A first pass asks of each tree whether its levels can be bytes and counts splits; then trees are
 * taken 32 at a time, in their order, and written. Trees of different depth share a run when that
 * does not take many times the room of their leaves; where one tree does not fit, the whole forest
 * is left to the other forms, which have a place for everything.
 */
#include "engine/forest/oblivious.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define LANES       AX_OBLIVIOUS_LANES
#define WIDE        ((size_t)AX_OBLIVIOUS_WIDE)
#define PADDING_MAX 4 /* places for leaves, each leaf counting once */
#define BYTE_BIAS   128
#define NEVER       INT8_MAX /* a bound that nothing is above */
/* What a row costs, in instructions: to rank one feature, and what a level saves. */
#define RANK_COST    36
#define LEVEL_SAVING 4

struct growing {
    struct ax_oblivious *out;
    const struct ax_compiled *c;
    const struct ax_mux *mux;
    size_t level_count;
    size_t split_count;
};

/* ---- what fits ---- */

static struct ax_wide_node level_node(const struct growing *g, const struct ax_tree *tree,
                                      size_t level)
{
    return ax_compiled_node(g->c, tree, ((size_t)1 << level) - 1);
}

static bool tree_fits(const struct growing *g, const struct ax_tree *tree)
{
    if (tree->depth > AX_OBLIVIOUS_LEVELS_MAX || (tree->depth > 1 && !tree->is_oblivious))
        return false;
    for (size_t level = 0; level < tree->depth; level++) {
        struct ax_wide_node node = level_node(g, tree, level);
        if (node.bits || node.bound == 0) /* below nothing goes what is missing alone */
            return false;
    }
    return true;
}

static bool forest_fits(struct growing *g)
{
    const struct ax_compiled *c = g->c;
    if (!g->mux->trees || c->tree_count == 0 || c->sum_type != AX_FP64 ||
        c->leaf_width != c->group_count)
        return false;
    for (size_t t = 0; t < c->tree_count; t++) {
        if (!tree_fits(g, &c->trees[t]))
            return false;
        g->split_count += c->trees[t].depth;
    }
    return true;
}

/* Ranking a row pays when there are levels enough; where slots are ranks, too, it always does. */
static bool is_for_few(const struct growing *g)
{
    bool is_worth_it = g->c->input_type == AX_FP64 ||
                       g->split_count * LEVEL_SAVING > g->mux->source_count * RANK_COST;
    return is_worth_it && g->mux->column_count <= AX_OBLIVIOUS_COLUMNS_MAX;
}

/* ---- runs ---- */

static struct ax_mux_split level_split(const struct growing *g, const struct ax_tree *tree,
                                       size_t level)
{
    return ax_mux_split_of(ax_mux_splits(g->mux, g->c, tree)[((size_t)1 << level) - 1]);
}

/* How many trees from `from` on share a run, of which depth. */
static size_t find_run(const struct growing *g, size_t from, uint32_t *ret_depth)
{
    size_t count = 0, leaves = 0;
    uint32_t depth = 0;
    while (count < LANES && from + count < g->c->tree_count) {
        uint32_t own = g->c->trees[from + count].depth, deepest = AX_MAX(depth, own);
        leaves += (size_t)1 << own;
        if ((count + 1) << deepest > PADDING_MAX * leaves)
            break;
        depth = deepest;
        count++;
    }
    *ret_depth = depth;
    return count;
}

static void plan_runs(struct growing *g)
{
    struct ax_oblivious *out = g->out;
    for (size_t from = 0, count = 0; from < g->c->tree_count; from += count) {
        struct ax_oblivious_run *run = &out->runs[out->run_count++];
        count = find_run(g, from, &run->depth);
        run->tree_end = (uint32_t)(from + count);
        run->levels = (uint32_t)g->level_count;
        run->leaves = out->leaf_count;
        g->level_count += run->depth;
        out->leaf_count += count << run->depth;
    }
}

static void write_splits(const struct growing *g)
{
    struct ax_oblivious *out = g->out;
    uint32_t count = 0;
    for (size_t t = 0; t < g->c->tree_count; t++) {
        const struct ax_tree *tree = &g->c->trees[t];
        out->trees[t] = (struct ax_oblivious_tree){ count, tree->depth };
        for (size_t level = 0; level < tree->depth; level++) {
            struct ax_mux_split split = level_split(g, tree, level);
            out->splits[count++] =
                (struct ax_oblivious_split){ ((split.bound - BYTE_BIAS) & 0xFF) *
                                                 UINT32_C(0x01010101),
                                             split.column * (uint32_t)AX_MUX_ROWS };
        }
    }
}

/* The levels of one run; `from` is its first tree. */
static void write_levels(const struct growing *g, const struct ax_oblivious_run *run, size_t from)
{
    for (size_t i = 0; i < run->depth; i++) {
        struct ax_oblivious_level *level = &g->out->levels[run->levels + i];
        memset(level->columns, AX_OBLIVIOUS_COLUMN_BIAS, LANES);
        memset(level->bounds, NEVER, LANES);
        for (size_t t = from; t < run->tree_end; t++) {
            const struct ax_tree *tree = &g->c->trees[t];
            size_t padding = run->depth - tree->depth;
            if (i < padding)
                continue;
            struct ax_mux_split split = level_split(g, tree, i - padding);
            level->columns[t - from] = (uint8_t)(split.column + AX_OBLIVIOUS_COLUMN_BIAS);
            level->bounds[t - from] = (int8_t)((int)split.bound - 1 - BYTE_BIAS);
        }
    }
}

/* Leaf `number` of all, which is row `row` of leaf_values. */
static void write_leaf(const struct growing *g, size_t number, uint32_t row)
{
    const struct ax_oblivious *out = g->out;
    size_t width = g->c->leaf_width;
    const double *values = g->c->leaf_values + row * width;
    for (size_t i = 0; i < width; i++)
        out->leaves[(i / out->leaf_size * out->leaf_count + number) * out->leaf_size +
                    i % out->leaf_size] = values[i];
}

static void write_leaves(const struct growing *g, const struct ax_oblivious_run *run, size_t from)
{
    for (size_t t = from; t < run->tree_end; t++) {
        const struct ax_tree *tree = &g->c->trees[t];
        size_t first = run->leaves + ((t - from) << run->depth);
        size_t count = (size_t)1 << tree->depth;
        for (size_t i = 0; i < count; i++)
            write_leaf(g, first + i, ax_compiled_node(g->c, tree, count - 1 + i).leaf.row);
    }
}

static enum ax_code allocate(struct growing *g, struct ax_err *err)
{
    struct ax_oblivious *out = g->out;
    size_t numbers = out->leaf_count * out->leaf_size * out->quarter_count;
    out->splits = ax_try_alloc(g->split_count + 1, sizeof(*out->splits));
    out->leaf_memory = ax_try_alloc(numbers * sizeof(*out->leaves) + AX_CACHE_LINE, 1);
    if (out->is_for_few)
        out->levels = ax_try_alloc(g->level_count + 1, sizeof(*out->levels));
    if (!out->splits || !out->leaf_memory || (out->is_for_few && !out->levels))
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu oblivious trees", g->c->tree_count);
    size_t over = (uintptr_t)out->leaf_memory % AX_CACHE_LINE;
    out->leaves = (double *)(void *)((char *)out->leaf_memory + (over ? AX_CACHE_LINE - over : 0));
    memset(out->leaves, 0, numbers * sizeof(*out->leaves));
    return AX_OK;
}

static enum ax_code make_runs(struct growing *g, struct ax_err *err)
{
    struct ax_oblivious *out = g->out;
    out->is_for_few = is_for_few(g);
    out->leaf_size = g->c->leaf_width > 1 ? WIDE : 1;
    out->quarter_count = (g->c->leaf_width + out->leaf_size - 1) / out->leaf_size;
    out->table_count = 1;
    while (out->table_count * AX_OBLIVIOUS_TABLE < g->mux->column_count)
        out->table_count *= 2;
    out->runs = ax_try_alloc(g->c->tree_count, sizeof(*out->runs));
    out->trees = ax_try_alloc(g->c->tree_count, sizeof(*out->trees));
    if (!out->runs || !out->trees)
        return ax_fail(err, AX_E_LIMIT, "no memory for runs of %zu trees", g->c->tree_count);
    plan_runs(g);
    if (allocate(g, err))
        return err->code;
    write_splits(g);
    for (size_t i = 0; i < out->run_count; i++) {
        size_t from = i ? out->runs[i - 1].tree_end : 0;
        if (out->is_for_few)
            write_levels(g, &out->runs[i], from);
        write_leaves(g, &out->runs[i], from);
    }
    return AX_OK;
}

enum ax_code ax_oblivious_init(struct ax_oblivious *oblivious, const struct ax_compiled *compiled,
                               const struct ax_mux *mux, struct ax_err *err)
{
    assert(oblivious && compiled && mux && err);
    *oblivious = (struct ax_oblivious){ .is_made = true };
    struct growing g = { .out = oblivious, .c = compiled, .mux = mux };
    if (forest_fits(&g) && make_runs(&g, err))
        ax_oblivious_done(oblivious);
    return err->code;
}

void ax_oblivious_done(struct ax_oblivious *oblivious)
{
    if (!oblivious)
        return;
    free(oblivious->runs);
    free(oblivious->trees);
    free(oblivious->splits);
    free(oblivious->levels);
    free(oblivious->leaf_memory);
    *oblivious = (struct ax_oblivious){ 0 };
}

size_t ax_oblivious_bytes(const struct ax_oblivious *oblivious)
{
    assert(oblivious);
    return ax_alloc_bytes(oblivious->runs) + ax_alloc_bytes(oblivious->trees) +
           ax_alloc_bytes(oblivious->splits) + ax_alloc_bytes(oblivious->levels) +
           ax_alloc_bytes(oblivious->leaf_memory);
}
