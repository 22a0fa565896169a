/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values to ranks: one feature of a block after the other.
 *
 * A feature's values are copied side by side. Of a plain source, which has fewer than 256 keys, all
 * values are first compared with every eighth key, in registers, and then each with the 8 keys
 * between which that leaves it. Of others each value is searched for in the levels of the keys,
 * from the highest to level 0; then the ranks of 32 rows at a time become bytes of each of the
 * feature's columns. A step of that search compares one value with the 16 keys of a block:
 * comparing gives all ones where key <= value, packing keeps two bits a key (AVX2 has no narrower
 * comparison that counts), and half of the bits that are set is how many keys there are to skip.
 * Keys ascend, and the NaN that pads a block is never <=, so counting is searching. A NaN value has
 * rank 0, and is replaced with what stands for it when the columns are written.
 */
#include "engine/forest/rank_avx2.h"

#include <assert.h>
#include <immintrin.h>
#include <math.h>

#define LANES  32 /* bytes of a register */
#define HALF   (AX_MUX_KEYS / 2)
#define UNROLL _Pragma("GCC unroll 4")

/* A feature's values; those of rows that are not there are 0. */
union values {
    float f32[AX_MUX_ROWS];
    double f64[AX_MUX_ROWS];
};

/* ---- values ---- */

static void copy_f32(const struct ax_column *column, size_t from, size_t rows, float *values)
{
    const char *at = (const char *)column->values + from * column->stride;
    size_t stride = column->stride, whole = rows / 4 * 4;
    for (size_t r = 0; r < whole; r += 4, at += 4 * stride) {
        UNROLL
        for (size_t i = 0; i < 4; i++)
            values[r + i] = *(const float *)(const void *)(at + i * stride);
    }
    for (size_t r = whole; r < rows; r++, at += stride)
        values[r] = *(const float *)(const void *)at;
    for (size_t r = 0; column->validity && r < rows; r++) {
        if (!ax_column_is_valid(column, from + r))
            values[r] = NAN;
    }
}

static void copy_f64(const struct ax_column *column, size_t from, size_t rows, bool flush_zero,
                     double *values)
{
    for (size_t r = 0; r < rows; r++) {
        double x = *(const double *)ax_column_at(column, from + r);
        if (flush_zero && fabs(x) <= AX_FOREST_ZERO_MAX)
            x = 0.0;
        values[r] = ax_column_is_valid(column, from + r) ? x : (double)NAN;
    }
}

/* ---- searching ---- */

/* Twice how many of 16 keys are <= the value. */
static AX_ALWAYS_INLINE size_t count_f32(const float *keys, __m256 value)
{
    __m256i low = _mm256_castps_si256(_mm256_cmp_ps(value, _mm256_load_ps(keys), _CMP_GE_OQ));
    __m256i high = _mm256_castps_si256(_mm256_cmp_ps(value, _mm256_load_ps(keys + 8), _CMP_GE_OQ));
    int bits = _mm256_movemask_epi8(_mm256_packs_epi32(low, high));
    return (size_t)_mm_popcnt_u32((unsigned)bits);
}

static AX_ALWAYS_INLINE __m256i at_or_above_f64(__m256d value, const double *keys)
{
    return _mm256_castpd_si256(_mm256_cmp_pd(value, _mm256_load_pd(keys), _CMP_GE_OQ));
}

static AX_ALWAYS_INLINE size_t count_f64(const double *keys, __m256d value)
{
    __m256i low =
        _mm256_packs_epi32(at_or_above_f64(value, keys), at_or_above_f64(value, keys + 4));
    __m256i high =
        _mm256_packs_epi32(at_or_above_f64(value, keys + 8), at_or_above_f64(value, keys + 12));
    int bits = _mm256_movemask_epi8(_mm256_packs_epi16(low, high));
    return (size_t)_mm_popcnt_u32((unsigned)bits);
}

