/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of mux.h, a register of rows at a time.
 *
 * Up to 4 blocks of 64 rows go together: first their ranks, then tree by tree each block, so
 * that a tree is read from far memory once for all of them. A tree's program leaves each row's leaf
 * number as a byte; the leaves are looked up and added to the block's sums. Joining bytes to wider
 * numbers works within each 16 bytes of a register, so sums lie in an order of their own (place_of)
 * until the end.
 *
 * This file is compiled for each width of registers, with a header that has the few things in which
 * they differ. A block is one register of AVX-512 or two of AVX2: then both go together, since
 * every split's bound and column are loaded once for both, and the functions take how many as a
 * constant, and are compiled once for each.
 */
#include "engine/forest/mux_block.h"
#include "engine/forest/rank_avx2.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#if defined(AX_BLOCK_AVX512)
#include "engine/forest/block_avx512.h"
#define AX_BLOCK(name) ax_block_##name##_avx512
#else
#include "engine/forest/block_avx2.h"
#define AX_BLOCK(name) ax_block_##name##_avx2
#endif

#define REGS   (AX_MUX_ROWS / AX_BYTES_LANES) /* of a block */
#define UNROLL _Pragma("GCC unroll 8")

#define ALIGN_UP(n) (((n) + 63) & ~(size_t)63)
#define RESULTS     ((size_t)(2 * AX_MUX_LEAVES_MAX)) /* of a tree, most: lone leaves and joins */

/* The bytes of a block's rows, and on which side of a split they are. */
struct bytes {
    ax_bytes v[REGS];
};

struct sides {
    ax_bytes_mask v[REGS];
};

static AX_ALWAYS_INLINE struct bytes bytes_of(ax_bytes all, size_t regs)
{
    struct bytes bytes = { .v = { all } };
    UNROLL
    for (size_t i = 0; i < regs; i++)
        bytes.v[i] = all;
    return bytes;
}

/* ---- programs ---- */

static AX_ALWAYS_INLINE struct sides sides_of(const uint32_t *split, const int8_t *ranks,
                                              size_t regs)
{
    ax_bytes bound = ax_bytes_of_word(split[0]);
    const int8_t *column = ranks + split[1];
    struct sides sides = { .v = { ax_bytes_none() } };
    UNROLL
    for (size_t i = 0; i < regs; i++)
        sides.v[i] = ax_bytes_above(bound, ax_bytes_load(column + i * AX_BYTES_LANES));
    return sides;
}

static AX_ALWAYS_INLINE struct bytes choose(struct sides sides, struct bytes left,
                                            struct bytes right, size_t regs)
{
    UNROLL
    for (size_t i = 0; i < regs; i++)
        left.v[i] = ax_bytes_choose(sides.v[i], left.v[i], right.v[i]);
    return left;
}

static AX_ALWAYS_INLINE struct bytes plus(struct bytes a, ax_bytes b, size_t regs)
{
    UNROLL
    for (size_t i = 0; i < regs; i++)
        a.v[i] = ax_bytes_add(a.v[i], b);
    return a;
}

/* Tiles whose first leaf is number `first`. */
static AX_ALWAYS_INLINE struct bytes tile_1(const uint32_t *code, const int8_t *ranks, char first,
                                            size_t regs)
{
    struct sides sides = sides_of(code, ranks, regs);
    struct bytes found = bytes_of(ax_bytes_zero(), regs);
    UNROLL
    for (size_t i = 0; i < regs; i++)
        found.v[i] = ax_bytes_pair(sides.v[i], first);
    return found;
}

static AX_ALWAYS_INLINE struct bytes tile_2(const uint32_t *code, const int8_t *ranks, char first,
                                            size_t regs)
{
    struct bytes left = tile_1(code, ranks, first, regs);
    struct bytes right = tile_1(code + 2, ranks, (char)(first + 2), regs);
    return choose(sides_of(code + 4, ranks, regs), left, right, regs);
}

