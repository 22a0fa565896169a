/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of rows through the programs of mux.h: what kernels do with more than a few rows.
 *
 * One file for all widths of registers: mux_block.c is compiled for each, and what it exports has
 * the width's name. Of functions of a width that the CPU does not have, none may be called.
 */
#ifndef AX_ENGINE_FOREST_MUX_BLOCK_H
#define AX_ENGINE_FOREST_MUX_BLOCK_H

#include "engine/forest/kernel.h"

#define AX_BLOCK_ROWS_MAX (4 * AX_MUX_ROWS) /* of one call */

/* Bytes of scratch, aligned to 64, for up to `rows` rows; more than AX_BLOCK_ROWS_MAX cost no
 * more. Of a forest that has programs, as is all below. */
size_t ax_block_scratch_size_avx2(const struct ax_forest_plan *plan, size_t rows);
size_t ax_block_scratch_size_avx512(const struct ax_forest_plan *plan, size_t rows);

/* As struct ax_forest_kernel's score, for 1 to AX_BLOCK_ROWS_MAX rows. */
void ax_block_score_avx2(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                         size_t from, size_t rows, void *sums, void *scratch);
void ax_block_score_avx512(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                           size_t from, size_t rows, void *sums, void *scratch);

#endif
