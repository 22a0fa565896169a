/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as it is walked, and walking.
 *
 * A row is first turned into slots, one for each (feature, way of treating a missing value) that
 * the forest's splits use; a split then reads its slot and compares, and never asks whether the
 * value is missing. A slot is a whole number of 32 bits for every forest, and a split goes right
 * when it is above the split's bound: where thresholds are f32, the value's bits in an order that
 * whole numbers have; where they are f64, its rank among the feature's thresholds. So one walk
 * serves both, and a comparison and an addition with its carry are a step. Nodes are laid out so
 * that the right child follows the left one and a leaf leads to itself, so a walk is a fixed number
 * of equal steps without a branch. Immutable once compiled; any number of threads may walk it.
 */
#ifndef AX_ENGINE_FOREST_COMPILE_H
#define AX_ENGINE_FOREST_COMPILE_H

#include "engine/forest/forest.h"

/* What a slot holds. Missing values of kinds that are a number: below all numbers when they go left
 * (0), above all when they go right (UINT32_MAX). Of a category, below the feature's category
 * limit: itself; limit: any other; limit + 1: missing. */
enum ax_slot_kind {
    AX_SLOT_LEAF, /* always 0, above no bound: what leaves read, so that they stay where they are */
    AX_SLOT_LOW,  /* the number; missing goes left */
    AX_SLOT_HIGH, /* the number; missing goes right */
    AX_SLOT_ZERO_LOW,  /* as LOW, with 0 missing, too */
    AX_SLOT_ZERO_HIGH, /* as HIGH, with 0 missing, too */
    AX_SLOT_AS_ZERO,   /* the number; missing becomes that of 0 */
    AX_SLOT_CATEGORY,
    AX_SLOT_KIND_COUNT
};

/* The number of an f32: in their order, 0 and -0 the same, above 0 and below UINT32_MAX. NaN has
 * none. */
static inline uint32_t ax_slot_number(float x)
{
    union {
        float number;
        uint32_t bits;
    } at = { x + 0.0f }; /* -0 becomes 0 */
    return at.bits ^ ((uint32_t)-(int32_t)(at.bits >> 31) | UINT32_C(0x80000000));
}

struct ax_slot_source {
    uint32_t feature;
    uint32_t missing; /* of kinds that are a number: what stands for a missing value */
    enum ax_slot_kind kind;
    uint32_t category_limit;
};

/* One feature's thresholds in ascending order, each once, and the slots that compare with them. The
 * rank of a value is how many of them are <= it; where thresholds are f64 the slots hold 1 more. */
struct ax_rank_source {
    uint32_t feature;
    uint32_t thresholds_from;
    uint32_t threshold_count;
    uint32_t slot_from;
    uint32_t slot_end;
};

/* What a walk ends at. */
union ax_leaf {
    float value;  /* of a forest whose sums need no table */
    uint32_t row; /* of leaf_values */
};

/* Eight bytes, for trees that split on thresholds only and are not huge. Of thresholds, a bound is
 * 1 below the threshold's own number: right is when the slot is at or above that. */
struct ax_node {
    union {
        uint32_t bound;
        union ax_leaf leaf;
    };
    uint16_t slot;
    int16_t left; /* distance to the left child; 0: a leaf */
};

/* Sixteen bytes, for all others. */
struct ax_wide_node {
    union {
        uint32_t bound;
        union ax_leaf leaf;
    };
    uint32_t slot;
    int32_t left;
    uint32_t bits; /* 0: a threshold; else where the split's bits begin: bit c is 1 when category c
                      goes right */
};

struct ax_tree {
    uint32_t root;  /* in nodes or wide_nodes */
    uint32_t depth; /* steps to the deepest leaf */
    uint32_t group;
    bool is_wide;
    bool is_oblivious; /* narrow, complete, 2 levels or more, and all splits of a level are the same
                        */
};

/* How a tree is walked by one row. */
enum ax_tree_kind { AX_TREE_OBLIVIOUS, AX_TREE_NARROW, AX_TREE_WIDE, AX_TREE_KIND_COUNT };

/* Trees of one kind and about one depth (oblivious ones: of one depth), which one row walks side by
 * side; a group that is not full repeats its last tree. */
#define AX_TREE_LANES 8
struct ax_tree_group {
    uint32_t roots[AX_TREE_LANES];
    uint32_t trees[AX_TREE_LANES];
    uint32_t depth; /* of the deepest */
};

