/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: one pass over the digits, then the cheapest conversion that is exact.
 *
 * The scan gathers up to 19 significant digits in 64 bits, eight at a time where there are eight,
 * and the power of ten. Then, in this order:
 *
 *   1. Clinger: at most 2^53 times or divided by at most 10^22, both exact doubles, so one
 * rounding.
 *   2. Eisel and Lemire: the product with a power of five of 128 bits. That its error never reaches
 *      the rounding is proved in Mushtak and Lemire, "Fast number parsing without fallback", 2023.
 *   3. strtod of the digits, for the few that are left. The text is rewritten without a decimal
 *      point, so the locale does not matter, and cut to 770 significant digits with a 1 behind them
 *      if more follow: no double or midpoint of two has over 767.
 */
#include "base/json_number.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define POWER_MIN      (-64)
#define POWER_MAX      64
#define EXACT_POWER    22
#define DIGITS_KEPT    19  /* of any value in 64 bits */
#define DIGITS_DECIDE  770 /* more cannot change the nearest double, but for being there */
#define EXPONENT_CLAMP INT64_C(1000000000)

struct number {
    const char *begin; /* first digit */
    const char *end;
    uint64_t mantissa; /* of all digits, when they are few */
    int64_t exponent;  /* of ten, of the last digit */
    size_t digits;     /* with leading zeros */
    bool negative;
    bool whole; /* neither fraction nor exponent */
};

/* 5^(POWER_MIN + i) as 128 bits whose first is set: rounded down, but up from 5^-27 to 5^-1, so
 * that a product that is a whole number of bits is not found just below it. */
