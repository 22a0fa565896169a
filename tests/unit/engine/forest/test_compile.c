/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every kernel gives the bits that walking the reader's form node by node gives.
 * Method: random forests of many shapes (f32 and f64, every way of missing, leaves of several
 *   values, with categories, thresholds of -inf and NaN, single leaves, chains, trees too large for
 *   small nodes) and random rows full of edges; the reference is the plain loop in this file, which
 *   is what docs/internals/forest.md says in words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/compile.h"

#include "forest_data.h"
#include "torture.h"

#include <math.h>

#define FEATURES 6
#define ROWS     33

/* A forest under construction, in arrays large enough for all tests. */
struct garden {
    struct ax_forest forest;
    uint64_t random;
    bool has_categories;
};

static uint32_t draw(struct garden *g, uint32_t below)
{
    return (uint32_t)(forest_random(&g->random) >> 33) % below;
}

static bool has_f64(const struct garden *g)
{
    return g->forest.input_type == AX_FP64;
}

/* In f64 half of them are between the floats, so that narrowing anywhere would show. */
static double edge(struct garden *g)
{
    static const double edges[] = {
        NAN,
        INFINITY,
        -INFINITY,
        0.0,
        -0.0,
        1e-45,
        -1e-45,
        1.0,
        -1.0,
        0.5,
        2.7,
        31.0,
        32.0,
        33.0,
        64.0,
        -0.5,
        1e9,
        3e38,
        5.0,
        7.0,
        40.0,
        41.0,
        42.0,
        16777216,
        1e-38,
        3.0,
        4.0,
        6.0,
        1e-35,
        -1e-35,
        -0.999,
        -1e-36,
        2.1e-35,
        -2147483648.5,
        4294967296.0,
        AX_FOREST_ZERO_MAX,
        -AX_FOREST_ZERO_MAX,
    };
    double x = edges[draw(g, AX_COUNT(edges))];
    if (!has_f64(g))
        return (double)(float)x;
    return draw(g, 2) ? nextafter(x, INFINITY) : x;
}

static double ordinary(struct garden *g)
{
    double x = (double)draw(g, 1000) / 100.0 - 5.0;
    return has_f64(g) ? x : (double)(float)x;
}

static void plant(struct garden *g, size_t trees, size_t nodes_each, size_t groups, uint64_t seed)
{
    enum ax_datatype input_type = g->forest.input_type == AX_FP64 ? AX_FP64 : AX_FP32;
    enum ax_datatype sum_type = g->forest.sum_type == AX_FP64 ? AX_FP64 : AX_FP32;
    size_t leaf_width = AX_MAX(g->forest.leaf_width, 1);
    g->random = seed;
    size_t nodes = trees * nodes_each;
    g->forest = (struct ax_forest){
        .feature_count = FEATURES,
        .group_count = groups,
        .input_type = input_type,
        .sum_type = sum_type,
        .flush_zero = g->forest.flush_zero,
        .category_form = g->forest.category_form,
        .leaf_width = leaf_width,
        .leaf_values = ax_xalloc((nodes + 1) * leaf_width * sizeof(double)),
        .trees = ax_xalloc((trees + 1) * sizeof(struct ax_forest_tree)),
        .nodes = ax_xalloc((nodes + 1) * sizeof(struct ax_forest_node)),
        .sets = ax_xalloc((nodes + 1) * sizeof(struct ax_forest_set)),
        .categories = ax_xalloc((nodes * 4 + 1) * sizeof(int32_t)),
        .base = ax_xalloc(groups * sizeof(double)),
    };
    for (size_t i = 0; i < groups; i++)
        g->forest.base[i] = (double)(0.1f * (float)(i + 1));
}

/* A leaf, with a row of its own where leaves are rows. */
static struct ax_forest_node make_leaf(struct garden *g)
{
    struct ax_forest *f = &g->forest;
    struct ax_forest_node leaf = { .left = -1 };
    leaf.value = (double)draw(g, 100000) * 1e-5 - 0.4;
    if (f->sum_type == AX_FP32)
        leaf.value = (double)(float)leaf.value;
    if (f->leaf_width > 1) {
        leaf.set = (uint32_t)f->leaf_count;
        for (size_t i = 0; i < f->leaf_width; i++)
            f->leaf_values[f->leaf_count * f->leaf_width + i] =
                (double)((float)draw(g, 100000) * 1e-5f);
        f->leaf_count++;
    }
    return leaf;
}

static enum ax_forest_missing draw_missing(struct garden *g)
{
    return (enum ax_forest_missing)draw(g, has_f64(g) ? 5 : 2);
}

