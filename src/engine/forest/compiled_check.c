/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a compiled form that comes from a file can be walked without touching memory of others.
 *
 * What is asked is more than that: it must be laid out as compile.c lays it out. Slots of a feature
 * are side by side and ranks follow each other, thresholds ascend, and the nodes of a tree go level
 * by level, so that the left child of the k-th split stands at place 2 k + 1. So children, roots
 * and depths are not checked one by one but counted, in one pass over the nodes, and a cycle cannot
 * be written down. Kernels may rely on all of it.
 */
#include "engine/forest/compile.h"

#include "base/alloc.h"
#include "data/signature.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define NODES_MAX (AX_FOREST_NODES_MAX * 2) /* so that places fit in 32 bits */

struct checking {
    const struct ax_compiled *c;
    uint32_t *bound_max; /* [slot]: of what compares with it */
};

static enum ax_code damaged(struct ax_err *err, const char *what, size_t number)
{
    return ax_fail(err, AX_E_INVALID, "%s (number %zu)", what, number);
}

static enum ax_code check_shape(const struct ax_compiled *c, struct ax_err *err)
{
    bool is_f64 = c->input_type == AX_FP64;
    if ((!is_f64 && c->input_type != AX_FP32) || (c->sum_type != AX_FP64 && c->sum_type != AX_FP32))
        return damaged(err, "datatypes", c->input_type);
    if (c->feature_count < 1 || c->feature_count > AX_SIGNATURE_INPUTS_MAX || c->group_count < 1 ||
        c->group_count > AX_FOREST_GROUPS_MAX || c->leaf_width < 1 ||
        c->leaf_width > c->group_count)
        return damaged(err, "features, outputs or width of leaves", c->feature_count);
    if (c->tree_count > AX_FOREST_TREES_MAX || c->node_count > NODES_MAX ||
        c->wide_count > NODES_MAX || c->leaf_rows > UINT32_MAX ||
        c->bit_words > AX_COMPILED_BIT_WORDS_MAX || c->threshold_count > NODES_MAX)
        return damaged(err, "trees, nodes or tables", c->node_count);
    if ((c->flush_zero && !is_f64) ||
        (c->category_form != AX_CATEGORY_TRUNCATED && c->category_form != AX_CATEGORY_TOWARDS_ZERO))
        return damaged(err, "treatment of zeros or categories", c->category_form);
    if (c->slot_count < 1 || c->number_end < 1 || c->number_end > c->slot_count)
        return damaged(err, "slots", c->slot_count);
    return AX_OK;
}

static bool kind_fits(const struct ax_compiled *c, size_t slot, unsigned kind)
{
    if (slot >= c->number_end)
        return kind == AX_SLOT_CATEGORY;
    unsigned last = c->input_type == AX_FP64 ? AX_SLOT_AS_ZERO : AX_SLOT_HIGH;
    return kind >= AX_SLOT_LOW && kind <= last;
}

static enum ax_code check_slots(const struct ax_compiled *c, struct ax_err *err)
{
    if (c->sources[0].kind != AX_SLOT_LEAF)
        return damaged(err, "the leaves' slot", 0);
    for (size_t i = 1; i < c->slot_count; i++) {
        const struct ax_slot_source *slot = &c->sources[i];
        if (slot->feature >= c->feature_count || !kind_fits(c, i, (unsigned)slot->kind) ||
            slot->category_limit > (uint32_t)AX_FOREST_CATEGORY_MAX)
            return damaged(err, "slot", i);
    }
    return AX_OK;
}

/* Thresholds [from, from + count), each above the one before. */
static bool do_ascend(const double *thresholds, uint32_t count)
{
    bool is_fine = !count || !isnan(thresholds[0]);
    for (uint32_t i = 1; i < count; i++)
        is_fine &= thresholds[i - 1] < thresholds[i];
    return is_fine;
}

/* Ranks divide slots and thresholds among themselves, in order. */
static enum ax_code check_ranks(const struct checking *k, struct ax_err *err)
{
    const struct ax_compiled *c = k->c;
    size_t slot = 1, threshold = 0;
    for (size_t i = 0; i < c->rank_count; i++) {
        const struct ax_rank_source *rank = &c->ranks[i];
        if (rank->slot_from != slot || rank->slot_end <= slot || rank->slot_end > c->number_end ||
            rank->thresholds_from != threshold ||
            rank->threshold_count > c->threshold_count - threshold ||
            rank->feature >= c->feature_count)
            return damaged(err, "rank", i);
        for (; slot < rank->slot_end; slot++) {
            if (c->sources[slot].feature != rank->feature)
                return damaged(err, "rank's slot", slot);
            k->bound_max[slot] = c->input_type == AX_FP64 ? rank->threshold_count : UINT32_MAX;
        }
        if (!do_ascend(c->thresholds + threshold, rank->threshold_count))
            return damaged(err, "thresholds of rank", i);
        threshold += rank->threshold_count;
    }
    if (slot != c->number_end || threshold != c->threshold_count)
        return damaged(err, "slots or thresholds without rank", slot);
    return AX_OK;
}

