/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking complete trees by numbers: 8 trees of one row side by side, no branch in a step.
 *
 * A step is: load the column, load the bound, compare with the column's value, add with carry. Each
 * run's depth is a constant where it is walked, so that bounds, columns and leaves of all its trees
 * lie at constant distances from one address, and 8 walks fit in the registers. Runs of one depth
 * are walked in one loop: nothing but steps and leaves is between, so that a run's steps begin
 * while the last ones of the run before still wait for memory.
 */
#include "engine/forest/numbers.h"
#include "engine/forest/child.h"

#include <assert.h>
#include <string.h>

#define LANES    ((size_t)AX_NUMBERS_LANES)
#define CACHED   ((size_t)256) /* leaves of a run's trees that stay in cache for the next row */
#define UNROLLED _Pragma("GCC unroll 8")

/* From the roots of a run's trees to the numbers of their leaves, each 2^depth too large. `bounds`
 * is where leaves end. */
static AX_ALWAYS_INLINE void step_run(size_t depth, const char *bounds_at, const uint32_t *values,
                                      size_t *ret_at)
{
    size_t tree = (size_t)1 << depth;
    const uint32_t *bounds = (const uint32_t *)(const void *)bounds_at;
    const uint16_t *columns = (const uint16_t *)(const void *)(bounds + LANES * tree);
    size_t at[AX_NUMBERS_LANES];
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        at[i] = 1;
    UNROLLED
    for (size_t d = 0; d < depth; d++) {
        UNROLLED
        for (size_t i = 0; i < LANES; i++) {
            size_t node = i * tree + at[i];
            at[i] = ax_child_of_number(at[i], bounds + node, values[columns[node]]);
        }
    }
    UNROLLED
    for (size_t i = 0; i < LANES; i++)
        ret_at[i] = at[i];
}

/* `count` runs of one depth, one behind the other, from `at` on; their leaves are added to the one
 * sum, or, of the first run, put aside. */
typedef void walk_fn(const char *at, const uint32_t *values, size_t count, void *sum);

/* Each depth is compiled on its own, for leaves of f32, of f64, and of f32 or rows that are put
 * aside, and of f64 that are. */
#define WALK_RUNS(depth, type)                                                                 \
    static void sum_##depth##_##type(const char *at, const uint32_t *values, size_t count,     \
                                     void *ret_sum)                                            \
    {                                                                                          \
        const size_t tree = (size_t)1 << (depth), places = LANES * tree;                       \
        type sum;                                                                              \
        memcpy(&sum, ret_sum, sizeof(sum));                                                    \
        for (; count > 0; count--, at += places * (sizeof(type) + 6)) {                        \
            size_t found[AX_NUMBERS_LANES];                                                    \
            const type *leaves = (const type *)(const void *)at;                               \
            step_run(depth, at + places * sizeof(type), values, found);                        \
            UNROLLED                                                                           \
            for (size_t i = 0; i < LANES; i++)                                                 \
                sum += leaves[i * tree + found[i] - tree];                                     \
        }                                                                                      \
        memcpy(ret_sum, &sum, sizeof(sum));                                                    \
    }                                                                                          \
    static void put_##depth##_##type(const char *at, const uint32_t *values, size_t count,     \
                                     void *ret_leaves)                                         \
    {                                                                                          \
        const size_t tree = (size_t)1 << (depth);                                              \
        size_t found[AX_NUMBERS_LANES];                                                        \
        (void)count;                                                                           \
        step_run(depth, at + LANES * tree * sizeof(type), values, found);                      \
        UNROLLED                                                                               \
        for (size_t i = 0; i < LANES; i++)                                                     \
            memcpy((type *)ret_leaves + i,                                                     \
                   (const type *)(const void *)at + i * tree + found[i] - tree, sizeof(type)); \
    }
#define WALK_ALL(type) \
    WALK_RUNS(0, type) \
    WALK_RUNS(1, type) \
    WALK_RUNS(2, type) \
    WALK_RUNS(3, type) \
    WALK_RUNS(4, type) \
    WALK_RUNS(5, type) \
    WALK_RUNS(6, type) \
    WALK_RUNS(7, type) \
    WALK_RUNS(8, type)
WALK_ALL(float)
WALK_ALL(double)