static const struct {
    uint64_t high, low;
} powers[POWER_MAX - POWER_MIN + 1] = {
    { 0xa87fea27a539e9a5, 0x3f2398d747b36224 }, /* 1e-64 */
    { 0xd29fe4b18e88640e, 0x8eec7f0d19a03aad }, /* 1e-63 */
    { 0x83a3eeeef9153e89, 0x1953cf68300424ac }, /* 1e-62 */
    { 0xa48ceaaab75a8e2b, 0x5fa8c3423c052dd7 }, /* 1e-61 */
    { 0xcdb02555653131b6, 0x3792f412cb06794d }, /* 1e-60 */
    { 0x808e17555f3ebf11, 0xe2bbd88bbee40bd0 }, /* 1e-59 */
    { 0xa0b19d2ab70e6ed6, 0x5b6aceaeae9d0ec4 }, /* 1e-58 */
    { 0xc8de047564d20a8b, 0xf245825a5a445275 }, /* 1e-57 */
    { 0xfb158592be068d2e, 0xeed6e2f0f0d56712 }, /* 1e-56 */
    { 0x9ced737bb6c4183d, 0x55464dd69685606b }, /* 1e-55 */
    { 0xc428d05aa4751e4c, 0xaa97e14c3c26b886 }, /* 1e-54 */
    { 0xf53304714d9265df, 0xd53dd99f4b3066a8 }, /* 1e-53 */
    { 0x993fe2c6d07b7fab, 0xe546a8038efe4029 }, /* 1e-52 */
    { 0xbf8fdb78849a5f96, 0xde98520472bdd033 }, /* 1e-51 */
    { 0xef73d256a5c0f77c, 0x963e66858f6d4440 }, /* 1e-50 */
    { 0x95a8637627989aad, 0xdde7001379a44aa8 }, /* 1e-49 */
    { 0xbb127c53b17ec159, 0x5560c018580d5d52 }, /* 1e-48 */
    { 0xe9d71b689dde71af, 0xaab8f01e6e10b4a6 }, /* 1e-47 */
    { 0x9226712162ab070d, 0xcab3961304ca70e8 }, /* 1e-46 */
    { 0xb6b00d69bb55c8d1, 0x3d607b97c5fd0d22 }, /* 1e-45 */
    { 0xe45c10c42a2b3b05, 0x8cb89a7db77c506a }, /* 1e-44 */
    { 0x8eb98a7a9a5b04e3, 0x77f3608e92adb242 }, /* 1e-43 */
    { 0xb267ed1940f1c61c, 0x55f038b237591ed3 }, /* 1e-42 */
    { 0xdf01e85f912e37a3, 0x6b6c46dec52f6688 }, /* 1e-41 */
    { 0x8b61313bbabce2c6, 0x2323ac4b3b3da015 }, /* 1e-40 */
    { 0xae397d8aa96c1b77, 0xabec975e0a0d081a }, /* 1e-39 */
    { 0xd9c7dced53c72255, 0x96e7bd358c904a21 }, /* 1e-38 */
    { 0x881cea14545c7575, 0x7e50d64177da2e54 }, /* 1e-37 */
    { 0xaa242499697392d2, 0xdde50bd1d5d0b9e9 }, /* 1e-36 */
    { 0xd4ad2dbfc3d07787, 0x955e4ec64b44e864 }, /* 1e-35 */
    { 0x84ec3c97da624ab4, 0xbd5af13bef0b113e }, /* 1e-34 */
    { 0xa6274bbdd0fadd61, 0xecb1ad8aeacdd58e }, /* 1e-33 */
    { 0xcfb11ead453994ba, 0x67de18eda5814af2 }, /* 1e-32 */
    { 0x81ceb32c4b43fcf4, 0x80eacf948770ced7 }, /* 1e-31 */
    { 0xa2425ff75e14fc31, 0xa1258379a94d028d }, /* 1e-30 */
    { 0xcad2f7f5359a3b3e, 0x096ee45813a04330 }, /* 1e-29 */
    { 0xfd87b5f28300ca0d, 0x8bca9d6e188853fc }, /* 1e-28 */
    { 0x9e74d1b791e07e48, 0x775ea264cf55347e }, /* 1e-27 */
    { 0xc612062576589dda, 0x95364afe032a819e }, /* 1e-26 */
    { 0xf79687aed3eec551, 0x3a83ddbd83f52205 }, /* 1e-25 */
    { 0x9abe14cd44753b52, 0xc4926a9672793543 }, /* 1e-24 */
    { 0xc16d9a0095928a27, 0x75b7053c0f178294 }, /* 1e-23 */
    { 0xf1c90080baf72cb1, 0x5324c68b12dd6339 }, /* 1e-22 */
    { 0x971da05074da7bee, 0xd3f6fc16ebca5e04 }, /* 1e-21 */
    { 0xbce5086492111aea, 0x88f4bb1ca6bcf585 }, /* 1e-20 */
    { 0xec1e4a7db69561a5, 0x2b31e9e3d06c32e6 }, /* 1e-19 */
    { 0x9392ee8e921d5d07, 0x3aff322e62439fd0 }, /* 1e-18 */
    { 0xb877aa3236a4b449, 0x09befeb9fad487c3 }, /* 1e-17 */
    { 0xe69594bec44de15b, 0x4c2ebe687989a9b4 }, /* 1e-16 */
    { 0x901d7cf73ab0acd9, 0x0f9d37014bf60a11 }, /* 1e-15 */
    { 0xb424dc35095cd80f, 0x538484c19ef38c95 }, /* 1e-14 */
    { 0xe12e13424bb40e13, 0x2865a5f206b06fba }, /* 1e-13 */
    { 0x8cbccc096f5088cb, 0xf93f87b7442e45d4 }, /* 1e-12 */
    { 0xafebff0bcb24aafe, 0xf78f69a51539d749 }, /* 1e-11 */
    { 0xdbe6fecebdedd5be, 0xb573440e5a884d1c }, /* 1e-10 */
    { 0x89705f4136b4a597, 0x31680a88f8953031 }, /* 1e-9 */
    { 0xabcc77118461cefc, 0xfdc20d2b36ba7c3e }, /* 1e-8 */
    { 0xd6bf94d5e57a42bc, 0x3d32907604691b4d }, /* 1e-7 */
    { 0x8637bd05af6c69b5, 0xa63f9a49c2c1b110 }, /* 1e-6 */
    { 0xa7c5ac471b478423, 0x0fcf80dc33721d54 }, /* 1e-5 */
    { 0xd1b71758e219652b, 0xd3c36113404ea4a9 }, /* 1e-4 */
    { 0x83126e978d4fdf3b, 0x645a1cac083126ea }, /* 1e-3 */
    { 0xa3d70a3d70a3d70a, 0x3d70a3d70a3d70a4 }, /* 1e-2 */
    { 0xcccccccccccccccc, 0xcccccccccccccccd }, /* 1e-1 */
    { 0x8000000000000000, 0x0000000000000000 }, /* 1e0 */
    { 0xa000000000000000, 0x0000000000000000 }, /* 1e1 */
    { 0xc800000000000000, 0x0000000000000000 }, /* 1e2 */
    { 0xfa00000000000000, 0x0000000000000000 }, /* 1e3 */
    { 0x9c40000000000000, 0x0000000000000000 }, /* 1e4 */
    { 0xc350000000000000, 0x0000000000000000 }, /* 1e5 */
    { 0xf424000000000000, 0x0000000000000000 }, /* 1e6 */
    { 0x9896800000000000, 0x0000000000000000 }, /* 1e7 */
    { 0xbebc200000000000, 0x0000000000000000 }, /* 1e8 */
    { 0xee6b280000000000, 0x0000000000000000 }, /* 1e9 */
    { 0x9502f90000000000, 0x0000000000000000 }, /* 1e10 */
    { 0xba43b74000000000, 0x0000000000000000 }, /* 1e11 */
    { 0xe8d4a51000000000, 0x0000000000000000 }, /* 1e12 */
    { 0x9184e72a00000000, 0x0000000000000000 }, /* 1e13 */
    { 0xb5e620f480000000, 0x0000000000000000 }, /* 1e14 */
    { 0xe35fa931a0000000, 0x0000000000000000 }, /* 1e15 */
    { 0x8e1bc9bf04000000, 0x0000000000000000 }, /* 1e16 */
    { 0xb1a2bc2ec5000000, 0x0000000000000000 }, /* 1e17 */
    { 0xde0b6b3a76400000, 0x0000000000000000 }, /* 1e18 */
    { 0x8ac7230489e80000, 0x0000000000000000 }, /* 1e19 */
    { 0xad78ebc5ac620000, 0x0000000000000000 }, /* 1e20 */
    { 0xd8d726b7177a8000, 0x0000000000000000 }, /* 1e21 */
    { 0x878678326eac9000, 0x0000000000000000 }, /* 1e22 */
    { 0xa968163f0a57b400, 0x0000000000000000 }, /* 1e23 */
    { 0xd3c21bcecceda100, 0x0000000000000000 }, /* 1e24 */
    { 0x84595161401484a0, 0x0000000000000000 }, /* 1e25 */
    { 0xa56fa5b99019a5c8, 0x0000000000000000 }, /* 1e26 */
    { 0xcecb8f27f4200f3a, 0x0000000000000000 }, /* 1e27 */
    { 0x813f3978f8940984, 0x4000000000000000 }, /* 1e28 */
    { 0xa18f07d736b90be5, 0x5000000000000000 }, /* 1e29 */
    { 0xc9f2c9cd04674ede, 0xa400000000000000 }, /* 1e30 */
    { 0xfc6f7c4045812296, 0x4d00000000000000 }, /* 1e31 */
    { 0x9dc5ada82b70b59d, 0xf020000000000000 }, /* 1e32 */
    { 0xc5371912364ce305, 0x6c28000000000000 }, /* 1e33 */
    { 0xf684df56c3e01bc6, 0xc732000000000000 }, /* 1e34 */
    { 0x9a130b963a6c115c, 0x3c7f400000000000 }, /* 1e35 */
    { 0xc097ce7bc90715b3, 0x4b9f100000000000 }, /* 1e36 */
    { 0xf0bdc21abb48db20, 0x1e86d40000000000 }, /* 1e37 */
    { 0x96769950b50d88f4, 0x1314448000000000 }, /* 1e38 */
    { 0xbc143fa4e250eb31, 0x17d955a000000000 }, /* 1e39 */
    { 0xeb194f8e1ae525fd, 0x5dcfab0800000000 }, /* 1e40 */
    { 0x92efd1b8d0cf37be, 0x5aa1cae500000000 }, /* 1e41 */
    { 0xb7abc627050305ad, 0xf14a3d9e40000000 }, /* 1e42 */
    { 0xe596b7b0c643c719, 0x6d9ccd05d0000000 }, /* 1e43 */
    { 0x8f7e32ce7bea5c6f, 0xe4820023a2000000 }, /* 1e44 */
    { 0xb35dbf821ae4f38b, 0xdda2802c8a800000 }, /* 1e45 */
    { 0xe0352f62a19e306e, 0xd50b2037ad200000 }, /* 1e46 */
    { 0x8c213d9da502de45, 0x4526f422cc340000 }, /* 1e47 */
    { 0xaf298d050e4395d6, 0x9670b12b7f410000 }, /* 1e48 */
    { 0xdaf3f04651d47b4c, 0x3c0cdd765f114000 }, /* 1e49 */
    { 0x88d8762bf324cd0f, 0xa5880a69fb6ac800 }, /* 1e50 */
    { 0xab0e93b6efee0053, 0x8eea0d047a457a00 }, /* 1e51 */
    { 0xd5d238a4abe98068, 0x72a4904598d6d880 }, /* 1e52 */
    { 0x85a36366eb71f041, 0x47a6da2b7f864750 }, /* 1e53 */
    { 0xa70c3c40a64e6c51, 0x999090b65f67d924 }, /* 1e54 */
    { 0xd0cf4b50cfe20765, 0xfff4b4e3f741cf6d }, /* 1e55 */
    { 0x82818f1281ed449f, 0xbff8f10e7a8921a4 }, /* 1e56 */
    { 0xa321f2d7226895c7, 0xaff72d52192b6a0d }, /* 1e57 */
    { 0xcbea6f8ceb02bb39, 0x9bf4f8a69f764490 }, /* 1e58 */
    { 0xfee50b7025c36a08, 0x02f236d04753d5b4 }, /* 1e59 */
    { 0x9f4f2726179a2245, 0x01d762422c946590 }, /* 1e60 */
    { 0xc722f0ef9d80aad6, 0x424d3ad2b7b97ef5 }, /* 1e61 */
    { 0xf8ebad2b84e0d58b, 0xd2e0898765a7deb2 }, /* 1e62 */
    { 0x9b934c3b330c8577, 0x63cc55f49f88eb2f }, /* 1e63 */
    { 0xc2781f49ffcfa6d5, 0x3cbf6b71c76b25fb }, /* 1e64 */
};

