/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link functions of the libraries' objectives, operation by operation.
 *
 * In f32 they are XGBoost's. What looks arbitrary is the library's: the sigmoid bounds -x by 88.7
 * (e^88.7 is the last before f32 overflows), softmax subtracts the largest margin and sums in f64
 * but divides by the sum narrowed to f32, quantiles are sorted by insertion (equal values and NaN
 * keep their order), expectiles are sums of softplus with a gap of 1e-6 each. survival:aft takes
 * its exponential in f64 and narrows it, since its code calls exp without std::, unlike the others;
 * XGBoost's CUDA wheels, built by another compiler, take expf there, too.
 *
 * In f64 they are LightGBM's: nothing is bounded, e^-x may overflow to a probability of 0.
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

/* ln(1 + e^x), which does not overflow. */
static float transform_softplus(float x)
{
    return x > 0.0f ? x + log1pf(expf(-x)) : log1pf(expf(x));
}

static void transform_expectiles(const float *margins, size_t count, float *out)
{
    out[0] = margins[0];
    for (size_t i = 1; i < count; i++)
        out[i] = out[i - 1] + (1e-6f + transform_softplus(margins[i]));
}

bool ax_transform_exists(enum ax_transform transform, enum ax_datatype type)
{
    switch (transform) {
    case AX_TRANSFORM_IDENTITY:
    case AX_TRANSFORM_SIGMOID:
    case AX_TRANSFORM_SOFTMAX:
    case AX_TRANSFORM_EXP:
        return true;
    case AX_TRANSFORM_LOG1P_EXP:
    case AX_TRANSFORM_SIGNED_SQUARE:
        return type == AX_FP64;
    case AX_TRANSFORM_HINGE:
    case AX_TRANSFORM_SORT:
    case AX_TRANSFORM_ARGMAX:
    case AX_TRANSFORM_EXP_WIDE:
    case AX_TRANSFORM_EXPECTILES:
        return type == AX_FP32;
    }
    return false;
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
    case AX_TRANSFORM_EXP:
        for (size_t i = 0; i < group_count; i++)
            out[i] = expf(margins[i]);
        return;
    case AX_TRANSFORM_EXP_WIDE:
        for (size_t i = 0; i < group_count; i++)
            out[i] = (float)exp((double)margins[i]);
        return;
    case AX_TRANSFORM_EXPECTILES:
        transform_expectiles(margins, group_count, out);
        return;
    case AX_TRANSFORM_LOG1P_EXP:
    case AX_TRANSFORM_SIGNED_SQUARE:
        break;
    }
    assert(!"no such transform in f32");
}

size_t ax_transform_argmax_f64(const double *margins, size_t count)
{
    assert(margins && count);
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (margins[i] > margins[best])
            best = i;
    }
    return best;
}

static void transform_softmax_f64(const double *margins, size_t count, double *out)
{
    double most = margins[0];
    for (size_t i = 1; i < count; i++)
        most = most < margins[i] ? margins[i] : most;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        out[i] = exp(margins[i] - most);
        sum += out[i];
    }
    for (size_t i = 0; i < count; i++)
        out[i] /= sum;
}

/* What one margin becomes by itself. */
static double transform_one_f64(enum ax_transform transform, double slope, double x)
{
    switch (transform) {
    case AX_TRANSFORM_IDENTITY:
        return x;
    case AX_TRANSFORM_SIGMOID:
        return 1.0 / (1.0 + exp(-slope * x));
    case AX_TRANSFORM_EXP:
        return exp(x);
    case AX_TRANSFORM_LOG1P_EXP:
        return log1p(exp(x));
    case AX_TRANSFORM_SIGNED_SQUARE:
        return (double)((x > 0.0) - (x < 0.0)) * x * x;
    case AX_TRANSFORM_HINGE:
    case AX_TRANSFORM_SORT:
    case AX_TRANSFORM_SOFTMAX:
    case AX_TRANSFORM_ARGMAX:
    case AX_TRANSFORM_EXP_WIDE:
    case AX_TRANSFORM_EXPECTILES:
        break;
    }
    assert(!"no such transform in f64");
    return NAN;
}

void ax_transform_apply_f64(enum ax_transform transform, double slope, const double *margins,
                            size_t group_count, double *out)
{
    assert(margins && out && group_count);
    if (transform == AX_TRANSFORM_SOFTMAX) {
        transform_softmax_f64(margins, group_count, out);
        return;
    }
    for (size_t i = 0; i < group_count; i++)
        out[i] = transform_one_f64(transform, slope, margins[i]);
}
