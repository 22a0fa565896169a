/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX2 kernel: programs of mux.h, 32 rows a register and one or two registers at a time.
 *
 * Up to BLOCKS blocks of 64 rows go together: first their ranks, then tree by tree each block, so
 * that a tree is read from far memory once for all of them. A tree's program leaves each row's leaf
 * number as a byte; the leaves are looked up and added to the block's sums. Unpacking bytes to
 * wider numbers works within the halves of a register, so sums lie in an order of their own
 * (place_of) until the end.
 *
 * Two registers at a time, since every split's bound and column are loaded once for both. The
 * functions take how many as a constant, and are compiled once for each.
 */
#include "engine/forest/kernel.h"
#include "engine/forest/few_avx2.h"
#include "engine/forest/rank_avx2.h"

#include <assert.h>
#include <immintrin.h>

#define LANES  32 /* rows of a register */
#define BLOCKS 4  /* of AX_MUX_ROWS rows, of one call */
#define UNROLL _Pragma("GCC unroll 8")

#define ALIGN_UP(n) (((n) + 63) & ~(size_t)63)
#define RESULTS     ((size_t)(2 * AX_MUX_LEAVES_MAX)) /* of a tree, most: lone leaves and joins */

/* The bytes of a block's rows, or masks of them: left is all ones. */
struct bytes {
    __m256i v[2];
};

static AX_ALWAYS_INLINE __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

static AX_ALWAYS_INLINE struct bytes no_bytes(void)
{
    return (struct bytes){ { _mm256_setzero_si256(), _mm256_setzero_si256() } };
}

/* ---- programs ---- */

static AX_ALWAYS_INLINE struct bytes mask_of(const uint32_t *split, const int8_t *ranks,
                                             size_t regs)
{
    struct bytes mask = no_bytes();
    __m256i bound = _mm256_set1_epi32((int)split[0]);
    const int8_t *column = ranks + split[1];
    UNROLL
    for (size_t i = 0; i < regs; i++)
        mask.v[i] = _mm256_cmpgt_epi8(bound, load(column + i * LANES));
    return mask;
}

static AX_ALWAYS_INLINE struct bytes choose(struct bytes mask, struct bytes left,
                                            struct bytes right, size_t regs)
{
    UNROLL
    for (size_t i = 0; i < regs; i++)
        mask.v[i] = _mm256_blendv_epi8(right.v[i], left.v[i], mask.v[i]);
    return mask;
}

static AX_ALWAYS_INLINE struct bytes plus(struct bytes a, __m256i b, size_t regs)
{
    UNROLL
    for (size_t i = 0; i < regs; i++)
        a.v[i] = _mm256_add_epi8(a.v[i], b);
    return a;
}

/* Tiles whose first leaf is number `first`. A left mask is -1, so a pair is one addition. */
static AX_ALWAYS_INLINE struct bytes tile_1(const uint32_t *code, const int8_t *ranks, char first,
                                            size_t regs)
{
    return plus(mask_of(code, ranks, regs), _mm256_set1_epi8((char)(first + 1)), regs);
}

static AX_ALWAYS_INLINE struct bytes tile_2(const uint32_t *code, const int8_t *ranks, char first,
                                            size_t regs)
{
    struct bytes left = tile_1(code, ranks, first, regs);
    struct bytes right = tile_1(code + 2, ranks, (char)(first + 2), regs);
    return choose(mask_of(code + 4, ranks, regs), left, right, regs);
}

static AX_ALWAYS_INLINE struct bytes tile_3(const uint32_t *code, const int8_t *ranks, size_t regs)
{
    struct bytes left = tile_2(code, ranks, 0, regs);
    struct bytes right = tile_2(code + 6, ranks, 4, regs);
    return choose(mask_of(code + 12, ranks, regs), left, right, regs);
}

static AX_ALWAYS_INLINE uint8_t *put(struct bytes bytes, uint8_t *to, size_t regs)
{
    UNROLL
    for (size_t i = 0; i < regs; i++)
        _mm256_store_si256((__m256i *)(void *)(to + i * LANES), bytes.v[i]);
    return to + AX_MUX_ROWS;
}