static void make_set(struct garden *g, struct ax_forest_node *node)
{
    struct ax_forest *f = &g->forest;
    uint32_t count = 1 + draw(g, 4);
    f->sets[f->set_count] = (struct ax_forest_set){ f->category_count, count };
    node->set = (uint32_t)++f->set_count;
    for (uint32_t i = 0; i < count; i++)
        f->categories[f->category_count++] = (int32_t)draw(g, node->feature == 4 ? 3 : 41);
}

/* A tree of up to `size` nodes: again and again a leaf becomes a split. With `chain` it is always
 * the newest. The last two features are categorical when the garden has categories. */
static void grow(struct garden *g, size_t size, bool chain)
{
    struct ax_forest *f = &g->forest;
    struct ax_forest_tree *tree = &f->trees[f->tree_count];
    struct ax_forest_node *nodes = f->nodes + f->node_count;
    uint32_t count = 1;
    nodes[0] = make_leaf(g);
    while (count + 2 <= size) {
        uint32_t at = chain ? count - 1 : draw(g, count);
        if (nodes[at].left != -1)
            continue;
        struct ax_forest_node *node = &nodes[at];
        bool swap = draw(g, 2);
        node->left = (int32_t)(count + swap);
        node->right = (int32_t)(count + !swap);
        node->feature = draw(g, FEATURES);
        node->missing = draw_missing(g);
        node->value = draw(g, 3) ? edge(g) : ordinary(g);
        node->set = 0;
        if (g->has_categories && node->feature >= 4) {
            make_set(g, node);
            node->missing = draw(g, 2) ? AX_MISSING_LEFT : AX_MISSING_RIGHT;
        }
        for (uint32_t i = 0; i < 2; i++)
            nodes[count + i] = make_leaf(g);
        count += 2;
    }
    *tree =
        (struct ax_forest_tree){ .node_from = f->node_count,
                                 .node_count = count,
                                 .group = draw(g, (uint32_t)(f->group_count - f->leaf_width + 1)) };
    f->tree_count++;
    f->node_count += count;
}

/* As balanced as can be, so that children are as far from their parents as can be. */
static void grow_balanced(struct garden *g, size_t size)
{
    struct ax_forest *f = &g->forest;
    struct ax_forest_node *nodes = f->nodes + f->node_count;
    for (size_t i = 0; i < size; i++) {
        bool is_leaf = 2 * i + 2 >= size;
        nodes[i] = (struct ax_forest_node){ .left = is_leaf ? -1 : (int32_t)(2 * i + 1),
                                            .right = is_leaf ? -1 : (int32_t)(2 * i + 2),
                                            .feature = draw(g, FEATURES),
                                            .missing = draw_missing(g),
                                            .value = ordinary(g) };
    }
    f->trees[f->tree_count++] =
        (struct ax_forest_tree){ .node_from = f->node_count, .node_count = (uint32_t)size };
    f->node_count += size;
}

static bool set_has(const struct ax_forest *f, uint32_t set, double x)
{
    if (f->category_form == AX_CATEGORY_TOWARDS_ZERO)
        x = trunc(x);
    if (!(x >= 0.0) || x >= (double)AX_FOREST_CATEGORY_MAX)
        return false;
    for (uint32_t i = 0; i < f->sets[set - 1].count; i++) {
        if (f->categories[f->sets[set - 1].from + i] == (int32_t)x)
            return true;
    }
    return false;
}

static bool goes_left(const struct ax_forest *f, const struct ax_forest_node *node, double x)
{
    bool is_zero = f->flush_zero ? fabs(x) <= AX_FOREST_ZERO_MAX : x == 0.0;
    if (f->flush_zero && is_zero)
        x = 0.0;
    if (node->set)
        return isnan(x) ? node->missing == AX_MISSING_LEFT : !set_has(f, node->set, x);
    switch (node->missing) {
    case AX_MISSING_LEFT:
        return isnan(x) || x < node->value;
    case AX_MISSING_RIGHT:
        return !isnan(x) && x < node->value;
    case AX_MISSING_ZERO_LEFT:
        return isnan(x) || is_zero || x < node->value;
    case AX_MISSING_ZERO_RIGHT:
        return !isnan(x) && !is_zero && x < node->value;
    case AX_MISSING_AS_ZERO:
        return (isnan(x) ? 0.0 : x) < node->value;
    }
    return false;
}

