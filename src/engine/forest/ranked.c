/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the compiled form to runs of trees that are walked by ranks.
 *
 * Three passes over the trees: the first asks whether all splits can be bytes, and counts leaves;
 * the second forms runs, and finds how much memory they need; the third writes nodes and leaves.
 * Trees are taken LANES at a time, in their order: padded to complete ones when that takes not many
 * times their leaves' room, else with links, together with those before them.
 */
#include "engine/forest/ranked.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define LANES       ((size_t)AX_RANKED_LANES)
#define PADDING_MAX 4          /* places for leaves, each leaf counting once */
#define ENDS        (255 << 8) /* no rank is above it */

struct ranking {
    struct ax_ranked *out;
    const struct ax_compiled *c;
    const struct ax_mux *mux;
    uint16_t *leaf_counts; /* [tree] */
    size_t heap_size;      /* in nodes */
    size_t block_count;
    size_t blocks_written;
    size_t leaf_size; /* in leaves */
    size_t run_size;  /* trees of the last run with links */
};

/* ---- what fits ---- */

/* Whether the splits among `count` narrow nodes can all be bytes: below nothing goes what is
 * missing alone. Asked at each load, of all nodes, so without a branch on what a node is. */
static bool narrow_fit(const struct ax_node *nodes, size_t count)
{
    unsigned misfits = 0;
    for (size_t i = 0; i < count; i++)
        misfits |= (unsigned)(nodes[i].left != 0) & (unsigned)(nodes[i].bound == 0);
    return !misfits;
}

static bool wide_fit(const struct ax_wide_node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].left && (nodes[i].bits || nodes[i].bound == 0))
            return false;
    }
    return true;
}

/* Whether all splits of all trees can be bytes; counts leaves. Trees of a kind lie one behind the
 * other, so one ends where the next one begins. */
static bool trees_fit(const struct ranking *k)
{
    const struct ax_compiled *c = k->c;
    size_t narrow_end = c->node_count, wide_end = c->wide_count;
    for (size_t t = c->tree_count; t-- > 0;) {
        const struct ax_tree *tree = &c->trees[t];
        size_t *end = tree->is_wide ? &wide_end : &narrow_end;
        size_t count = *end - tree->root;
        if (count >= (size_t)2 * AX_MUX_LEAVES_MAX ||
            !(tree->is_wide ? wide_fit(c->wide_nodes + tree->root, count)
                            : narrow_fit(c->nodes + tree->root, count)))
            return false;
        k->leaf_counts[t] = (uint16_t)((count + 1) / 2);
        *end = tree->root;
    }
    return true;
}

static bool forest_fits(const struct ranking *k)
{
    return k->mux->trees && k->mux->column_count <= AX_RANKED_COLUMNS_MAX && trees_fit(k);
}

/* ---- runs ---- */

/* A run without links for trees [from, from + count), or false. */
static bool plan_heaps(struct ranking *k, size_t from, size_t count)
{
    size_t leaves = 0, depth = 0;
    for (size_t i = 0; i < LANES; i++) {
        size_t t = from + AX_MIN(i, count - 1);
        leaves += k->leaf_counts[t];
        depth = AX_MAX(depth, k->c->trees[t].depth);
    }
    if (depth > AX_RANKED_DEPTH_MAX || LANES << depth > PADDING_MAX * leaves)
        return false;
    k->out->runs[k->out->run_count++] =
        (struct ax_ranked_run){ .tree_end = (uint32_t)(from + count),
                                .depth = (uint32_t)depth,
                                .nodes = (uint32_t)k->heap_size,
                                .leaves = k->leaf_size };
    k->heap_size += LANES << depth;
    k->leaf_size += LANES << depth;
    return true;
}