/* `levels` is source->level_count, or a constant that equals it. Writes twice the ranks. */
static AX_ALWAYS_INLINE void search_f32(const struct ax_mux_source *source, uint32_t levels,
                                        const float *keys, const float *values, size_t rows,
                                        int32_t *twice)
{
    const float *starts[AX_MUX_LEVELS_MAX];
    for (uint32_t level = 0; level < levels; level++)
        starts[level] = keys + source->level_from[level];
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        __m256 value = _mm256_broadcast_ss(values + r);
        size_t found = 0;
        for (uint32_t level = levels; level-- > 0;)
            found = AX_MUX_KEYS * found + count_f32(starts[level] + AX_MUX_KEYS / 2 * found, value);
        twice[r] = (int32_t)found;
    }
}

static AX_ALWAYS_INLINE void search_f64(const struct ax_mux_source *source, uint32_t levels,
                                        const double *keys, const double *values, size_t rows,
                                        int32_t *twice)
{
    const double *starts[AX_MUX_LEVELS_MAX];
    for (uint32_t level = 0; level < levels; level++)
        starts[level] = keys + source->level_from[level];
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        __m256d value = _mm256_broadcast_sd(values + r);
        size_t found = 0;
        for (uint32_t level = levels; level-- > 0;)
            found = AX_MUX_KEYS * found + count_f64(starts[level] + AX_MUX_KEYS / 2 * found, value);
        twice[r] = (int32_t)found;
    }
}

static void find_ranks(const struct ax_mux_source *source, enum ax_datatype type, const void *keys,
                       const union values *values, size_t rows, int32_t *twice)
{
    bool is_f64 = type == AX_FP64;
    if (source->level_count == 1 && !is_f64)
        search_f32(source, 1, keys, values->f32, rows, twice);
    else if (source->level_count == 2 && !is_f64)
        search_f32(source, 2, keys, values->f32, rows, twice);
    else if (source->level_count == 2)
        search_f64(source, 2, keys, values->f64, rows, twice);
    else if (!is_f64)
        search_f32(source, source->level_count, keys, values->f32, rows, twice);
    else
        search_f64(source, source->level_count, keys, values->f64, rows, twice);
}

/* ---- bytes ---- */

/* Four registers of 8 numbers to one of 32 bytes, in order: negative ones become 0, large ones 255.
 */
static AX_ALWAYS_INLINE __m256i narrow(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i words = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* -1 in each of 8 numbers whose value is missing: NaN, or 0 when zero counts as missing. */
static AX_ALWAYS_INLINE __m256i missing_f32(const float *values, bool zero_is_missing)
{
    __m256 x = _mm256_loadu_ps(values);
    __m256 is = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    if (zero_is_missing)
        is = _mm256_or_ps(is, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_EQ_OQ));
    return _mm256_castps_si256(is);
}

static AX_ALWAYS_INLINE __m256i missing_f64(const double *values, bool zero_is_missing)
{
    __m256 halves[2];
    for (size_t i = 0; i < 2; i++) {
        __m256d x = _mm256_loadu_pd(values + 4 * i);
        __m256d is = _mm256_cmp_pd(x, x, _CMP_UNORD_Q);
        if (zero_is_missing)
            is = _mm256_or_pd(is, _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_EQ_OQ));
        halves[i] = _mm256_castpd_ps(is);
    }
    __m256i mixed = _mm256_castps_si256(_mm256_shuffle_ps(halves[0], halves[1], 0x88));
    return _mm256_permute4x64_epi64(mixed, 0xD8);
}

/* All ones in each of 32 bytes whose value is missing. */
static __m256i find_missing(const union values *values, size_t from, enum ax_datatype type,
                            bool zero_is_missing)
{
    __m256i is[4];
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        size_t at = from + 8 * i;
        __m256i one = type == AX_FP64 ? missing_f64(values->f64 + at, zero_is_missing)
                                      : missing_f32(values->f32 + at, zero_is_missing);
        is[i] = _mm256_and_si256(one, _mm256_set1_epi32(0xFF));
    }
    return narrow(is[0], is[1], is[2], is[3]);
}

