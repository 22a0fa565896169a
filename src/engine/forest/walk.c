/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking trees: plain C, no branch in a step.
 *
 * A step is load node, load slot, compare, add: a chain of about a dozen cycles in which the
 * processor could do far more. So many walks run side by side, of many trees for one row or of many
 * rows through one tree, and each step advances all of them. There is no early end: a walk that has
 * reached its leaf stays there, which costs less than a branch that is guessed wrong.
 *
 * Sums keep the library's order. For one row, trees are walked in groups of like depth, in whatever
 * order suits, but their leaves are put aside and added tree by tree afterwards.
 */
#include "engine/forest/compile.h"

#include <assert.h>
#include <string.h>

/* Walks that go side by side: as many as there are registers for. */
#define LANES AX_TREE_LANES

/* Without it the compiler keeps the loop over the lanes, and a step costs twice as much. */
#define UNROLLED _Pragma("GCC unroll 8")

static AX_ALWAYS_INLINE size_t node_step(const struct ax_node *nodes, size_t at,
                                         const uint32_t *slots)
{
    const struct ax_node *node = &nodes[at];
    return at + (size_t)node->left + (node->bound < slots[node->slot]);
}

static AX_ALWAYS_INLINE size_t wide_step(const struct ax_wide_node *nodes, const uint32_t *bits,
                                         size_t at, const uint32_t *slots)
{
    const struct ax_wide_node *node = &nodes[at];
    uint32_t slot = slots[node->slot];
    uint32_t goes_right =
        node->bits ? bits[node->bits + slot / 32] >> slot % 32 & 1 : node->bound < slot;
    return at + (size_t)node->left + goes_right;
}

/* One step of all lanes: each in its own slots, or, with `shared`, all in those of lane 0. */
static AX_ALWAYS_INLINE void step_lanes(const struct ax_compiled *c, bool is_wide, bool shared,
                                        size_t *at, const uint32_t *const *slots)
{
    UNROLLED
    for (size_t i = 0; i < LANES; i++) {
        const uint32_t *own = slots[shared ? 0 : i];
        at[i] = is_wide ? wide_step(c->wide_nodes, c->bits, at[i], own)
                        : node_step(c->nodes, at[i], own);
    }
}

static AX_ALWAYS_INLINE union ax_leaf leaf_at(const struct ax_compiled *c, bool is_wide, size_t at)
{
    return is_wide ? c->wide_nodes[at].leaf : c->nodes[at].leaf;
}

/* Walk some groups of trees for one row. */
static AX_ALWAYS_INLINE void walk_groups(const struct ax_compiled *c, bool is_wide,
                                         const struct ax_tree_group *groups, size_t count,
                                         const uint32_t *slots, union ax_leaf *leaves)
{
    for (size_t g = 0; g < count; g++) {
        const struct ax_tree_group *group = &groups[g];
        size_t at[LANES];
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            at[i] = group->roots[i];
        for (uint32_t d = 0; d < group->depth; d++)
            step_lanes(c, is_wide, true, at, &slots);
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            leaves[group->trees[i]] = leaf_at(c, is_wide, at[i]);
    }
}

static AX_ALWAYS_INLINE void walk_trees(const struct ax_compiled *c, bool is_wide,
                                        const struct ax_tree *trees, size_t count,
                                        const uint32_t *slots, union ax_leaf *leaves)
{
    size_t at[LANES];
    uint32_t depth = 0;
    for (size_t i = 0; i < LANES; i++) {
        const struct ax_tree *tree = &trees[AX_MIN(i, count - 1)];
        at[i] = tree->root;
        depth = AX_MAX(depth, tree->depth);
    }
    for (uint32_t d = 0; d < depth; d++)
        step_lanes(c, is_wide, true, at, &slots);
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        leaves[i] = leaf_at(c, is_wide, at[i]);
}

void ax_compiled_walk_trees(const struct ax_compiled *compiled, size_t from, size_t count,
                            const uint32_t *slots, union ax_leaf *leaves)
{
    assert(compiled && count >= 1 && count <= LANES && from + count <= compiled->tree_count);
    assert(slots && leaves);
    const struct ax_tree *trees = compiled->trees + from;
    if (trees->is_wide)
        walk_trees(compiled, true, trees, count, slots, leaves);
    else
        walk_trees(compiled, false, trees, count, slots, leaves);
}

/* An oblivious tree: no split waits for another one, and the leaf's number is their answers as
 * binary digits. */