/* Blocks of a tree begin at every 4th level. Children stand behind their parents. */
static size_t count_blocks(const struct ranking *k, size_t t)
{
    uint8_t levels[2 * AX_MUX_LEAVES_MAX]; /* within a block */
    size_t count = 1, nodes = 2 * (size_t)k->leaf_counts[t] - 1;
    levels[0] = 0;
    for (size_t i = 0; i < nodes; i++) {
        struct ax_wide_node node = ax_compiled_node(k->c, &k->c->trees[t], i);
        if (node.left == 0)
            continue;
        count += i > 0 && levels[i] == 0;
        size_t left = i + (size_t)node.left;
        levels[left] = levels[left + 1] = (levels[i] + 1) % AX_RANKED_BLOCK_LEVELS;
    }
    return count;
}

/* The trees join the last run if that is one with links and not full. */
static void plan_links(struct ranking *k, size_t from, size_t count)
{
    struct ax_ranked_run *last = k->out->run_count ? &k->out->runs[k->out->run_count - 1] : NULL;
    if (!last || !last->has_links || k->run_size + count > AX_RANKED_TREES_MAX) {
        last = &k->out->runs[k->out->run_count++];
        *last = (struct ax_ranked_run){ .has_links = true };
        k->run_size = 0;
    }
    last->tree_end = (uint32_t)(from + count);
    k->run_size += count;
    for (size_t t = from; t < from + count; t++) {
        k->out->tree_leaves[t] = (uint32_t)k->leaf_size;
        k->leaf_size += k->leaf_counts[t];
        k->block_count += count_blocks(k, t);
    }
}

static void plan_runs(struct ranking *k)
{
    for (size_t from = 0; from < k->c->tree_count; from += LANES) {
        size_t count = AX_MIN(LANES, k->c->tree_count - from);
        if (!plan_heaps(k, from, count))
            plan_links(k, from, count);
    }
}

/* ---- nodes and leaves ---- */

/* What stands beside a leaf, 0, becomes what nothing is above. */
static uint16_t split_word(uint32_t packed)
{
    struct ax_mux_split split = ax_mux_split_of(packed);
    return (uint16_t)(split.column | (split.bound - 1) << 8);
}

static void write_leaf(const struct ranking *k, size_t at, union ax_leaf leaf)
{
    if (k->c->leaf_width == 1 && k->c->leaf_values)
        ((double *)k->out->leaves)[at] = k->c->leaf_values[leaf.row];
    else
        ((union ax_leaf *)k->out->leaves)[at] = leaf;
}

/* Below a leaf that is not at the bottom all is that leaf. */
static AX_ALWAYS_INLINE void write_heap(const struct ranking *k, const struct ax_tree *tree,
                                        bool is_wide, size_t depth, uint16_t *to, size_t leaf_from)
{
    const uint32_t *splits = ax_mux_splits(k->mux, k->c, tree);
    const struct ax_node *narrow = k->c->nodes + (is_wide ? 0 : tree->root);
    const struct ax_wide_node *wide = k->c->wide_nodes + (is_wide ? tree->root : 0);
    uint16_t from[2 << AX_RANKED_DEPTH_MAX]; /* which node of the tree stands where */
    size_t size = (size_t)1 << depth;
    to[0] = ENDS;
    from[1] = 0;
    for (size_t at = 1; at < size; at++) {
        size_t i = from[at];
        size_t left = (size_t)(is_wide ? wide[i].left : narrow[i].left);
        to[at] = split_word(splits[i]);
        from[2 * at] = (uint16_t)(i + left);
        from[2 * at + 1] = (uint16_t)(i + left + (left != 0));
    }
    bool is_plain = k->c->leaf_width > 1 || !k->c->leaf_values;
    union ax_leaf *leaves = (union ax_leaf *)k->out->leaves + leaf_from;
    for (size_t i = 0; is_plain && i < size; i++)
        leaves[i] = is_wide ? wide[from[size + i]].leaf : narrow[from[size + i]].leaf;
    for (size_t i = 0; !is_plain && i < size; i++)
        write_leaf(k, leaf_from + i,
                   is_wide ? wide[from[size + i]].leaf : narrow[from[size + i]].leaf);
}