/* Bytes of rows [from, from + LANES) of one column. */
static void write_bytes(const struct ax_mux_column *column, const int32_t *twice, size_t from,
                        __m256i is_missing, int8_t *to)
{
    __m256i base = _mm256_set1_epi32(column->base);
    __m256i above[4];
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        __m256i rank = _mm256_loadu_si256((const __m256i *)(const void *)(twice + from + 8 * i));
        above[i] = _mm256_sub_epi32(_mm256_srli_epi32(rank, 1), base);
    }
    __m256i missing = _mm256_set1_epi8((char)column->missing);
    __m256i bytes = narrow(above[0], above[1], above[2], above[3]);
    bytes = _mm256_blendv_epi8(bytes, missing, is_missing);
    bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8(INT8_MIN)); /* minus 128 */
    _mm256_storeu_si256((__m256i *)(void *)(to + from), bytes);
}

/* ---- plain sources ---- */

/* Ranks below 256 of up to LANES values. How many halves of blocks a value is beyond is counted for
 * all of them at once; then one half is searched for each. */
static AX_ALWAYS_INLINE void rank_plain_f32(const float *keys, size_t halves, const float *values,
                                            size_t rows, uint8_t *ranks)
{
    int32_t skipped[LANES]; /* keys */
    __m256i above[4] = { 0 };
    for (size_t h = 1; h < halves; h++) {
        __m256 last = _mm256_broadcast_ss(keys + HALF * h - 1);
        UNROLL
        for (size_t i = 0; i < 4; i++) {
            __m256 is = _mm256_cmp_ps(_mm256_loadu_ps(values + 8 * i), last, _CMP_GE_OQ);
            above[i] = _mm256_sub_epi32(above[i], _mm256_castps_si256(is));
        }
    }
    UNROLL
    for (size_t i = 0; i < 4; i++)
        _mm256_storeu_si256((__m256i *)(void *)(skipped + 8 * i), _mm256_slli_epi32(above[i], 3));
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        __m256 half = _mm256_load_ps(keys + skipped[r]);
        __m256 is = _mm256_cmp_ps(_mm256_broadcast_ss(values + r), half, _CMP_GE_OQ);
        ranks[r] = (uint8_t)(skipped[r] + _mm_popcnt_u32((unsigned)_mm256_movemask_ps(is)));
    }
}

/* The same of up to LANES / 2 values. */
static AX_ALWAYS_INLINE void rank_plain_f64(const double *keys, size_t halves, const double *values,
                                            size_t rows, uint8_t *ranks)
{
    int64_t skipped[LANES / 2];
    __m256i above[4] = { 0 };
    for (size_t h = 1; h < halves; h++) {
        __m256d last = _mm256_broadcast_sd(keys + HALF * h - 1);
        UNROLL
        for (size_t i = 0; i < 4; i++) {
            __m256d is = _mm256_cmp_pd(_mm256_loadu_pd(values + 4 * i), last, _CMP_GE_OQ);
            above[i] = _mm256_sub_epi64(above[i], _mm256_castpd_si256(is));
        }
    }
    UNROLL
    for (size_t i = 0; i < 4; i++)
        _mm256_storeu_si256((__m256i *)(void *)(skipped + 4 * i), _mm256_slli_epi64(above[i], 3));
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        __m256d value = _mm256_broadcast_sd(values + r);
        __m256 low = _mm256_castsi256_ps(at_or_above_f64(value, keys + skipped[r]));
        __m256 high = _mm256_castsi256_ps(at_or_above_f64(value, keys + skipped[r] + HALF / 2));
        int bits = _mm256_movemask_ps(_mm256_shuffle_ps(low, high, 0x88));
        ranks[r] = (uint8_t)(skipped[r] + _mm_popcnt_u32((unsigned)bits));
    }
}