/* Sums of one row, in `sums` as numbers of sum_type. */
static void walk_plainly(const struct ax_forest *f, const double *row, void *sums)
{
    double *f64 = sums;
    float *f32 = sums;
    bool is_f64 = f->sum_type == AX_FP64;
    for (size_t i = 0; i < f->group_count; i++) {
        if (is_f64)
            f64[i] = f->base[i];
        else
            f32[i] = (float)f->base[i];
    }
    for (size_t t = 0; t < f->tree_count; t++) {
        const struct ax_forest_node *nodes = f->nodes + f->trees[t].node_from;
        const struct ax_forest_node *node = nodes;
        while (node->left != -1)
            node = &nodes[goes_left(f, node, row[node->feature]) ? node->left : node->right];
        for (size_t i = 0; i < f->leaf_width; i++) {
            double leaf =
                f->leaf_width > 1 ? f->leaf_values[node->set * f->leaf_width + i] : node->value;
            if (is_f64)
                f64[f->trees[t].group + i] += leaf;
            else
                f32[f->trees[t].group + i] += (float)leaf;
        }
    }
}

/* A row as the compiled form takes it: `narrow` is storage for it. */
static const void *as_input(const struct ax_forest *f, const double *row, float *narrow)
{
    if (f->input_type == AX_FP64)
        return row;
    for (size_t i = 0; i < f->feature_count; i++)
        narrow[i] = (float)row[i];
    return narrow;
}

/* True when a torture run was struck. */
static bool compare(struct garden *g)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_compiled c;
    const struct ax_forest *f = &g->forest;
    if (ax_compiled_init(&c, f, &err)) {
        assert_true(ax_torture_struck());
        assert_int_equal(err.code, AX_E_LIMIT);
        ax_forest_done(&g->forest);
        return true;
    }
    size_t row_bytes = f->group_count * ax_datatype_size(f->sum_type);
    double row[FEATURES];
    float narrow[FEATURES];
    union ax_slot *slots = ax_xalloc(ROWS * c.slot_count * sizeof(*slots));
    char *wanted = ax_xalloc(ROWS * row_bytes);
    char *found = ax_xalloc(ROWS * row_bytes);
    union ax_leaf *leaves = ax_xalloc((c.tree_count + 1) * sizeof(*leaves));
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < FEATURES; i++)
            row[i] = draw(g, 3) ? edge(g) : ordinary(g);
        walk_plainly(f, row, wanted + r * row_bytes);
        ax_compiled_fill(&c, as_input(f, row, narrow), slots + r * c.slot_count);
    }
    const struct ax_forest_kernel *const kernels[] = { &ax_kernel_scalar_row,
                                                       &ax_kernel_scalar_rows };
    for (size_t k = 0; k < AX_COUNT(kernels); k++) {
        for (size_t most = 1; most <= kernels[k]->rows_max; most++) {
            for (size_t from = 0; from < ROWS; from += most)
                kernels[k]->walk(&c, slots + from * c.slot_count, AX_MIN(most, ROWS - from),
                                 found + from * row_bytes, leaves);
            assert_memory_equal(found, wanted, ROWS * row_bytes);
        }
    }
    free(slots);
    free(wanted);
    free(found);
    free(leaves);
    ax_compiled_done(&c);
    ax_forest_done(&g->forest);
    return false;
}

/* What libraries use, and mixtures that none uses. */
static const struct ax_forest kinds[] = {
    { .input_type = AX_FP32, .sum_type = AX_FP32, .leaf_width = 1 },
    { .input_type = AX_FP64,
      .sum_type = AX_FP64,
      .leaf_width = 1,
      .flush_zero = true,
      .category_form = AX_CATEGORY_TOWARDS_ZERO },
    { .input_type = AX_FP32, .sum_type = AX_FP64, .leaf_width = 1 },
    { .input_type = AX_FP64, .sum_type = AX_FP32, .leaf_width = 1 },
    { .input_type = AX_FP32, .sum_type = AX_FP32, .leaf_width = 3 },
    { .input_type = AX_FP32, .sum_type = AX_FP64, .leaf_width = 2 },
    { .input_type = AX_FP32,
      .sum_type = AX_FP32,
      .leaf_width = 1,
      .category_form = AX_CATEGORY_TOWARDS_ZERO },
};

static void random_forests(void **state)
{
    (void)state;
    for (size_t k = 0; k < AX_COUNT(kinds); k++) {
        for (uint64_t seed = 1; seed <= (forest_is_torture() ? 3 : 60); seed++) {
            struct garden g = { .forest = kinds[k], .has_categories = seed % 3 == 0 };
            size_t trees = seed % 40;
            size_t groups = kinds[k].leaf_width + seed % 4;
            plant(&g, trees, 200, groups, (seed + 1000 * k) * 0x9E3779B97F4A7C15u);
            for (size_t t = 0; t < trees; t++)
                grow(&g, 1 + draw(&g, 199), t % 11 == 10);
            if (compare(&g))
                return;
        }
    }
}

