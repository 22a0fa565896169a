/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as kernels of byte multiplexing run it: values as ranks in bytes, trees as programs.
 *
 * A block of AX_MUX_ROWS rows is turned into columns of bytes, and a tree is a short program over
 * columns that ends with the number of the leaf each row reaches; docs/internals/kernels.md has the
 * pictures. Trees that do not fit are left to walk.c, at their place in the order. Nothing here is
 * for one CPU: what a register holds is the kernel's matter. Immutable once made.
 *
 * Ranks, bounds and what stands for missing values are stored minus 128, since what CPUs compare
 * are signed bytes.
 */
#ifndef AX_ENGINE_FOREST_MUX_H
#define AX_ENGINE_FOREST_MUX_H

#include "engine/forest/compile.h"

#define AX_MUX_ROWS        ((size_t)64) /* of a block, and bytes of a column in it */
#define AX_MUX_LEAVES_MAX  256          /* of a tree, since a leaf's number is a byte */
#define AX_MUX_COLUMNS_MAX ((size_t)4096)
#define AX_MUX_GROUPS_MAX  ((size_t)512)
#define AX_MUX_BOUNDS      255 /* thresholds of a column; ranks are 0 to that */
#define AX_MUX_KEYS        16  /* thresholds that a step of a search compares with */
#define AX_MUX_LEVELS_MAX  6   /* 16^6 thresholds */
#define AX_MUX_SET_WORDS   10  /* of code */
#define AX_MUX_TILE_HEIGHT 3
#define AX_MUX_CODES_MAX   256 /* what a categorical slot may hold */
#define AX_MUX_PLANE_MAX   64  /* leaves of a tree whose leaves are byte planes */

/* One column: rank - base, cut off at 0 and 255, or what stands for a missing value. */
struct ax_mux_column {
    int32_t base;
    uint8_t missing;      /* not minus 128 */
    bool zero_is_missing; /* as well as NaN */
};

/* The columns of one feature. Its thresholds are keys: level 0 has all of them in ascending order,
 * level n + 1 the last key of each block of AX_MUX_KEYS of level n but the last block. Each level
 * is padded to whole blocks with NaN, which no value reaches. */
struct ax_mux_source {
    uint32_t feature;
    uint32_t column_from;
    uint32_t column_end;
    bool is_plain;       /* one column or two, neither cut off, nor is zero missing in them */
    uint16_t missing[2]; /* of a plain one: what stands for NaN in them */
    uint32_t half_count; /* of blocks of level 0 that have a threshold, 1 at least */
    uint32_t level_count;
    uint32_t level_from[AX_MUX_LEVELS_MAX]; /* in keys */
};

/* Two columns of a categorical feature: its slot's eighth, and 1 << its rest, both as they are. */
struct ax_mux_category {
    uint32_t feature;
    uint32_t limit; /* see enum ax_slot_kind */
    uint32_t column;
};

enum ax_mux_form {
    AX_MUX_WALKED,    /* by walk.c */
    AX_MUX_TILES,     /* tiles, then joins */
    AX_MUX_OBLIVIOUS, /* one split a level */
    AX_MUX_DEEP,      /* tiles, then joins, of the trunk; the rest is deep.h's */
};

/* A split in the code is two words: its bound, in each of the four bytes, and where in a block its
 * column begins. Left when the bound is above the column's byte.
 *
 *   sets       where the two columns of a category begin, then 256 bits: 1 goes right. Writes a
 *              column of the tree's own, the first of which lies behind all others of the block: -1
 *              for left, 0 for right; the split that reads it has the bound 0
 *   tiles      of each height from 0 on, tiles[height] times: number of the first leaf, in each of
 *              the four bytes; then 2^height - 1 splits in the order of evaluation
 *   joins      a split and where the results of its left and its right child begin
 *   oblivious  a split a level, from the root down
 *
 * Each tile and each join appends a result of AX_MUX_ROWS bytes; the last one is the tree's. */
struct ax_mux_tree {
    enum ax_mux_form form;
    uint32_t group;
    uint32_t code; /* first word */
    uint32_t leaf_count;
    size_t leaves; /* first byte; see ax_mux.leaves */
    uint16_t sets;
    uint16_t tiles[AX_MUX_TILE_HEIGHT + 1];
    uint16_t joins;
    uint16_t levels; /* of an oblivious one */
    uint16_t
        tables; /* 1, 2 or 4: the leaves are byte planes of as many times 16; 0: they are not */
};