static AX_ALWAYS_INLINE struct bytes get(const uint8_t *from, size_t regs)
{
    struct bytes bytes = no_bytes();
    UNROLL
    for (size_t i = 0; i < regs; i++)
        bytes.v[i] = load(from + i * LANES);
    return bytes;
}

/* The columns of the tree's sets, behind the others. Returns the code behind them. */
static AX_ALWAYS_INLINE const uint32_t *run_sets(size_t count, const uint32_t *code,
                                                 const int8_t *ranks, int8_t *to, size_t regs)
{
    for (size_t set = 0; set < count; set++, code += AX_MUX_SET_WORDS, to += AX_MUX_ROWS) {
        __m256i bits = load(code + 2);
        __m256i low = _mm256_permute4x64_epi64(bits, 0x44);
        __m256i high = _mm256_permute4x64_epi64(bits, 0xEE);
        for (size_t i = 0; i < regs; i++) {
            __m256i eighth = load(ranks + code[0] + i * LANES);
            __m256i is_high = _mm256_slli_epi16(eighth, 3); /* bit 4 to the top of each byte */
            __m256i byte = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, eighth),
                                              _mm256_shuffle_epi8(high, eighth), is_high);
            __m256i bit = _mm256_and_si256(byte, load(ranks + code[1] + i * LANES));
            _mm256_store_si256((__m256i *)(void *)(to + i * LANES),
                               _mm256_cmpeq_epi8(bit, _mm256_setzero_si256()));
        }
    }
    return code;
}

/* The tiles of one height, from `code` on. Returns the code behind them and moves *to. */
static AX_ALWAYS_INLINE const uint32_t *run_tiles(size_t height, size_t count, const uint32_t *code,
                                                  const int8_t *ranks, uint8_t **to, size_t regs)
{
    for (size_t i = 0; i < count; i++) {
        __m256i first = _mm256_set1_epi32((int)*code++);
        struct bytes found = no_bytes();
        if (height == 1)
            found = tile_1(code, ranks, 0, regs);
        else if (height == 2)
            found = tile_2(code, ranks, 0, regs);
        else if (height == 3)
            found = tile_3(code, ranks, regs);
        *to = put(plus(found, first, regs), *to, regs);
        code += 2 * (((size_t)1 << height) - 1);
    }
    return code;
}

/* Each row's leaf number. Returns where in `results` they begin. */
static AX_ALWAYS_INLINE const uint8_t *run_program(const struct ax_mux_tree *tree,
                                                   const uint32_t *code, int8_t *ranks,
                                                   int8_t *sets, uint8_t *results, size_t regs)
{
    uint8_t *to = results;
    code = run_sets(tree->sets, code, ranks, sets, regs);
    code = run_tiles(0, tree->tiles[0], code, ranks, &to, regs);
    code = run_tiles(1, tree->tiles[1], code, ranks, &to, regs);
    code = run_tiles(2, tree->tiles[2], code, ranks, &to, regs);
    code = run_tiles(3, tree->tiles[3], code, ranks, &to, regs);
    for (size_t i = 0; i < tree->joins; i++, code += 4) {
        struct bytes left = get(results + code[2], regs);
        struct bytes right = get(results + code[3], regs);
        to = put(choose(mask_of(code, ranks, regs), left, right, regs), to, regs);
    }
    return to - AX_MUX_ROWS;
}

/* The levels' masks as binary digits: each left takes its power of 2 from the last leaf's number.
 */
static AX_ALWAYS_INLINE const uint8_t *run_levels(const struct ax_mux_tree *tree,
                                                  const uint32_t *code, const int8_t *ranks,
                                                  uint8_t *results, size_t regs)
{
    struct bytes digits = no_bytes();
    for (size_t level = 0; level < tree->levels; level++, code += 2) {
        struct bytes mask = mask_of(code, ranks, regs);
        UNROLL
        for (size_t i = 0; i < regs; i++) {
            __m256i twice = _mm256_add_epi8(digits.v[i], digits.v[i]);
            digits.v[i] = _mm256_add_epi8(twice, mask.v[i]);
        }
    }
    (void)put(plus(digits, _mm256_set1_epi8((char)(tree->leaf_count - 1)), regs), results, regs);
    return results;
}

