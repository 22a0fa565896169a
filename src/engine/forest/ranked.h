/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as a few rows walk it by ranks: nodes of 2 or 4 bytes.
 *
 * A split compares the byte of a column of mux.h with a bound of a byte. Trees are walked in runs
 * of consecutive ones. A run of AX_RANKED_LANES trees that are nearly complete has no links: they
 * are padded to complete ones of one depth, so that the children of node n are 2 n and 2 n + 1, and
 * a step is four instructions. In other runs trees are cut into blocks of 4 levels, complete ones
 * again, and trees whose walk has ended make room for others. docs/internals/kernels.md has the
 * pictures. Immutable once made.
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
    uint32_t nodes; /* without links: of the first tree the first, in heaps; else its first block */
    size_t leaves;  /* without links: the first tree's first leaf */
};

/* With links: a piece of a tree, of 4 levels, a cache line. An exit is the number of a block in the
 * run, or of a leaf in the tree. The roots of a run's trees are its first blocks; behind them, to a
 * multiple of AX_RANKED_LANES, is at least one that is a leaf. */
#define AX_RANKED_BLOCK_LEVELS 4
#define AX_RANKED_LEAF         0x8000
struct ax_ranked_block {
    uint16_t splits[1 << AX_RANKED_BLOCK_LEVELS]; /* as in a heap */
    uint16_t exits[1 << AX_RANKED_BLOCK_LEVELS];
};

struct ax_ranked {
    struct ax_ranked_run *runs; /* NULL: this forest is not walked by ranks */
    size_t run_count;
    /* A split is column | bound << 8, and is compared as a whole with rank << 8: right when the
     * rank is above the bound, which is 1 below the split's number among the column's thresholds. A
     * leaf, and what pads, has the bound 255: nothing is above it. */
    uint16_t *heaps; /* a tree's root is number 1 of its own; number 0 is not used */
    struct ax_ranked_block *blocks;
    uint32_t *tree_leaves; /* the first of each tree with links */
    void *leaves;          /* f32 or f64 of width 1, else rows of leaf_values as uint32_t */
    void *heap_memory;     /* heaps and blocks are aligned to cache lines within */
    void *block_memory;
    bool is_made; /* ax_ranked_init was called */
};

/* Make the runs of a forest that has programs, or nothing (runs is NULL) where it cannot be walked
 * by ranks. Expected: LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_ranked_init(struct ax_ranked *ranked,
                                        const struct ax_compiled *compiled,
                                        const struct ax_mux *mux, struct ax_err *err);
void ax_ranked_done(struct ax_ranked *ranked);
size_t ax_ranked_bytes(const struct ax_ranked *ranked); /* of the heap */

/* The sums of 1 or more rows. Of row r, `ranks` has AX_RANKED_COLUMNS_MAX numbers from number r
 * times that on: its columns' ranks << 8, then zeros; its sums begin at number r * group_count. */
void ax_ranked_walk(const struct ax_ranked *ranked, const struct ax_compiled *compiled,
                    const uint16_t *ranks, size_t rows, void *sums);

#endif
