/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking through crowns: 8 rows of a block in one tree, no branch in a step.
 *
 * A step is: load the split, take its column, compare with the row's rank, load the distance, add
 * with carry. The number of steps is a constant where rows walk, so that the eight walks fit in the
 * registers; a tree whose depth varies much goes the steps that most rows need, and then two at a
 * time until all eight have ended.
 */
#include "engine/forest/deep.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define STRIP     ((size_t)4) /* rows of a strip */
#define LANES     (2 * STRIP)
#define STEPS_MAX 8 /* of one call */
#define UNROLLED  _Pragma("GCC unroll 8")

/* Leaves have numbers of columns that need not be there: their rank is 0. Rows are walked by
 * LANES, so those that fill the last walk up need it, too. */
static void clear_columns(size_t from, size_t rows, uint16_t *strips)
{
    if (from >= AX_DEEP_CHUNK)
        return;
    size_t end = (rows + LANES - 1) / LANES * LANES;
    for (size_t r = 0; r < end; r += STRIP, strips += AX_DEEP_STRIP * STRIP)
        memset(strips + from * STRIP, 0, (AX_DEEP_CHUNK - from) * STRIP * sizeof(*strips));
}

void ax_deep_make_strips(const int8_t *ranks, size_t column_count, size_t rows,
                         uint16_t *ret_strips)
{
    assert(ranks && column_count <= AX_DEEP_COLUMNS_MAX && rows <= AX_MUX_ROWS && ret_strips);
    const __m128i bias = _mm_set1_epi8(INT8_MIN), zero = _mm_setzero_si128();
    const size_t apart = AX_DEEP_STRIP * STRIP;
    for (size_t c = 0; c < column_count; c++, ranks += AX_MUX_ROWS) {
        for (size_t r = 0; r < rows; r += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(ranks + r));
            bytes = _mm_xor_si128(bytes, bias);
            __m128i low = _mm_unpacklo_epi8(zero, bytes), high = _mm_unpackhi_epi8(zero, bytes);
            uint16_t *to = ret_strips + (r / STRIP * AX_DEEP_STRIP + c) * STRIP;
            _mm_storel_epi64((__m128i *)(void *)to, low);
            _mm_storel_epi64((__m128i *)(void *)(to + apart), _mm_unpackhi_epi64(low, low));
            _mm_storel_epi64((__m128i *)(void *)(to + 2 * apart), high);
            _mm_storel_epi64((__m128i *)(void *)(to + 3 * apart), _mm_unpackhi_epi64(high, high));
        }
    }
    clear_columns(column_count, rows, ret_strips);
}

typedef void go_fn(const struct ax_deep_node *nodes, const uint16_t *strip, uint32_t *all);

/* LANES rows, which stand at `all`, go some steps. */
static AX_ALWAYS_INLINE void go(size_t steps, const struct ax_deep_node *nodes,
                                const uint16_t *strip, uint32_t *all)
{
    size_t at[2 * STRIP];
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        at[i] = all[i];
    for (size_t step = 0; step < steps; step++) {
        UNROLLED
        for (size_t i = 0; i < LANES; i++) {
            const uint16_t *ranks = strip + i / STRIP * AX_DEEP_STRIP * STRIP + i % STRIP;
            uint16_t split = nodes[at[i]].split;
            at[i] += nodes[at[i]].left + (size_t)(split < ranks[(size_t)(uint8_t)split * STRIP]);
        }
    }
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        all[i] = (uint32_t)at[i];
}

#define GO(steps)                                                                                  \
    static void go_##steps(const struct ax_deep_node *nodes, const uint16_t *strip, uint32_t *all) \
    {                                                                                              \
        go(steps, nodes, strip, all);                                                              \
    }
GO(1)
GO(2)
GO(3)
GO(4)
GO(5)
GO(6)
GO(7)
GO(8)

static go_fn *const goes[STEPS_MAX] = { go_1, go_2, go_3, go_4, go_5, go_6, go_7, go_8 };

static AX_ALWAYS_INLINE bool are_on_their_way(const struct ax_deep_node *nodes, const uint32_t *all)
{
    uint32_t left = 0;
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        left |= nodes[all[i]].left;
    return left;
}

static void walk_lanes(const struct ax_deep_node *nodes, const struct ax_deep_tree *tree,
                       const uint16_t *strip, uint32_t *all)
{
    size_t steps = tree->steps;
    for (; steps > STEPS_MAX; steps -= STEPS_MAX)
        go_8(nodes, strip, all);
    if (steps)
        goes[steps - 1](nodes, strip, all);
    while (tree->is_ragged && are_on_their_way(nodes, all))
        go_2(nodes, strip, all);
}

void ax_deep_walk(const struct ax_deep *deep, const struct ax_mux *mux, size_t tree,
                  const uint8_t *found, const uint16_t *strips, size_t rows,
                  union ax_leaf *ret_leaves)
{
    assert(deep && deep->trees && mux && found && strips && rows <= AX_MUX_ROWS && ret_leaves);
    const struct ax_deep_tree *own = &deep->trees[tree];
    const struct ax_deep_node *nodes = deep->nodes;
    const uint32_t *exits = (const uint32_t *)(const void *)(mux->leaves + mux->trees[tree].leaves);
    for (size_t r = 0; r < rows; r += LANES, strips += 2 * AX_DEEP_STRIP * STRIP) {
        uint32_t at[2 * STRIP];
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            at[i] = own->root + exits[found[r + i]];
        walk_lanes(nodes, own, strips, at);
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            ret_leaves[r + i] = deep->leaves[deep->chunk_leaves[at[i] / AX_DEEP_CHUNK] +
                                             (uint8_t)nodes[at[i]].split];
    }
}