/* A leaf is in its table, and, as compile.c has it, no NaN. */
static bool leaf_fits(const struct ax_compiled *c, union ax_leaf leaf)
{
    if (!c->leaf_values)
        return !isnan(leaf.value);
    if (leaf.row >= c->leaf_rows)
        return false;
    const double *values = c->leaf_values + leaf.row * c->leaf_width;
    bool is_fine = true;
    for (size_t i = 0; i < c->leaf_width; i++)
        is_fine &= !isnan(values[i]);
    return is_fine;
}

/* Bounds are asked for where they are ranks; an f32's number may be any. */
static AX_ALWAYS_INLINE bool narrow_fits(const struct checking *k, bool is_plain,
                                         const struct ax_node *node)
{
    if (node->left == 0)
        return node->slot == 0 &&
               (is_plain ? !isnan(node->leaf.value) : leaf_fits(k->c, node->leaf));
    return node->slot != 0 && node->slot < k->c->number_end &&
           (is_plain || node->bound <= k->bound_max[node->slot]);
}

static bool wide_fits(const struct checking *k, const struct ax_wide_node *node)
{
    const struct ax_compiled *c = k->c;
    if (node->left == 0)
        return node->slot == 0 && node->bits == 0 && leaf_fits(c, node->leaf);
    if (node->slot == 0 || node->slot >= c->slot_count)
        return false;
    if (!node->bits)
        return node->slot < c->number_end && node->bound <= k->bound_max[node->slot];
    size_t words = ((size_t)c->sources[node->slot].category_limit + 2 + 31) / 32;
    return node->slot >= c->number_end && node->bits < c->bit_words &&
           words <= c->bit_words - node->bits;
}

/* One tree whose first node is `root`, of at most `room` nodes, level by level. Returns how many it
 * has, 0 when something is wrong with one. Most of a load from an image is spent here, so plain
 * forests, whose leaves and bounds are f32, have a form of their own. */
static AX_ALWAYS_INLINE size_t count_nodes(const struct checking *k, bool is_wide, bool is_plain,
                                           size_t root, size_t room, uint32_t *ret_depth)
{
    size_t level = 0, end = 1; /* where the level begins, and where the tree so far ends */
    uint32_t depth = 0;
    for (; level < end; depth++) {
        if (end > room)
            return 0;
        for (size_t level_end = end; level < level_end; level++) {
            const struct ax_node *narrow = is_wide ? NULL : &k->c->nodes[root + level];
            const struct ax_wide_node *wide = is_wide ? &k->c->wide_nodes[root + level] : NULL;
            size_t left = (size_t)(is_wide ? wide->left : narrow->left);
            if (!(is_wide ? wide_fits(k, wide) : narrow_fits(k, is_plain, narrow)))
                return 0;
            if (left && left != end - level)
                return 0;
            end += left ? 2 : 0;
        }
    }
    *ret_depth = depth - 1;
    return end;
}

static size_t count_tree(const struct checking *k, bool is_wide, size_t root, uint32_t *ret_depth)
{
    const struct ax_compiled *c = k->c;
    bool is_plain = c->input_type == AX_FP32 && !c->leaf_values;
    if (is_wide)
        return count_nodes(k, true, false, root, c->wide_count - root, ret_depth);
    return is_plain ? count_nodes(k, false, true, root, c->node_count - root, ret_depth)
                    : count_nodes(k, false, false, root, c->node_count - root, ret_depth);
}

static enum ax_code check_trees(const struct checking *k, struct ax_tree *trees, struct ax_err *err)
{
    const struct ax_compiled *c = k->c;
    size_t narrow = 0, wide = 0;
    for (size_t t = 0; t < c->tree_count; t++) {
        struct ax_tree *tree = &trees[t];
        size_t *root = tree->is_wide ? &wide : &narrow;
        size_t count = count_tree(k, tree->is_wide, *root, &tree->depth);
        if (!count)
            return damaged(err, "nodes of tree", t);
        if (tree->depth > AX_FOREST_DEPTH_MAX || tree->group > c->group_count - c->leaf_width)
            return damaged(err, "depth or output of tree", t);
        tree->root = (uint32_t)*root;
        *root += count;
    }
    if (narrow != c->node_count || wide != c->wide_count)
        return damaged(err, "nodes without tree", narrow);
    return AX_OK;
}

enum ax_code ax_compiled_check(struct ax_compiled *compiled, struct ax_err *err)
{
    assert(compiled && compiled->trees && err);
    if (check_shape(compiled, err))
        return err->code;
    struct checking k = { .c = compiled };
    k.bound_max = ax_try_alloc(compiled->slot_count, sizeof(*k.bound_max));
    if (!k.bound_max)
        return ax_fail(err, AX_E_LIMIT, "no memory to check %zu slots", compiled->slot_count);
    if (!check_slots(compiled, err) && !check_ranks(&k, err) &&
        !check_trees(&k, compiled->trees, err))
        (void)(ax_compiled_arrange(compiled, err) != AX_OK);
    free(k.bound_max);
    return err->code;
}