static AX_ALWAYS_INLINE const uint8_t *run_regs(const struct ax_mux_tree *tree,
                                                const uint32_t *code, int8_t *ranks, int8_t *sets,
                                                uint8_t *results, size_t regs)
{
    if (tree->form == AX_MUX_OBLIVIOUS)
        return run_levels(tree, code, ranks, results, regs);
    return run_program(tree, code, ranks, sets, results, regs);
}

static const uint8_t *run_tree(const struct ax_mux_tree *tree, const uint32_t *code, int8_t *ranks,
                               int8_t *sets, uint8_t *results, size_t regs)
{
    return regs == 1 ? run_regs(tree, code, ranks, sets, results, 1)
                     : run_regs(tree, code, ranks, sets, results, 2);
}

/* ---- leaves ---- */

/* Where row r's sum lies among those of its block, and back is the same by search. */
static AX_ALWAYS_INLINE size_t place_of(size_t r, size_t size)
{
    size_t in_half = 16 / size; /* numbers of a group that one half of a register holds */
    size_t half = r / 16 % 2, group = r % 16 / in_half;
    return r / LANES * LANES + group * 2 * in_half + half * in_half + r % in_half;
}

/* One byte plane's bytes at `index`, below tables * 16. */
static AX_ALWAYS_INLINE __m256i look_up(const char *plane, size_t tables, __m256i index,
                                        __m256i bit_4, __m256i bit_5)
{
    __m256i part[4];
    UNROLL
    for (size_t i = 0; i < tables; i++) {
        __m128i table = _mm_load_si128((const __m128i *)(const void *)(plane + 16 * i));
        part[i] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), index);
    }
    if (tables == 1)
        return part[0];
    __m256i low = _mm256_blendv_epi8(part[0], part[1], bit_4);
    if (tables == 2)
        return low;
    return _mm256_blendv_epi8(low, _mm256_blendv_epi8(part[2], part[3], bit_4), bit_5);
}

/* Four planes' bytes of 32 rows to four registers of 8 numbers of 4 bytes. */
static AX_ALWAYS_INLINE void look_up_four(const char *planes, size_t tables, __m256i index,
                                          __m256i *ret_numbers)
{
    __m256i bit_4 = _mm256_slli_epi16(index, 3), bit_5 = _mm256_slli_epi16(index, 2);
    __m256i b[4];
    UNROLL
    for (size_t i = 0; i < 4; i++)
        b[i] = look_up(planes + 16 * tables * i, tables, index, bit_4, bit_5);
    __m256i low[2] = { _mm256_unpacklo_epi8(b[0], b[1]), _mm256_unpackhi_epi8(b[0], b[1]) };
    __m256i high[2] = { _mm256_unpacklo_epi8(b[2], b[3]), _mm256_unpackhi_epi8(b[2], b[3]) };
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        ret_numbers[2 * i] = _mm256_unpacklo_epi16(low[i], high[i]);
        ret_numbers[2 * i + 1] = _mm256_unpackhi_epi16(low[i], high[i]);
    }
}

/* 32 leaf numbers to four registers of 8. */
static AX_ALWAYS_INLINE void widen(__m256i index, __m256i *ret_numbers)
{
    __m256i zero = _mm256_setzero_si256();
    __m256i words[2] = { _mm256_unpacklo_epi8(index, zero), _mm256_unpackhi_epi8(index, zero) };
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        ret_numbers[2 * i] = _mm256_unpacklo_epi16(words[i], zero);
        ret_numbers[2 * i + 1] = _mm256_unpackhi_epi16(words[i], zero);
    }
}

