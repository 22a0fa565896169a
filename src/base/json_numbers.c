/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passing over. What stands in 64 bytes becomes words of 64 bits, one a kind of character, and the
 * grammar of numbers becomes arithmetic on them. Nearly all of it is about neighbours, so a word
 * shifted by one is compared with another:
 *
 *   a minus     stands behind a comma or an 'e'
 *   a plus      stands behind an 'e'
 *   a comma, a point, an 'e'     stands behind a digit
 *   a 0 that begins a number     has no digit behind it
 *
 * What remains is that there is one point at most, and one 'e' behind it. Of the characters that
 * are no digits and signs, a point must be the first behind a comma, an 'e' the first behind a
 * comma or a point. Adding a bit that stands behind a comma to the word of digits and signs carries
 * it to just there. What the 64 bytes before have left open is carried over as bits, too.
 *
 * Reading whole numbers. Where the commas stand tells where each number ends, so that none waits
 * for the one before it to be read. The eight characters in front of a comma are loaded, and what
 * is not the number's is taken off.
 *
 * On CPUs without these instructions nothing is done.
 */
#include "base/json_numbers.h"

#include "base/json_number.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <immintrin.h>

#define BLOCK    64
#define UNROLLED _Pragma("GCC unroll 4")

/* One bit a byte of a block. */
struct marks {
    uint64_t digits;
    uint64_t zeros; /* of the digits */
    uint64_t commas;
    uint64_t minuses;
    uint64_t pluses;
    uint64_t points;
    uint64_t exponents; /* 'e' and 'E' */
};

/* What is true of the byte in front of a block, as bit 0. */
struct before {
    uint64_t digit;
    uint64_t comma;
    uint64_t sign; /* a minus behind a comma */
    uint64_t exponent;
    uint64_t lone_zero; /* a 0 that begins a number */
    /* Of commas, points and exponents the last one was that: */
    uint64_t in_whole; /* a comma */
    uint64_t in_fraction;
};

static inline uint64_t bits_of(const __m128i equal[4])
{
    uint64_t bits = 0;
    UNROLLED
    for (unsigned i = 0; i < 4; i++)
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(equal[i]) << 16 * i;
    return bits;
}

static inline uint64_t find(const __m128i bytes[4], char c)
{
    __m128i equal[4];
    UNROLLED
    for (size_t i = 0; i < 4; i++)
        equal[i] = _mm_cmpeq_epi8(bytes[i], _mm_set1_epi8(c));
    return bits_of(equal);
}

static inline struct marks mark(const char *at)
{
    __m128i bytes[4], lower[4], digits[4];
    UNROLLED
    for (size_t i = 0; i < 4; i++) {
        bytes[i] = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
        lower[i] = _mm_or_si128(bytes[i], _mm_set1_epi8(0x20));
        __m128i value = _mm_sub_epi8(bytes[i], _mm_set1_epi8('0'));
        digits[i] = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
    }
    return (struct marks){ .digits = bits_of(digits),
                           .zeros = find(bytes, '0'),
                           .commas = find(bytes, ','),
                           .minuses = find(bytes, '-'),
                           .pluses = find(bytes, '+'),
                           .points = find(bytes, '.'),
                           .exponents = find(lower, 'e') };
}

/* Only what stands in front of the first character of another kind. Returns whether there is one.
 */
static inline bool cut(struct marks *m)
{
    uint64_t others = ~(m->digits | m->commas | m->minuses | m->pluses | m->points | m->exponents);
    if (!others)
        return false;
    uint64_t kept = (others & -others) - 1;
    m->digits &= kept;
    m->zeros &= kept;
    m->commas &= kept;
    m->minuses &= kept;
    m->pluses &= kept;
    m->points &= kept;
    m->exponents &= kept;
    return true;
}

