/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking by ranks: 8 trees of one row side by side, no branch in a step.
 *
 * A step without links is: load the node, take its column, compare, add with carry. Each run's
 * depth is a constant where it is walked, so that its trees need no addresses of their own. What
 * bounds it is that a processor has few loads in flight at once, so a node is one load; and that a
 * run's steps wait for each other, so the next run's begin meanwhile: runs of one depth are walked
 * in one loop, with the sum in a register, and nothing but steps and leaves between.
 * Window by window all rows go, so that a node is fetched from far memory once for all of them.
 */
#include "engine/forest/ranked.h"
#include "engine/forest/child.h"

#include <assert.h>
#include <string.h>

#define LANES    ((size_t)AX_RANKED_LANES)
#define WALKS    4             /* at once, through blocks that lie anywhere */
#define CACHED   ((size_t)256) /* leaves of a run's trees that stay in cache for the next row */
#define UNROLLED _Pragma("GCC unroll 8")

/* What the trees of a run end at. */
union ends {
    float f32[AX_RANKED_TREES_MAX];
    double f64[AX_RANKED_TREES_MAX];
    uint32_t row[AX_RANKED_TREES_MAX]; /* of leaf_values */
};

/* Leaf number `at` of `leaves` to end number i of `ends`; `size` is a leaf's bytes. */
static AX_ALWAYS_INLINE void put_leaf(size_t size, const char *leaves, size_t at, char *ends,
                                      size_t i)
{
    memcpy(ends + i * size, leaves + at * size, size);
}

/* From the roots of a run's trees to the numbers of their leaves, each 2^depth too large. */
static AX_ALWAYS_INLINE void step_heaps(size_t depth, const uint16_t *nodes, const uint16_t *ranks,
                                        size_t *ret_at)
{
    size_t tree = (size_t)1 << depth;
    size_t at[AX_RANKED_LANES];
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        at[i] = 1;
    UNROLLED
    for (size_t d = 0; d < depth; d++) {
        UNROLLED
        for (size_t i = 0; i < LANES; i++) {
            uint16_t split = nodes[i * tree + at[i]];
            at[i] = ax_child_of_rank(at[i], split, ranks + (uint8_t)split);
        }
    }
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        ret_at[i] = at[i];
}

/* Each depth is compiled on its own, with the depth as a constant: then trees need no addresses of
 * their own, and there are registers enough. */
typedef void walk_heaps_fn(const uint16_t *nodes, const uint16_t *ranks, const char *leaves,
                           char *ends);

static AX_ALWAYS_INLINE void walk_heaps(size_t depth, size_t size, const uint16_t *nodes,
                                        const uint16_t *ranks, const char *leaves, char *ends)
{
    size_t tree = (size_t)1 << depth;
    size_t at[AX_RANKED_LANES];
    step_heaps(depth, nodes, ranks, at);
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        put_leaf(size, leaves, (i - 1) * tree + at[i], ends, i);
}

#define WALK_HEAPS(depth, size)                                                           \
    static void walk_heaps_##depth##_##size(const uint16_t *nodes, const uint16_t *ranks, \
                                            const char *leaves, char *ends)               \
    {                                                                                     \
        walk_heaps(depth, size, nodes, ranks, leaves, ends);                              \
    }
#define WALK_ALL(size)  \
    WALK_HEAPS(0, size) \
    WALK_HEAPS(1, size) \
    WALK_HEAPS(2, size) \
    WALK_HEAPS(3, size) \
    WALK_HEAPS(4, size) \
    WALK_HEAPS(5, size) \
    WALK_HEAPS(6, size) \
    WALK_HEAPS(7, size) \
    WALK_HEAPS(8, size)
WALK_ALL(4)
WALK_ALL(8)

static walk_heaps_fn *const walks_4[AX_RANKED_DEPTH_MAX + 1] = {
    walk_heaps_0_4, walk_heaps_1_4, walk_heaps_2_4, walk_heaps_3_4, walk_heaps_4_4,
    walk_heaps_5_4, walk_heaps_6_4, walk_heaps_7_4, walk_heaps_8_4,
};
static walk_heaps_fn *const walks_8[AX_RANKED_DEPTH_MAX + 1] = {
    walk_heaps_0_8, walk_heaps_1_8, walk_heaps_2_8, walk_heaps_3_8, walk_heaps_4_8,
    walk_heaps_5_8, walk_heaps_6_8, walk_heaps_7_8, walk_heaps_8_8,
};