static AX_ALWAYS_INLINE void add_f32(float *sums, __m256 leaves)
{
    _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), leaves));
}

static AX_ALWAYS_INLINE void add_f64(double *sums, __m256d leaves)
{
    _mm256_store_pd(sums, _mm256_add_pd(_mm256_load_pd(sums), leaves));
}

/* The f32 leaves of 32 rows; `tables` is 0 when they lie one by one. */
static AX_ALWAYS_INLINE void add_leaves_f32(const char *leaves, size_t tables, const uint8_t *found,
                                            float *sums)
{
    __m256i numbers[4];
    if (tables)
        look_up_four(leaves, tables, load(found), numbers);
    else
        widen(load(found), numbers);
    UNROLL
    for (size_t i = 0; i < 4; i++)
        add_f32(sums + 8 * i,
                tables ? _mm256_castsi256_ps(numbers[i])
                       : _mm256_i32gather_ps((const float *)(const void *)leaves, numbers[i], 4));
}

static AX_ALWAYS_INLINE __m256d leaf_f64(const char *leaves, size_t tables, __m256i number)
{
    return tables ? _mm256_castsi256_pd(number)
                  : _mm256_i64gather_pd((const double *)(const void *)leaves, number, 8);
}

static AX_ALWAYS_INLINE void add_leaves_f64(const char *leaves, size_t tables, const uint8_t *found,
                                            double *sums)
{
    __m256i low[4], high[4];
    if (tables) {
        look_up_four(leaves, tables, load(found), low);
        look_up_four(leaves + 64 * tables, tables, load(found), high);
    } else {
        widen(load(found), low);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            high[i] = _mm256_setzero_si256();
    }
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        add_f64(sums + 8 * i, leaf_f64(leaves, tables, _mm256_unpacklo_epi32(low[i], high[i])));
        add_f64(sums + 8 * i + 4, leaf_f64(leaves, tables, _mm256_unpackhi_epi32(low[i], high[i])));
    }
}

static AX_ALWAYS_INLINE void add_32(bool is_f64, size_t tables, const char *leaves,
                                    const uint8_t *found, void *sums)
{
    if (is_f64)
        add_leaves_f64(leaves, tables, found, sums);
    else
        add_leaves_f32(leaves, tables, found, sums);
}

static AX_ALWAYS_INLINE void add_tables(bool is_f64, size_t tables, const char *leaves,
                                        const uint8_t *found, void *sums)
{
    switch (tables) {
    case 0:
        add_32(is_f64, 0, leaves, found, sums);
        return;
    case 1:
        add_32(is_f64, 1, leaves, found, sums);
        return;
    case 2:
        add_32(is_f64, 2, leaves, found, sums);
        return;
    default:
        add_32(is_f64, 4, leaves, found, sums);
        return;
    }
}

/* One row's leaf, which is a row of leaf_values or, with width 1, the number itself, to its sum in
 * the block's sums of the tree's first group. */
static void add_row(const struct ax_compiled *c, union ax_leaf leaf, size_t r, void *sums)
{
    bool is_f64 = c->sum_type == AX_FP64;
    if (c->leaf_width == 1 && !is_f64) {
        ((float *)sums)[place_of(r, sizeof(float))] += leaf.value;
        return;
    }
    const double *values = c->leaf_values + leaf.row * c->leaf_width;
    for (size_t i = 0; i < c->leaf_width; i++) {
        size_t at = i * AX_MUX_ROWS;
        if (is_f64)
            ((double *)sums)[at + place_of(r, sizeof(double))] += values[i];
        else
            ((float *)sums)[at + place_of(r, sizeof(float))] += (float)values[i];
    }
}