/* Above 32,767 nodes the wide form takes over; small trees beside it stay small. */
static void large_trees(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct garden g = { .forest = kinds[k] };
        plant(&g, 5, 140001, 2, 99);
        grow(&g, 31, false);
        grow_balanced(&g, 140001); /* children are further away than 16 bits reach */
        grow(&g, 32767, false);
        grow(&g, 1, false);
        grow(&g, 3001, true);
        if (compare(&g))
            return;
    }
}

/* More slots than 16 bits count: two for each feature, since each has splits of both defaults. */
static void many_slots(void **state)
{
    (void)state;
    enum { MANY = 40000 };
    struct garden g = { .has_categories = false };
    plant(&g, 2 * (size_t)MANY, 3, 1, 3);
    struct ax_forest *f = &g.forest;
    f->feature_count = MANY;
    for (size_t t = 0; t < 2 * (size_t)MANY; t++) {
        grow(&g, 3, false);
        f->nodes[3 * t].feature = (uint32_t)(t / 2);
        f->nodes[3 * t].missing = t % 2 ? AX_MISSING_LEFT : AX_MISSING_RIGHT;
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_compiled c;
    if (ax_compiled_init(&c, f, &err)) {
        assert_true(ax_torture_struck());
        ax_forest_done(f);
        return;
    }
    double *row = ax_xalloc(MANY * sizeof(*row));
    float *narrow = ax_xalloc(MANY * sizeof(*narrow));
    union ax_slot *slots = ax_xalloc(c.slot_count * sizeof(*slots));
    union ax_leaf *leaves = ax_xalloc((c.tree_count + 1) * sizeof(*leaves));
    float wanted, found;
    for (size_t i = 0; i < MANY; i++)
        row[i] = edge(&g);
    walk_plainly(f, row, &wanted);
    ax_compiled_fill(&c, as_input(f, row, narrow), slots);
    ax_kernel_scalar_row.walk(&c, slots, 1, &found, leaves);
    assert_true(c.slot_count > UINT16_MAX && found == wanted);
    ax_kernel_scalar_rows.walk(&c, slots, 1, &found, leaves);
    assert_true(found == wanted);
    free(row);
    free(narrow);
    free(slots);
    free(leaves);
    ax_compiled_done(&c);
    ax_forest_done(f);
}

static void no_trees(void **state)
{
    (void)state;
    struct garden g = { .has_categories = false };
    plant(&g, 0, 0, 3, 7);
    (void)compare(&g);
}

/* 4,096 levels are walked, one more is refused. */
static void depth_is_limited(void **state)
{
    (void)state;
    for (size_t levels = AX_FOREST_DEPTH_MAX; levels <= AX_FOREST_DEPTH_MAX + 1; levels++) {
        struct garden g = { .has_categories = false };
        struct ax_err err = AX_ERR_INIT;
        struct ax_compiled c;
        plant(&g, 1, 2 * levels + 1, 1, 11);
        grow(&g, 2 * levels + 1, true);
        enum ax_code code = ax_compiled_init(&c, &g.forest, &err);
        if (!code)
            ax_compiled_done(&c);
        if (!ax_torture_struck())
            assert_int_equal(code, levels > AX_FOREST_DEPTH_MAX ? AX_E_TOO_LARGE : AX_OK);
        ax_forest_done(&g.forest);
    }
}

/* A category near the limit costs bits for all below it; many splits on it cost too much. */
static void sets_are_limited(void **state)
{
    (void)state;
    struct garden g = { .has_categories = false };
    plant(&g, 1, 1001, 1, 5);
    grow(&g, 1001, false);
    struct ax_forest *f = &g.forest;
    for (size_t i = 0; i < f->node_count; i++) {
        if (f->nodes[i].left == -1)
            continue;
        f->nodes[i].feature = 0;
        f->sets[f->set_count] = (struct ax_forest_set){ f->category_count, 1 };
        f->nodes[i].set = (uint32_t)++f->set_count;
        f->categories[f->category_count++] = AX_FOREST_CATEGORY_MAX - 1;
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_compiled c;
    assert_int_not_equal(ax_compiled_init(&c, f, &err), AX_OK);
    assert_true(err.code == AX_E_TOO_LARGE || ax_torture_struck());
    ax_forest_done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_forests),   cmocka_unit_test(large_trees),
        cmocka_unit_test(many_slots),       cmocka_unit_test(no_trees),
        cmocka_unit_test(depth_is_limited), cmocka_unit_test(sets_are_limited),
    };
    return cmocka_run_group_tests_name("engine/forest/compile", tests, NULL, NULL);
}