const uint64_t ax_json_scale[9] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 };
const double ax_json_exact[EXACT_POWER + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Of eight characters with '0' taken off: the high bit of each one that is no digit, correct up to
 * the first such. */
static uint64_t not_digits(uint64_t digits)
{
    return ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u;
}

/* Eight characters at a time, also when fewer of them are digits: shifted to the end of the word
 * they read as if zeros stood in front. One branch for all lengths up to seven, since lengths of
 * numbers cannot be predicted. */
static inline const char *scan_digits(const char *at, const char *end, uint64_t *mantissa)
{
    uint64_t value = *mantissa;
    while (end - at >= 8) {
        uint64_t digits = ax_json_load8(at) ^ AX_JSON_ZEROS;
        uint64_t stop = not_digits(digits);
        if (stop) {
            unsigned count = (unsigned)__builtin_ctzll(stop) / 8;
            *mantissa =
                value * ax_json_scale[count] + ax_json_value_of_8(digits << 8 << (56 - 8 * count));
            return at + count;
        }
        value = value * 100000000 + ax_json_value_of_8(digits);
        at += 8;
    }
    while (at < end && is_digit(*at))
        value = value * 10 + (uint64_t)(*at++ - '0');
    *mantissa = value;
    return at;
}

/* Behind the 'e'; NULL when there is no digit. Huge exponents are clamped: they mean 0 or infinity
 * whatever the digits are, since no text is that long. */
static const char *scan_exponent(const char *at, const char *end, int64_t *ret_exponent)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at >= end || !is_digit(*at))
        return NULL;
    int64_t value = 0;
    for (; at < end && is_digit(*at); at++)
        if (value < EXPONENT_CLAMP)
            value = value * 10 + (*at - '0');
    *ret_exponent = negative ? -value : value;
    return at;
}