static AX_ALWAYS_INLINE union ax_leaf count_leaf(const struct ax_node *root, uint32_t depth,
                                                 const uint32_t *slots)
{
    size_t found = 0;
    UNROLLED
    for (uint32_t d = 0; d < depth; d++) {
        const struct ax_node *node = root + ((size_t)1 << d) - 1;
        found = 2 * found + (node->bound < slots[node->slot]);
    }
    return root[((size_t)1 << depth) - 1 + found].leaf;
}

static AX_ALWAYS_INLINE void count_group(const struct ax_compiled *c,
                                         const struct ax_tree_group *group, uint32_t depth,
                                         const uint32_t *slots, union ax_leaf *leaves)
{
    for (size_t i = 0; i < LANES; i++)
        leaves[group->trees[i]] = count_leaf(c->nodes + group->roots[i], depth, slots);
}

/* Groups of oblivious trees; of the usual depths with the depth as a constant. */
static void walk_oblivious(const struct ax_compiled *c, size_t count, const uint32_t *slots,
                           union ax_leaf *leaves)
{
    for (size_t g = 0; g < count; g++) {
        const struct ax_tree_group *group = &c->groups[g];
        switch (group->depth) {
        case 4:
            count_group(c, group, 4, slots, leaves);
            break;
        case 5:
            count_group(c, group, 5, slots, leaves);
            break;
        case 6:
            count_group(c, group, 6, slots, leaves);
            break;
        case 8:
            count_group(c, group, 8, slots, leaves);
            break;
        default:
            count_group(c, group, group->depth, slots, leaves);
            break;
        }
    }
}

/* How a leaf is added; each is a constant where add_leaf is inlined, so that a sum has no switch.
 */
enum leaf_form {
    LEAF_F32,      /* the leaf is the number */
    LEAF_F64,      /* one number of the table */
    LEAF_ROWS_F32, /* leaf_width numbers of the table */
    LEAF_ROWS_F64,
};

static enum leaf_form leaf_form(const struct ax_compiled *c)
{
    bool is_f64 = c->sum_type == AX_FP64;
    if (c->leaf_width > 1)
        return is_f64 ? LEAF_ROWS_F64 : LEAF_ROWS_F32;
    return is_f64 ? LEAF_F64 : LEAF_F32;
}

static AX_ALWAYS_INLINE void add_leaf(const struct ax_compiled *c, enum leaf_form form,
                                      union ax_leaf leaf, void *sums)
{
    float *f32 = sums;
    double *f64 = sums;
    switch (form) {
    case LEAF_F32:
        *f32 += leaf.value;
        return;
    case LEAF_F64:
        *f64 += c->leaf_values[leaf.row];
        return;
    case LEAF_ROWS_F32:
        for (size_t i = 0; i < c->leaf_width; i++)
            f32[i] += (float)c->leaf_values[leaf.row * c->leaf_width + i];
        return;
    case LEAF_ROWS_F64:
        for (size_t i = 0; i < c->leaf_width; i++)
            f64[i] += c->leaf_values[leaf.row * c->leaf_width + i];
        return;
    }
}

/* Bytes of one sum. */
static AX_ALWAYS_INLINE size_t sum_size(enum leaf_form form)
{
    return form == LEAF_F32 || form == LEAF_ROWS_F32 ? sizeof(float) : sizeof(double);
}

static AX_ALWAYS_INLINE void add_trees(const struct ax_compiled *c, enum leaf_form form,
                                       const union ax_leaf *leaves, void *sums)
{
    if (c->group_count == 1) {
        for (size_t t = 0; t < c->tree_count; t++)
            add_leaf(c, form, leaves[t], sums);
        return;
    }
    for (size_t t = 0; t < c->tree_count; t++)
        add_leaf(c, form, leaves[t], (char *)sums + c->trees[t].group * sum_size(form));
}

