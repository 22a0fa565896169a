/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest of oblivious trees, as the kernels of wide registers score it: few rows and blocks.
 *
 * In an oblivious tree all splits of a level are the same one, so the leaf's number is the answers
 * of the levels as binary digits, right being 1, and no split waits for another one. For one row 32
 * trees are answered together, one level of all of them an instruction; for a block of rows one
 * tree of all of them. Either way the numbers are put down as bytes, and the leaves are then added
 * in the order of the trees. docs/internals/kernels.md has the pictures. Immutable once made.
 */
#ifndef AX_ENGINE_FOREST_OBLIVIOUS_H
#define AX_ENGINE_FOREST_OBLIVIOUS_H

#include "engine/forest/mux.h"

#define AX_OBLIVIOUS_LANES       ((size_t)32)  /* trees of a run */
#define AX_OBLIVIOUS_TABLE       ((size_t)16)  /* columns of a row that one table holds */
#define AX_OBLIVIOUS_COLUMNS_MAX ((size_t)128) /* for few rows: column + bias is a byte */
#define AX_OBLIVIOUS_COLUMN_BIAS 0x70
#define AX_OBLIVIOUS_LEVELS_MAX  8 /* a leaf's number is a byte */
#define AX_OBLIVIOUS_WIDE        4 /* numbers of leaves that are rows, which are padded to it */

/* One level of a run, for one row: of each tree the column that it reads, plus the bias, and
 * the bound: right when the column's rank - 128 is above it. What pads has a bound that nothing
 * is above. */
struct ax_oblivious_level {
    uint8_t columns[AX_OBLIVIOUS_LANES];
    int8_t bounds[AX_OBLIVIOUS_LANES];
};

/* One level of a tree, for a block: left when the bound, which is in each of the four bytes, is
 * above the byte of the column that begins there. */
struct ax_oblivious_split {
    uint32_t bound;
    uint32_t column;
};

/* Up to 32 consecutive trees. The leaves of tree i begin at number i << depth; of a tree with fewer
 * levels the levels above its root are padding, so that its leaves are the first of its place. */
struct ax_oblivious_run {
    uint32_t tree_end;
    uint32_t depth;  /* of the deepest */
    uint32_t levels; /* the first */
    size_t leaves;   /* the first number */
};

struct ax_oblivious_tree {
    uint32_t splits; /* the first, that of the root */
    uint32_t depth;
};

struct ax_oblivious {
    struct ax_oblivious_run *runs; /* NULL: this is no such forest */
    size_t run_count;
    struct ax_oblivious_tree *trees;
    struct ax_oblivious_split *splits;
    struct ax_oblivious_level *levels;
    /* Leaves are one number or, of several, quarters of AX_OBLIVIOUS_WIDE numbers: all leaves'
     * first quarter, then all leaves' second quarter, ... padded with 0. */
    double *leaves; /* aligned to a cache line */
    size_t leaf_count;
    size_t leaf_size;     /* numbers of a leaf in one quarter: 1 or AX_OBLIVIOUS_WIDE */
    size_t quarter_count; /* of a leaf */
    size_t table_count;   /* 1, 2, 4 or 8 tables of a row's columns */
    bool is_for_few;      /* few rows are best scored so, too; else levels is NULL */
    bool is_made;         /* ax_oblivious_init was called */
    void *leaf_memory;
};

/* Make it of a forest that has programs, whose sums are f64 and whose trees are all oblivious and
 * add to the same sums; or nothing (runs is NULL). Expected: LIMIT. On failure there is nothing to
 * release. */
AX_MUST_USE enum ax_code ax_oblivious_init(struct ax_oblivious *oblivious,
                                           const struct ax_compiled *compiled,
                                           const struct ax_mux *mux, struct ax_err *err);
void ax_oblivious_done(struct ax_oblivious *oblivious);
size_t ax_oblivious_bytes(const struct ax_oblivious *oblivious); /* of the heap */

#endif