/* A tree with links that is written: the nodes at which its blocks begin, in the order of blocks,
 * and the numbers of its leaves. */
struct cutting {
    const struct ax_tree *tree;
    const uint32_t *splits;
    uint16_t roots[AX_MUX_LEAVES_MAX];
    size_t root_count;
    uint8_t leaf_of[2 * AX_MUX_LEAVES_MAX]; /* [node] */
};

/* The block that begins at node `root`. The tree's root is in block `tree_at` of the run, what is
 * cut off below goes to blocks from `rest` on. */
static void write_block(const struct ranking *k, struct cutting *cut, uint16_t root, size_t rest,
                        struct ax_ranked_block *to)
{
    uint16_t from[2 << AX_RANKED_BLOCK_LEVELS];
    size_t size = (size_t)1 << AX_RANKED_BLOCK_LEVELS;
    to->splits[0] = ENDS;
    from[1] = root;
    for (size_t at = 1; at < size; at++) {
        size_t left = (size_t)ax_compiled_node(k->c, cut->tree, from[at]).left;
        to->splits[at] = split_word(cut->splits[from[at]]);
        from[2 * at] = (uint16_t)(from[at] + left);
        from[2 * at + 1] = (uint16_t)(from[at] + left + (left != 0));
    }
    for (size_t i = 0; i < size; i++) {
        uint16_t node = from[size + i];
        bool is_leaf = ax_compiled_node(k->c, cut->tree, node).left == 0;
        to->exits[i] = is_leaf ? (uint16_t)(AX_RANKED_LEAF | cut->leaf_of[node])
                               : (uint16_t)(rest + cut->root_count - 1);
        if (!is_leaf)
            cut->roots[cut->root_count++] = node;
    }
}

/* Tree t of a run whose blocks begin at `blocks`: its first one is number `first`, the others
 * number `rest` and on. Returns how many others. */
static size_t write_linked(const struct ranking *k, size_t t, struct ax_ranked_block *blocks,
                           size_t first, size_t rest)
{
    const struct ax_tree *tree = &k->c->trees[t];
    struct cutting cut = { .tree = tree,
                           .splits = ax_mux_splits(k->mux, k->c, tree),
                           .root_count = 1 };
    size_t nodes = 2 * (size_t)k->leaf_counts[t] - 1, number = 0;
    for (size_t i = 0; i < nodes; i++) {
        struct ax_wide_node node = ax_compiled_node(k->c, tree, i);
        if (node.left != 0)
            continue;
        cut.leaf_of[i] = (uint8_t)number;
        write_leaf(k, k->out->tree_leaves[t] + number++, node.leaf);
    }
    for (size_t b = 0; b < cut.root_count; b++)
        write_block(k, &cut, cut.roots[b], rest, blocks + (b ? rest + b - 1 : first));
    return cut.root_count - 1;
}

/* A run of trees with links; what fills its first blocks up, at least one, is a leaf. */
static void write_links(struct ranking *k, struct ax_ranked_run *run, size_t from)
{
    size_t trees = run->tree_end - from, rest = (trees / LANES + 1) * LANES;
    size_t filled = rest;
    struct ax_ranked_block *blocks = k->out->blocks + k->blocks_written;
    run->nodes = (uint32_t)k->blocks_written;
    for (size_t i = 0; i < trees; i++)
        rest += write_linked(k, from + i, blocks, i, rest);
    for (size_t i = trees; i < filled; i++) {
        for (size_t at = 0; at < AX_COUNT(blocks->splits); at++) {
            blocks[i].splits[at] = ENDS;
            blocks[i].exits[at] = AX_RANKED_LEAF;
        }
    }
    k->blocks_written += rest;
}

