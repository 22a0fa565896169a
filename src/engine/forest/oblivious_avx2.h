/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX2 kernel's way with forests of oblivious trees (oblivious.h).
 */
#ifndef AX_ENGINE_FOREST_OBLIVIOUS_AVX2_H
#define AX_ENGINE_FOREST_OBLIVIOUS_AVX2_H

#include "engine/forest/kernel.h"

/* The sums of 1 or more rows, of a forest that is_for_few; arguments as of ax_ranked_walk, but
 * `ranks` is used up. */
void ax_oblivious_walk_avx2(const struct ax_oblivious *oblivious,
                            const struct ax_compiled *compiled, uint16_t *ranks, size_t rows,
                            void *sums);

/* As struct ax_forest_kernel has them, for any number of rows, a block after the other. */
size_t ax_oblivious_scratch_size(const struct ax_forest_plan *plan, size_t rows);
void ax_oblivious_score_avx2(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                             size_t from, size_t rows, void *sums, void *scratch);

#endif
