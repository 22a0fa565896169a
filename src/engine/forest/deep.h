/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of too many leaves for bytes: the trunk, which is the upper AX_DEEP_LEVELS levels, padded
 * to complete ones, has a program of mux.h that finds for each row of a block where it leaves the
 * trunk; from there on rows walk by ranks through the crown.
 *
 * The crown's nodes lie as those of the compiled form do, the trunk's among them, so a place in a
 * tree is the same in both. docs/internals/kernels.md has the pictures. Immutable once made.
 */
#ifndef AX_ENGINE_FOREST_DEEP_H
#define AX_ENGINE_FOREST_DEEP_H

#include "engine/forest/mux.h"

#define AX_DEEP_LEVELS      6                       /* of a trunk */
#define AX_DEEP_EXITS       (1 << AX_DEEP_LEVELS)   /* from a trunk */
#define AX_DEEP_TRUNK_NODES (2 * AX_DEEP_EXITS - 1) /* exits among them */
#define AX_DEEP_COLUMNS_MAX ((size_t)256)           /* a column's number is a byte */
#define AX_DEEP_CHUNK       ((size_t)64) /* nodes whose leaves are counted from one number on */

/* A split is column | bound << 8, and is compared as a whole with rank << 8: right when the rank is
 * above the bound, which is 1 below the split's number among the column's thresholds. A leaf has
 * the bound 255, which nothing is above, and as its column its number among the leaves of its
 * chunk. */
struct ax_deep_node {
    uint16_t split;
    uint16_t left; /* distance to the left child; 0: a leaf */
};

struct ax_deep_tree {
    uint32_t root;  /* at the begin of a chunk */
    uint32_t steps; /* from an exit on, that all rows go */
    bool is_ragged; /* then it may be more, and whether rows have ended is asked */
};

struct ax_deep {
    struct ax_deep_tree *trees; /* [tree], filled for deep ones; NULL: there is none */
    struct ax_deep_node *nodes;
    uint32_t *chunk_leaves; /* [chunk]: its first leaf */
    union ax_leaf *leaves;
    size_t node_count; /* to whole chunks */
    size_t leaf_count;
};

/* How many nodes a tree has, or 0 when it cannot be walked that way; `columns` are the forest's. */
size_t ax_deep_tree_size(const struct ax_compiled *compiled, const struct ax_tree *tree,
                         size_t columns);

/* The trunk of a tree, level by level: of each of its nodes, exits included, the place in the tree;
 * below a leaf all is that leaf. */
void ax_deep_find_trunk(const struct ax_compiled *compiled, const struct ax_tree *tree,
                        uint32_t ret_places[AX_DEEP_TRUNK_NODES]);

/* Make the crowns of the trees of which `mux` has trunks. Expected: LIMIT. On failure there is
 * nothing to release. */
AX_MUST_USE enum ax_code ax_deep_init(struct ax_deep *deep, const struct ax_compiled *compiled,
                                      const struct ax_mux *mux, struct ax_err *err);
void ax_deep_done(struct ax_deep *deep);
size_t ax_deep_bytes(const struct ax_deep *deep); /* of the heap */

/* Walking, in deep_walk.c. A block's ranks lie in strips of 4 rows there: rank << 8 of row r in
 * column c is number (r / 4 * AX_DEEP_STRIP + c) * 4 + r % 4. Strips are further apart than they
 * need be, or all of them would meet in a few sets of the cache. */
#define AX_DEEP_STRIP       (AX_DEEP_COLUMNS_MAX + 8)
#define AX_DEEP_STRIPS_SIZE (AX_DEEP_STRIP * AX_MUX_ROWS) /* numbers of a block */

/* Strips of the first `rows` rows of a block of columns of mux.h. */
void ax_deep_make_strips(const int8_t *ranks, size_t column_count, size_t rows,
                         uint16_t *ret_strips);

/* What each of the first `rows` rows of a block ends at in tree `tree`, a deep one, whose trunk's
 * program has found `found`. Of both there are to a multiple of 8. */
void ax_deep_walk(const struct ax_deep *deep, const struct ax_mux *mux, size_t tree,
                  const uint8_t *found, const uint16_t *strips, size_t rows,
                  union ax_leaf *ret_leaves);

#endif