/* The same for `runs` full runs of one depth, one behind the other, whose leaves go to one sum. */
typedef void sum_heaps_fn(const uint16_t *nodes, const uint16_t *ranks, const void *leaves,
                          size_t runs, void *sum);

#define SUM_HEAPS(depth, type)                                                             \
    static void sum_heaps_##depth##_##type(const uint16_t *nodes, const uint16_t *ranks,   \
                                           const void *leaves, size_t runs, void *ret_sum) \
    {                                                                                      \
        const size_t tree = (size_t)1 << (depth);                                          \
        const type *leaf = leaves;                                                         \
        type sum;                                                                          \
        memcpy(&sum, ret_sum, sizeof(sum));                                                \
        for (; runs > 0; runs--, nodes += LANES * tree, leaf += LANES * tree) {            \
            size_t at[AX_RANKED_LANES];                                                    \
            step_heaps(depth, nodes, ranks, at);                                           \
            UNROLLED                                                                       \
            for (size_t i = 0; i < LANES; i++)                                             \
                sum += leaf[i * tree + at[i] - tree];                                      \
        }                                                                                  \
        memcpy(ret_sum, &sum, sizeof(sum));                                                \
    }
#define SUM_ALL(type)  \
    SUM_HEAPS(0, type) \
    SUM_HEAPS(1, type) \
    SUM_HEAPS(2, type) \
    SUM_HEAPS(3, type) \
    SUM_HEAPS(4, type) \
    SUM_HEAPS(5, type) \
    SUM_HEAPS(6, type) \
    SUM_HEAPS(7, type) \
    SUM_HEAPS(8, type)
SUM_ALL(float)
SUM_ALL(double)

static sum_heaps_fn *const sums_4[AX_RANKED_DEPTH_MAX + 1] = {
    sum_heaps_0_float, sum_heaps_1_float, sum_heaps_2_float, sum_heaps_3_float, sum_heaps_4_float,
    sum_heaps_5_float, sum_heaps_6_float, sum_heaps_7_float, sum_heaps_8_float,
};
static sum_heaps_fn *const sums_8[AX_RANKED_DEPTH_MAX + 1] = {
    sum_heaps_0_double, sum_heaps_1_double, sum_heaps_2_double,
    sum_heaps_3_double, sum_heaps_4_double, sum_heaps_5_double,
    sum_heaps_6_double, sum_heaps_7_double, sum_heaps_8_double,
};

/* ---- with links ---- */

/* Where trees have got to, an exit each, and which of them have not ended. */
struct walks {
    uint16_t at[AX_RANKED_TREES_MAX + 1]; /* the last one is of no tree */
    uint8_t open[AX_RANKED_TREES_MAX + WALKS];
    size_t open_count;
};

/* Note where a tree has got to, without a branch on whether it has ended. */
static AX_ALWAYS_INLINE void note_exit(struct walks *walks, size_t tree, uint16_t at)
{
    walks->at[tree] = at;
    walks->open[walks->open_count] = (uint8_t)tree;
    walks->open_count += !(at & AX_RANKED_LEAF);
}

/* Through the first blocks of `count` trees, which lie side by side. */
static void walk_roots(const struct ax_ranked_block *blocks, const uint16_t *ranks, size_t count,
                       struct walks *walks)
{
    const size_t block = sizeof(*blocks) / sizeof(uint16_t);
    for (size_t from = 0; from < count; from += LANES, blocks += LANES) {
        const uint16_t *nodes = blocks->splits; /* and exits behind them, block by block */
        size_t at[AX_RANKED_LANES];
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            at[i] = 1;
        UNROLLED
        for (size_t level = 0; level < AX_RANKED_BLOCK_LEVELS; level++) {
            UNROLLED
            for (size_t i = 0; i < LANES; i++) {
                uint16_t split = nodes[i * block + at[i]];
                at[i] = ax_child_of_rank(at[i], split, ranks + (uint8_t)split);
            }
        }
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            note_exit(walks, from + i, nodes[i * block + at[i]]);
    }
}

