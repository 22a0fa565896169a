/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link functions of XGBoost's objectives, operation by operation.
 *
 * What looks arbitrary is the library's: the sigmoid bounds -x by 88.7 (e^88.7 is the last before
 * f32 overflows), softmax subtracts the largest margin and sums in f64 but divides by the sum
 * narrowed to f32, quantiles are sorted by insertion (equal values and NaN keep their order).
 */
#include "engine/forest/transform.h"

#include <assert.h>
#include <math.h>
#include <string.h>

float ax_transform_sigmoid(float margin)
{
    float x = -margin;
    if (88.7f < x)
        x = 88.7f;
    float denominator = expf(x) + 1.0f + 1e-16f;
    return 1.0f / denominator;
}

float ax_transform_logit(float probability)
{
    const float eps = 1e-6f;
    float p = probability < eps ? eps : probability;
    if (p > 1.0f - eps)
        p = 1.0f - eps;
    return -logf(1.0f / p - 1.0f);
}

void ax_transform_softmax(const float *margins, size_t count, float *out)
{
    assert(margins && out && count);
    float most = margins[0];
    for (size_t i = 1; i < count; i++)
        most = fmaxf(margins[i], most);
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        out[i] = expf(margins[i] - most);
        sum += (double)out[i];
    }
    for (size_t i = 0; i < count; i++)
        out[i] /= (float)sum;
}

size_t ax_transform_argmax(const float *margins, size_t count)
{
    assert(margins && count);
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (margins[i] > margins[best])
            best = i;
    }
    return best;
}

static void transform_sort(const float *margins, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        float value = margins[i];
        size_t at = i;
        for (; at > 0 && out[at - 1] > value; at--)
            out[at] = out[at - 1];
        out[at] = value;
    }
}

size_t ax_transform_width(enum ax_transform transform, size_t group_count)
{
    return transform == AX_TRANSFORM_ARGMAX ? 1 : group_count;
}

void ax_transform_apply(enum ax_transform transform, const float *margins, size_t group_count,
                        float *out)
{
    assert(margins && out && group_count);
    switch (transform) {
    case AX_TRANSFORM_IDENTITY:
        memcpy(out, margins, group_count * sizeof(*out));
        return;
    case AX_TRANSFORM_SIGMOID:
        for (size_t i = 0; i < group_count; i++)
            out[i] = ax_transform_sigmoid(margins[i]);
        return;
    case AX_TRANSFORM_HINGE:
        for (size_t i = 0; i < group_count; i++)
            out[i] = margins[i] > 0.0f ? 1.0f : 0.0f;
        return;
    case AX_TRANSFORM_SORT:
        transform_sort(margins, group_count, out);
        return;
    case AX_TRANSFORM_SOFTMAX:
        ax_transform_softmax(margins, group_count, out);
        return;
    case AX_TRANSFORM_ARGMAX:
        out[0] = (float)ax_transform_argmax(margins, group_count);
        return;
    }
    assert(!"no such transform");
}
