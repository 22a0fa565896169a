/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX2 kernel's way with a few rows: one after the other, each through 8 trees at once.
 *
 * By ranks where the plan has been made for that, else as the portable kernel does. Which number of
 * rows is a few depends on the forest: a block of rows compares every split of a tree, a row that
 * walks only some of them.
 */
#ifndef AX_ENGINE_FOREST_FEW_AVX2_H
#define AX_ENGINE_FOREST_FEW_AVX2_H

#include "engine/forest/kernel.h"

/* Make what a few rows need, of a plan whose programs are made. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_few_prepare(struct ax_forest_plan *plan, struct ax_err *err);

/* From how many rows on a block is the better way; SIZE_MAX: never. */
size_t ax_few_limit(const struct ax_forest_plan *plan);

/* Of `rows` rows, how many at the end are better off without a block: all, those behind the whole
 * blocks, or none. Of a plan whose `few` is known. */
size_t ax_few_count(const struct ax_forest_plan *plan, size_t rows);

/* As struct ax_forest_kernel has them, for any number of rows. */
size_t ax_few_scratch_size(const struct ax_forest_plan *plan, size_t rows);
void ax_few_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in, size_t from,
                  size_t rows, void *sums, void *scratch);

#endif