/* Through one more block each of the trees that have not ended. */
static void walk_open(const struct ax_ranked_block *blocks, const uint16_t *ranks,
                      struct walks *walks)
{
    size_t count = walks->open_count;
    for (size_t i = count; i < count + WALKS; i++)
        walks->open[i] = AX_RANKED_TREES_MAX;
    walks->open_count = 0;
    for (size_t from = 0; from < count; from += WALKS) {
        const uint16_t *nodes[WALKS];
        size_t at[WALKS], tree[WALKS];
        UNROLLED
        for (size_t i = 0; i < WALKS; i++) {
            tree[i] = walks->open[from + i];
            nodes[i] = blocks[walks->at[tree[i]]].splits;
            at[i] = 1;
        }
        UNROLLED
        for (size_t level = 0; level < AX_RANKED_BLOCK_LEVELS; level++) {
            UNROLLED
            for (size_t i = 0; i < WALKS; i++) {
                uint16_t split = nodes[i][at[i]];
                at[i] = ax_child_of_rank(at[i], split, ranks + (uint8_t)split);
            }
        }
        UNROLLED
        for (size_t i = 0; i < WALKS; i++)
            note_exit(walks, tree[i], nodes[i][at[i]]);
    }
}

/* The exits of `count` trees, the first ones of a run. */
static void find_exits(const struct ax_ranked_block *blocks, size_t count, const uint16_t *ranks,
                       struct walks *ret)
{
    ret->open_count = 0;
    walk_roots(blocks, ranks, count, ret);
    while (ret->open_count > 0) {
        ret->at[AX_RANKED_TREES_MAX] = (uint16_t)count; /* the block that is a leaf */
        walk_open(blocks, ranks, ret);
    }
}

/* Trees [from, from + count). */
static AX_ALWAYS_INLINE void walk_linked(size_t size, const struct ax_ranked *k,
                                         const struct ax_ranked_run *run, size_t from, size_t count,
                                         const uint16_t *ranks, char *ends)
{
    struct walks walks;
    find_exits(k->blocks + run->nodes, count, ranks, &walks);
    for (size_t i = 0; i < count; i++)
        put_leaf(size, k->leaves, k->tree_leaves[from + i] + (uint8_t)walks.at[i], ends, i);
}

/* The same, to the one sum of a row. */
static AX_ALWAYS_INLINE void sum_linked(bool is_f64, const struct ax_ranked *k,
                                        const struct ax_ranked_run *run, size_t from,
                                        const uint16_t *ranks, void *sum)
{
    const uint32_t *leaves = k->tree_leaves + from;
    size_t count = run->tree_end - from;
    struct walks walks;
    find_exits(k->blocks + run->nodes, count, ranks, &walks);
    double f64 = is_f64 ? *(double *)sum : 0;
    float f32 = is_f64 ? 0 : *(float *)sum;
    for (size_t i = 0; i < count; i++) {
        size_t leaf = (size_t)leaves[i] + (uint8_t)walks.at[i];
        if (is_f64)
            f64 += ((const double *)k->leaves)[leaf];
        else
            f32 += ((const float *)k->leaves)[leaf];
    }
    if (is_f64)
        *(double *)sum = f64;
    else
        *(float *)sum = f32;
}

static AX_ALWAYS_INLINE void walk_run(size_t size, const struct ax_ranked *k,
                                      const struct ax_ranked_run *run, size_t from,
                                      const uint16_t *ranks, char *ends)
{
    if (run->has_links)
        walk_linked(size, k, run, from, run->tree_end - from, ranks, ends);
    else
        (size == 4 ? walks_4 : walks_8)[run->depth](
            k->heaps + run->nodes, ranks, (const char *)k->leaves + run->leaves * size, ends);
}

/* How leaves lie, and how they are added; a constant where it is used. */
enum form {
    FORM_F32,
    FORM_F64,
    FORM_ROWS_F32, /* leaf_width numbers of leaf_values */
    FORM_ROWS_F64,
};

static enum form form_of(const struct ax_compiled *c)
{
    bool is_f64 = c->sum_type == AX_FP64;
    if (c->leaf_width > 1)
        return is_f64 ? FORM_ROWS_F64 : FORM_ROWS_F32;
    return is_f64 ? FORM_F64 : FORM_F32;
}

static AX_ALWAYS_INLINE void add_end(const struct ax_compiled *c, enum form form,
                                     const union ends *ends, size_t i, void *sums)
{
    float *f32 = sums;
    double *f64 = sums;
    if (form == FORM_F32) {
        *f32 += ends->f32[i];
    } else if (form == FORM_F64) {
        *f64 += ends->f64[i];
    } else {
        const double *values = c->leaf_values + ends->row[i] * c->leaf_width;
        for (size_t v = 0; v < c->leaf_width; v++) {
            if (form == FORM_ROWS_F32)
                f32[v] += (float)values[v];
            else
                f64[v] += values[v];
        }
    }
}