static AX_ALWAYS_INLINE struct bytes tile_3(const uint32_t *code, const int8_t *ranks, size_t regs)
{
    struct bytes left = tile_2(code, ranks, 0, regs);
    struct bytes right = tile_2(code + 6, ranks, 4, regs);
    return choose(sides_of(code + 12, ranks, regs), left, right, regs);
}

static AX_ALWAYS_INLINE uint8_t *put(struct bytes bytes, uint8_t *to, size_t regs)
{
    UNROLL
    for (size_t i = 0; i < regs; i++)
        ax_bytes_store(to + i * AX_BYTES_LANES, bytes.v[i]);
    return to + AX_MUX_ROWS;
}

static AX_ALWAYS_INLINE struct bytes get(const uint8_t *from, size_t regs)
{
    struct bytes bytes = bytes_of(ax_bytes_zero(), regs);
    UNROLL
    for (size_t i = 0; i < regs; i++)
        bytes.v[i] = ax_bytes_load(from + i * AX_BYTES_LANES);
    return bytes;
}

/* The columns of the tree's sets, behind the others. Returns the code behind them. */
static AX_ALWAYS_INLINE const uint32_t *run_sets(size_t count, const uint32_t *code,
                                                 const int8_t *ranks, int8_t *to, size_t regs)
{
    for (size_t set = 0; set < count; set++, code += AX_MUX_SET_WORDS, to += AX_MUX_ROWS) {
        for (size_t i = 0; i < regs * AX_BYTES_LANES; i += AX_BYTES_LANES)
            ax_bytes_store(to + i, ax_bytes_not_in_set(code + 2, ax_bytes_load(ranks + code[0] + i),
                                                       ax_bytes_load(ranks + code[1] + i)));
    }
    return code;
}

/* The tiles of one height, from `code` on. Returns the code behind them and moves *to. */
static AX_ALWAYS_INLINE const uint32_t *run_tiles(size_t height, size_t count, const uint32_t *code,
                                                  const int8_t *ranks, uint8_t **to, size_t regs)
{
    for (size_t i = 0; i < count; i++) {
        ax_bytes first = ax_bytes_of_word(*code++);
        struct bytes found = bytes_of(ax_bytes_zero(), regs);
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
        to = put(choose(sides_of(code, ranks, regs), left, right, regs), to, regs);
    }
    return to - AX_MUX_ROWS;
}

/* The levels' sides as binary digits: each left takes its power of 2 from the last leaf's number.
 */
static AX_ALWAYS_INLINE const uint8_t *run_levels(const struct ax_mux_tree *tree,
                                                  const uint32_t *code, const int8_t *ranks,
                                                  uint8_t *results, size_t regs)
{
    struct bytes digits = bytes_of(ax_bytes_zero(), regs);
    for (size_t level = 0; level < tree->levels; level++, code += 2) {
        struct sides sides = sides_of(code, ranks, regs);
        UNROLL
        for (size_t i = 0; i < regs; i++) {
            ax_bytes twice = ax_bytes_add(digits.v[i], digits.v[i]);
            digits.v[i] = ax_bytes_less(twice, sides.v[i]);
        }
    }
    (void)put(plus(digits, ax_bytes_of((char)(tree->leaf_count - 1)), regs), results, regs);
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
                     : run_regs(tree, code, ranks, sets, results, REGS);
}

/* ---- leaves ---- */

/* Where row r's sum lies among those of its block. */
static AX_ALWAYS_INLINE size_t place_of(size_t r, size_t size)
{
    size_t lanes = AX_BYTES_LANES / 16; /* of 16 bytes, within which bytes are joined */
    size_t in_lane = 16 / size;         /* numbers of a group that one lane holds */
    size_t lane = r / 16 % lanes, group = r % 16 / in_lane;
    return r / AX_BYTES_LANES * AX_BYTES_LANES + group * lanes * in_lane + lane * in_lane +
           r % in_lane;
}

