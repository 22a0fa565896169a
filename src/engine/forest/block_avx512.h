/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mux_block.c does with a register of AVX-512: 64 rows, a byte each.
 *
 * The names are those of block_avx2.h, where they are explained. A mask is a bit a row, in a
 * register of its own kind; VBMI looks bytes up in 64, so that a plane of leaves or a set is one
 * instruction. Where two registers of AVX2 are as fast, they are used: gathers.
 */
#ifndef AX_ENGINE_FOREST_BLOCK_AVX512_H
#define AX_ENGINE_FOREST_BLOCK_AVX512_H

#include "base/compiler.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AX_BYTES_LANES ((size_t)64)

typedef __m512i ax_bytes;
typedef __mmask64 ax_bytes_mask;

static AX_ALWAYS_INLINE ax_bytes ax_bytes_zero(void)
{
    return _mm512_setzero_si512();
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_of(char byte)
{
    return _mm512_set1_epi8(byte);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_of_word(uint32_t word)
{
    return _mm512_set1_epi32((int)word);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_load(const void *from)
{
    return _mm512_loadu_si512(from);
}

static AX_ALWAYS_INLINE void ax_bytes_store(void *to, ax_bytes bytes)
{
    _mm512_store_si512(to, bytes);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_add(ax_bytes a, ax_bytes b)
{
    return _mm512_add_epi8(a, b);
}

/* ---- sides ---- */

static AX_ALWAYS_INLINE ax_bytes_mask ax_bytes_none(void)
{
    return 0;
}

static AX_ALWAYS_INLINE ax_bytes_mask ax_bytes_above(ax_bytes bound, ax_bytes column)
{
    return _mm512_cmpgt_epi8_mask(bound, column);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_choose(ax_bytes_mask is_left, ax_bytes left,
                                                 ax_bytes right)
{
    return _mm512_mask_mov_epi8(right, is_left, left);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_pair(ax_bytes_mask is_left, char first)
{
    return _mm512_mask_blend_epi8(is_left, ax_bytes_of((char)(first + 1)), ax_bytes_of(first));
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_less(ax_bytes bytes, ax_bytes_mask is_left)
{
    return _mm512_mask_add_epi8(bytes, is_left, bytes, _mm512_set1_epi8(-1));
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_not_in_set(const uint32_t *set, ax_bytes eighth,
                                                     ax_bytes bit)
{
    __m512i bits = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)set));
    return _mm512_movm_epi8(~_mm512_test_epi8_mask(_mm512_permutexvar_epi8(eighth, bits), bit));
}

/* ---- leaves ---- */

/* The plane as often as it takes to fill a register. */
static AX_ALWAYS_INLINE __m512i ax_bytes_plane(const char *plane, size_t tables)
{
    if (tables == 1)
        return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)(const void *)plane));
    if (tables == 2)
        return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)plane));
    return _mm512_loadu_si512(plane);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_look_up(const char *plane, size_t tables, ax_bytes index)
{
    return _mm512_permutexvar_epi8(index, ax_bytes_plane(plane, tables));
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_low_1(ax_bytes a, ax_bytes b)
{
    return _mm512_unpacklo_epi8(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_high_1(ax_bytes a, ax_bytes b)
{
    return _mm512_unpackhi_epi8(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_low_2(ax_bytes a, ax_bytes b)
{
    return _mm512_unpacklo_epi16(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_high_2(ax_bytes a, ax_bytes b)
{
    return _mm512_unpackhi_epi16(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_low_4(ax_bytes a, ax_bytes b)
{
    return _mm512_unpacklo_epi32(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_join_high_4(ax_bytes a, ax_bytes b)
{
    return _mm512_unpackhi_epi32(a, b);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_of_halves(__m256i low, __m256i high)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_gather_f32(const char *leaves, ax_bytes numbers)
{
    const float *from = (const float *)(const void *)leaves;
    __m256 low = _mm256_i32gather_ps(from, _mm512_castsi512_si256(numbers), 4);
    __m256 high = _mm256_i32gather_ps(from, _mm512_extracti64x4_epi64(numbers, 1), 4);
    return ax_bytes_of_halves(_mm256_castps_si256(low), _mm256_castps_si256(high));
}

static AX_ALWAYS_INLINE ax_bytes ax_bytes_gather_f64(const char *leaves, ax_bytes numbers)
{
    const double *from = (const double *)(const void *)leaves;
    __m256d low = _mm256_i64gather_pd(from, _mm512_castsi512_si256(numbers), 8);
    __m256d high = _mm256_i64gather_pd(from, _mm512_extracti64x4_epi64(numbers, 1), 8);
    return ax_bytes_of_halves(_mm256_castpd_si256(low), _mm256_castpd_si256(high));
}

static AX_ALWAYS_INLINE void ax_bytes_add_f32(float *sums, ax_bytes leaves)
{
    _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_castsi512_ps(leaves)));
}

static AX_ALWAYS_INLINE void ax_bytes_add_f64(double *sums, ax_bytes leaves)
{
    _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), _mm512_castsi512_pd(leaves)));
}

#endif
