/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact sum of float64 values, rounded once.
 *
 * Whatever the order of additions and merges, the result is that of Python's math.fsum. A sum is
 * three doubles that are it exactly; only when three do not suffice (magnitudes that lie more than
 * 100 bits apart) is a fixed-point number of 2,176 bits allocated, which always does. Values are
 * finite. One thread.
 */
#ifndef AX_FEATURE_WINDOW_SUM_H
#define AX_FEATURE_WINDOW_SUM_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Any sum of 2^64 doubles in units of 2^-1074, two's complement, the lowest limb first. */
#define AX_WINDOW_WIDE_LIMBS 34
struct ax_window_wide {
    uint64_t limbs[AX_WINDOW_WIDE_LIMBS];
};

/* Zeroed it is 0. */
struct ax_window_sum {
    double high, middle, low;
    struct ax_window_wide *wide; /* owned; NULL until it is needed */
    bool is_wide;                /* `wide` is a part of the sum */
};

/* Make it 0 again, keeping what is allocated; and free that. */
void ax_window_sum_clear(struct ax_window_sum *sum);
void ax_window_sum_done(struct ax_window_sum *sum);

/* False: memory was refused, and the sum is as it was. */
AX_MUST_USE bool ax_window_sum_add(struct ax_window_sum *sum, double value);
AX_MUST_USE bool ax_window_sum_merge(struct ax_window_sum *sum, const struct ax_window_sum *other);

/* The nearest double, ties to even; infinite when the sum is beyond all. */
double ax_window_sum_result(const struct ax_window_sum *sum);

/* The sum over `count`, which is over 0, within 1 ulp; finite even where the sum is not. */
double ax_window_sum_mean(const struct ax_window_sum *sum, int64_t count);

#endif
