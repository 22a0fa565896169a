/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every kernel that this CPU can run gives the bits that walking the reader's form node by
 * node gives, for any number of rows a call, wherever a row stands, however the batch lies in
 * memory. Method: random forests of many shapes (f32 and f64, every way of missing, leaves of
 * several values, with categories, thresholds of -inf and NaN, single leaves, chains, complete and
 *   oblivious trees, trees too large for small nodes or for bytes) and random rows full of edges;
 * the reference is the plain loop in this file, which is what docs/internals/forest.md says in
 * words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/kernel.h"

#include "forest_data.h"
#include "torture.h"

#include <math.h>

#define FEATURES 6
#define GUARD    8 /* numbers behind the sums, which nothing may write */

/* A forest under construction, in arrays large enough for all tests. */
struct garden {
    struct ax_forest forest;
    uint64_t random;
    bool has_categories;
    uint32_t categories; /* of the last feature; 0: 41 */
    bool is_ranked;      /* has nothing that kernels of bytes cannot walk by ranks */
    bool is_deep;        /* has trees that are too large for bytes alone */
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

/* What a split compares with; of what bytes cannot tell apart from missing there is none in a
 * garden that is to be ranked. */
static double threshold(struct garden *g)
{
    double x = draw(g, 3) ? edge(g) : ordinary(g);
    return isnan(x) && g->is_ranked ? 1.0 : x;
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
        f->categories[f->category_count++] =
            (int32_t)draw(g, node->feature == 4 ? 3 : AX_MAX(g->categories, 41));
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
        node->value = threshold(g);
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

/* As balanced as can be, so that children are as far from their parents as can be. When
 * `oblivious`, all splits of a level are the same. */
static void grow_balanced(struct garden *g, size_t size, bool oblivious)
{
    struct ax_forest *f = &g->forest;
    struct ax_forest_node *nodes = f->nodes + f->node_count;
    for (size_t i = 0; i < size; i++) {
        bool is_leaf = 2 * i + 2 >= size;
        bool is_first = ((i + 1) & i) == 0; /* of its level */
        nodes[i] = make_leaf(g);
        if (is_leaf)
            continue;
        nodes[i] = (struct ax_forest_node){ .feature = draw(g, FEATURES),
                                            .missing = draw_missing(g),
                                            .value = draw(g, 8) ? ordinary(g) : threshold(g) };
        if (oblivious && !is_first)
            nodes[i] = nodes[i - 1];
        nodes[i].left = (int32_t)(2 * i + 1);
        nodes[i].right = (int32_t)(2 * i + 2);
    }
    f->trees[f->tree_count++] =
        (struct ax_forest_tree){ .node_from = f->node_count,
                                 .node_count = (uint32_t)size,
                                 .group = draw(g, (uint32_t)(f->group_count - f->leaf_width + 1)) };
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

/* ---- scoring ---- */

/* How a batch lies in memory. */
enum lie { LIE_MATRIX, LIE_COLUMNS, LIE_VALIDITY, LIE_COUNT };

/* Rows as an engine gets them, in all ways that they may lie. */
struct field {
    size_t rows;
    size_t features;
    double *values; /* row by row */
    char *matrix;   /* as input_type */
    char *columns;  /* the same column by column; NaN is 1 where validity says so */
    uint64_t *validity;
    struct ax_column *views;
    char *wanted; /* sums */
    char *found;
};

static void put_value(enum ax_datatype type, char *values, size_t at, double x)
{
    if (type == AX_FP64)
        ((double *)(void *)values)[at] = x;
    else
        ((float *)(void *)values)[at] = (float)x;
}

static void field_init(struct field *field, struct garden *g, size_t rows)
{
    const struct ax_forest *f = &g->forest;
    size_t size = ax_datatype_size(f->input_type);
    size_t count = rows * f->feature_count, words = (rows + 63) / 64;
    size_t row_bytes = f->group_count * ax_datatype_size(f->sum_type);
    *field = (struct field){ .rows = rows, .features = f->feature_count };
    field->values = ax_xalloc(count * sizeof(double));
    field->matrix = ax_xalloc(count * size);
    field->columns = ax_xalloc(2 * count * size);
    field->validity = ax_xalloc(words * f->feature_count * sizeof(uint64_t));
    field->views = ax_xalloc(f->feature_count * sizeof(*field->views));
    field->wanted = ax_xalloc(rows * row_bytes);
    field->found = ax_xalloc(rows * row_bytes + GUARD * sizeof(double));
    for (size_t i = 0; i < count; i++) {
        double x = draw(g, 3) ? ordinary(g) : edge(g);
        size_t row = i / f->feature_count, feature = i % f->feature_count;
        size_t place = feature * rows + row;
        field->values[i] = x;
        put_value(f->input_type, field->matrix, i, x);
        put_value(f->input_type, field->columns, place, x);
        put_value(f->input_type, field->columns, count + place, isnan(x) ? 1.0 : x);
        field->validity[feature * words + row / 64] |= (uint64_t)!isnan(x) << row % 64;
    }
    for (size_t r = 0; r < rows; r++)
        walk_plainly(f, field->values + r * f->feature_count, field->wanted + r * row_bytes);
}

static void field_done(struct field *field)
{
    free(field->values);
    free(field->matrix);
    free(field->columns);
    free(field->validity);
    free(field->views);
    free(field->wanted);
    free(field->found);
}

static struct ax_batch field_view(const struct field *field, enum lie lie, enum ax_datatype type)
{
    size_t size = ax_datatype_size(type), rows = field->rows;
    size_t words = (rows + 63) / 64;
    for (size_t i = 0; i < field->features; i++) {
        struct ax_column *view = &field->views[i];
        *view = (struct ax_column){ .datatype = type, .width = 1, .stride = size };
        view->values = field->columns + i * rows * size;
        if (lie == LIE_MATRIX) {
            view->values = field->matrix + i * size;
            view->stride = field->features * size;
        } else if (lie == LIE_VALIDITY) {
            view->values = field->columns + (field->features + i) * rows * size;
            view->validity = field->validity + i * words;
        }
    }
    return (struct ax_batch){ rows, field->features, field->views };
}

/* What lies behind the sums, which not even an addition of 0 leaves as it is. */
static const double guard = -0.0;

/* Every row's sums are those that are wanted, in calls of `most` rows. */
static void check_calls(const struct ax_forest_plan *plan, struct field *field, enum lie lie,
                        size_t most)
{
    const struct ax_compiled *c = &plan->compiled;
    size_t row_bytes = c->group_count * ax_datatype_size(c->sum_type);
    struct ax_batch batch = field_view(field, lie, c->input_type);
    struct ax_forest_input in = { &batch, ax_batch_is_matrix(&batch, c->input_type) };
    assert_true(in.is_matrix == (lie == LIE_MATRIX));
    size_t scratch_size = plan->kernel->scratch_size(plan, most);
    void *scratch = aligned_alloc(64, (scratch_size + 63) & ~(size_t)63);
    assert_non_null(scratch);
    memset(scratch, most % 2 ? 0xFF : 0xA5, scratch_size);
    memset(field->found, 0x5A, field->rows * row_bytes);
    for (size_t i = 0; i < GUARD; i++)
        memcpy(field->found + field->rows * row_bytes + i * sizeof(guard), &guard, sizeof(guard));
    for (size_t from = 0; from < field->rows; from += most)
        plan->kernel->score(plan, &in, from, AX_MIN(most, field->rows - from),
                            field->found + from * row_bytes, scratch);
    for (size_t i = 0; i < GUARD; i++)
        assert_memory_equal(field->found + field->rows * row_bytes + i * sizeof(guard), &guard,
                            sizeof(guard));
    if (memcmp(field->found, field->wanted, field->rows * row_bytes) != 0)
        fail_msg("kernel %s, %zu rows a call, batch %d: sums differ", plan->kernel->name, most,
                 (int)lie);
    free(scratch);
}

/* True when a torture run was struck. */
static bool make_plan(const struct garden *g, const struct ax_forest_kernel *kernel,
                      struct ax_forest_plan *plan)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(setenv(AX_KERNEL_VARIABLE, kernel->name, 1), 0);
    if (!ax_forest_plan_init(plan, &g->forest, &err)) {
        assert_ptr_equal(plan->kernel, kernel);
        if (g->is_ranked && !g->is_deep && plan->mux.is_made)
            assert_true(plan->ranked.runs || plan->oblivious.runs || plan->numbers.runs);
        if (g->is_ranked && !g->is_deep && !strcmp(kernel->name, "ranks") &&
            plan->mux.column_count <= AX_RANKED_COLUMNS_MAX)
            assert_non_null(plan->ranked.runs);
        if (g->is_deep && plan->mux.is_made)
            assert_int_not_equal(plan->mux.deep_count, 0);
        return false;
    }
    assert_true(ax_torture_struck());
    assert_int_equal(err.code, AX_E_LIMIT);
    return true;
}

/* Takes the forest. True when a torture run was struck. */
static bool compare(struct garden *g, const struct ax_forest_kernel *kernel, size_t rows)
{
    static const size_t calls[] = { 1, 2, 5, 6, 11, 12, 16, 31, 32, 33, 63, 64, 65, 200, 256 };
    struct ax_forest_plan plan;
    bool struck = make_plan(g, kernel, &plan);
    if (!struck) {
        struct field field;
        field_init(&field, g, rows);
        for (size_t i = 0; i < AX_COUNT(calls); i++) {
            if (calls[i] <= kernel->rows_max)
                check_calls(&plan, &field, (enum lie)(i % LIE_COUNT), calls[i]);
        }
        check_calls(&plan, &field, LIE_MATRIX, kernel->rows_max);
        field_done(&field);
        ax_forest_plan_done(&plan);
    }
    ax_forest_done(&g->forest);
    return struck;
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

/* How often something is tried: in each of many runs with a refused allocation only a few times. */
static size_t repeats(size_t count, size_t few)
{
    return forest_is_torture() ? few : count;
}

static void random_forests(void **state)
{
    const struct ax_forest_kernel *kernel = *state;
    for (size_t k = 0; k < AX_COUNT(kinds); k++) {
        for (uint64_t seed = 1; seed <= repeats(60, 1); seed++) {
            struct garden g = { .forest = kinds[k], .has_categories = seed % 3 == 0 };
            size_t trees = seed % 40;
            size_t groups = kinds[k].leaf_width + seed % 4;
            plant(&g, trees, 200, groups, (seed + 1000 * k) * 0x9E3779B97F4A7C15u);
            for (size_t t = 0; t < trees; t++)
                grow(&g, 1 + draw(&g, 199), t % 11 == 10);
            if (compare(&g, kernel, 100))
                return;
        }
    }
}

/* Of each size up to what bytes can number and one more level, complete ones and oblivious ones,
 * and sizes between; more rows than a call takes. */
static void balanced_trees(void **state)
{
    const struct ax_forest_kernel *kernel = *state;
    for (size_t k = 0; k < repeats(AX_COUNT(kinds), 1); k++) {
        struct garden g = { .forest = kinds[k] };
        plant(&g, 40, 1023, kinds[k].leaf_width + 1, 77 + k);
        for (size_t depth = 0; depth <= 9; depth++) {
            size_t size = ((size_t)2 << depth) - 1;
            grow_balanced(&g, size, false);
            grow_balanced(&g, size, true);
            if (depth > 1)
                grow_balanced(&g, size - 2, depth % 2);
        }
        if (compare(&g, kernel, 600))
            return;
    }
}

/* A tree for a forest that is walked by ranks: of a shape that does without links, or one that does
 * not, or any. */
static void grow_ranked(struct garden *g, size_t shape, size_t tree)
{
    if (shape == 0)
        grow_balanced(g, 127, tree % 2);
    else if (shape == 1)
        grow_balanced(g, 2 * (size_t)draw(g, 256) + 1, false);
    else if (shape == 2)
        grow(g, 1 + draw(g, 511), tree % 7 == 6);
    else if (draw(g, 3))
        grow_balanced(g, ((size_t)2 << draw(g, 9)) - 1, draw(g, 2));
    else
        grow(g, 1 + draw(g, 60), draw(g, 2));
}

/* Few rows go by ranks, with links and without, in runs that are full and not; rows in front of
 * them may go in blocks. */
static void ranked_forests(void **state)
{
    const struct ax_forest_kernel *kernel = *state;
    for (size_t k = 0; k < repeats(AX_COUNT(kinds), 1); k++) {
        for (uint64_t seed = 1; seed <= repeats(24, 2); seed++) {
            struct garden g = { .forest = kinds[k], .is_ranked = true };
            /* A few trees leave features that are one column. */
            size_t trees = seed % 3 ? 30 + (size_t)(seed * 37 % 150) : 20;
            plant(&g, trees, 511, kinds[k].leaf_width + seed % 3, 7000 + seed + 100 * k);
            for (size_t t = 0; t < trees; t++)
                grow_ranked(&g, seed % 4, t);
            if (compare(&g, kernel, 90))
                return;
        }
    }
}

/* An oblivious tree; its leaves are as balanced trees have them. */
static void grow_oblivious(struct garden *g, size_t depth)
{
    size_t first = g->forest.node_count;
    grow_balanced(g, ((size_t)2 << depth) - 1, true);
    for (size_t level = 0; level < depth; level++) {
        struct ax_forest_node *nodes = g->forest.nodes + first + ((size_t)1 << level) - 1;
        uint32_t feature = draw(g, (uint32_t)g->forest.feature_count);
        for (size_t i = 0; i < (size_t)1 << level; i++)
            nodes[i].feature = feature;
    }
}

/* Forests of oblivious trees alone, of one depth and of several, with as many features as fill one
 * table of a row and more than all tables, with sums of several numbers; enough levels for a few
 * rows to go by tables, and not. */
static void oblivious_forests(void **state)
{
    static const struct {
        size_t features, trees, depth, width;
        bool is_mixed, is_for_few;
    } cases[] = {
        { 2, 1, 3, 1, false, false },   { 6, 64, 5, 1, false, true },
        { 3, 100, 8, 1, true, true },   { 12, 33, 6, 1, false, true },
        { 16, 300, 2, 2, true, true },  { 17, 31, 6, 3, false, true },
        { 40, 195, 7, 4, true, true },  { 33, 96, 5, 5, false, true },
        { 60, 230, 8, 1, true, true },  { 50, 400, 5, 1, false, true },
        { 64, 120, 6, 9, false, true }, { 200, 400, 6, 1, false, true },
        { 4, 40, 1, 1, true, false },   { 20, 4, 4, 1, true, false },
    };
    const struct ax_forest_kernel *kernel = *state;
    for (size_t i = 0; i < repeats(2 * AX_COUNT(cases), 3); i++) {
        size_t features = cases[i / 2].features, width = cases[i / 2].width;
        struct garden g = { .forest = { .input_type = i % 2 ? AX_FP64 : AX_FP32,
                                        .sum_type = AX_FP64,
                                        .leaf_width = width },
                            .is_ranked = true };
        plant(&g, cases[i / 2].trees, 511, width, 9000 + i);
        g.forest.feature_count = features;
        for (size_t t = 0; t < cases[i / 2].trees; t++)
            grow_oblivious(&g, cases[i / 2].is_mixed ? draw(&g, (uint32_t)cases[i / 2].depth + 1)
                                                     : cases[i / 2].depth);
        struct ax_forest_plan plan;
        if (make_plan(&g, kernel, &plan)) {
            ax_forest_done(&g.forest);
            return;
        }
        bool is_told = plan.oblivious.is_made; /* portable and ranks do not ask */
        assert_true(is_told == (strcmp(kernel->name, "portable") && strcmp(kernel->name, "ranks")));
        assert_true(!is_told || plan.oblivious.runs);
        bool is_for_few =
            (i % 2 || cases[i / 2].is_for_few) && plan.mux.column_count <= AX_OBLIVIOUS_COLUMNS_MAX;
        assert_true(!is_told || plan.oblivious.is_for_few == is_for_few);
        ax_forest_plan_done(&plan);
        if (compare(&g, kernel, 330))
            return;
    }
}

/* A tree for a forest of deep ones: as even as can be, uneven, a chain, or one that is small. */
static void grow_deep(struct garden *g, size_t tree)
{
    if (tree % 4 == 0)
        grow_balanced(g, 513 + 2 * (size_t)draw(g, 1500), false);
    else if (tree % 4 == 1)
        grow(g, 513 + draw(g, 3000), false);
    else if (tree % 4 == 2)
        grow(g, 1 + draw(g, 1500), true);
    else
        grow_balanced(g, ((size_t)2 << draw(g, 12)) - 1, draw(g, 2));
}

/* Of trees too large for bytes the trunk is a program, and the crown is walked; small ones stand
 * between them. */
static void deep_forests(void **state)
{
    const struct ax_forest_kernel *kernel = *state;
    for (size_t k = 0; k < repeats(AX_COUNT(kinds), 1); k++) {
        for (uint64_t seed = 1; seed <= repeats(6, 1); seed++) {
            struct garden g = { .forest = kinds[k], .is_ranked = true, .is_deep = true };
            size_t trees = repeats(4 + seed * 3, 2);
            plant(&g, trees, 8191, kinds[k].leaf_width + seed % 3, 9000 + seed + 100 * k);
            for (size_t t = 0; t < trees; t++)
                grow_deep(&g, t);
            if (compare(&g, kernel, 130))
                return;
        }
    }
}

/* Which way a tree goes in blocks: what is meant to be fast must not be walked unnoticed. */
static void trees_have_ways(void **state)
{
    static const struct {
        size_t leaves;
        bool is_oblivious;
        uint32_t categories; /* 0: no sets */
        enum ax_mux_form form;
    } ways[] = {
        { 1, false, 0, AX_MUX_TILES },      { 31, false, 0, AX_MUX_TILES },
        { 256, false, 0, AX_MUX_TILES },    { 257, false, 0, AX_MUX_DEEP },
        { 4096, false, 0, AX_MUX_DEEP },    { 32, true, 0, AX_MUX_OBLIVIOUS },
        { 256, true, 0, AX_MUX_OBLIVIOUS }, { 512, true, 0, AX_MUX_DEEP },
        { 100, false, 41, AX_MUX_TILES },   { 100, false, 254, AX_MUX_TILES },
        { 100, false, 255, AX_MUX_WALKED }, { 300, false, 41, AX_MUX_WALKED },
    };
    const struct ax_forest_kernel *kernel = *state;
    for (size_t i = 0; i < repeats(AX_COUNT(kinds) * AX_COUNT(ways), 1); i++) {
        size_t way = i % AX_COUNT(ways), size = 2 * ways[way].leaves - 1;
        struct garden g = { .forest = kinds[i / AX_COUNT(ways)],
                            .has_categories = ways[way].categories,
                            .categories = ways[way].categories,
                            .is_ranked = true };
        struct ax_forest_plan plan;
        struct ax_err err = AX_ERR_INIT;
        plant(&g, 3, AX_MAX(size, 3), g.forest.leaf_width + 1, 300 + i);
        for (size_t t = 0; t < 3; t++) {
            if (ways[way].categories)
                grow(&g, size, false);
            else
                grow_balanced(&g, t == 0 ? size : 3, ways[way].is_oblivious);
        }
        if (ways[way].categories) /* the last one is there */
            g.forest.categories[0] = (int32_t)ways[way].categories - 1;
        assert_int_equal(setenv(AX_KERNEL_VARIABLE, kernel->name, 1), 0);
        if (!ax_forest_plan_init(&plan, &g.forest, &err)) {
            if (plan.mux.is_made && ways[way].form == AX_MUX_WALKED)
                assert_true(!plan.mux.trees || plan.mux.trees[0].form == AX_MUX_WALKED);
            else if (plan.mux.is_made)
                assert_int_equal(plan.mux.trees[0].form, ways[way].form);
            ax_forest_plan_done(&plan);
        } else {
            assert_true(ax_torture_struck());
        }
        ax_forest_done(&g.forest);
    }
}

/* Trees of one shape alone, so that no other one hides it: one of each number of leaves, and chains
 * to either side. */
static void all_sizes(void **state)
{
    const struct ax_forest_kernel *kernel = *state;
    for (size_t leaves = 1; leaves <= repeats(260, 2); leaves++) {
        struct garden g = { .forest = kinds[leaves % AX_COUNT(kinds)] };
        plant(&g, 3, 2 * leaves - 1, g.forest.leaf_width, 500 + leaves);
        grow(&g, 2 * leaves - 1, false);
        grow(&g, 2 * leaves - 1, true);
        grow(&g, 2 * leaves - 1, false);
        if (compare(&g, kernel, 64))
            return;
    }
}

/* From no threshold to many more than a byte counts, on a single feature; rows lie on thresholds,
 * and on both sides of them. */
static void many_thresholds(void **state)
{
    static const size_t counts[] = { 1,   2,   15,  16,   17,   254,  255,  256,
                                     257, 272, 510, 1000, 4095, 4096, 4097, 70000 };
    const struct ax_forest_kernel *kernel = *state;
    for (size_t k = 0; k < repeats(2 * AX_COUNT(counts), 2); k++) {
        size_t count = counts[k / 2];
        struct garden g = { .forest = kinds[k % 2] };
        plant(&g, count, 3, 1, 900 + k);
        for (size_t t = 0; t < count; t++) {
            grow(&g, 3, false);
            struct ax_forest_node *node = &g.forest.nodes[3 * t];
            node->feature = 2;
            node->value = (double)(t * 37 % count) * 0.25 - 300.0;
            node->value = k % 2 ? nextafter(node->value, INFINITY) : node->value;
        }
        struct ax_forest_plan plan;
        bool struck = make_plan(&g, kernel, &plan);
        if (!struck) {
            struct field field;
            field_init(&field, &g, 48);
            for (size_t r = 0; r < field.rows; r++) {
                size_t at = r * FEATURES + 2;
                double x = (double)((r / 3 * 977 + 255) % (count + 1)) * 0.25 - 300.0;
                x = k % 2 ? nextafter(x, INFINITY) : x;
                if (r % 3)
                    x = k % 2 ? nextafter(x, r % 3 == 1 ? INFINITY : -INFINITY)
                              : (double)nextafterf((float)x, r % 3 == 1 ? INFINITY : -INFINITY);
                field.values[at] = x;
                put_value(g.forest.input_type, field.matrix, at, x);
                walk_plainly(&g.forest, field.values + r * FEATURES,
                             field.wanted + r * ax_datatype_size(g.forest.sum_type));
            }
            check_calls(&plan, &field, LIE_MATRIX, AX_MIN(field.rows, kernel->rows_max));
            check_calls(&plan, &field, LIE_MATRIX, 1);
            check_calls(&plan, &field, LIE_MATRIX, 5);
            field_done(&field);
            ax_forest_plan_done(&plan);
        }
        ax_forest_done(&g.forest);
        if (struck)
            return;
    }
}

/* As many categories as a byte has codes for, and more; rows have all of them. */
static void many_categories(void **state)
{
    static const uint32_t counts[] = { 63, 64, 65, 120, 126, 127, 128, 129, 253, 254, 255, 300 };
    const struct ax_forest_kernel *kernel = *state;
    for (size_t i = 0; i < repeats(2 * AX_COUNT(counts), 1); i++) {
        struct garden g = { .forest = kinds[i % 2], .has_categories = true };
        g.categories = counts[i / 2];
        plant(&g, 12, 101, 1, 4000 + i);
        for (size_t t = 0; t < 12; t++)
            grow(&g, 1 + draw(&g, 100), t == 11);
        struct ax_forest *f = &g.forest;
        for (size_t n = 0; n < f->node_count; n++) {
            if (f->nodes[n].left != -1 && f->nodes[n].set && f->nodes[n].feature == 5)
                f->categories[f->sets[f->nodes[n].set - 1].from] = (int32_t)g.categories - 1;
        }
        struct ax_forest_plan plan;
        bool struck = make_plan(&g, kernel, &plan);
        if (!struck) {
            struct field field;
            field_init(&field, &g, 320);
            for (size_t r = 0; r < field.rows; r++) {
                size_t at = r * FEATURES + 5;
                field.values[at] = (double)r - 2.0;
                put_value(f->input_type, field.matrix, at, field.values[at]);
                walk_plainly(f, field.values + r * FEATURES,
                             field.wanted + r * ax_datatype_size(f->sum_type));
            }
            check_calls(&plan, &field, LIE_MATRIX, kernel->rows_max);
            field_done(&field);
            ax_forest_plan_done(&plan);
        }
        ax_forest_done(f);
        if (struck)
            return;
    }
}

/* Above 32,767 nodes the wide form takes over; small trees beside it stay small. */
static void large_trees(void **state)
{
    const struct ax_forest_kernel *kernel = *state;
    if (forest_is_torture())
        skip(); /* It asks for the memory that small ones ask for, and takes its time. */
    for (size_t k = 0; k < 2; k++) {
        for (size_t small = 5; small <= 12; small += 7) { /* without and with programs of bytes */
            struct garden g = { .forest = kinds[k] };
            plant(&g, 4 + small, 140001, 2, 99);
            grow(&g, 31, false);
            grow_balanced(&g, 140001, false); /* children are further away than 16 bits reach */
            grow(&g, 32767, false);
            grow(&g, 1, false);
            for (size_t i = 0; i < small - 1; i++)
                grow(&g, 20, false);
            grow(&g, 3001, true);
            if (compare(&g, kernel, 70))
                return;
        }
    }
}

/* More slots than 16 bits count: two for each feature, since each has splits of both defaults. */
static void many_slots(void **state)
{
    enum { MANY = 40000 };
    const struct ax_forest_kernel *kernel = *state;
    if (forest_is_torture())
        skip();
    struct garden g = { .has_categories = false };
    plant(&g, 2 * (size_t)MANY, 3, 1, 3);
    struct ax_forest *f = &g.forest;
    f->feature_count = MANY;
    for (size_t t = 0; t < 2 * (size_t)MANY; t++) {
        grow(&g, 3, false);
        f->nodes[3 * t].feature = (uint32_t)(t / 2);
        f->nodes[3 * t].missing = t % 2 ? AX_MISSING_LEFT : AX_MISSING_RIGHT;
    }
    struct ax_forest_plan plan;
    if (!make_plan(&g, kernel, &plan)) {
        struct field field;
        assert_true(plan.compiled.slot_count > UINT16_MAX);
        field_init(&field, &g, 16);
        check_calls(&plan, &field, LIE_MATRIX, 1);
        check_calls(&plan, &field, LIE_COLUMNS, 16);
        field_done(&field);
        ax_forest_plan_done(&plan);
    }
    ax_forest_done(f);
}

static void no_trees(void **state)
{
    struct garden g = { .has_categories = false };
    plant(&g, 0, 0, 3, 7);
    (void)compare(&g, *state, 40);
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

/* A leaf of NaN, in its own value or in its row, is refused. */
static void leaves_are_numbers(void **state)
{
    (void)state;
    for (size_t groups = 1; groups <= 3; groups += 2) {
        struct garden g = { .forest.leaf_width = groups };
        plant(&g, 1, 3, groups, 13);
        grow(&g, 3, false);
        struct ax_forest *f = &g.forest;
        struct ax_forest_node *leaf = &f->nodes[2];
        assert_int_equal(leaf->left, -1);
        for (int is_nan = 0; is_nan <= 1; is_nan++) {
            struct ax_err err = AX_ERR_INIT;
            struct ax_compiled c;
            double *value = f->leaf_width == 1
                                ? &leaf->value
                                : &f->leaf_values[leaf->set * f->leaf_width + f->leaf_width - 1];
            *value = is_nan ? (double)NAN : 1.0;
            enum ax_code code = ax_compiled_init(&c, f, &err);
            if (!code)
                ax_compiled_done(&c);
            if (!ax_torture_struck())
                assert_int_equal(code, is_nan ? AX_E_INVALID : AX_OK);
        }
        ax_forest_done(f);
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

/* Without a name the fastest that this CPU can run; names that are none, or cannot run, are
 * refused. */
static void kernels_have_names(void **state)
{
    (void)state;
    const struct ax_forest_kernel *chosen = NULL, *last = NULL;
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; ax_forest_kernels[i]; i++) {
        const struct ax_forest_kernel *kernel = ax_forest_kernels[i];
        enum ax_code wanted = kernel->runs_here() ? AX_OK : AX_E_UNSUPPORTED;
        ax_err_clear(&err);
        assert_int_equal(ax_forest_kernel_choose(kernel->name, &chosen, &err), wanted);
        if (kernel->runs_here()) {
            assert_ptr_equal(chosen, kernel);
            last = kernel;
        } else {
            assert_non_null(strstr(err.msg, kernel->name));
        }
    }
    ax_err_clear(&err);
    assert_int_equal(ax_forest_kernel_choose(NULL, &chosen, &err), AX_OK);
    assert_ptr_equal(chosen, last);
    static const char *const bad[] = { "", "PORTABLE", "portable ", "avx", "none" };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_forest_kernel_choose(bad[i], &chosen, &err), AX_E_INVALID);
        assert_non_null(strstr(err.msg, AX_KERNEL_VARIABLE));
        assert_non_null(strstr(err.msg, "portable"));
        assert_ptr_equal(chosen, last);
    }
}

static void a_wrong_name_fails_a_plan(void **state)
{
    (void)state;
    struct garden g = { .has_categories = false };
    struct ax_forest_plan plan;
    struct ax_err err = AX_ERR_INIT;
    plant(&g, 1, 3, 1, 1);
    grow(&g, 3, false);
    assert_int_equal(setenv(AX_KERNEL_VARIABLE, "fastest", 1), 0);
    assert_int_equal(ax_forest_plan_init(&plan, &g.forest, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "'fastest'"));
    ax_forest_done(&g.forest);
}

int main(void)
{
    static const struct CMUnitTest each[] = {
        cmocka_unit_test(random_forests),  cmocka_unit_test(balanced_trees),
        cmocka_unit_test(all_sizes),       cmocka_unit_test(ranked_forests),
        cmocka_unit_test(many_thresholds), cmocka_unit_test(many_categories),
        cmocka_unit_test(large_trees),     cmocka_unit_test(many_slots),
        cmocka_unit_test(no_trees),        cmocka_unit_test(oblivious_forests),
        cmocka_unit_test(deep_forests),    cmocka_unit_test(trees_have_ways),
    };
    static const struct CMUnitTest once[] = {
        cmocka_unit_test(depth_is_limited),          cmocka_unit_test(leaves_are_numbers),
        cmocka_unit_test(sets_are_limited),          cmocka_unit_test(kernels_have_names),
        cmocka_unit_test(a_wrong_name_fails_a_plan),
    };
    enum { KERNELS_MAX = 8 };
    struct CMUnitTest tests[KERNELS_MAX * AX_COUNT(each) + AX_COUNT(once)];
    static char names[KERNELS_MAX * AX_COUNT(each)][64];
    size_t count = 0;
    for (size_t k = 0; ax_forest_kernels[k]; k++) {
        for (size_t i = 0; i < AX_COUNT(each); i++) {
            if (!forest_wants_kernel(ax_forest_kernels[k]))
                continue;
            (void)snprintf(names[count], sizeof(names[count]), "%s: %s", ax_forest_kernels[k]->name,
                           each[i].name);
            tests[count] = each[i];
            tests[count].name = names[count];
            tests[count++].initial_state = (void *)(uintptr_t)ax_forest_kernels[k];
        }
    }
    if (!count)
        return forest_skip_program();
    for (size_t i = 0; i < AX_COUNT(once); i++)
        tests[count++] = once[i];
    return _cmocka_run_group_tests("engine/forest/kernel", tests, count, NULL, NULL);
}
