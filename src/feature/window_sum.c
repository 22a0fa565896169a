/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact sums. An addition is a cascade of three error-free additions (Knuth's two-sum): what the
 * first loses goes to the second double, what that loses to the third. While the third loses
 * nothing the three are the sum. When it would, or when a double comes near overflow, all parts
 * move to the fixed-point number, and the three go on from 0 as a front of it.
 *
 * The result is rounded once. Of three doubles that is done as in math.fsum: they are made
 * non-overlapping, then only a tie of the first two can be decided by the third.
 *
 * Double-double was rejected: it loses what lies 106 bits below an intermediate sum, so 1e300 +
 * 1e200 + 1 - 1e300 - 1e200 would be 0.
 */
#include "feature/window_sum.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond this the three doubles are not trusted with the next addition. */
#define SUM_NEAR_OVERFLOW 0x1p1000

enum { MANTISSA_BITS = 53, UNIT_EXPONENT = -1074 };

/* *a + *b as the nearest double and what is missing, exactly. */
static inline void two_sum(double *a, double *b)
{
    double sum = *a + *b;
    double other = sum - *a;
    *b = (*a - (sum - other)) + (*b - other);
    *a = sum;
}

static void wide_add(struct ax_window_wide *wide, double value)
{
    if (value == 0)
        return;
    int exponent;
    int64_t mantissa = (int64_t)ldexp(frexp(value, &exponent), MANTISSA_BITS);
    int shift = exponent - MANTISSA_BITS - UNIT_EXPONENT;
    if (shift < 0) { /* Of a subnormal number; the bits that go are 0. */
        mantissa /= (int64_t)1 << -shift;
        shift = 0;
    }
    uint64_t magnitude = mantissa < 0 ? -(uint64_t)mantissa : (uint64_t)mantissa;
    size_t at = (size_t)shift / 64;
    unsigned bits = (unsigned)shift % 64;
    uint64_t parts[2] = { magnitude << bits, bits ? magnitude >> (64 - bits) : 0 };
    uint64_t carry = 0;
    for (size_t i = at; i < AX_WINDOW_WIDE_LIMBS && (i < at + 2 || carry); i++) {
        uint64_t part = i < at + 2 ? parts[i - at] : 0;
        uint64_t *limb = &wide->limbs[i];
        bool over;
        if (mantissa >= 0) {
            over = AX_ADD_OVERFLOWS(*limb, part, limb);
            over |= AX_ADD_OVERFLOWS(*limb, carry, limb);
        } else {
            over = __builtin_sub_overflow(*limb, part, limb);
            over |= __builtin_sub_overflow(*limb, carry, limb);
        }
        carry = over;
    }
}

static void wide_merge(struct ax_window_wide *wide, const struct ax_window_wide *other)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < AX_WINDOW_WIDE_LIMBS; i++) {
        bool over = AX_ADD_OVERFLOWS(wide->limbs[i], other->limbs[i], &wide->limbs[i]);
        over |= AX_ADD_OVERFLOWS(wide->limbs[i], carry, &wide->limbs[i]);
        carry = over;
    }
}

static bool wide_bit(const struct ax_window_wide *wide, size_t bit)
{
    return wide->limbs[bit / 64] >> (bit % 64) & 1;
}

/* The number times 2^-scale, rounded once unless it becomes subnormal by the scale. */
static double wide_result(const struct ax_window_wide *wide, int scale)
{
    struct ax_window_wide number = *wide;
    bool negative = number.limbs[AX_WINDOW_WIDE_LIMBS - 1] >> 63;
    for (size_t i = 0, carry = 1; negative && i < AX_WINDOW_WIDE_LIMBS; i++) {
        number.limbs[i] = ~number.limbs[i] + carry;
        carry = carry && number.limbs[i] == 0;
    }
    size_t top = AX_WINDOW_WIDE_LIMBS;
    while (top && number.limbs[top - 1] == 0)
        top--;
    if (!top)
        return 0;
    size_t bits = top * 64 - (size_t)__builtin_clzll(number.limbs[top - 1]);
    size_t low = bits > MANTISSA_BITS ? bits - MANTISSA_BITS : 0;
    uint64_t mantissa = 0;
    for (size_t bit = bits; bit > low; bit--)
        mantissa = mantissa << 1 | wide_bit(&number, bit - 1);
    if (low && wide_bit(&number, low - 1)) {
        bool beyond_half = mantissa & 1;
        for (size_t bit = 0; bit + 1 < low && !beyond_half; bit++)
            beyond_half = wide_bit(&number, bit);
        mantissa += beyond_half;
    }
    double result = ldexp((double)mantissa, (int)low + UNIT_EXPONENT - scale);
    return negative ? -result : result;
}

void ax_window_sum_clear(struct ax_window_sum *sum)
{
    assert(sum);
    sum->high = sum->middle = sum->low = 0;
    sum->is_wide = false;
}