struct ax_mux {
    struct ax_mux_tree *trees; /* in the order of the sum; NULL: this forest is walked altogether */
    size_t tree_count;
    size_t walked_count; /* of them walked */
    size_t deep_count;   /* of them with a trunk alone */
    struct ax_mux_source *sources;
    size_t source_count;
    struct ax_mux_column *columns;
    size_t column_count;
    uint32_t *column_of; /* [slot]: its first column */
    uint32_t *rank_of;   /* [slot]: its number among the ranks of the compiled form */
    /* [node], of nodes, then of wide_nodes: where its split stands, as ax_mux_split_of tells; 0 of
     * leaves and of splits with a set. */
    uint32_t *splits;
    size_t set_column_count; /* most sets of a tree: columns behind the others */
    struct ax_mux_category *categories;
    size_t category_count;
    void *keys; /* of input_type; aligned to a cache line within key_memory */
    void *key_memory;
    uint32_t *code;
    size_t code_words;
    /* Of each tree, by the number of its leaf: with leaf_width 1 numbers of sum_type, as byte
     * planes (all first bytes, padded to tables * 16; all second bytes; ...) or one by one; else
     * rows of leaf_values as uint32_t. Of a trunk, whose leaves are its exits: their places in the
     * tree as uint32_t. Each tree's begin at a multiple of 16. */
    char *leaves;
    size_t leaf_bytes;
    bool is_made;     /* one of the two below was called: NULL means that walking is better */
    bool is_borrowed; /* trees, splits, code and leaves lie in memory that others free */
};

/* Make the programs of a forest, or nothing (trees is NULL) where walking is the better way.
 * Expected: LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_mux_init(struct ax_mux *mux, const struct ax_compiled *compiled,
                                     struct ax_err *err);
void ax_mux_done(struct ax_mux *mux);
size_t ax_mux_bytes(const struct ax_mux *mux); /* of the heap */

/* Programs that were made before, of an image. */
struct ax_mux_programs {
    struct ax_mux_tree *trees; /* as many as the forest has; NULL: it is to be walked */
    uint32_t *splits;          /* as many as the forest has nodes */
    uint32_t *code;
    size_t code_words;
    char *leaves;
    size_t leaf_bytes;
};

/* The same as ax_mux_init with these programs, which are borrowed and may be anything: what passes
 * reads and writes nothing that it should not. Expected: INVALID, LIMIT. (mux_check.c) */
AX_MUST_USE enum ax_code ax_mux_adopt(struct ax_mux *mux, const struct ax_compiled *compiled,
                                      const struct ax_mux_programs *programs, struct ax_err *err);

/* For mux_check.c: everything but trees, splits, code and leaves. False where this forest cannot
 * have programs. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_mux_init_columns(struct ax_mux *mux, const struct ax_compiled *compiled,
                                             bool *ret_fits, struct ax_err *err);
/* How a tree's leaves lie, and their bytes. */
uint16_t ax_mux_table_count(const struct ax_compiled *compiled, enum ax_mux_form form,
                            uint32_t leaf_count);
size_t ax_mux_leaf_bytes(const struct ax_compiled *compiled, enum ax_mux_form form,
                         uint32_t leaf_count);

/* Where a split of a threshold stands: the column that it reads, and how many thresholds of that
 * column are at or below its own, 1 to AX_MUX_BOUNDS; 0: nothing but a missing value goes left. */
struct ax_mux_split {
    uint32_t column;
    uint32_t bound;
};

#define AX_MUX_BOUND_BITS 8

/* The splits of a tree's nodes, from its root on. */
static inline const uint32_t *ax_mux_splits(const struct ax_mux *mux,
                                            const struct ax_compiled *compiled,
                                            const struct ax_tree *tree)
{
    return mux->splits + (tree->is_wide ? compiled->node_count : 0) + tree->root;
}

static inline struct ax_mux_split ax_mux_split_of(uint32_t split)
{
    return (struct ax_mux_split){ split >> AX_MUX_BOUND_BITS, split & AX_MUX_BOUNDS };
}

#endif