static void write_run(struct ranking *k, struct ax_ranked_run *run, size_t from)
{
    const struct ax_ranked *out = k->out;
    if (run->has_links)
        write_links(k, run, from);
    for (size_t i = 0; !run->has_links && i < LANES; i++) {
        size_t t = AX_MIN(from + i, run->tree_end - 1);
        const struct ax_tree *tree = &k->c->trees[t];
        uint16_t *to = out->heaps + run->nodes + (i << run->depth);
        size_t leaves = run->leaves + (i << run->depth);
        if (tree->is_wide)
            write_heap(k, tree, true, run->depth, to, leaves);
        else
            write_heap(k, tree, false, run->depth, to, leaves);
    }
}

/* Memory of `size` bytes, and where in it a cache line begins. */
static void *alloc_lines(size_t size, void **ret_memory)
{
    char *memory = *ret_memory = ax_try_alloc(size + AX_CACHE_LINE, 1);
    size_t over = (uintptr_t)memory % AX_CACHE_LINE;
    return memory + (over ? AX_CACHE_LINE - over : 0);
}

static size_t leaf_size(const struct ax_compiled *c)
{
    return c->leaf_width > 1 ? sizeof(uint32_t) : ax_datatype_size(c->sum_type);
}

static enum ax_code make_runs(struct ranking *k, struct ax_err *err)
{
    struct ax_ranked *out = k->out;
    size_t trees = k->c->tree_count;
    out->runs = ax_try_alloc(trees / LANES + 1, sizeof(*out->runs));
    out->tree_leaves = ax_try_alloc(trees + 1, sizeof(*out->tree_leaves));
    if (!out->runs || !out->tree_leaves)
        return ax_fail(err, AX_E_LIMIT, "no memory for runs of %zu trees", trees);
    plan_runs(k);
    /* Of each run with links some first blocks may be none's. */
    k->block_count += LANES * out->run_count;
    out->heaps = alloc_lines(k->heap_size * sizeof(*out->heaps), &out->heap_memory);
    out->blocks = alloc_lines(k->block_count * sizeof(*out->blocks), &out->block_memory);
    out->leaves = ax_try_alloc(k->leaf_size + 1, leaf_size(k->c));
    if (!out->heap_memory || !out->block_memory || !out->leaves ||
        AX_MAX(AX_MAX(k->heap_size, k->leaf_size), k->block_count) > UINT32_MAX)
        return ax_fail(err, AX_E_LIMIT, "no memory for nodes of %zu trees", trees);
    for (size_t r = 0; r < out->run_count; r++)
        write_run(k, &out->runs[r], r ? out->runs[r - 1].tree_end : 0);
    return AX_OK;
}

enum ax_code ax_ranked_init(struct ax_ranked *ranked, const struct ax_compiled *compiled,
                            const struct ax_mux *mux, struct ax_err *err)
{
    assert(ranked && compiled && mux && err);
    *ranked = (struct ax_ranked){ .is_made = true };
    struct ranking k = { .out = ranked, .c = compiled, .mux = mux };
    k.leaf_counts = ax_try_alloc(compiled->tree_count + 1, sizeof(*k.leaf_counts));
    if (!k.leaf_counts)
        (void)ax_fail(err, AX_E_LIMIT, "no memory to group %zu trees", compiled->tree_count);
    else if (forest_fits(&k))
        (void)make_runs(&k, err);
    free(k.leaf_counts);
    if (err->code)
        ax_ranked_done(ranked);
    return err->code;
}

void ax_ranked_done(struct ax_ranked *ranked)
{
    if (!ranked)
        return;
    free(ranked->runs);
    free(ranked->tree_leaves);
    free(ranked->heap_memory);
    free(ranked->block_memory);
    free(ranked->leaves);
    *ranked = (struct ax_ranked){ 0 };
}

size_t ax_ranked_bytes(const struct ax_ranked *ranked)
{
    assert(ranked);
    return ax_alloc_bytes(ranked->runs) + ax_alloc_bytes(ranked->tree_leaves) +
           ax_alloc_bytes(ranked->heap_memory) + ax_alloc_bytes(ranked->block_memory) +
           ax_alloc_bytes(ranked->leaves);
}
