/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log-linear histogram.
 *
 * A value below 128 is its own bucket. A larger one is shifted right until it lies in 128..255; how
 * far it was shifted is its octave, and the 7 bits behind the leading one are its place in it. So
 * bucket widths double from octave to octave and the relative error stays the same.
 */
#include "base/histogram.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define PLACE_BITS  7u
#define PLACE_COUNT ((size_t)1 << PLACE_BITS)

static size_t histogram_bucket(uint64_t value)
{
    if (value > AX_HISTOGRAM_VALUE_MAX)
        value = AX_HISTOGRAM_VALUE_MAX;
    if (value < PLACE_COUNT)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - PLACE_BITS;
    return (shift + 1) * PLACE_COUNT + ((size_t)(value >> shift) - PLACE_COUNT);
}

/* The largest value that falls into the bucket. */
static uint64_t histogram_edge(size_t bucket)
{
    if (bucket < PLACE_COUNT)
        return bucket;
    size_t shift = bucket / PLACE_COUNT - 1;
    uint64_t place = bucket % PLACE_COUNT + PLACE_COUNT;
    return ((place + 1) << shift) - 1;
}

void ax_histogram_reset(struct ax_histogram *histogram)
{
    assert(histogram);
    memset(histogram, 0, sizeof(*histogram));
    histogram->min = UINT64_MAX;
}

void ax_histogram_add(struct ax_histogram *histogram, uint64_t value)
{
    assert(histogram);
    histogram->count++;
    histogram->sum += value;
    if (value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[histogram_bucket(value)]++;
}

void ax_histogram_merge(struct ax_histogram *histogram, const struct ax_histogram *other)
{
    assert(histogram && other);
    histogram->count += other->count;
    histogram->sum += other->sum;
    if (other->min < histogram->min)
        histogram->min = other->min;
    if (other->max > histogram->max)
        histogram->max = other->max;
    for (size_t i = 0; i < AX_HISTOGRAM_BUCKET_COUNT; i++)
        histogram->buckets[i] += other->buckets[i];
}

uint64_t ax_histogram_quantile(const struct ax_histogram *histogram, double q)
{
    assert(histogram && q >= 0 && q <= 1);
    if (histogram->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(q * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < AX_HISTOGRAM_BUCKET_COUNT - 1; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && seen >= rank)
            return histogram_edge(i) < histogram->max ? histogram_edge(i) : histogram->max;
    }
    return histogram->max;
}

double ax_histogram_mean(const struct ax_histogram *histogram)
{
    assert(histogram);
    return histogram->count ? (double)histogram->sum / (double)histogram->count : 0.0;
}