void ax_window_sum_done(struct ax_window_sum *sum)
{
    if (!sum)
        return;
    free(sum->wide);
    *sum = (struct ax_window_sum){ 0 };
}

/* The three doubles and `value` move to the wide number. */
static bool sum_widen(struct ax_window_sum *sum, double value)
{
    if (!sum->wide) {
        sum->wide = ax_try_alloc(1, sizeof *sum->wide);
        if (!sum->wide)
            return false;
    }
    if (!sum->is_wide)
        *sum->wide = (struct ax_window_wide){ 0 };
    wide_add(sum->wide, sum->high);
    wide_add(sum->wide, sum->middle);
    wide_add(sum->wide, sum->low);
    wide_add(sum->wide, value);
    ax_window_sum_clear(sum);
    sum->is_wide = true;
    return true;
}

bool ax_window_sum_add(struct ax_window_sum *sum, double value)
{
    assert(isfinite(value));
    double high = sum->high, middle = sum->middle, low = sum->low, rest = value;
    two_sum(&high, &rest);
    if (rest == 0 && fabs(high) < SUM_NEAR_OVERFLOW) { /* Nothing is lost that others must hold. */
        sum->high = high;
        return true;
    }
    two_sum(&middle, &rest);
    two_sum(&low, &rest);
    if (AX_UNLIKELY(rest != 0 || !(fabs(high) < SUM_NEAR_OVERFLOW)))
        return sum_widen(sum, value);
    sum->high = high;
    sum->middle = middle;
    sum->low = low;
    return true;
}

bool ax_window_sum_merge(struct ax_window_sum *sum, const struct ax_window_sum *other)
{
    struct ax_window_sum merged = *sum;
    if (other->is_wide) {
        if (!sum_widen(&merged,
                       0)) /* Before anything is added, so that a refusal changes nothing. */
            return false;
        wide_merge(merged.wide, other->wide);
    }
    if (AX_LIKELY(ax_window_sum_add(&merged, other->high) &&
                  ax_window_sum_add(&merged, other->middle) &&
                  ax_window_sum_add(&merged, other->low))) {
        *sum = merged;
        return true;
    }
    return false; /* Nothing is wide yet: the first thing to be widened is what was refused. */
}

/* The three doubles as ones that do not overlap, the greatest first. */
static struct ax_window_sum sum_ordered(const struct ax_window_sum *sum)
{
    struct ax_window_sum ordered = *sum;
    if (sum->middle == 0 && sum->low == 0)
        return ordered;
    for (int pass = 0; pass < 2; pass++) {
        two_sum(&ordered.middle, &ordered.low);
        two_sum(&ordered.high, &ordered.middle);
        two_sum(&ordered.middle, &ordered.low);
    }
    two_sum(&ordered.high, &ordered.middle);
    return ordered;
}

/* All of it as a wide number. */
static struct ax_window_wide sum_wide(const struct ax_window_sum *sum)
{
    struct ax_window_wide wide = *sum->wide;
    wide_add(&wide, sum->high);
    wide_add(&wide, sum->middle);
    wide_add(&wide, sum->low);
    return wide;
}

/* The nearest double, and of what is missing to the sum the nearest, too: both depend on the sum
 * alone, and not on how it is held. */
static double sum_rounded(const struct ax_window_sum *sum, double *ret_rest)
{
    if (sum->is_wide) {
        struct ax_window_wide wide = sum_wide(sum);
        double result = wide_result(&wide, 0);
        if (isfinite(result))
            wide_add(&wide, -result);
        *ret_rest = wide_result(&wide, 0);
        return result;
    }
    struct ax_window_sum ordered = sum_ordered(sum);
    double result = ordered.high;
    if ((ordered.middle > 0 && ordered.low > 0) || (ordered.middle < 0 && ordered.low < 0)) {
        /* When the middle is exactly half a unit of the result, the low one says that it is more
         * than half, which the rounding to even did not know. */
        double twice = ordered.middle * 2;
        double next = result + twice;
        if (next - result == twice) {
            result = next;
            ordered.middle = -ordered.middle;
        }
    }
    *ret_rest = ordered.middle + ordered.low;
    return result + 0.0;
}

double ax_window_sum_result(const struct ax_window_sum *sum)
{
    double rest;
    return sum_rounded(sum, &rest);
}

double ax_window_sum_mean(const struct ax_window_sum *sum, int64_t count)
{
    assert(count > 0);
    double divisor = (double)count, rest;
    double result = sum_rounded(sum, &rest);
    if (!isfinite(result)) {
        struct ax_window_wide wide = sum_wide(sum);
        return ldexp(wide_result(&wide, 64) / divisor, 64);
    }
    double mean = result / divisor;
    return mean + (fma(-mean, divisor, result) + rest) / divisor + 0.0;
}
