/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Oblivious trees: leaves' numbers by comparing bytes, then one addition a tree and row.
 *
 * For one row a run's 32 trees are answered level by level. Each tree reads another column, so the
 * row's ranks lie in tables of 16 bytes, in registers, out of which a shuffle takes 32 at once. It
 * gives 0 for an index above 127: going from table to table the indices fall by 16, so that a
 * column comes into the range at its own table and stays there; and a table holds the exclusive or
 * of its own ranks and the next one's, so that what the tables give from there on cancels out but
 * for the rank that was meant.
 *
 * For a block of 64 rows each tree is answered on its own, 32 rows a register.
 *
 * The rest is the same: rows side by side, so that the chains of additions, each of which waits for
 * the one before, overlap. Sums stay in registers for a run. A leaf is added from where it lies:
 * one load and one addition are less than anything that takes f64 out of byte planes.
 */
#include "engine/forest/oblivious_avx2.h"
#include "engine/forest/rank_avx2.h"

#include <assert.h>
#include <immintrin.h>

#define LANES      AX_OBLIVIOUS_LANES /* bytes of a register */
#define BLOCKS     ((size_t)4)        /* of AX_MUX_ROWS rows: each run is fetched once for them */
#define FEW        ((size_t)4) /* rows whose trees are answered before their leaves are added */
#define BETWEEN    ((size_t)6) /* trees of one row that are added between two levels */
#define TABLES_MAX (AX_OBLIVIOUS_COLUMNS_MAX / AX_OBLIVIOUS_TABLE)
#define WIDE       ((size_t)AX_OBLIVIOUS_WIDE)
#define UNROLL     _Pragma("GCC unroll 8")

static AX_ALWAYS_INLINE __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

/* ---- leaves ---- */

/* Numbers of leaves: of row r and tree t at r * row_step + t * tree_step. */
struct found {
    const uint8_t *numbers;
    size_t row_step;
    size_t tree_step;
};

/* Those of one tree and `rows` rows. Four bytes that lie side by side are loaded at once: loads are
 * what the additions wait for. */
static AX_ALWAYS_INLINE void get_numbers(struct found found, size_t tree, size_t rows,
                                         size_t *ret_numbers)
{
    const uint8_t *from = found.numbers + tree * found.tree_step;
    size_t side_by_side = found.row_step == 1 && rows % 4 == 0 ? 4 : 1;
    UNROLL
    for (size_t r = 0; r < rows; r += side_by_side) {
        uint32_t bytes = from[r * found.row_step];
        if (side_by_side == 4)
            memcpy(&bytes, from + r, sizeof(bytes));
        UNROLL
        for (size_t i = 0; i < side_by_side; i++)
            ret_numbers[r + i] = bytes >> 8 * i & 0xFF;
    }
}

/* The leaves of a run's trees to the sums of `rows` rows, each of one number. */
static AX_ALWAYS_INLINE void add_narrow(const double *leaves, size_t depth, size_t trees,
                                        struct found found, size_t rows, double *sums)
{
    double sum[8];
    UNROLL
    for (size_t r = 0; r < rows; r++)
        sum[r] = sums[r];
    for (size_t t = 0; t < trees; t++, leaves += (size_t)1 << depth) {
        size_t numbers[8];
        get_numbers(found, t, rows, numbers);
        UNROLL
        for (size_t r = 0; r < rows; r++)
            sum[r] += leaves[numbers[r]];
    }
    UNROLL
    for (size_t r = 0; r < rows; r++)
        sums[r] = sum[r];
}

/* The same of one quarter of sums that are `width` numbers a row; `mask` says which are there. */
static AX_ALWAYS_INLINE void add_quarter(const double *leaves, size_t depth, size_t trees,
                                         struct found found, size_t rows, __m256i mask,
                                         size_t width, double *sums)
{
    __m256d sum[8];
    UNROLL
    for (size_t r = 0; r < rows; r++)
        sum[r] = _mm256_maskload_pd(sums + r * width, mask);
    for (size_t t = 0; t < trees; t++, leaves += WIDE << depth) {
        size_t numbers[8];
        get_numbers(found, t, rows, numbers);
        UNROLL
        for (size_t r = 0; r < rows; r++)
            sum[r] = _mm256_add_pd(sum[r], _mm256_load_pd(leaves + WIDE * numbers[r]));
    }
    UNROLL
    for (size_t r = 0; r < rows; r++)
        _mm256_maskstore_pd(sums + r * width, mask, sum[r]);
}