static void add_leaves(const struct ax_forest_plan *plan, const struct ax_mux_tree *tree,
                       const uint8_t *found, size_t rows, void *sums)
{
    const struct ax_compiled *c = &plan->compiled;
    const char *leaves = plan->mux.leaves + tree->leaves;
    if (c->leaf_width > 1) {
        for (size_t r = 0; r < rows; r++)
            add_row(c, (union ax_leaf){ .row = ((const uint32_t *)(const void *)leaves)[found[r]] },
                    r, sums);
        return;
    }
    for (size_t r = 0; r < rows; r += LANES) {
        if (c->sum_type == AX_FP64)
            add_tables(true, tree->tables, leaves, found + r, (double *)sums + r);
        else
            add_tables(false, tree->tables, leaves, found + r, (float *)sums + r);
    }
}

/* ---- calls ---- */

/* The parts of the scratch. */
struct avx2_scratch {
    int8_t *ranks;
    uint8_t *results;
    char *sums; /* [block][group][AX_MUX_ROWS], in the order of place_of */
    void *gathered;
    uint32_t *slots;    /* of all rows, for trees that are walked */
    size_t block_ranks; /* bytes of a block's ranks, and of its sums */
    size_t block_sums;
    size_t bytes;
};

static struct avx2_scratch avx2_divide(const struct ax_forest_plan *plan, size_t rows, void *memory)
{
    const struct ax_compiled *c = &plan->compiled;
    size_t blocks = (rows + AX_MUX_ROWS - 1) / AX_MUX_ROWS;
    size_t number = ax_datatype_size(c->sum_type);
    size_t columns = plan->mux.column_count + plan->mux.set_column_count;
    struct avx2_scratch s = { .block_ranks = columns * AX_MUX_ROWS,
                              .block_sums = c->group_count * AX_MUX_ROWS * number };
    size_t ranks = blocks * s.block_ranks, results = RESULTS * AX_MUX_ROWS;
    size_t sums = blocks * s.block_sums;
    size_t gathered = 0, slots = 0;
    if (plan->mux.walked_count) {
        gathered = ALIGN_UP(c->feature_count * ax_datatype_size(c->input_type));
        slots = ALIGN_UP(rows * c->slot_count * sizeof(uint32_t));
    }
    s.bytes = ranks + results + sums + gathered + slots;
    char *at = memory;
    if (!at)
        return s;
    s.ranks = (int8_t *)at;
    s.results = (uint8_t *)(at += ranks);
    s.sums = at += results;
    s.gathered = at += sums;
    s.slots = (uint32_t *)(void *)(at + gathered);
    return s;
}

static size_t avx2_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    size_t few = ax_few_scratch_size(plan, rows);
    if (rows < plan->few)
        return few;
    return AX_MAX(few, avx2_divide(plan, AX_MIN(rows, BLOCKS * AX_MUX_ROWS), NULL).bytes);
}

static void begin_sums(const struct ax_compiled *c, const struct avx2_scratch *s, size_t rows)
{
    size_t groups = c->group_count;
    size_t blocks = (rows + AX_MUX_ROWS - 1) / AX_MUX_ROWS;
    for (size_t i = 0; i < blocks * groups * AX_MUX_ROWS; i++) {
        size_t group = i / AX_MUX_ROWS % groups;
        if (c->sum_type == AX_FP64)
            ((double *)(void *)s->sums)[i] = ((const double *)c->base)[group];
        else
            ((float *)(void *)s->sums)[i] = ((const float *)c->base)[group];
    }
}

static void end_sums(const struct ax_compiled *c, const struct avx2_scratch *s, size_t rows,
                     void *sums)
{
    size_t groups = c->group_count;
    for (size_t r = 0; r < rows; r++) {
        size_t block = r / AX_MUX_ROWS * groups;
        for (size_t g = 0; g < groups; g++) {
            size_t line = (block + g) * AX_MUX_ROWS;
            if (c->sum_type == AX_FP64)
                ((double *)sums)[r * groups + g] =
                    ((double *)(void *)s->sums)[line + place_of(r % AX_MUX_ROWS, sizeof(double))];
            else
                ((float *)sums)[r * groups + g] =
                    ((float *)(void *)s->sums)[line + place_of(r % AX_MUX_ROWS, sizeof(float))];
        }
    }
}

