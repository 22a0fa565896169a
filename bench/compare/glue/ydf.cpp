/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of bench/compare/compiled.c for a model that YDF exported as C++ (MODEL is that file): its
 * struct of features is f32 by f32 in the order of the names, which is that of a row.
 */
#include MODEL

#include <cstddef>
#include <cstring>

extern "C" {
extern const int compiled_rows_wide, compiled_margins_wide;
const int compiled_rows_wide = 0;
const int compiled_margins_wide = 0;

void compiled_predict(const void *values, size_t features, size_t count, void *margins)
{
    static_assert(sizeof(forest::Instance) == forest::kNumFeatures * sizeof(float), "only numbers");
    const float *row = static_cast<const float *>(values);
    float *margin = static_cast<float *>(margins);
    for (size_t r = 0; r < count; r++, row += features) {
        forest::Instance instance;
        std::memcpy(&instance, row, sizeof(instance));
        margin[r] = forest::Predict(instance);
    }
}
}