static inline bool number_scan(const char *at, const char *end, struct number *ret)
{
    ret->negative = at < end && *at == '-';
    at += ret->negative;
    if (at >= end || !is_digit(*at))
        return false;
    ret->begin = at;
    ret->mantissa = 0;
    ret->exponent = 0;
    if (*at == '0')
        at++;
    else
        at = scan_digits(at, end, &ret->mantissa);
    ret->digits = (size_t)(at - ret->begin);
    ret->whole = true;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = scan_digits(at, end, &ret->mantissa);
        if (at == fraction)
            return false;
        ret->exponent = fraction - at;
        ret->digits += (size_t)(at - fraction);
        ret->whole = false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int64_t exponent;
        at = scan_exponent(at + 1, end, &exponent);
        if (!at)
            return false;
        ret->exponent += exponent;
        ret->whole = false;
    }
    ret->end = at;
    return true;
}

/* Whether the mantissa holds all digits: zeros in front do not count. */
static bool mantissa_is_exact(const struct number *number)
{
    if (number->digits <= DIGITS_KEPT)
        return true;
    size_t significant = number->digits;
    for (const char *at = number->begin; significant > DIGITS_KEPT; at++) {
        if (*at == '0')
            significant--;
        else if (*at != '.')
            return false;
    }
    return true;
}

