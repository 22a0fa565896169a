/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear histogram of whole numbers, for latencies measured by one thread.
 *
 * 128 buckets an octave, so a quantile is at most 0.8 % above the true value; values below 256 are
 * exact. Count, sum, smallest and largest are exact. Values above AX_HISTOGRAM_VALUE_MAX (18
 * minutes of nanoseconds) share the last bucket. 34 KiB each; recording is one increment. What the
 * server counts goes to base/metric.h, which is coarser and made for many threads.
 */
#ifndef AX_BASE_HISTOGRAM_H
#define AX_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define AX_HISTOGRAM_VALUE_MAX    (((uint64_t)1 << 40) - 1)
#define AX_HISTOGRAM_BUCKET_COUNT ((size_t)(40 - 7 + 1) * 128)

struct ax_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min; /* UINT64_MAX while empty */
    uint64_t max;
    uint64_t buckets[AX_HISTOGRAM_BUCKET_COUNT];
};

/* Make it empty; also for the first time. Nothing is owned, so there is nothing to release. */
void ax_histogram_reset(struct ax_histogram *histogram);

void ax_histogram_add(struct ax_histogram *histogram, uint64_t value);

/* Add what `other` holds, as if each of its values had been added here. */
void ax_histogram_merge(struct ax_histogram *histogram, const struct ax_histogram *other);

/* The smallest value that at least a share `q` (0..1) of the values does not exceed: the upper edge
 * of its bucket, never above the largest value; 0 when empty. */
uint64_t ax_histogram_quantile(const struct ax_histogram *histogram, double q);

double ax_histogram_mean(const struct ax_histogram *histogram);

#endif