void ax_compiled_walk_row(const struct ax_compiled *compiled, const uint32_t *slots, void *sums,
                          union ax_leaf *leaves)
{
    assert(compiled && slots && sums && leaves);
    const size_t *ends = compiled->group_ends;
    const struct ax_tree_group *groups = compiled->groups;
    walk_oblivious(compiled, ends[AX_TREE_OBLIVIOUS], slots, leaves);
    walk_groups(compiled, false, groups + ends[AX_TREE_OBLIVIOUS],
                ends[AX_TREE_NARROW] - ends[AX_TREE_OBLIVIOUS], slots, leaves);
    walk_groups(compiled, true, groups + ends[AX_TREE_NARROW],
                ends[AX_TREE_WIDE] - ends[AX_TREE_NARROW], slots, leaves);
    memcpy(sums, compiled->base, compiled->group_count * ax_datatype_size(compiled->sum_type));
    switch (leaf_form(compiled)) {
    case LEAF_F32:
        add_trees(compiled, LEAF_F32, leaves, sums);
        return;
    case LEAF_F64:
        add_trees(compiled, LEAF_F64, leaves, sums);
        return;
    case LEAF_ROWS_F32:
        add_trees(compiled, LEAF_ROWS_F32, leaves, sums);
        return;
    case LEAF_ROWS_F64:
        add_trees(compiled, LEAF_ROWS_F64, leaves, sums);
        return;
    }
}

/* One tree for as many rows as LANES. */
static AX_ALWAYS_INLINE void walk_lanes(const struct ax_compiled *c, bool is_wide,
                                        const struct ax_tree *tree, const uint32_t *const *slots,
                                        union ax_leaf *leaves)
{
    size_t at[LANES];
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        at[i] = tree->root;
    for (uint32_t d = 0; d < tree->depth; d++)
        step_lanes(c, is_wide, false, at, slots);
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        leaves[i] = leaf_at(c, is_wide, at[i]);
}

/* One tree for `rows` rows, to a multiple of LANES. */
static AX_ALWAYS_INLINE void walk_tree(const struct ax_compiled *c, const struct ax_tree *tree,
                                       const uint32_t *const *slots, size_t rows,
                                       union ax_leaf *leaves)
{
    for (size_t r = 0; r < rows; r += LANES) {
        if (tree->is_wide)
            walk_lanes(c, true, tree, slots + r, leaves + r);
        else
            walk_lanes(c, false, tree, slots + r, leaves + r);
    }
}

/* What has no row of its own repeats the last one. */
static void find_rows(const struct ax_compiled *c, const uint32_t *slots, size_t rows,
                      const uint32_t **ret)
{
    for (size_t i = 0; i < AX_WALK_ROWS; i++)
        ret[i] = slots + AX_MIN(i, rows - 1) * c->slot_count;
}

void ax_compiled_walk_tree(const struct ax_compiled *compiled, size_t tree, const uint32_t *slots,
                           size_t rows, union ax_leaf *leaves)
{
    assert(compiled && tree < compiled->tree_count && slots && rows >= 1 && rows <= AX_WALK_ROWS);
    const uint32_t *lanes[AX_WALK_ROWS];
    find_rows(compiled, slots, rows, lanes);
    walk_tree(compiled, &compiled->trees[tree], lanes, rows, leaves);
}

static AX_ALWAYS_INLINE void walk_rows(const struct ax_compiled *c, enum leaf_form form,
                                       const uint32_t *const *lanes, size_t rows, void *sums)
{
    size_t row_bytes = c->group_count * sum_size(form);
    for (size_t t = 0; t < c->tree_count; t++) {
        union ax_leaf found[AX_WALK_ROWS];
        walk_tree(c, &c->trees[t], lanes, rows, found);
        char *to = (char *)sums + c->trees[t].group * sum_size(form);
        for (size_t r = 0; r < rows; r++, to += row_bytes)
            add_leaf(c, form, found[r], to);
    }
}

void ax_compiled_walk_rows(const struct ax_compiled *compiled, const uint32_t *slots, size_t rows,
                           void *sums)
{
    assert(compiled && slots && rows >= 1 && rows <= AX_WALK_ROWS && sums);
    size_t row_bytes = compiled->group_count * ax_datatype_size(compiled->sum_type);
    const uint32_t *lanes[AX_WALK_ROWS];
    find_rows(compiled, slots, rows, lanes);
    for (size_t r = 0; r < rows; r++)
        memcpy((char *)sums + r * row_bytes, compiled->base, row_bytes);
    switch (leaf_form(compiled)) {
    case LEAF_F32:
        walk_rows(compiled, LEAF_F32, lanes, rows, sums);
        return;
    case LEAF_F64:
        walk_rows(compiled, LEAF_F64, lanes, rows, sums);
        return;
    case LEAF_ROWS_F32:
        walk_rows(compiled, LEAF_ROWS_F32, lanes, rows, sums);
        return;
    case LEAF_ROWS_F64:
        walk_rows(compiled, LEAF_ROWS_F64, lanes, rows, sums);
        return;
    }
}