static AX_ALWAYS_INLINE void add_wide(const struct ax_oblivious *o,
                                      const struct ax_oblivious_run *run, size_t trees,
                                      struct found found, size_t rows, size_t width, double *sums)
{
    const __m256i places = _mm256_setr_epi64x(0, 1, 2, 3);
    for (size_t q = 0; q < o->quarter_count; q++) {
        __m256i left = _mm256_set1_epi64x((long long)(width - q * WIDE));
        add_quarter(o->leaves + (q * o->leaf_count + run->leaves) * WIDE, run->depth, trees, found,
                    rows, _mm256_cmpgt_epi64(left, places), width, sums + q * WIDE);
    }
}

/* `rows` is a constant. */
static AX_ALWAYS_INLINE void add_some(const struct ax_oblivious *o,
                                      const struct ax_oblivious_run *run, size_t trees,
                                      struct found found, size_t rows, size_t width, double *sums)
{
    if (o->leaf_size == 1)
        add_narrow(o->leaves + run->leaves, run->depth, trees, found, rows, sums);
    else
        add_wide(o, run, trees, found, rows, width, sums);
}

/* Rows [from, rows) as long as there are as many as `step`, a constant. Returns where they end. */
static AX_ALWAYS_INLINE size_t add_steps(const struct ax_oblivious *o,
                                         const struct ax_oblivious_run *run, size_t trees,
                                         struct found found, size_t from, size_t rows, size_t step,
                                         size_t width, double *sums)
{
    for (; from + step <= rows; from += step) {
        struct found here = found;
        here.numbers += from * found.row_step;
        add_some(o, run, trees, here, step, width, sums + from * width);
    }
    return from;
}

/* ---- few rows ---- */

/* A row's ranks << 8 become its tables, in their place. */
static void make_tables(uint16_t *ranks, size_t tables)
{
    uint8_t *bytes = (uint8_t *)ranks;
    for (size_t i = 0; i < tables * AX_OBLIVIOUS_TABLE; i += LANES) {
        __m256i low = _mm256_srli_epi16(load(ranks + i), 8);
        __m256i high = _mm256_srli_epi16(load(ranks + i + LANES / 2), 8);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xD8);
        packed = _mm256_xor_si256(packed, _mm256_set1_epi8(INT8_MIN)); /* minus 128 */
        _mm256_storeu_si256((__m256i *)(void *)(bytes + i), packed);
    }
    for (size_t i = 0; i + 1 < tables; i++) {
        __m128i *at = (__m128i *)(void *)(bytes + i * AX_OBLIVIOUS_TABLE);
        _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), _mm_loadu_si128(at + 1)));
    }
}

/* `tables` is a constant in all that follows. */
static AX_ALWAYS_INLINE void load_tables(const uint16_t *ranks, size_t tables, __m256i *ret_tables)
{
    const __m128i *from = (const __m128i *)(const void *)ranks;
    UNROLL
    for (size_t i = 0; i < tables; i++)
        ret_tables[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(from + i));
}

/* One more binary digit of the leaves' numbers of a run's trees. */
static AX_ALWAYS_INLINE __m256i answer_level(const struct ax_oblivious_level *level,
                                             const __m256i *table, size_t tables, __m256i digits)
{
    __m256i column = load(level->columns);
    __m256i rank = _mm256_shuffle_epi8(table[0], column);
    UNROLL
    for (size_t i = 1; i < tables; i++) {
        column = _mm256_sub_epi8(column, _mm256_set1_epi8((char)AX_OBLIVIOUS_TABLE));
        rank = _mm256_xor_si256(rank, _mm256_shuffle_epi8(table[i], column));
    }
    __m256i is_right = _mm256_cmpgt_epi8(rank, load(level->bounds));
    return _mm256_sub_epi8(_mm256_add_epi8(digits, digits), is_right);
}

