/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of bench/compare/compiled.c for a model that tl2cgen turned into C: each row is put into
 * the array of entries that its code reads, as its own runtime does, missing values marked.
 * WIDE is 1 for a model of f64 (LightGBM's) and 0 for f32; FEATURES_MAX is the length of its array.
 */
#include "header.h"

#include <math.h>
#include <stddef.h>

#if WIDE
typedef double number;
#else
typedef float number;
#endif

const int compiled_rows_wide = WIDE;
const int compiled_margins_wide = WIDE;

void compiled_predict(const void *values, size_t features, size_t count, void *margins)
{
    union Entry entries[FEATURES_MAX];
    const number *row = values;
    number *margin = margins;
    for (size_t r = 0; r < count; r++, row += features, margin++) {
        for (size_t i = 0; i < features; i++) {
            if (isnan(row[i]))
                entries[i].missing = -1;
            else
                entries[i].fvalue = row[i];
        }
        *margin = 0; /* the code adds to it */
        predict(entries, 1, margin);
    }
}