/* Four registers of bytes, of which each row has one in each, to four of numbers of 4 bytes. */
static AX_ALWAYS_INLINE void join_four(const ax_bytes *b, ax_bytes *ret_numbers)
{
    ax_bytes low[2] = { ax_bytes_join_low_1(b[0], b[1]), ax_bytes_join_high_1(b[0], b[1]) };
    ax_bytes high[2] = { ax_bytes_join_low_1(b[2], b[3]), ax_bytes_join_high_1(b[2], b[3]) };
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        ret_numbers[2 * i] = ax_bytes_join_low_2(low[i], high[i]);
        ret_numbers[2 * i + 1] = ax_bytes_join_high_2(low[i], high[i]);
    }
}

/* Four planes' bytes. */
static AX_ALWAYS_INLINE void look_up_four(const char *planes, size_t tables, ax_bytes index,
                                          ax_bytes *ret_numbers)
{
    ax_bytes b[4];
    UNROLL
    for (size_t i = 0; i < 4; i++)
        b[i] = ax_bytes_look_up(planes + 16 * tables * i, tables, index);
    join_four(b, ret_numbers);
}

/* The leaf numbers. */
static AX_ALWAYS_INLINE void widen(ax_bytes index, ax_bytes *ret_numbers)
{
    ax_bytes zero = ax_bytes_zero();
    ax_bytes words[2] = { ax_bytes_join_low_1(index, zero), ax_bytes_join_high_1(index, zero) };
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        ret_numbers[2 * i] = ax_bytes_join_low_2(words[i], zero);
        ret_numbers[2 * i + 1] = ax_bytes_join_high_2(words[i], zero);
    }
}

/* The f32 leaves of a register's rows; `tables` is 0 when they lie one by one. */
static AX_ALWAYS_INLINE void add_leaves_f32(const char *leaves, size_t tables, const uint8_t *found,
                                            float *sums)
{
    ax_bytes numbers[4];
    if (tables)
        look_up_four(leaves, tables, ax_bytes_load(found), numbers);
    else
        widen(ax_bytes_load(found), numbers);
    UNROLL
    for (size_t i = 0; i < 4; i++)
        ax_bytes_add_f32(sums + AX_BYTES_LANES / 4 * i,
                         tables ? numbers[i] : ax_bytes_gather_f32(leaves, numbers[i]));
}

static AX_ALWAYS_INLINE ax_bytes leaf_f64(const char *leaves, size_t tables, ax_bytes number)
{
    return tables ? number : ax_bytes_gather_f64(leaves, number);
}

static AX_ALWAYS_INLINE void add_leaves_f64(const char *leaves, size_t tables, const uint8_t *found,
                                            double *sums)
{
    ax_bytes low[4], high[4];
    if (tables) {
        look_up_four(leaves, tables, ax_bytes_load(found), low);
        look_up_four(leaves + 64 * tables, tables, ax_bytes_load(found), high);
    } else {
        widen(ax_bytes_load(found), low);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            high[i] = ax_bytes_zero();
    }
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        double *to = sums + AX_BYTES_LANES / 4 * i;
        ax_bytes_add_f64(to, leaf_f64(leaves, tables, ax_bytes_join_low_4(low[i], high[i])));
        ax_bytes_add_f64(to + AX_BYTES_LANES / 8,
                         leaf_f64(leaves, tables, ax_bytes_join_high_4(low[i], high[i])));
    }
}

static AX_ALWAYS_INLINE void add_reg(bool is_f64, size_t tables, const char *leaves,
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
        add_reg(is_f64, 0, leaves, found, sums);
        return;
    case 1:
        add_reg(is_f64, 1, leaves, found, sums);
        return;
    case 2:
        add_reg(is_f64, 2, leaves, found, sums);
        return;
    default:
        add_reg(is_f64, 4, leaves, found, sums);
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
    for (size_t r = 0; r < rows; r += AX_BYTES_LANES) {
        if (c->sum_type == AX_FP64)
            add_tables(true, tree->tables, leaves, found + r, (double *)sums + r);
        else
            add_tables(false, tree->tables, leaves, found + r, (float *)sums + r);
    }
}