#define ALL_DEPTHS(name, type)                                                             \
    { name##_0_##type, name##_1_##type, name##_2_##type, name##_3_##type, name##_4_##type, \
      name##_5_##type, name##_6_##type, name##_7_##type, name##_8_##type }
static walk_fn *const sums_f32[AX_NUMBERS_DEPTH_MAX + 1] = ALL_DEPTHS(sum, float);
static walk_fn *const sums_f64[AX_NUMBERS_DEPTH_MAX + 1] = ALL_DEPTHS(sum, double);
static walk_fn *const puts_4[AX_NUMBERS_DEPTH_MAX + 1] = ALL_DEPTHS(put, float);
static walk_fn *const puts_8[AX_NUMBERS_DEPTH_MAX + 1] = ALL_DEPTHS(put, double);

/* How many complete runs from number i on are walked in one loop, for so many rows: with several
 * no more than stay in the first-level cache until the last row. */
static size_t count_alike(const struct ax_numbers *n, size_t i, size_t rows)
{
    const struct ax_numbers_run *run = &n->runs[i];
    size_t most = rows == 1 ? SIZE_MAX : AX_MAX(CACHED >> run->depth, (size_t)1);
    return AX_MIN((size_t)run->alike, most);
}

/* What the trees of a run end at. */
union ends {
    float f32[AX_NUMBERS_LANES];
    double f64[AX_NUMBERS_LANES];
    uint32_t row[AX_NUMBERS_LANES]; /* of leaf_values */
    union ax_leaf leaves[AX_NUMBERS_LANES];
};

static void walk_trees(const struct ax_compiled *c, size_t from, size_t count,
                       const uint32_t *slots, union ends *ret)
{
    union ax_leaf leaves[AX_NUMBERS_LANES];
    ax_compiled_walk_trees(c, from, count, slots, leaves);
    if (c->leaf_width > 1 || c->sum_type == AX_FP32)
        memcpy(ret->leaves, leaves, sizeof(leaves));
    else
        for (size_t i = 0; i < LANES; i++)
            ret->f64[i] = c->leaf_values[leaves[i].row];
}

/* One tree's end to a row's sums. */
static AX_ALWAYS_INLINE void add_end(const struct ax_compiled *c, const union ends *ends, size_t i,
                                     size_t group, void *sums)
{
    float *f32 = (float *)sums + group;
    double *f64 = (double *)sums + group;
    bool is_f64 = c->sum_type == AX_FP64;
    if (c->leaf_width == 1 && is_f64) {
        *f64 += ends->f64[i];
    } else if (c->leaf_width == 1) {
        *f32 += ends->f32[i];
    } else {
        const double *values = c->leaf_values + ends->row[i] * c->leaf_width;
        for (size_t v = 0; v < c->leaf_width; v++) {
            if (is_f64)
                f64[v] += values[v];
            else
                f32[v] += (float)values[v];
        }
    }
}

/* One run whose leaves are added tree by tree. */
static void walk_apart(const struct ax_numbers *n, const struct ax_compiled *c,
                       const struct ax_numbers_run *run, size_t from, const uint32_t *values,
                       void *sums)
{
    union ends ends;
    size_t count = run->tree_end - from;
    bool is_f64 = ax_numbers_leaf_size(c) == sizeof(double);
    if (run->is_walked)
        walk_trees(c, from, count, values + n->slots_from, &ends);
    else
        (is_f64 ? puts_8 : puts_4)[run->depth](n->memory + run->at, values, 1, &ends);
    for (size_t i = 0; i < count; i++)
        add_end(c, &ends, i, c->trees[from + i].group, sums);
}

void ax_numbers_walk(const struct ax_numbers *numbers, const struct ax_compiled *compiled,
                     const uint32_t *values, size_t rows, void *sums)
{
    assert(numbers && numbers->runs && compiled && values && rows >= 1 && sums);
    const struct ax_compiled *c = compiled;
    size_t row_bytes = c->group_count * ax_datatype_size(c->sum_type), from = 0;
    bool has_one_sum = c->group_count == 1;
    for (size_t r = 0; r < rows; r++)
        memcpy((char *)sums + r * row_bytes, c->base, row_bytes);
    for (size_t i = 0; i < numbers->run_count; from = numbers->runs[i++].tree_end) {
        const struct ax_numbers_run *run = &numbers->runs[i];
        size_t alike = has_one_sum ? count_alike(numbers, i, rows) : 0;
        walk_fn *sum = (c->sum_type == AX_FP64 ? sums_f64 : sums_f32)[run->depth];
        for (size_t r = 0; r < rows; r++) {
            char *to = (char *)sums + r * row_bytes;
            const uint32_t *row = values + r * numbers->value_count;
            if (alike)
                sum(numbers->memory + run->at, row, alike, to);
            else
                walk_apart(numbers, c, run, from, row, to);
        }
        i += alike ? alike - 1 : 0;
    }
}
