/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Double-double arithmetic: a number as the unevaluated sum of two doubles, some 104 bits.
 *
 * For intermediate values whose last bits must not depend on the order of operations more than a
 * float64 shows. Not exact; window_sum.h is.
 */
#ifndef AX_FEATURE_WINDOW_PAIR_H
#define AX_FEATURE_WINDOW_PAIR_H

#include <math.h>

__extension__ typedef __int128 ax_window_int128;

struct ax_window_pair {
    double high, low;
};

/* Of |a| >= |b|, or a is 0. */
static inline struct ax_window_pair ax_window_pair_quick(double a, double b)
{
    double sum = a + b;
    return (struct ax_window_pair){ sum, b - (sum - a) };
}

/* a + b, exactly. */
static inline struct ax_window_pair ax_window_pair_sum(double a, double b)
{
    double sum = a + b;
    double other = sum - a;
    return (struct ax_window_pair){ sum, (a - (sum - other)) + (b - other) };
}

static inline struct ax_window_pair ax_window_pair_add(struct ax_window_pair a,
                                                       struct ax_window_pair b)
{
    struct ax_window_pair sum = ax_window_pair_sum(a.high, b.high);
    struct ax_window_pair lows = ax_window_pair_sum(a.low, b.low);
    sum = ax_window_pair_quick(sum.high, sum.low + lows.high);
    return ax_window_pair_quick(sum.high, sum.low + lows.low);
}

static inline struct ax_window_pair ax_window_pair_multiply(struct ax_window_pair a,
                                                            struct ax_window_pair b)
{
    double product = a.high * b.high;
    double rest = fma(a.high, b.high, -product);
    return ax_window_pair_quick(product, rest + (a.high * b.low + a.low * b.high));
}

static inline struct ax_window_pair ax_window_pair_scale(struct ax_window_pair a, double factor)
{
    return ax_window_pair_multiply(a, (struct ax_window_pair){ factor, 0 });
}

static inline struct ax_window_pair ax_window_pair_divide(struct ax_window_pair a, double divisor)
{
    double quotient = a.high / divisor;
    double rest = fma(-quotient, divisor, a.high) + a.low;
    return ax_window_pair_quick(quotient, rest / divisor);
}

/* Exact up to 106 bits. */
static inline struct ax_window_pair ax_window_pair_from_int(ax_window_int128 value)
{
    double high = (double)value;
    return (struct ax_window_pair){ high, (double)(value - (ax_window_int128)high) };
}

#endif
