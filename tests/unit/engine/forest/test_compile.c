/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every kernel gives the bits that walking the reader's form node by node gives.
 * Method: random forests of many shapes (with categories, thresholds of -inf and NaN, single
 *   leaves, chains, trees too large for small nodes) and random rows full of edges; the reference
 *   is the plain loop in this file, which is what docs/internals/forest.md says in words.
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

static float edge(struct garden *g)
{
    static const float edges[] = { NAN,   INFINITY, -INFINITY, 0.0f,   -0.0f, 1e-45f, -1e-45f,
                                   1.0f,  -1.0f,    0.5f,      2.7f,   31.0f, 32.0f,  33.0f,
                                   64.0f, -0.5f,    1e9f,      3e38f,  5.0f,  7.0f,   40.0f,
                                   41.0f, 42.0f,    16777216,  1e-38f, 3.0f,  4.0f,   6.0f };
    return edges[draw(g, AX_COUNT(edges))];
}

static void plant(struct garden *g, size_t trees, size_t nodes_each, size_t groups, uint64_t seed)
{
    g->random = seed;
    size_t nodes = trees * nodes_each;
    g->forest = (struct ax_forest){
        .feature_count = FEATURES,
        .group_count = groups,
        .trees = ax_xalloc((trees + 1) * sizeof(struct ax_forest_tree)),
        .nodes = ax_xalloc((nodes + 1) * sizeof(struct ax_forest_node)),
        .sets = ax_xalloc((nodes + 1) * sizeof(struct ax_forest_set)),
        .categories = ax_xalloc((nodes * 4 + 1) * sizeof(int32_t)),
        .base = ax_xalloc(groups * sizeof(float)),
    };
    for (size_t i = 0; i < groups; i++)
        g->forest.base[i] = 0.1f * (float)(i + 1);
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
    nodes[0] = (struct ax_forest_node){ .left = -1, .value = 0.25f };
    while (count + 2 <= size) {
        uint32_t at = chain ? count - 1 : draw(g, count);
        if (nodes[at].left != -1)
            continue;
        struct ax_forest_node *node = &nodes[at];
        bool swap = draw(g, 2);
        node->left = (int32_t)(count + swap);
        node->right = (int32_t)(count + !swap);
        node->feature = draw(g, FEATURES);
        node->default_left = draw(g, 2);
        node->value = draw(g, 3) ? edge(g) : (float)draw(g, 1000) / 100.0f - 5.0f;
        if (g->has_categories && node->feature >= 4)
            make_set(g, node);
        for (uint32_t i = 0; i < 2; i++)
            nodes[count + i] =
                (struct ax_forest_node){ .left = -1,
                                         .value = (float)draw(g, 100000) * 1e-5f - 0.4f };
        count += 2;
    }
    *tree = (struct ax_forest_tree){ .node_from = f->node_count,
                                     .node_count = count,
                                     .group = draw(g, (uint32_t)f->group_count) };
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
                                            .default_left = draw(g, 2),
                                            .value = (float)draw(g, 1000) / 100.0f - 5.0f };
    }
    f->trees[f->tree_count++] =
        (struct ax_forest_tree){ .node_from = f->node_count, .node_count = (uint32_t)size };
    f->node_count += size;
}

static bool set_has(const struct ax_forest *f, uint32_t set, float x)
{
    if (!(x >= 0.0f) || x >= (float)AX_FOREST_CATEGORY_MAX)
        return false;
    for (uint32_t i = 0; i < f->sets[set - 1].count; i++) {
        if (f->categories[f->sets[set - 1].from + i] == (int32_t)x)
            return true;
    }
    return false;
}

static void walk_plainly(const struct ax_forest *f, const float *row, float *margins)
{
    for (size_t i = 0; i < f->group_count; i++)
        margins[i] = f->base[i];
    for (size_t t = 0; t < f->tree_count; t++) {
        const struct ax_forest_node *nodes = f->nodes + f->trees[t].node_from;
        const struct ax_forest_node *node = nodes;
        while (node->left != -1) {
            float x = row[node->feature];
            bool left;
            if (isnan(x))
                left = node->default_left;
            else if (node->set)
                left = !set_has(f, node->set, x);
            else
                left = x < node->value;
            node = &nodes[left ? node->left : node->right];
        }
        margins[f->trees[t].group] += node->value;
    }
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
    size_t groups = f->group_count;
    float rows[ROWS][FEATURES];
    union ax_slot *slots = ax_xalloc(ROWS * c.slot_count * sizeof(*slots));
    float *wanted = ax_xalloc(ROWS * groups * sizeof(*wanted));
    float *found = ax_xalloc(ROWS * groups * sizeof(*found));
    float *leaves = ax_xalloc((c.tree_count + 1) * sizeof(*leaves));
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < FEATURES; i++)
            rows[r][i] = draw(g, 3) ? edge(g) : (float)draw(g, 1000) / 100.0f - 5.0f;
        walk_plainly(f, rows[r], wanted + r * groups);
        ax_compiled_fill(&c, rows[r], slots + r * c.slot_count);
    }
    const struct ax_forest_kernel *const kernels[] = { &ax_kernel_scalar_row,
                                                       &ax_kernel_scalar_rows };
    for (size_t k = 0; k < AX_COUNT(kernels); k++) {
        for (size_t most = 1; most <= kernels[k]->rows_max; most++) {
            for (size_t from = 0; from < ROWS; from += most)
                kernels[k]->walk(&c, slots + from * c.slot_count, AX_MIN(most, ROWS - from),
                                 found + from * groups, leaves);
            assert_memory_equal(found, wanted, ROWS * groups * sizeof(*found));
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

static void random_forests(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (forest_is_torture() ? 3 : 60); seed++) {
        struct garden g = { .has_categories = seed % 3 == 0 };
        size_t trees = seed % 40;
        plant(&g, trees, 200, 1 + seed % 4, seed * 0x9E3779B97F4A7C15u);
        for (size_t t = 0; t < trees; t++)
            grow(&g, 1 + draw(&g, 199), t % 11 == 10);
        if (compare(&g))
            return;
    }
}

/* Above 32,767 nodes the wide form takes over; small trees beside it stay small. */
static void large_trees(void **state)
{
    (void)state;
    struct garden g = { .has_categories = false };
    plant(&g, 5, 140001, 2, 99);
    grow(&g, 31, false);
    grow_balanced(&g, 140001); /* children are further away than 16 bits reach */
    grow(&g, 32767, false);
    grow(&g, 1, false);
    grow(&g, 3001, true);
    if (compare(&g))
        return;
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
        f->nodes[3 * t].default_left = t % 2;
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_compiled c;
    if (ax_compiled_init(&c, f, &err)) {
        assert_true(ax_torture_struck());
        ax_forest_done(f);
        return;
    }
    float *row = ax_xalloc(MANY * sizeof(*row));
    union ax_slot *slots = ax_xalloc(c.slot_count * sizeof(*slots));
    float *leaves = ax_xalloc((c.tree_count + 1) * sizeof(*leaves));
    float wanted, found;
    for (size_t i = 0; i < MANY; i++)
        row[i] = edge(&g);
    walk_plainly(f, row, &wanted);
    ax_compiled_fill(&c, row, slots);
    ax_kernel_scalar_row.walk(&c, slots, 1, &found, leaves);
    assert_true(c.slot_count > UINT16_MAX && found == wanted);
    ax_kernel_scalar_rows.walk(&c, slots, 1, &found, leaves);
    assert_true(found == wanted);
    free(row);
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