static bool is_short(uint64_t mantissa, int64_t power)
{
    return mantissa <= AX_JSON_EXACT_WHOLE && power >= -EXACT_POWER && power <= EXACT_POWER;
}

static double convert_short(uint64_t mantissa, int64_t power)
{
    double value = (double)(int64_t)mantissa;
    return power < 0 ? value / ax_json_exact[-power] : value * ax_json_exact[power];
}

/* a * b */
static void multiply(uint64_t a, uint64_t b, uint64_t *ret_high, uint64_t *ret_low)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    *ret_high = (uint64_t)(product >> 64);
    *ret_low = (uint64_t)product;
}

/* The mantissa is not 0 and the power is in the table. */
static double convert_product(uint64_t mantissa, int64_t power)
{
    int zeros = __builtin_clzll(mantissa);
    mantissa <<= zeros;
    uint64_t high, low;
    multiply(mantissa, powers[power - POWER_MIN].high, &high, &low);
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more_high, more_low;
        multiply(mantissa, powers[power - POWER_MIN].low, &more_high, &more_low);
        low += more_high;
        high += low < more_high;
    }
    /* 54 bits, of which the last one rounds: up, but in the middle to the even one. */
    unsigned top = (unsigned)(high >> 63);
    uint64_t bits = high >> (top + 9);
    if (low <= 1 && power >= -4 && power <= 23 && (bits & 3) == 1 && bits << (top + 9) == high)
        bits &= ~UINT64_C(1);
    bits = (bits + (bits & 1)) >> 1;
    /* floor(log2(10^p)) = floor(217706 p / 2^16), here with 2^16 added to p so that nothing
     * negative is shifted. Within the table no result is subnormal or infinite. */
    uint64_t log = 217706 * (uint64_t)(power + 65536) >> 16;
    int64_t exponent = (int64_t)log - 217706 + 63 + top + 1023 - zeros;
    if (bits >> 53) {
        bits >>= 1;
        exponent++;
    }
    uint64_t raw = (uint64_t)exponent << 52 | (bits & ((UINT64_C(1) << 52) - 1));
    double value;
    memcpy(&value, &raw, sizeof(value));
    return value;
}

