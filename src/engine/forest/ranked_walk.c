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
#include <immintrin.h>
#include <string.h>

#define LANES    ((size_t)AX_RANKED_LANES)
#define STEPS    4             /* before walks that have ended make room */
#define CACHED   ((size_t)256) /* leaves of a run's trees that stay in cache for the next row */
#define UNROLLED _Pragma("GCC unroll 8")

/* a + b + carry, where the carry is that of a comparison: compilers see one addition in the
 * intrinsic only. */
static AX_ALWAYS_INLINE size_t add(size_t a, size_t b, bool carry)
{
    unsigned long long sum;
    (void)_addcarry_u64(carry, a, b, &sum);
    return sum;
}

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

/* Walks that have not ended; `at` is a node. */
struct walks {
    uint32_t at[AX_RANKED_TREES_MAX + AX_RANKED_LANES];
    uint8_t trees[AX_RANKED_TREES_MAX]; /* in the run */
};

/* The first `count` walks, to a multiple of LANES, go STEPS steps. */
static void step_walks(const struct ax_ranked_node *nodes, const uint16_t *ranks, uint32_t *walks,
                       size_t count)
{
    for (uint32_t *to = walks; to < walks + count; to += LANES) {
        size_t at[AX_RANKED_LANES];
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            at[i] = to[i];
        for (size_t step = 0; step < STEPS; step++) {
            UNROLLED
            for (size_t i = 0; i < LANES; i++) {
                uint16_t split = nodes[at[i]].split;
                at[i] = add(at[i], nodes[at[i]].left, split < ranks[(uint8_t)split]);
            }
        }
        UNROLLED
        for (size_t i = 0; i < LANES; i++)
            to[i] = (uint32_t)at[i];
    }
}

/* Put down where the first `count` walks have got to, by their trees, and those that have not ended
 * in front. Returns how many they are. */
static size_t drop_ended(const struct ax_ranked_node *nodes, struct walks *walks, size_t count,
                         uint32_t *ret_at)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = walks->at[i];
        uint8_t tree = walks->trees[i];
        ret_at[tree] = at;
        walks->at[left] = at;
        walks->trees[left] = tree;
        left += nodes[at].left != 0;
    }
    return left;
}

/* Trees [from, from + count). */
static AX_ALWAYS_INLINE void walk_linked(size_t size, const struct ax_ranked *k, size_t from,
                                         size_t count, const uint16_t *ranks, char *ends)
{
    const struct ax_ranked_tree *trees = k->trees + from;
    struct walks walks;
    uint32_t at[AX_RANKED_TREES_MAX];
    for (size_t i = 0; i < count; i++) {
        walks.at[i] = trees[i].root;
        walks.trees[i] = (uint8_t)i;
    }
    size_t left = count;
    do {
        for (size_t i = left; i % LANES; i++)
            walks.at[i] = 0; /* a leaf */
        step_walks(k->linked, ranks, walks.at, left);
        left = drop_ended(k->linked, &walks, left, at);
    } while (left);
    for (size_t i = 0; i < count; i++)
        put_leaf(size, k->leaves, trees[i].leaves + (uint8_t)k->linked[at[i]].split, ends, i);
}

static AX_ALWAYS_INLINE void walk_run(size_t size, const struct ax_ranked *k,
                                      const struct ax_ranked_run *run, size_t from,
                                      const uint16_t *ranks, char *ends)
{
    if (run->has_links)
        walk_linked(size, k, from, run->tree_end - from, ranks, ends);
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
