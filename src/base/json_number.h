/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON's numbers from text, exactly: the parts that json_reader.h is made of.
 *
 * The result is the double nearest to the text, half to even, as strtod gives it in the C locale,
 * for any length and any exponent. Nothing allocates. Plain numbers only: no NaN, no Infinity.
 */
#ifndef AX_BASE_JSON_NUMBER_H
#define AX_BASE_JSON_NUMBER_H

#include "base/str.h"

#include <assert.h>
#include <string.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* Where the number that begins at `at` ends, or NULL when none begins there. */
const char *ax_json_number_skip(const char *at, const char *end) AX_MUST_USE;

/* The same, and its value; also NULL when it is too large for a double. */
const char *ax_json_number_read(const char *at, const char *end, double *ret) AX_MUST_USE;

/* What ax_json_number_read_short may read at `at`. */
#define AX_JSON_SHORT_BYTES 40

/* The same for the numbers that arrays mostly hold, for loops: at most 32 bytes, seven digits in
 * front of the point and 19 in all, no exponent. NULL for all others, be they numbers or not. */
static inline const char *ax_json_number_read_short(const char *at, double *ret);

/* The whole of `text` as an integer, also when it is written as 1e3 or 2.0 (up to 2^53 then);
 * false when it is none or does not fit. */
AX_MUST_USE bool ax_json_number_i64(struct ax_str text, int64_t *ret);
AX_MUST_USE bool ax_json_number_u64(struct ax_str text, uint64_t *ret);

/* ---- how ax_json_number_read_short does it; shared with json_number.c ---- */

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are read as a little word");

#define AX_JSON_EXACT_WHOLE (UINT64_C(1) << 53) /* up to it doubles hold each whole number */
#define AX_JSON_ZEROS       0x3030303030303030u

/* 10^i, exact all of them. */
extern const uint64_t ax_json_scale[9];
extern const double ax_json_exact[23];

/* whole * 10^-places, for a whole that is not exact as a double. */
double ax_json_number_divide(uint64_t whole, size_t places);

static inline uint64_t ax_json_load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Of eight characters with '0' taken off (AX_JSON_ZEROS): the value, by pairs, then pairs of pairs:
 * three multiplications. */
static inline uint64_t ax_json_value_of_8(uint64_t digits)
{
    digits = digits * 10 + (digits >> 8);
    uint64_t even = (digits & 0x000000FF000000FFu) * (100 + (UINT64_C(1000000) << 32));
    uint64_t odd = (digits >> 16 & 0x000000FF000000FFu) * (1 + (UINT64_C(10000) << 32));
    return (even + odd) >> 32;
}

/* The value of the `count` digits at `at`, 1 to 8. Shifted to the end of the word they read as if
 * zeros stood in front, so that all lengths, which cannot be predicted, go one way. */
static inline uint64_t ax_json_value_of(const char *at, size_t count)
{
    return ax_json_value_of_8((ax_json_load8(at) ^ AX_JSON_ZEROS) << (64 - 8 * count));
}

#ifdef __SSE2__
/* Of 32 characters a bit each that is no digit. */
static inline uint32_t ax_json_others(const char *at)
{
    const __m128i zero = _mm_set1_epi8('0');
    const __m128i nine = _mm_set1_epi8(9);
    __m128i low = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)at), zero);
    __m128i high = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)(at + 16)), zero);
    int low_digits = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(low, nine), low));
    int high_digits = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(high, nine), high));
    return ~((uint32_t)low_digits | (uint32_t)high_digits << 16);
}
#else
static inline uint32_t ax_json_others(const char *at)
{
    uint32_t others = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t digits = ax_json_load8(at + 8 * i) ^ AX_JSON_ZEROS;
        uint64_t tops =
            (((digits & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | digits) & 0x8080808080808080u;
        /* The eight top bits, side by side. */
        others |= (uint32_t)((tops >> 7) * 0x0102040810204080u >> 56) << (8 * i);
    }
    return others;
}
#endif

/* The first eight digits of a number without its point, which stands behind `digits` of them; with
 * '0' taken off. What the number does not have of them is rubbish. */
static inline uint64_t ax_json_first_digits(const char *begin, size_t digits)
{
    uint64_t whole = ((uint64_t)1 << (8 * digits)) - 1;
    return ((ax_json_load8(begin) & whole) | (ax_json_load8(begin + 1) & ~whole)) ^ AX_JSON_ZEROS;
}

/* Where the number ends follows from one look at 32 characters, so that the next one can be begun
 * before the value of this one is there. Sign and lengths cannot be predicted and are no branches.
 */
static AX_ALWAYS_INLINE const char *ax_json_number_read_short(const char *at, double *ret)
{
    const uint32_t last = (uint32_t)1 << 31; /* so that there is one; no number reaches it */
    uint32_t others = ax_json_others(at) | last;
    size_t negative = others & 1;
    const char *begin = at + negative;
    others &= ~(uint32_t)1; /* the sign */
    const char *end = at + __builtin_ctz(others);
    size_t digits = (size_t)(end - begin);
    unsigned is_odd = (negative & (*at != '-')) | ((digits > 1) & (*begin == '0'));
    if (AX_UNLIKELY(is_odd | (digits - 1 > 6)))
        return NULL;
    size_t places = 0;
    if (*end == '.') {
        const char *part = end + 1;
        others &= others - 1;
        end = at + __builtin_ctz(others);
        places = (size_t)(end - part);
        if (AX_UNLIKELY(others == last || places - 1 > 18 - digits))
            return NULL;
    }
    if (AX_UNLIKELY((*end | 0x20) == 'e'))
        return NULL;
    uint64_t first = ax_json_first_digits(begin, digits);
    size_t left = digits + places;
    uint64_t whole =
        left <= 8 ? ax_json_value_of_8(first << (64 - 8 * left)) : ax_json_value_of_8(first);
    const char *more = begin + 9;
    for (; AX_UNLIKELY(left > 16); left -= 8, more += 8)
        whole = whole * ax_json_scale[8] + ax_json_value_of(more, 8);
    if (left > 8)
        whole = whole * ax_json_scale[left - 8] + ax_json_value_of(more, left - 8);
    double size = AX_LIKELY(whole <= AX_JSON_EXACT_WHOLE)
                      ? (double)(int64_t)whole / ax_json_exact[places]
                      : ax_json_number_divide(whole, places);
    static const double sign[2] = { 1, -1 };
    *ret = size * sign[negative];
    return end;
}

#endif