/* One tree that has no program, for a block. */
static void walk_block(const struct ax_compiled *c, size_t tree, const uint32_t *slots, size_t rows,
                       void *sums)
{
    for (size_t from = 0; from < rows; from += AX_WALK_ROWS) {
        union ax_leaf leaves[AX_WALK_ROWS];
        size_t count = AX_MIN(AX_WALK_ROWS, rows - from);
        ax_compiled_walk_tree(c, tree, slots + from * c->slot_count, count, leaves);
        for (size_t r = 0; r < count; r++)
            add_row(c, leaves[r], from + r, sums);
    }
}

static void score_tree(const struct ax_forest_plan *plan, size_t t, const struct avx2_scratch *s,
                       size_t rows)
{
    const struct ax_compiled *c = &plan->compiled;
    const struct ax_mux_tree *tree = &plan->mux.trees[t];
    const uint32_t *code = plan->mux.code + tree->code;
    int8_t *ranks = s->ranks;
    char *sums = s->sums + tree->group * AX_MUX_ROWS * ax_datatype_size(c->sum_type);
    for (size_t from = 0; from < rows; from += AX_MUX_ROWS) {
        size_t count = AX_MIN(AX_MUX_ROWS, rows - from);
        if (tree->form == AX_MUX_WALKED)
            walk_block(c, t, s->slots + from * c->slot_count, count, sums);
        else
            add_leaves(plan, tree,
                       run_tree(tree, code, ranks, ranks + plan->mux.column_count * AX_MUX_ROWS,
                                s->results, count > LANES ? 2 : 1),
                       count, sums);
        ranks += s->block_ranks;
        sums += s->block_sums;
    }
}

static void fill_slots(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                       size_t from, size_t rows, const struct avx2_scratch *s)
{
    const struct ax_compiled *c = &plan->compiled;
    for (size_t r = 0; r < rows; r++)
        ax_compiled_fill(c, ax_forest_plan_row(plan, in, from + r, s->gathered),
                         s->slots + r * c->slot_count);
}

static void score_blocks(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                         size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    struct avx2_scratch s = avx2_divide(plan, rows, scratch);
    for (size_t r = 0; r < rows; r += AX_MUX_ROWS)
        ax_mux_rank_avx2(plan, in->batch, from + r, AX_MIN(AX_MUX_ROWS, rows - r),
                         s.ranks + r / AX_MUX_ROWS * s.block_ranks);
    if (plan->mux.walked_count)
        fill_slots(plan, in, from, rows, &s);
    begin_sums(c, &s, rows);
    for (size_t t = 0; t < c->tree_count; t++)
        score_tree(plan, t, &s, rows);
    end_sums(c, &s, rows, sums);
}

/* Blocks of rows, and what is left of them when it is only a few. */
static void avx2_score(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                       size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    assert(rows >= 1 && rows <= BLOCKS * AX_MUX_ROWS && from + rows <= in->batch->rows && scratch);
    size_t left = rows % AX_MUX_ROWS;
    size_t few = rows < plan->few ? rows : left < plan->few ? left : 0;
    size_t whole = rows - few;
    if (whole)
        score_blocks(plan, in, from, whole, sums, scratch);
    if (few)
        ax_few_score(plan, in, from + whole, few,
                     (char *)sums + whole * c->group_count * ax_datatype_size(c->sum_type),
                     scratch);
}

static enum ax_code avx2_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    if (!plan->mux.is_made && ax_mux_init(&plan->mux, &plan->compiled, err))
        return err->code;
    if (!plan->ranked.is_made && ax_ranked_init(&plan->ranked, &plan->compiled, &plan->mux, err))
        return err->code;
    plan->few = ax_few_limit(plan);
    return AX_OK;
}

static bool avx2_runs_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
}

const struct ax_forest_kernel ax_kernel_avx2 = {
    .name = "avx2",
    .rows_max = BLOCKS * AX_MUX_ROWS,
    .runs_here = avx2_runs_here,
    .prepare = avx2_prepare,
    .scratch_size = avx2_scratch_size,
    .score = avx2_score,
};