double ax_json_number_divide(uint64_t whole, size_t places)
{
    assert(whole && places <= DIGITS_KEPT);
    return convert_product(whole, -(int64_t)places);
}

/* "digits e exponent" for strtod. */
static double convert_slowly(const struct number *number)
{
    char text[DIGITS_DECIDE + 32];
    size_t len = 0;
    int64_t dropped = 0;
    bool sticky = false;
    for (const char *at = number->begin; at < number->end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.' || (*at == '0' && !len))
            continue;
        if (len < DIGITS_DECIDE) {
            text[len++] = *at;
        } else {
            dropped++;
            sticky |= *at != '0';
        }
    }
    if (!len)
        return 0;
    if (sticky) {
        text[len++] = '1';
        dropped--;
    }
    (void)snprintf(text + len, sizeof(text) - len, "e%lld",
                   (long long)(number->exponent + dropped));
    return strtod(text, NULL);
}

static inline bool number_to_f64(const struct number *number, double *ret)
{
    double value;
    if (AX_UNLIKELY(!mantissa_is_exact(number)))
        value = convert_slowly(number);
    else if (is_short(number->mantissa, number->exponent))
        value = convert_short(number->mantissa, number->exponent);
    else if (number->mantissa && number->exponent >= POWER_MIN && number->exponent <= POWER_MAX)
        value = convert_product(number->mantissa, number->exponent);
    else
        value = convert_slowly(number);
    if (AX_UNLIKELY(isinf(value)))
        return false;
    static const double sign[2] = { 1, -1 }; /* exact, and no branch that nobody can predict */
    *ret = value * sign[number->negative];
    return true;
}

/* Where the digits end that begin here. */
static inline const char *skip_digits(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t stop = not_digits(ax_json_load8(at) ^ AX_JSON_ZEROS);
        if (stop)
            return at + (unsigned)__builtin_ctzll(stop) / 8;
        at += 8;
    }
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* The grammar of number_scan without the value. */
const char *ax_json_number_skip(const char *at, const char *end)
{
    assert(at && at <= end);
    at += at < end && *at == '-';
    if (at >= end || !is_digit(*at))
        return NULL;
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = skip_digits(at, end);
        if (at == fraction)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '-' || *at == '+');
        const char *exponent = at;
        at = skip_digits(at, end);
        if (at == exponent)
            return NULL;
    }
    return at;
}

const char *ax_json_number_read(const char *at, const char *end, double *ret)
{
    assert(at && at <= end && ret);
    struct number number;
    if (!number_scan(at, end, &number) || !number_to_f64(&number, ret))
        return NULL;
    return number.end;
}

/* Sign and size of an integer. */
static bool number_to_integer(struct ax_str text, bool *ret_negative, uint64_t *ret_size)
{
    struct number number;
    if (!text.len || !number_scan(text.ptr, text.ptr + text.len, &number) ||
        number.end != text.ptr + text.len)
        return false;
    *ret_negative = number.negative;
    if (number.whole) {
        struct ax_str digits = { number.begin, number.digits };
        return ax_str_to_u64(digits, ret_size);
    }
    double value;
    if (!number_to_f64(&number, &value) || fabs(value) > (double)AX_JSON_EXACT_WHOLE ||
        value != trunc(value))
        return false;
    *ret_size = (uint64_t)fabs(value);
    return true;
}

bool ax_json_number_i64(struct ax_str text, int64_t *ret)
{
    assert((text.ptr || !text.len) && ret);
    bool negative;
    uint64_t size;
    if (!number_to_integer(text, &negative, &size) || size > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool ax_json_number_u64(struct ax_str text, uint64_t *ret)
{
    assert((text.ptr || !text.len) && ret);
    bool negative;
    uint64_t size;
    if (!number_to_integer(text, &negative, &size) || (negative && size))
        return false;
    *ret = size;
    return true;
}
