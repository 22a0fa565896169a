/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as rows walk it one by one without ranks: complete trees of what the compiled form has.
 *
 * Trees are taken 8 at a time, in their order. Those that are nearly complete are padded to
 * complete ones of one depth, so that they need no links: a node is the bound and the column that
 * it compares with. Columns are a row's numbers, as slots have them, and behind them one for each
 * split with a set: its answer. Trees of other shapes are left to walk.c, at their place in the
 * order. Nothing here is for one CPU; docs/internals/kernels.md has the pictures. Immutable once
 * made.
 */
#ifndef AX_ENGINE_FOREST_NUMBERS_H
#define AX_ENGINE_FOREST_NUMBERS_H

#include "engine/forest/compile.h"

#define AX_NUMBERS_LANES     8
#define AX_NUMBERS_DEPTH_MAX 8

/* Up to LANES trees, from where the run before ends. What is not full repeats its last tree, with
 * leaves of -0 where leaves are numbers: adding that changes nothing. */
struct ax_numbers_run {
    uint32_t tree_end;
    bool is_walked; /* by walk.c; all narrow, or all wide */
    uint32_t depth; /* of complete ones: trees and leaves are 2^depth apart */
    uint32_t alike; /* complete runs of this depth from this one on, one behind the other */
    size_t at;      /* of complete ones: where it begins in memory; see numbers.c */
};

/* The splits with a set of one categorical slot: columns [column, column + count). */
struct ax_numbers_sets {
    uint32_t feature;
    uint32_t limit; /* see enum ax_slot_kind */
    uint32_t column;
    uint32_t count;
    size_t words;     /* of 32 answers, of one category */
    size_t bits_from; /* the first category's, in words */
};

struct ax_numbers {
    struct ax_numbers_run *runs; /* NULL: this forest has too few trees of that shape */
    size_t run_count;
    bool has_walked;
    size_t value_count; /* of a row: all columns, and the slots of trees that are walked */
    bool is_flat; /* column f is feature f with what is missing below all, column high + f with
                     it above all; else columns are the compiled form's slots */
    uint32_t high;
    size_t slots_from; /* the compiled form's slots among the values; where is_flat is not: 0 */
    struct ax_numbers_sets *sets;
    size_t set_slot_count;
    uint32_t *bits; /* answers, by category */
    char *memory;   /* of the runs; aligned to a cache line within run_memory */
    void *run_memory;
    bool is_made; /* ax_numbers_init was called */
};

/* Expected: LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_numbers_init(struct ax_numbers *numbers,
                                         const struct ax_compiled *compiled, struct ax_err *err);
void ax_numbers_done(struct ax_numbers *numbers);
size_t ax_numbers_bytes(const struct ax_numbers *numbers); /* of the heap */

/* Bytes of a leaf in a run. */
static inline size_t ax_numbers_leaf_size(const struct ax_compiled *compiled)
{
    return compiled->leaf_width == 1 && compiled->sum_type == AX_FP64 ? sizeof(double)
                                                                      : sizeof(uint32_t);
}

/* Turn a row of feature_count values of input_type into value_count values. */
void ax_numbers_fill(const struct ax_numbers *numbers, const struct ax_compiled *compiled,
                     const void *row, uint32_t *values);

/* The sums of 1 or more rows: values of row r at values[r * value_count], its sums from number
 * r * group_count of `sums` on. */
void ax_numbers_walk(const struct ax_numbers *numbers, const struct ax_compiled *compiled,
                     const uint32_t *values, size_t rows, void *sums);

#endif