static AX_ALWAYS_INLINE void answer_row(const struct ax_oblivious *o,
                                        const struct ax_oblivious_run *run, const __m256i *table,
                                        size_t tables, uint8_t *numbers)
{
    __m256i digits = _mm256_setzero_si256();
    for (size_t d = 0; d < run->depth; d++)
        digits = answer_level(o->levels + run->levels + d, table, tables, digits);
    _mm256_storeu_si256((__m256i *)(void *)numbers, digits);
}

/* One row of leaves of one number. Its additions wait for each other, and processors look only so
 * far ahead for what need not wait: so each level of the next run stands between some of them. */
static AX_ALWAYS_INLINE void walk_one(const struct ax_oblivious *o, const uint16_t *ranks,
                                      size_t tables, double *ret_sum)
{
    uint8_t numbers[2][AX_OBLIVIOUS_LANES];
    __m256i table[TABLES_MAX];
    double sum = *ret_sum;
    load_tables(ranks, tables, table);
    answer_row(o, &o->runs[0], table, tables, numbers[0]);
    for (size_t i = 0, from = 0; i < o->run_count; from = o->runs[i++].tree_end) {
        const struct ax_oblivious_run *run = &o->runs[i];
        const struct ax_oblivious_run *next = i + 1 < o->run_count ? run + 1 : NULL;
        size_t levels = next ? next->depth : 0, trees = run->tree_end - from, t = 0;
        const double *leaves = o->leaves + run->leaves;
        __m256i digits = _mm256_setzero_si256();
        for (size_t d = 0; d < levels; d++) {
            digits = answer_level(o->levels + next->levels + d, table, tables, digits);
            if (t + BETWEEN > trees)
                continue;
            UNROLL
            for (size_t k = 0; k < BETWEEN; k++, t++)
                sum += leaves[(t << run->depth) + numbers[i % 2][t]];
        }
        for (; t < trees; t++)
            sum += leaves[(t << run->depth) + numbers[i % 2][t]];
        _mm256_storeu_si256((__m256i *)(void *)numbers[(i + 1) % 2], digits);
    }
    *ret_sum = sum;
}

static AX_ALWAYS_INLINE void walk_few(const struct ax_oblivious *o, size_t width,
                                      const uint16_t *ranks, size_t rows, size_t tables,
                                      double *sums)
{
    uint8_t numbers[FEW * LANES];
    size_t from = 0;
    if (rows == 1 && o->leaf_size == 1) {
        walk_one(o, ranks, tables, sums);
        return;
    }
    for (size_t i = 0; i < o->run_count; from = o->runs[i++].tree_end) {
        const struct ax_oblivious_run *run = &o->runs[i];
        for (size_t r = 0; r < rows; r += FEW) {
            size_t count = AX_MIN(FEW, rows - r), trees = run->tree_end - from;
            for (size_t k = 0; k < count; k++) {
                __m256i table[TABLES_MAX];
                load_tables(ranks + (r + k) * AX_RANKED_COLUMNS_MAX, tables, table);
                answer_row(o, run, table, tables, numbers + k * LANES);
            }
            struct found found = { numbers, LANES, 1 };
            double *to = sums + r * width;
            size_t done = add_steps(o, run, trees, found, 0, count, 4, width, to);
            done = add_steps(o, run, trees, found, done, count, 2, width, to);
            (void)add_steps(o, run, trees, found, done, count, 1, width, to);
        }
    }
}

static void begin_sums(const struct ax_compiled *c, size_t rows, double *sums)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(sums + r * c->group_count, c->base, c->group_count * sizeof(*sums));
}

void ax_oblivious_walk_avx2(const struct ax_oblivious *oblivious,
                            const struct ax_compiled *compiled, uint16_t *ranks, size_t rows,
                            void *sums)
{
    assert(oblivious && oblivious->levels && compiled && ranks && sums);
    size_t width = compiled->group_count;
    for (size_t r = 0; r < rows; r++)
        make_tables(ranks + r * AX_RANKED_COLUMNS_MAX, oblivious->table_count);
    begin_sums(compiled, rows, sums);
    switch (oblivious->table_count) {
    case 1:
        walk_few(oblivious, width, ranks, rows, 1, sums);
        return;
    case 2:
        walk_few(oblivious, width, ranks, rows, 2, sums);
        return;
    case 4:
        walk_few(oblivious, width, ranks, rows, 4, sums);
        return;
    default:
        walk_few(oblivious, width, ranks, rows, TABLES_MAX, sums);
        return;
    }
}