/* Trees [from, from + count), which are a run's. */
static AX_ALWAYS_INLINE void add_ends(const struct ax_compiled *c, enum form form, size_t from,
                                      size_t count, const union ends *ends, char *sums)
{
    size_t number = form == FORM_F32 || form == FORM_ROWS_F32 ? sizeof(float) : sizeof(double);
    if (c->group_count > 1) {
        for (size_t i = 0; i < count; i++)
            add_end(c, form, ends, i, sums + c->trees[from + i].group * number);
        return;
    }
    union {
        float f32;
        double f64;
    } sum; /* stays in a register */
    memcpy(&sum, sums, number);
    for (size_t i = 0; i < count; i++)
        add_end(c, form, ends, i, &sum);
    memcpy(sums, &sum, number);
}

/* How many runs from number i on can be walked in one loop, for so many rows; `from` is the first
 * tree. With several rows no more than stay in the first-level cache until the last row. */
static size_t count_alike(const struct ax_ranked *k, size_t i, size_t from, size_t rows)
{
    uint32_t depth = k->runs[i].depth;
    size_t most = rows == 1 ? SIZE_MAX : AX_MAX(CACHED >> depth, (size_t)1), count = 0;
    for (; i < k->run_count && count < most; from = k->runs[i++].tree_end, count++) {
        const struct ax_ranked_run *run = &k->runs[i];
        if (run->has_links || run->depth != depth || run->tree_end - from < LANES)
            break;
    }
    return count;
}

/* Sum runs [i, i + count), which are alike, of a forest of one sum. */
static AX_ALWAYS_INLINE void sum_rows(const struct ax_ranked *k, size_t size, size_t i,
                                      size_t count, const uint16_t *ranks, size_t rows, char *sums)
{
    const struct ax_ranked_run *run = &k->runs[i];
    sum_heaps_fn *sum = (size == sizeof(float) ? sums_4 : sums_8)[run->depth];
    for (size_t r = 0; r < rows; r++)
        sum(k->heaps + run->nodes, ranks + r * AX_RANKED_COLUMNS_MAX,
            (const char *)k->leaves + run->leaves * size, count, sums + r * size);
}

static AX_ALWAYS_INLINE void walk_rows(const struct ax_ranked *k, const struct ax_compiled *c,
                                       enum form form, const uint16_t *ranks, size_t rows,
                                       void *sums)
{
    size_t size = form == FORM_F64 ? sizeof(double) : sizeof(float);
    size_t row_bytes = c->group_count * ax_datatype_size(c->sum_type);
    bool has_one_sum = (form == FORM_F32 || form == FORM_F64) && c->group_count == 1;
    size_t from = 0;
    for (size_t i = 0; i < k->run_count; from = k->runs[i++].tree_end) {
        size_t alike = has_one_sum ? count_alike(k, i, from, rows) : 0;
        if (alike > 0) {
            sum_rows(k, size, i, alike, ranks, rows, sums);
            i += alike - 1;
            continue;
        }
        const struct ax_ranked_run *run = &k->runs[i];
        if (has_one_sum && run->has_links) {
            for (size_t r = 0; r < rows; r++)
                sum_linked(form == FORM_F64, k, run, from, ranks + r * AX_RANKED_COLUMNS_MAX,
                           (char *)sums + r * row_bytes);
            continue;
        }
        for (size_t r = 0; r < rows; r++) {
            union ends ends;
            walk_run(size, k, run, from, ranks + r * AX_RANKED_COLUMNS_MAX, (char *)&ends);
            add_ends(c, form, from, run->tree_end - from, &ends, (char *)sums + r * row_bytes);
        }
    }
}

void ax_ranked_walk(const struct ax_ranked *ranked, const struct ax_compiled *compiled,
                    const uint16_t *ranks, size_t rows, void *sums)
{
    assert(ranked && ranked->runs && compiled && ranks && sums);
    size_t row_bytes = compiled->group_count * ax_datatype_size(compiled->sum_type);
    for (size_t r = 0; r < rows; r++)
        memcpy((char *)sums + r * row_bytes, compiled->base, row_bytes);
    switch (form_of(compiled)) {
    case FORM_F32:
        walk_rows(ranked, compiled, FORM_F32, ranks, rows, sums);
        return;
    case FORM_F64:
        walk_rows(ranked, compiled, FORM_F64, ranks, rows, sums);
        return;
    case FORM_ROWS_F32:
        walk_rows(ranked, compiled, FORM_ROWS_F32, ranks, rows, sums);
        return;
    case FORM_ROWS_F64:
        walk_rows(ranked, compiled, FORM_ROWS_F64, ranks, rows, sums);
        return;
    }
}
