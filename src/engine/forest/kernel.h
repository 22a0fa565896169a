/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: ways of turning rows into sums of leaves, and a forest made ready for one of them.
 *
 * All kernels give the same bits, whatever the number of rows and a row's place among them: sums
 * begin with the base, and the leaves are added in the order of the trees, in sum_type. They are a
 * table, from the one that runs everywhere to the fastest; the CPU decides when a forest is loaded,
 * or the environment variable AUSPEX_KERNEL does. docs/internals/kernels.md tells how they work. A
 * plan is immutable; any number of threads may score with it.
 */
#ifndef AX_ENGINE_FOREST_KERNEL_H
#define AX_ENGINE_FOREST_KERNEL_H

#include "data/batch.h"
#include "engine/forest/compile.h"
#include "engine/forest/deep.h"
#include "engine/forest/numbers.h"
#include "engine/forest/oblivious.h"
#include "engine/forest/ranked.h"

#define AX_KERNEL_VARIABLE "AUSPEX_KERNEL"

/* Sizes of batches that a kernel is chosen for: 1 row, a few, some, many. */
#define AX_KERNEL_CLASSES 4
#define AX_KERNEL_FEW     2 /* from here on */
#define AX_KERNEL_SOME    12
#define AX_KERNEL_MANY    32
#define AX_KERNELS_MAX    8 /* in the table */

struct ax_forest_plan {
    const struct ax_forest_kernel *kernel; /* the default one */
    const struct ax_forest_kernel *by_class[AX_KERNEL_CLASSES];
    struct ax_compiled compiled;
    struct ax_numbers numbers;     /* of kernels that want it; else zeroed */
    struct ax_mux mux;             /* the same */
    struct ax_ranked ranked;       /* the same */
    struct ax_oblivious oblivious; /* the same */
    struct ax_deep deep;           /* the same */
    size_t few;                    /* fewer rows than that go one by one */
    /* What a row cost when that was measured, by class and place in the table; 0: it was not. */
    float row_ns[AX_KERNEL_CLASSES][AX_KERNELS_MAX];
};

/* What is scored; its columns are of input_type and width 1. */
struct ax_forest_input {
    const struct ax_batch *batch;
    bool is_matrix; /* as ax_batch_is_matrix has it */
};

struct ax_forest_kernel {
    const char *name;
    size_t rows_max; /* of one call of score */

    /* Whether this CPU and system can run it. Any thread. */
    bool (*runs_here)(void);

    /* (optional) Make what it needs beside plan->compiled and is not there yet. NULL: nothing.
     * Expected: LIMIT. */
    enum ax_code (*prepare)(struct ax_forest_plan *plan, struct ax_err *err);

    /* Bytes of scratch, aligned to 64, that score needs for up to `rows` rows. */
    size_t (*scratch_size)(const struct ax_forest_plan *plan, size_t rows);

    /* The sums of rows [from, from + rows) of `in`, 1 to rows_max of them: of row from + r from
     * number r * group_count of `sums` on. */
    void (*score)(const struct ax_forest_plan *plan, const struct ax_forest_input *in, size_t from,
                  size_t rows, void *sums, void *scratch);
};

/* All kernels of this build, the fastest last, ended by NULL. */
extern const struct ax_forest_kernel *const ax_forest_kernels[];

/* The kernel of that name, or with NULL the last of the table that this CPU can run. Expected:
 * INVALID (no such kernel), UNSUPPORTED (not on this CPU). */
AX_MUST_USE enum ax_code ax_forest_kernel_choose(const char *name,
                                                 const struct ax_forest_kernel **ret_kernel,
                                                 struct ax_err *err);

/* The same with the name that AUSPEX_KERNEL holds, if it is set. */
AX_MUST_USE enum ax_code ax_forest_kernel_default(const struct ax_forest_kernel **ret_kernel,
                                                  struct ax_err *err);

/* Compile `forest` for the default kernel. Expected: as ax_forest_kernel_choose; TOO_LARGE, LIMIT.
 * On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_forest_plan_init(struct ax_forest_plan *plan,
                                             const struct ax_forest *forest, struct ax_err *err);
void ax_forest_plan_done(struct ax_forest_plan *plan);
size_t ax_forest_plan_bytes(const struct ax_forest_plan *plan); /* of the heap */

/* Choose the default kernel and make what it needs, of a plan whose compiled form is there.
 * Expected: as ax_forest_kernel_choose; LIMIT. The plan is the caller's to release. */
AX_MUST_USE enum ax_code ax_forest_plan_prepare(struct ax_forest_plan *plan, struct ax_err *err);

/* The class of a batch, and the fewest rows of a class. */
static inline size_t ax_kernel_class(size_t rows)
{
    return (size_t)(rows >= AX_KERNEL_FEW) + (rows >= AX_KERNEL_SOME) + (rows >= AX_KERNEL_MANY);
}
size_t ax_kernel_class_from(size_t class);

/* The kernel for a batch of so many rows, at least 1. */
static inline const struct ax_forest_kernel *ax_forest_plan_kernel(
    const struct ax_forest_plan *plan, size_t rows)
{
    return plan->by_class[ax_kernel_class(rows)];
}

/* Let `kernel`, which the CPU can run, answer batches of class `class`. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_forest_plan_choose(struct ax_forest_plan *plan, size_t class,
                                               const struct ax_forest_kernel *kernel,
                                               struct ax_err *err);

/* Bytes of scratch, aligned to 64, for any batch of up to `rows` rows, a block at a time; and the
 * most rows of a block. */
size_t ax_forest_plan_scratch_size(const struct ax_forest_plan *plan, size_t rows);
size_t ax_forest_plan_block(const struct ax_forest_plan *plan, size_t rows);

/* A row of `in` as ax_compiled_fill takes it: where it lies, when the batch is a matrix, else put
 * together in `gathered`, which has room for feature_count values of input_type. */
const void *ax_forest_plan_row(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                               size_t row, void *gathered);

extern const struct ax_forest_kernel ax_kernel_portable;
extern const struct ax_forest_kernel ax_kernel_ranks; /* few_avx2.c */
extern const struct ax_forest_kernel ax_kernel_avx2;
extern const struct ax_forest_kernel ax_kernel_avx512;

/* Whether this CPU has what both of them are compiled for. */
bool ax_kernel_avx2_runs_here(void);

#endif