/* ---- calls ---- */

/* The parts of the scratch. */
struct block_scratch {
    int8_t *ranks;
    uint8_t *results;
    char *sums; /* [block][group][AX_MUX_ROWS], in the order of place_of */
    void *gathered;
    uint32_t *slots;    /* of all rows, for trees that are walked */
    uint16_t *strips;   /* of all blocks, for trees that are deep */
    size_t block_ranks; /* bytes of a block's ranks, and of its sums */
    size_t block_sums;
    size_t bytes;
};

static struct block_scratch block_divide(const struct ax_forest_plan *plan, size_t rows,
                                         void *memory)
{
    const struct ax_compiled *c = &plan->compiled;
    size_t blocks = (rows + AX_MUX_ROWS - 1) / AX_MUX_ROWS;
    size_t number = ax_datatype_size(c->sum_type);
    size_t columns = plan->mux.column_count + plan->mux.set_column_count;
    struct block_scratch s = { .block_ranks = columns * AX_MUX_ROWS,
                               .block_sums = c->group_count * AX_MUX_ROWS * number };
    size_t ranks = blocks * s.block_ranks, results = RESULTS * AX_MUX_ROWS;
    size_t sums = blocks * s.block_sums;
    size_t gathered = 0, slots = 0, strips = 0;
    if (plan->mux.deep_count)
        strips = blocks * AX_DEEP_STRIPS_SIZE * sizeof(*s.strips);
    if (plan->mux.walked_count) {
        gathered = ALIGN_UP(c->feature_count * ax_datatype_size(c->input_type));
        slots = ALIGN_UP(rows * c->slot_count * sizeof(uint32_t));
    }
    s.bytes = ranks + results + sums + gathered + slots + strips;
    char *at = memory;
    if (!at)
        return s;
    s.ranks = (int8_t *)at;
    s.results = (uint8_t *)(at += ranks);
    s.sums = at += results;
    s.gathered = at += sums;
    s.slots = (uint32_t *)(void *)(at += gathered);
    s.strips = (uint16_t *)(void *)(at + slots);
    return s;
}

size_t AX_BLOCK(scratch_size)(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan && plan->mux.trees);
    return block_divide(plan, AX_MIN(rows, AX_BLOCK_ROWS_MAX), NULL).bytes;
}

static void begin_sums(const struct ax_compiled *c, const struct block_scratch *s, size_t rows)
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