/* The columns of rows [from, from + rows), up to LANES of them. */
static void write_plain(const struct ax_mux_source *source, enum ax_datatype type, const void *keys,
                        const union values *values, size_t from, size_t rows, int8_t *to)
{
    size_t halves = source->half_count, half = LANES / 2;
    uint8_t ranks[LANES] = { 0 };
    if (type == AX_FP64) {
        const double *first = (const double *)keys + source->level_from[0];
        rank_plain_f64(first, halves, values->f64 + from, AX_MIN(rows, half), ranks);
        if (rows > half)
            rank_plain_f64(first, halves, values->f64 + from + half, rows - half, ranks + half);
    } else {
        rank_plain_f32((const float *)keys + source->level_from[0], halves, values->f32 + from,
                       rows, ranks);
    }
    __m256i found = _mm256_loadu_si256((const __m256i *)(const void *)ranks);
    __m256i is_nan = find_missing(values, from, type, false);
    for (size_t c = 0; c < source->column_end - source->column_from; c++) {
        __m256i missing = _mm256_set1_epi8((char)source->missing[c]);
        __m256i bytes = _mm256_blendv_epi8(found, missing, is_nan);
        bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8(INT8_MIN)); /* minus 128 */
        _mm256_storeu_si256(
            (__m256i *)(void *)(to + (source->column_from + c) * AX_MUX_ROWS + from), bytes);
    }
}

/* The two columns of a category. */
static void write_codes(const struct ax_compiled *c, const struct ax_mux_category *category,
                        const union values *values, int8_t *eighths, int8_t *bits)
{
    for (size_t r = 0; r < AX_MUX_ROWS; r++) {
        double x = c->input_type == AX_FP64 ? values->f64[r] : (double)values->f32[r];
        uint32_t code = ax_compiled_category(c, category->limit, x);
        eighths[r] = (int8_t)(code / 8);
        bits[r] = (int8_t)(1 << code % 8);
    }
}

void ax_mux_rank_avx2(const struct ax_forest_plan *plan, const struct ax_batch *in, size_t from,
                      size_t rows, int8_t *ranks)
{
    assert(plan && in && rows >= 1 && rows <= AX_MUX_ROWS && from + rows <= in->rows && ranks);
    const struct ax_mux *mux = &plan->mux;
    enum ax_datatype type = plan->compiled.input_type;
    union values values = { .f64 = { 0 } };
    int32_t twice[AX_MUX_ROWS] = { 0 }; /* the ranks */
    for (size_t i = 0; i < mux->source_count; i++) {
        const struct ax_mux_source *source = &mux->sources[i];
        const struct ax_column *column = &in->columns[source->feature];
        if (type == AX_FP64)
            copy_f64(column, from, rows, plan->compiled.flush_zero, values.f64);
        else
            copy_f32(column, from, rows, values.f32);
        for (size_t row = 0; source->is_plain && row < rows; row += LANES)
            write_plain(source, type, mux->keys, &values, row, AX_MIN(LANES, rows - row), ranks);
        if (source->is_plain)
            continue;
        find_ranks(source, type, mux->keys, &values, rows, twice);
        for (size_t row = 0; row < rows; row += LANES) {
            __m256i is_nan = find_missing(&values, row, type, false);
            for (uint32_t c = source->column_from; c < source->column_end; c++) {
                const struct ax_mux_column *to = &mux->columns[c];
                __m256i is_missing =
                    to->zero_is_missing ? find_missing(&values, row, type, true) : is_nan;
                write_bytes(to, twice, row, is_missing, ranks + c * AX_MUX_ROWS);
            }
        }
    }
    for (size_t i = 0; i < mux->category_count; i++) {
        const struct ax_mux_category *category = &mux->categories[i];
        const struct ax_column *column = &in->columns[category->feature];
        int8_t *to = ranks + category->column * AX_MUX_ROWS;
        if (type == AX_FP64)
            copy_f64(column, from, rows, false, values.f64);
        else
            copy_f32(column, from, rows, values.f32);
        write_codes(&plan->compiled, category, &values, to, to + AX_MUX_ROWS);
    }
}

