/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mux_block.c does with a register of AVX2: 32 rows, a byte each.
 *
 * block_avx512.h has the same names for its own; what both do is told in kernels.md. A mask tells
 * for each row whether it goes left: here it is a byte that is -1 or 0.
 */
#ifndef AX_ENGINE_FOREST_BLOCK_AVX2_H
#define AX_ENGINE_FOREST_BLOCK_AVX2_H

#include "base/compiler.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AX_BYTES_LANES ((size_t)32)

typedef __m256i ax_bytes;
typedef __m256i ax_bytes_mask;

static AX_ALWAYS_INLINE ax_bytes ax_bytes_zero(void)
{
    return _mm256_setzero_si256();
}

/* The same byte everywhere; the same four. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_of(char byte)
{
    return _mm256_set1_epi8(byte);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_of_word(uint32_t word)
{
    return _mm256_set1_epi32((int)word);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_load(const void *from)
{
    return _mm256_loadu_si256(from);
}

/* `to` is aligned. */
static AX_ALWAYS_INLINE void ax_bytes_store(void *to, ax_bytes bytes)
{
    _mm256_store_si256(to, bytes);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_add(ax_bytes a, ax_bytes b)
{
    return _mm256_add_epi8(a, b);
}

/* ---- sides ---- */

static AX_ALWAYS_INLINE ax_bytes_mask ax_bytes_none(void)
{
    return _mm256_setzero_si256();
}

/* Left where the bound is above the column. */
static AX_ALWAYS_INLINE ax_bytes_mask ax_bytes_above(ax_bytes bound, ax_bytes column)
{
    return _mm256_cmpgt_epi8(bound, column);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_choose(ax_bytes_mask is_left, ax_bytes left,
                                                 ax_bytes right)
{
    return _mm256_blendv_epi8(right, left, is_left);
}

/* Left is `first`, right 1 more. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_pair(ax_bytes_mask is_left, char first)
{
    return _mm256_add_epi8(ax_bytes_of((char)(first + 1)), is_left);
}

/* Left takes 1 away. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_less(ax_bytes bytes, ax_bytes_mask is_left)
{
    return _mm256_add_epi8(bytes, is_left);
}

/* -1 where the set of 256 bits, of which `eighth` chooses the byte, has no `bit`; else 0. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_not_in_set(const uint32_t *set, ax_bytes eighth,
                                                     ax_bytes bit)
{
    __m256i bits = ax_bytes_load(set);
    __m256i low = _mm256_permute4x64_epi64(bits, 0x44);
    __m256i high = _mm256_permute4x64_epi64(bits, 0xEE);
    __m256i is_high = _mm256_slli_epi16(eighth, 3); /* bit 4 to the top of each byte */
    __m256i byte = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, eighth),
                                      _mm256_shuffle_epi8(high, eighth), is_high);
    return _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), _mm256_setzero_si256());
}

/* ---- leaves ---- */

/* A byte plane's bytes at `index`, below tables * 16. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_look_up(const char *plane, size_t tables, ax_bytes index)
{
    __m256i part[4];
    _Pragma("GCC unroll 4") for (size_t i = 0; i < tables; i++)
    {
        __m128i table = _mm_load_si128((const __m128i *)(const void *)(plane + 16 * i));
        part[i] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), index);
    }
    if (tables == 1)
        return part[0];
    __m256i bit_4 = _mm256_slli_epi16(index, 3), bit_5 = _mm256_slli_epi16(index, 2);
    __m256i low = _mm256_blendv_epi8(part[0], part[1], bit_4);
    if (tables == 2)
        return low;
    return _mm256_blendv_epi8(low, _mm256_blendv_epi8(part[2], part[3], bit_4), bit_5);
}

/* Numbers of 1, 2 and 4 bytes next to each other become one of the double size, in each 16 bytes:
 * of their first half and of their second half. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_low_1(ax_bytes a, ax_bytes b)
{
    return _mm256_unpacklo_epi8(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_high_1(ax_bytes a, ax_bytes b)
{
    return _mm256_unpackhi_epi8(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_low_2(ax_bytes a, ax_bytes b)
{
    return _mm256_unpacklo_epi16(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_high_2(ax_bytes a, ax_bytes b)
{
    return _mm256_unpackhi_epi16(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_low_4(ax_bytes a, ax_bytes b)
{
    return _mm256_unpacklo_epi32(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_high_4(ax_bytes a, ax_bytes b)
{
    return _mm256_unpackhi_epi32(a, b);
}

/* Leaves by number: of as many bytes as theirs. */
static AX_ALWAYS_INLINE ax_bytes ax_bytes_gather_f32(const char *leaves, ax_bytes numbers)
{
    return _mm256_castps_si256(
        _mm256_i32gather_ps((const float *)(const void *)leaves, numbers, 4));
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_gather_f64(const char *leaves, ax_bytes numbers)
{
    return _mm256_castpd_si256(
        _mm256_i64gather_pd((const double *)(const void *)leaves, numbers, 8));
}

static AX_ALWAYS_INLINE void ax_bytes_add_f32(float *sums, ax_bytes leaves)
{
    _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), _mm256_castsi256_ps(leaves)));
}

static AX_ALWAYS_INLINE void ax_bytes_add_f64(double *sums, ax_bytes leaves)
{
    _mm256_store_pd(sums, _mm256_add_pd(_mm256_load_pd(sums), _mm256_castsi256_pd(leaves)));
}

#endif