struct ax_compiled {
    size_t feature_count;
    size_t group_count;
    enum ax_datatype input_type;
    enum ax_datatype sum_type;
    bool flush_zero;
    enum ax_forest_category_form category_form;
    struct ax_slot_source *sources;
    size_t slot_count;
    size_t number_end;            /* slots 1 to here are numbers, those behind are categories */
    struct ax_rank_source *ranks; /* of the slots that are numbers */
    size_t rank_count;
    double *thresholds; /* of all ranks, feature by feature */
    size_t threshold_count;
    struct ax_tree *trees; /* in the order of the sum */
    size_t tree_count;
    struct ax_tree_group *groups; /* of oblivious trees, of other narrow ones, of wide ones */
    size_t group_ends[AX_TREE_KIND_COUNT];
    struct ax_node *nodes;
    size_t node_count;
    struct ax_wide_node *wide_nodes;
    size_t wide_count;
    uint32_t *bits;
    size_t bit_words;
    double *leaf_values; /* leaf_rows * leaf_width; NULL: leaves hold their value */
    size_t leaf_rows;
    size_t leaf_width;
    void *base;       /* group_count numbers of sum_type */
    bool is_borrowed; /* all arrays but trees and groups lie in memory that others free */
};

/* Bits of all categorical splits together, in 32-bit words: 256 MB. */
#define AX_COMPILED_BIT_WORDS_MAX ((size_t)1 << 26)

/* Node number i of a tree, of either form. */
static inline struct ax_wide_node ax_compiled_node(const struct ax_compiled *compiled,
                                                   const struct ax_tree *tree, size_t i)
{
    if (tree->is_wide)
        return compiled->wide_nodes[tree->root + i];
    const struct ax_node *node = &compiled->nodes[tree->root + i];
    return (struct ax_wide_node){ .bound = node->bound, .slot = node->slot, .left = node->left };
}

/* Expected: TOO_LARGE, LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_compiled_init(struct ax_compiled *compiled,
                                          const struct ax_forest *forest, struct ax_err *err);
void ax_compiled_done(struct ax_compiled *compiled);
size_t ax_compiled_bytes(const struct ax_compiled *compiled); /* of the heap */

/* Find the oblivious trees and make the groups: what follows from trees and nodes. Expected: LIMIT.
 */
AX_MUST_USE enum ax_code ax_compiled_arrange(struct ax_compiled *compiled, struct ax_err *err);

/* Complete what an image holds: of the trees, group and is_wide are given, and everything else but
 * groups and group_ends. All of it may be anything; what passes can be walked. Expected: INVALID,
 * LIMIT. (compiled_check.c) */
AX_MUST_USE enum ax_code ax_compiled_check(struct ax_compiled *compiled, struct ax_err *err);

/* Turn a row of feature_count values of input_type into slots. */
void ax_compiled_fill(const struct ax_compiled *compiled, const void *row, uint32_t *slots);

/* What a slot of a categorical feature with that limit holds for a value. */
uint32_t ax_compiled_category(const struct ax_compiled *compiled, uint32_t limit, double x);

/* Walking, in walk.c. Sums begin with the base, and the leaves are added in the order of the trees,
 * in sum_type. */

#define AX_WALK_ROWS ((size_t)16) /* that go side by side through one tree */

/* The group_count sums of one row. `leaves` has room for tree_count leaves. */
void ax_compiled_walk_row(const struct ax_compiled *compiled, const uint32_t *slots, void *sums,
                          union ax_leaf *leaves);

/* What one row ends at in trees [from, from + count), up to AX_TREE_LANES of them, all of them wide
 * or none; AX_TREE_LANES leaves are written. */
void ax_compiled_walk_trees(const struct ax_compiled *compiled, size_t from, size_t count,
                            const uint32_t *slots, union ax_leaf *leaves);

/* The sums of 1 to AX_WALK_ROWS rows: slots of row r at slots[r * slot_count], its sums from number
 * r * group_count of `sums` on. */
void ax_compiled_walk_rows(const struct ax_compiled *compiled, const uint32_t *slots, size_t rows,
                           void *sums);

/* What 1 to AX_WALK_ROWS rows end at in tree `tree`; all AX_WALK_ROWS leaves are written. */
void ax_compiled_walk_tree(const struct ax_compiled *compiled, size_t tree, const uint32_t *slots,
                           size_t rows, union ax_leaf *leaves);

#endif