/* ---- blocks ---- */

/* The leaves' numbers of one tree for LANES or 2 * LANES rows. `regs` is a constant. */
static AX_ALWAYS_INLINE void answer_tree(const struct ax_oblivious_split *splits, size_t depth,
                                         const int8_t *ranks, size_t regs, uint8_t *numbers)
{
    __m256i digits[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (size_t d = 0; d < depth; d++) {
        __m256i bound = _mm256_set1_epi32((int)splits[d].bound);
        const int8_t *column = ranks + splits[d].column;
        UNROLL
        for (size_t i = 0; i < regs; i++) {
            __m256i is_left = _mm256_cmpgt_epi8(bound, load(column + i * LANES));
            digits[i] = _mm256_add_epi8(_mm256_add_epi8(digits[i], digits[i]), is_left);
        }
    }
    /* Each left took its power of 2 from the last leaf's number. */
    __m256i last = _mm256_set1_epi8((char)((1 << depth) - 1));
    UNROLL
    for (size_t i = 0; i < regs; i++)
        _mm256_storeu_si256((__m256i *)(void *)(numbers + i * LANES),
                            _mm256_add_epi8(digits[i], last));
}

/* One run, trees from `from` on, for one block. */
static void score_run(const struct ax_oblivious *o, const struct ax_oblivious_run *run, size_t from,
                      const int8_t *ranks, size_t rows, size_t width, double *sums)
{
    uint8_t numbers[AX_OBLIVIOUS_LANES * AX_MUX_ROWS];
    size_t trees = run->tree_end - from;
    for (size_t t = 0; t < trees; t++) {
        const struct ax_oblivious_tree *tree = &o->trees[from + t];
        if (rows > LANES)
            answer_tree(o->splits + tree->splits, tree->depth, ranks, 2, numbers + t * AX_MUX_ROWS);
        else
            answer_tree(o->splits + tree->splits, tree->depth, ranks, 1, numbers + t * AX_MUX_ROWS);
    }
    struct found found = { numbers, 1, AX_MUX_ROWS };
    size_t done = add_steps(o, run, trees, found, 0, rows, 8, width, sums);
    done = add_steps(o, run, trees, found, done, rows, 4, width, sums);
    (void)add_steps(o, run, trees, found, done, rows, 1, width, sums);
}

size_t ax_oblivious_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan);
    size_t blocks = (AX_MIN(rows, BLOCKS * AX_MUX_ROWS) + AX_MUX_ROWS - 1) / AX_MUX_ROWS;
    return blocks * plan->mux.column_count * AX_MUX_ROWS;
}

void ax_oblivious_score_avx2(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                             size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_oblivious *o = &plan->oblivious;
    size_t width = plan->compiled.group_count, block_ranks = plan->mux.column_count * AX_MUX_ROWS;
    assert(o->runs && from + rows <= in->batch->rows && sums && scratch);
    for (size_t done = 0; done < rows; done += BLOCKS * AX_MUX_ROWS) {
        size_t count = AX_MIN(rows - done, BLOCKS * AX_MUX_ROWS), first = 0;
        double *to = (double *)sums + done * width;
        int8_t *ranks = scratch;
        for (size_t r = 0; r < count; r += AX_MUX_ROWS)
            ax_mux_rank_avx2(plan, in->batch, from + done + r, AX_MIN(AX_MUX_ROWS, count - r),
                             ranks + r / AX_MUX_ROWS * block_ranks);
        begin_sums(&plan->compiled, count, to);
        for (size_t i = 0; i < o->run_count; first = o->runs[i++].tree_end) {
            for (size_t r = 0; r < count; r += AX_MUX_ROWS)
                score_run(o, &o->runs[i], first, ranks + r / AX_MUX_ROWS * block_ranks,
                          AX_MIN(AX_MUX_ROWS, count - r), width, to + r * width);
        }
    }
}
