/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows to ranks in bytes, for the AVX2 kernel: the one step between a batch and mux.h's programs.
 */
#ifndef AX_ENGINE_FOREST_RANK_AVX2_H
#define AX_ENGINE_FOREST_RANK_AVX2_H

#include "engine/forest/kernel.h"

/* Columns of the block of rows [from, from + rows) of `in`, 1 to AX_MUX_ROWS of them, to
 * `ranks`: column_count * AX_MUX_ROWS bytes. Bytes of rows beyond are those of some number. */
void ax_mux_rank_avx2(const struct ax_forest_plan *plan, const struct ax_batch *in, size_t from,
                      size_t rows, int8_t *ranks);

/* The columns of one row, which lies as ax_compiled_fill takes it, to `ranks`, each << 8. Only
 * columns of numbers. */
void ax_mux_rank_row_avx2(const struct ax_forest_plan *plan, const void *row, uint16_t *ranks);

#endif