/* Whether the block goes on with numbers as they should be; *b becomes what the next one needs. */
static inline bool check(const struct marks *m, struct before *b)
{
    uint64_t behind_digit = m->digits << 1 | b->digit;
    uint64_t behind_comma = m->commas << 1 | b->comma;
    uint64_t behind_exponent = m->exponents << 1 | b->exponent;
    uint64_t signs = m->minuses & behind_comma;
    uint64_t lone_zeros = m->zeros & (behind_comma | signs << 1 | b->sign);
    uint64_t within = m->digits | m->minuses | m->pluses;
    uint64_t dividers = m->commas | m->points | m->exponents;
    uint64_t ends_whole = ((m->commas << 1 | b->in_whole) + within) & dividers;
    uint64_t ends_fraction = ((m->points << 1 | b->in_fraction) + within) & dividers;
    uint64_t wrong = (m->minuses & ~(behind_comma | behind_exponent)) |
                     (m->pluses & ~behind_exponent) | (dividers & ~behind_digit) |
                     (m->digits & (lone_zeros << 1 | b->lone_zero)) | (m->points & ~ends_whole) |
                     (m->exponents & ~(ends_whole | ends_fraction));
    if (dividers) {
        uint64_t last = UINT64_C(1) << (63 - __builtin_clzll(dividers));
        b->in_whole = (m->commas & last) != 0;
        b->in_fraction = (m->points & last) != 0;
    }
    b->digit = m->digits >> 63;
    b->comma = m->commas >> 63;
    b->sign = signs >> 63;
    b->exponent = m->exponents >> 63;
    b->lone_zero = lone_zeros >> 63;
    return !wrong;
}

const char *ax_json_numbers_skip(const char *at, const char *end, size_t *ret_count)
{
    assert(at && at <= end && ret_count);
    struct before before = { .comma = 1, .in_whole = 1 };
    const char *reached = at;
    size_t count = 0;
    bool is_cut = false;
    for (; !is_cut && end - at >= BLOCK; at += BLOCK) {
        struct marks m = mark(at);
        is_cut = cut(&m);
        if (!check(&m, &before))
            break;
        if (m.commas) {
            count += (size_t)__builtin_popcountll(m.commas);
            reached = at + (64 - __builtin_clzll(m.commas));
        }
    }
    *ret_count = count;
    return reached;
}

/* The number between `from` and the comma at `to`, of 8 digits at most; no byte in front of `begin`
 * is read. */
static inline bool read_i32(const char *begin, const char *from, const char *to, int32_t *ret)
{
    bool is_negative = *from == '-';
    size_t len = (size_t)(to - from) - is_negative;
    if (len - 1 >= 8)
        return false;
    uint64_t digits = 0;
    if (to - begin >= 8)
        digits = (ax_json_load8(to - 8) ^ AX_JSON_ZEROS) & UINT64_MAX << (64 - 8 * len);
    else
        for (size_t i = 0; i < len; i++)
            digits |= (uint64_t)((unsigned char)to[-(ptrdiff_t)len + (ptrdiff_t)i] ^ 0x30u)
                      << (64 - 8 * len + 8 * i);
    if (((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u) /* not all digits */
        return false;
    int32_t value = (int32_t)ax_json_value_of_8(digits);
    *ret = is_negative ? -value : value;
    return true;
}

size_t ax_json_numbers_read_i32(const char *at, const char *end, int32_t *values, size_t count,
                                const char **ret_behind)
{
    assert(at && at <= end && (values || !count) && ret_behind);
    const char *begin = at;
    size_t done = 0;
    *ret_behind = at;
    for (; done < count && end - at >= BLOCK; at += BLOCK) {
        __m128i bytes[4];
        UNROLLED
        for (size_t i = 0; i < 4; i++)
            bytes[i] = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
        for (uint64_t commas = find(bytes, ','); commas && done < count; commas &= commas - 1) {
            const char *comma = at + __builtin_ctzll(commas);
            if (!read_i32(begin, *ret_behind, comma, &values[done]))
                return done;
            *ret_behind = comma + 1;
            done++;
        }
    }
    return done;
}

#else

const char *ax_json_numbers_skip(const char *at, const char *end, size_t *ret_count)
{
    assert(at && at <= end && ret_count);
    *ret_count = 0;
    return at;
}

size_t ax_json_numbers_read_i32(const char *at, const char *end, int32_t *values, size_t count,
                                const char **ret_behind)
{
    assert(at && at <= end && (values || !count) && ret_behind);
    *ret_behind = at;
    return 0;
}

#endif
