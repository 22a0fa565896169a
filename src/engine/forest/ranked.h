/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as a few rows walk it by ranks: nodes of 2 or 4 bytes.
 *
 * A split compares the byte of a column of mux.h with a bound of a byte. Trees are walked in runs
 * of consecutive ones. A run of AX_RANKED_LANES trees that are nearly complete has no links: they
 * are padded to complete ones of one depth, so that the children of node n are 2 n and 2 n + 1, and
 * a step is four instructions. In other runs each node has the distance to its left child, and
 * trees whose walk has ended make room for others. docs/internals/kernels.md has the pictures.
 * Immutable once made.
 */
#ifndef AX_ENGINE_FOREST_RANKED_H
#define AX_ENGINE_FOREST_RANKED_H

#include "engine/forest/mux.h"

#define AX_RANKED_LANES       8
#define AX_RANKED_TREES_MAX   128           /* of a run */
#define AX_RANKED_COLUMNS_MAX ((size_t)256) /* a column's number is a byte */
#define AX_RANKED_DEPTH_MAX   8             /* of trees without links */

/* Trees from where the run before ends. One without links that is not full repeats its last tree.
 */
struct ax_ranked_run {
    uint32_t tree_end;
    bool has_links;
    uint32_t depth; /* without links: of the deepest, and trees and leaves are 2^depth apart */
    uint32_t nodes; /* without links: of the first tree the first, in heaps */
    size_t leaves;  /* and its first leaf */
};

/* With links. Of a leaf the column is the leaf's number in its tree. */
struct ax_ranked_node {
    uint16_t split;
    uint16_t left; /* distance to the left child; 0: a leaf */
};

struct ax_ranked_tree {
    uint32_t root;
    uint32_t leaves; /* the first */
};

struct ax_ranked {
    struct ax_ranked_run *runs; /* NULL: this forest is not walked by ranks */
    size_t run_count;
    /* A split is column | bound << 8, and is compared as a whole with rank << 8: right when the
     * rank is above the bound, which is 1 below the split's number among the column's thresholds. A
     * leaf, and what pads, has the bound 255: nothing is above it. */
    uint16_t *heaps;               /* a tree's root is number 1 of its own; number 0 is not used */
    struct ax_ranked_node *linked; /* number 0 is a leaf of no tree */
    struct ax_ranked_tree *trees;  /* of all trees; filled for those with links */
    void *leaves;                  /* f32 or f64 of width 1, else rows of leaf_values as uint32_t */
    void *heap_memory;
    bool is_made; /* ax_ranked_init was called */
};

/* Make the runs of a forest that has programs, or nothing (runs is NULL) where it cannot be walked
 * by ranks. Expected: LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_ranked_init(struct ax_ranked *ranked,
                                        const struct ax_compiled *compiled,
                                        const struct ax_mux *mux, struct ax_err *err);
void ax_ranked_done(struct ax_ranked *ranked);

/* The sums of 1 or more rows. Of row r, `ranks` has AX_RANKED_COLUMNS_MAX numbers from number r
 * times that on: its columns' ranks << 8, then zeros; its sums begin at number r * group_count. */
void ax_ranked_walk(const struct ax_ranked *ranked, const struct ax_compiled *compiled,
                    const uint16_t *ranks, size_t rows, void *sums);

#endif