static void end_sums(const struct ax_compiled *c, const struct block_scratch *s, size_t rows,
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

/* A block's numbers in the order of rows, to its sums. */
static AX_ALWAYS_INLINE void add_values(bool is_f64, const char *values, char *sums)
{
    size_t size = is_f64 ? sizeof(double) : sizeof(float);
    for (size_t from = 0; from < AX_MUX_ROWS; from += AX_BYTES_LANES) {
        alignas(AX_CACHE_LINE) char ordered[AX_BYTES_LANES * sizeof(double)];
        for (size_t r = 0; r < AX_BYTES_LANES; r += 16 / size, values += 16)
            memcpy(ordered + place_of(r, size) * size, values, 16);
        for (size_t i = 0; i < size; i++, sums += AX_BYTES_LANES) {
            ax_bytes numbers = ax_bytes_load(ordered + i * AX_BYTES_LANES);
            if (is_f64)
                ax_bytes_add_f64((double *)(void *)sums, numbers);
            else
                ax_bytes_add_f32((float *)(void *)sums, numbers);
        }
    }
}

/* One tree of which there is a trunk, for a block that has left it by the exits `found`. */
static void walk_crown(const struct ax_forest_plan *plan, size_t tree, const uint8_t *found,
                       const uint16_t *strips, size_t rows, void *sums)
{
    const struct ax_compiled *c = &plan->compiled;
    union ax_leaf leaves[AX_MUX_ROWS] = { { 0 } };
    ax_deep_walk(&plan->deep, &plan->mux, tree, found, strips, rows, leaves);
    if (c->leaf_width > 1) {
        for (size_t r = 0; r < rows; r++)
            add_row(c, leaves[r], r, sums);
    } else if (c->sum_type == AX_FP32) {
        add_values(false, (const char *)leaves, sums);
    } else {
        double values[AX_MUX_ROWS] = { 0 };
        for (size_t r = 0; r < rows; r++)
            values[r] = c->leaf_values[leaves[r].row];
        add_values(true, (const char *)values, sums);
    }
}

static void score_tree(const struct ax_forest_plan *plan, size_t t, const struct block_scratch *s,
                       size_t rows)
{
    const struct ax_compiled *c = &plan->compiled;
    const struct ax_mux_tree *tree = &plan->mux.trees[t];
    const uint32_t *code = plan->mux.code + tree->code;
    int8_t *ranks = s->ranks;
    char *sums = s->sums + tree->group * AX_MUX_ROWS * ax_datatype_size(c->sum_type);
    for (size_t from = 0; from < rows; from += AX_MUX_ROWS) {
        size_t count = AX_MIN(AX_MUX_ROWS, rows - from);
        const uint8_t *found = NULL;
        if (tree->form != AX_MUX_WALKED)
            found = run_tree(tree, code, ranks, ranks + plan->mux.column_count * AX_MUX_ROWS,
                             s->results, count > AX_BYTES_LANES ? 2 : 1);
        if (!found)
            walk_block(c, t, s->slots + from * c->slot_count, count, sums);
        else if (tree->form == AX_MUX_DEEP)
            walk_crown(plan, t, found, s->strips + from / AX_MUX_ROWS * AX_DEEP_STRIPS_SIZE, count,
                       sums);
        else
            add_leaves(plan, tree, found, count, sums);
        ranks += s->block_ranks;
        sums += s->block_sums;
    }
}

static void fill_slots(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                       size_t from, size_t rows, const struct block_scratch *s)
{
    const struct ax_compiled *c = &plan->compiled;
    for (size_t r = 0; r < rows; r++)
        ax_compiled_fill(c, ax_forest_plan_row(plan, in, from + r, s->gathered),
                         s->slots + r * c->slot_count);
}

void AX_BLOCK(score)(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                     size_t from, size_t rows, void *sums, void *scratch)
{
    const struct ax_compiled *c = &plan->compiled;
    assert(plan->mux.trees && rows >= 1 && rows <= AX_BLOCK_ROWS_MAX && sums && scratch);
    struct block_scratch s = block_divide(plan, rows, scratch);
    for (size_t r = 0; r < rows; r += AX_MUX_ROWS)
        ax_mux_rank_avx2(plan, in->batch, from + r, AX_MIN(AX_MUX_ROWS, rows - r),
                         s.ranks + r / AX_MUX_ROWS * s.block_ranks);
    if (plan->mux.walked_count)
        fill_slots(plan, in, from, rows, &s);
    for (size_t r = 0; plan->mux.deep_count && r < rows; r += AX_MUX_ROWS)
        ax_deep_make_strips(s.ranks + r / AX_MUX_ROWS * s.block_ranks, plan->mux.column_count,
                            AX_MIN(AX_MUX_ROWS, rows - r),
                            s.strips + r / AX_MUX_ROWS * AX_DEEP_STRIPS_SIZE);
    begin_sums(c, &s, rows);
    for (size_t t = 0; t < c->tree_count; t++)
        score_tree(plan, t, &s, rows);
    end_sums(c, &s, rows, sums);
}
