/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of bench/compare/compiled.c for a model that CatBoost exported as C++ (MODEL is that file):
 * its function takes a vector, so each row is copied into one, which is made once.
 */
#include MODEL

#include <cstddef>

extern "C" {
extern const int compiled_rows_wide, compiled_margins_wide;
const int compiled_rows_wide = 0;
const int compiled_margins_wide = 1;

void compiled_predict(const void *values, size_t features, size_t count, void *margins)
{
    static std::vector<float> row;
    const float *from = static_cast<const float *>(values);
    double *margin = static_cast<double *>(margins);
    for (size_t r = 0; r < count; r++, from += features) {
        row.assign(from, from + features);
        margin[r] = ApplyCatboostModel(row);
    }
}
}