/* ---- one row ---- */

/* Without a branch that a value decides. A plain source writes two columns at once, of which the
 * second may be one that is written later. */
static AX_ALWAYS_INLINE void write_row(const struct ax_mux *mux, const struct ax_mux_source *source,
                                       uint32_t rank, bool is_nan, bool is_zero, uint16_t *ranks)
{
    if (source->is_plain) {
        uint32_t two = rank * UINT32_C(0x00010001), missing;
        memcpy(&missing, source->missing, sizeof(missing));
        uint32_t mask = -(uint32_t)is_nan;
        two = ((two & ~mask) | (missing & mask)) << 8;
        memcpy(ranks + source->column_from, &two, sizeof(two));
        return;
    }
    for (uint32_t c = source->column_from; c < source->column_end; c++) {
        const struct ax_mux_column *column = &mux->columns[c];
        int32_t byte = AX_MIN(AX_MAX((int32_t)rank - column->base, 0), AX_MUX_BOUNDS);
        bool is_missing = is_nan | (is_zero & column->zero_is_missing);
        ranks[c] = (uint16_t)((is_missing ? column->missing : byte) << 8);
    }
}

static AX_ALWAYS_INLINE size_t find_f32(const struct ax_mux_source *source, uint32_t levels,
                                        const float *keys, __m256 value)
{
    size_t found = 0;
    for (uint32_t level = levels; level-- > 0;)
        found = AX_MUX_KEYS * found +
                count_f32(keys + source->level_from[level] + AX_MUX_KEYS / 2 * found, value);
    return found / 2;
}

static AX_ALWAYS_INLINE size_t find_f64(const struct ax_mux_source *source, uint32_t levels,
                                        const double *keys, __m256d value)
{
    size_t found = 0;
    for (uint32_t level = levels; level-- > 0;)
        found = AX_MUX_KEYS * found +
                count_f64(keys + source->level_from[level] + AX_MUX_KEYS / 2 * found, value);
    return found / 2;
}

static void rank_row_f32(const struct ax_mux *mux, const float *row, uint16_t *ranks)
{
    for (size_t i = 0; i < mux->source_count; i++) {
        const struct ax_mux_source *source = &mux->sources[i];
        float x = row[source->feature];
        __m256 value = _mm256_set1_ps(x);
        size_t rank = source->level_count == 2
                          ? find_f32(source, 2, mux->keys, value)
                          : find_f32(source, source->level_count, mux->keys, value);
        write_row(mux, source, (uint32_t)rank, isnan(x), false, ranks);
    }
}

static void rank_row_f64(const struct ax_mux *mux, bool flush_zero, const double *row,
                         uint16_t *ranks)
{
    for (size_t i = 0; i < mux->source_count; i++) {
        const struct ax_mux_source *source = &mux->sources[i];
        double x = row[source->feature];
        if (flush_zero && fabs(x) <= AX_FOREST_ZERO_MAX)
            x = 0.0;
        __m256d value = _mm256_set1_pd(x);
        size_t rank = source->level_count == 2
                          ? find_f64(source, 2, mux->keys, value)
                          : find_f64(source, source->level_count, mux->keys, value);
        write_row(mux, source, (uint32_t)rank, isnan(x), x == 0.0, ranks);
    }
}

void ax_mux_rank_row_avx2(const struct ax_forest_plan *plan, const void *row, uint16_t *ranks)
{
    assert(plan && row && ranks);
    if (plan->compiled.input_type == AX_FP64)
        rank_row_f64(&plan->mux, plan->compiled.flush_zero, row, ranks);
    else
        rank_row_f32(&plan->mux, row, ranks);
}
