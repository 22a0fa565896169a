/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of bench/compare/compiled.c for a model that lleaves turned into machine code: its entry
 * takes a matrix of f64, the results, and the first and last row.
 */
#include <stddef.h>

void forest_root(const double *values, double *margins, int from, int end);

const int compiled_rows_wide = 1;
const int compiled_margins_wide = 1;

void compiled_predict(const void *values, size_t features, size_t count, void *margins)
{
    (void)features;
    forest_root(values, margins, 0, (int)count);
}
