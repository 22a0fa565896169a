/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of an XGBoost file: parallel arrays with one element a node.
 *
 * A node is a leaf when its left child is -1; its value then stands in split_conditions. Nodes that
 * pruning removed stay in the arrays and can no longer be reached, so only what the root leads to
 * is checked: children in range, one parent each (which rules out cycles, and bounds every walk by
 * the number of nodes), features in range. Splits on categories have split_type 1 and a run of
 * `categories`, the runs one behind the other in the order of the nodes.
 *
 * Trees for several outputs at once (multi_strategy=multi_output_tree) have a row of values in each
 * leaf, one an output. Since 3.2 rows stand in leaf_weights, and a leaf's row in the place of its
 * right child; before, base_weights had a row for every node.
 *
 * DART gives each tree a weight. The library multiplies the leaf by it, rounds to f32 and adds;
 * so the product may as well be made here, once.
 *
 * Counts are taken in a first pass over the document and memory is asked for once; each count is of
 * elements that lie in the file, so a file cannot ask for more than a multiple of its own size.
 */
#include "engine/forest/xgboost_trees.h"

#include "base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define TREES_PATH "learner.gradient_booster.model"

struct trees_reading {
    struct ax_forest *forest;
    const struct ax_value *tree; /* the one being read */
    size_t index;
    struct ax_forest_node *nodes;
    uint32_t node_count;
    int32_t *numbers;    /* scratch for one array of the largest tree */
    uint32_t *stack;     /* scratch for the walk, as long */
    unsigned char *seen; /* per node: reached, as long */
    int64_t *segments;   /* scratch for the categorical nodes of one tree */
    float *leaves;       /* scratch for the leaf rows of one tree */
    float *weights;      /* of the trees; NULL: all are 1 */
};

static enum ax_code tree_fail(const struct trees_reading *r, enum ax_code code, const char *field,
                              const char *what, struct ax_err *err)
{
    return ax_fail(err, code, TREES_PATH ".trees[%zu].%s: %s", r->index, field, what);
}

/* An array with one element a node. */
static enum ax_code tree_array(const struct trees_reading *r, const char *field,
                               const struct ax_value **ret, struct ax_err *err)
{
    const struct ax_value *value = ax_value_get(r->tree, field);
    if (!value || value->kind != AX_VALUE_NUMBERS)
        return tree_fail(r, AX_E_INVALID, field, "missing, or no list of numbers", err);
    if (value->count != r->node_count)
        return ax_fail(err, AX_E_INVALID, TREES_PATH ".trees[%zu].%s: %zu elements for %u nodes",
                       r->index, field, value->count, r->node_count);
    *ret = value;
    return AX_OK;
}

static enum ax_code tree_integers(const struct trees_reading *r, const char *field,
                                  struct ax_err *err)
{
    const struct ax_value *value;
    if (tree_array(r, field, &value, err))
        return err->code;
    if (!ax_value_read_i32(value, r->numbers, r->node_count))
        return tree_fail(r, AX_E_INVALID, field, "holds something that is no 32-bit integer", err);
    return AX_OK;
}

static enum ax_code tree_param(const struct trees_reading *r, const char *name, int64_t otherwise,
                               int64_t *ret, struct ax_err *err)
{
    const struct ax_value *value = ax_value_get(ax_value_get(r->tree, "tree_param"), name);
    *ret = otherwise;
    if (!value || ax_value_to_i64(value, ret) ||
        (value->kind == AX_VALUE_TEXT && ax_str_to_i64(value->raw, ret)))
        return AX_OK;
    return ax_fail(err, AX_E_INVALID, TREES_PATH ".trees[%zu].tree_param.%s is no integer",
                   r->index, name);
}

static enum ax_code tree_params(const struct trees_reading *r, struct ax_err *err)
{
    int64_t leaf_size, node_count, id;
    const struct ax_value *j_id = ax_value_get(r->tree, "id");
    if (tree_param(r, "size_leaf_vector", 1, &leaf_size, err) ||
        tree_param(r, "num_nodes", (int64_t)r->node_count, &node_count, err))
        return err->code;
    if (leaf_size < 0 || AX_MAX((size_t)leaf_size, 1) != r->forest->leaf_width)
        return tree_fail(r, AX_E_INVALID, "tree_param.size_leaf_vector",
                         "neither 1 nor the number of outputs, or not the same in all trees", err);
    if (node_count != (int64_t)r->node_count)
        return tree_fail(r, AX_E_INVALID, "tree_param.num_nodes", "is not the number of nodes",
                         err);
    if (j_id && (!ax_value_to_i64(j_id, &id) || id != (int64_t)r->index))
        return tree_fail(r, AX_E_INVALID, "id", "is not the tree's place", err);
    return AX_OK;
}

static enum ax_code tree_nodes(const struct trees_reading *r, struct ax_err *err)
{
    struct ax_forest_node *nodes = r->nodes;
    size_t count = r->node_count;
    if (tree_integers(r, "left_children", err))
        return err->code;
    for (size_t i = 0; i < count; i++)
        nodes[i].left = r->numbers[i];
    if (tree_integers(r, "right_children", err))
        return err->code;
    for (size_t i = 0; i < count; i++)
        nodes[i].right = r->numbers[i];
    if (tree_integers(r, "split_indices", err))
        return err->code;
    for (size_t i = 0; i < count; i++)
        nodes[i].feature = (uint32_t)r->numbers[i];
    if (tree_integers(r, "default_left", err))
        return err->code;
    for (size_t i = 0; i < count; i++) {
        if (r->numbers[i] != 0 && r->numbers[i] != 1)
            return ax_fail(err, AX_E_INVALID,
                           TREES_PATH ".trees[%zu].default_left[%zu]: %" PRId32
                                      " is neither 0 nor 1",
                           r->index, i, r->numbers[i]);
        nodes[i].missing = r->numbers[i] == 1 ? AX_MISSING_LEFT : AX_MISSING_RIGHT;
    }

    const struct ax_value *conditions;
    if (tree_array(r, "split_conditions", &conditions, err))
        return err->code;
    /* The scratch has the width of a float, and reading needs one straight array. */
    _Static_assert(sizeof(float) == sizeof(*r->numbers), "one scratch for both");
    float *values = (float *)(void *)r->numbers;
    if (!ax_value_read_f32(conditions, values, count))
        return tree_fail(r, AX_E_INVALID, "split_conditions", "holds something that is no number",
                         err);
    for (size_t i = 0; i < count; i++)
        nodes[i].value = (double)values[i];
    return AX_OK;
}

static enum ax_code categories_array(const struct trees_reading *r, const char *field,
                                     const struct ax_value **ret, struct ax_err *err)
{
    *ret = ax_value_get(r->tree, field);
    if (*ret && (*ret)->kind != AX_VALUE_NUMBERS)
        return tree_fail(r, AX_E_INVALID, field, "no list of numbers", err);
    return AX_OK;
}

/* Append the tree's categories to the forest's. */
static enum ax_code tree_category_values(const struct trees_reading *r,
                                         const struct ax_value *values, struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    int32_t *out = forest->categories + forest->category_count;
    if (!ax_value_read_i32(values, out, values->count))
        return tree_fail(r, AX_E_INVALID, "categories", "holds something that is no integer", err);
    for (size_t i = 0; i < values->count; i++) {
        if (out[i] < 0 || out[i] >= AX_FOREST_CATEGORY_MAX)
            return ax_fail(err, AX_E_INVALID,
                           TREES_PATH ".trees[%zu].categories[%zu]: %" PRId32
                                      " is not within 0 to %" PRId32,
                           r->index, i, out[i], AX_FOREST_CATEGORY_MAX - 1);
    }
    return AX_OK;
}

/* Give each node of categories_nodes its run of categories. */
static enum ax_code tree_sets(const struct trees_reading *r, const struct ax_value *at,
                              const struct ax_value *segments, const struct ax_value *sizes,
                              size_t category_count, struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    size_t count = at->count;
    int64_t *begins = r->segments, *lengths = begins + count, *nodes = lengths + count;
    if (!ax_value_read_i64(segments, begins, count) || !ax_value_read_i64(sizes, lengths, count) ||
        !ax_value_read_i64(at, nodes, count))
        return tree_fail(r, AX_E_INVALID, "categories_nodes",
                         "it, categories_segments or categories_sizes holds no integer", err);
    int64_t begin = 0, last_node = -1;
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] <= last_node || nodes[i] >= (int64_t)r->node_count)
            return tree_fail(r, AX_E_INVALID, "categories_nodes", "out of range or order", err);
        if (begins[i] != begin || lengths[i] < 1 || lengths[i] > (int64_t)category_count - begin)
            return tree_fail(r, AX_E_INVALID, "categories_segments",
                             "it and categories_sizes do not divide up the categories", err);
        forest->sets[forest->set_count] =
            (struct ax_forest_set){ .from = forest->category_count + (size_t)begin,
                                    .count = (uint32_t)lengths[i] };
        r->nodes[nodes[i]].set = (uint32_t)++forest->set_count;
        begin += lengths[i];
        last_node = nodes[i];
    }
    if (begin != (int64_t)category_count)
        return tree_fail(r, AX_E_INVALID, "categories", "more of them than the nodes own", err);
    return AX_OK;
}

static enum ax_code tree_categories(const struct trees_reading *r, struct ax_err *err)
{
    const struct ax_value *values, *at, *segments, *sizes;
    if (categories_array(r, "categories", &values, err) ||
        categories_array(r, "categories_nodes", &at, err) ||
        categories_array(r, "categories_segments", &segments, err) ||
        categories_array(r, "categories_sizes", &sizes, err))
        return err->code;
    bool is_whole = values && at && segments && sizes;
    if (!is_whole && (values || at || segments || sizes))
        return tree_fail(r, AX_E_INVALID, "categories", "some of its four arrays are missing", err);
    if (!is_whole)
        return AX_OK;
    if (segments->count != at->count || sizes->count != at->count)
        return tree_fail(r, AX_E_INVALID, "categories_nodes",
                         "it, categories_segments and categories_sizes differ in length", err);
    if (tree_category_values(r, values, err) ||
        tree_sets(r, at, segments, sizes, values->count, err))
        return err->code;
    r->forest->category_count += values->count;
    return AX_OK;
}

/* split_type must say of each node what the categories say. */
static enum ax_code tree_split_types(const struct trees_reading *r, struct ax_err *err)
{
    if (!ax_value_get(r->tree, "split_type"))
        memset(r->numbers, 0, r->node_count * sizeof(*r->numbers)); /* before 1.3 */
    else if (tree_integers(r, "split_type", err))
        return err->code;
    for (size_t i = 0; i < r->node_count; i++) {
        if (r->numbers[i] != 0 && r->numbers[i] != 1)
            return ax_fail(err, AX_E_UNSUPPORTED,
                           TREES_PATH ".trees[%zu].split_type[%zu]: type %" PRId32, r->index, i,
                           r->numbers[i]);
        if ((r->nodes[i].set != 0) != (r->numbers[i] == 1))
            return ax_fail(err, AX_E_INVALID,
                           TREES_PATH ".trees[%zu].split_type[%zu] and categories_nodes disagree",
                           r->index, i);
    }
    return AX_OK;
}

static enum ax_code tree_step(const struct trees_reading *r, uint32_t at, bool has_parents,
                              size_t *depth, struct ax_err *err)
{
    const struct ax_forest_node *node = &r->nodes[at];
    const char *names[2] = { "left_children", "right_children" };
    int32_t children[2] = { node->left, node->right };
    for (size_t i = 0; i < 2; i++) {
        int32_t child = children[i];
        const char *what = NULL;
        if (child < 1 || (uint32_t)child >= r->node_count)
            what = "is out of range";
        else if (r->seen[child])
            what = "has two parents or is its own ancestor";
        else if (has_parents && (uint32_t)r->numbers[child] != at)
            what = "has another parent according to 'parents'";
        if (what)
            return ax_fail(err, AX_E_INVALID,
                           TREES_PATH ".trees[%zu].%s[%" PRIu32 "]: %" PRId32 " %s", r->index,
                           names[i], at, child, what);
        r->seen[child] = 1;
        r->stack[(*depth)++] = (uint32_t)child;
    }
    if (node->feature >= r->forest->feature_count)
        return ax_fail(err, AX_E_INVALID,
                       TREES_PATH ".trees[%zu].split_indices[%" PRIu32 "]: no feature %" PRIu32,
                       r->index, at, node->feature);
    return AX_OK;
}

/* Visit what can be reached from the root, each node once. */
static enum ax_code tree_walk(const struct trees_reading *r, struct ax_err *err)
{
    bool has_parents = ax_value_get(r->tree, "parents") != NULL;
    if (has_parents && tree_integers(r, "parents", err))
        return err->code;
    memset(r->seen, 0, r->node_count);
    r->seen[0] = 1;
    r->stack[0] = 0;
    for (size_t depth = 1; depth > 0;) {
        uint32_t at = r->stack[--depth];
        if (r->nodes[at].left != -1 && tree_step(r, at, has_parents, &depth, err))
            return err->code;
    }
    return AX_OK;
}

/* The rows of a tree's leaves, where they have several values. */
static const struct ax_value *leaf_rows(const struct ax_value *tree, bool *ret_is_by_node)
{
    const struct ax_value *rows = ax_value_get(tree, "leaf_weights");
    *ret_is_by_node = !rows || rows->kind != AX_VALUE_NUMBERS || !rows->count;
    return *ret_is_by_node ? ax_value_get(tree, "base_weights") : rows;
}

/* Give each leaf that can be reached its row. */
static enum ax_code tree_leaf_rows(const struct trees_reading *r, struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    size_t width = forest->leaf_width;
    bool is_by_node;
    const struct ax_value *values = leaf_rows(r->tree, &is_by_node);
    const char *field = is_by_node ? "base_weights" : "leaf_weights";
    if (!values || values->kind != AX_VALUE_NUMBERS || values->count % width != 0 ||
        (is_by_node && values->count / width != r->node_count))
        return tree_fail(r, AX_E_INVALID, field, "not a value an output for each leaf", err);
    if (!ax_value_read_f32(values, r->leaves, values->count))
        return tree_fail(r, AX_E_INVALID, field, "holds something that is no number", err);
    size_t rows = values->count / width;
    for (uint32_t i = 0; i < r->node_count; i++) {
        if (!r->seen[i] || r->nodes[i].left != -1)
            continue;
        int64_t row = is_by_node ? (int64_t)i : r->nodes[i].right;
        if (row < 0 || row >= (int64_t)rows)
            return ax_fail(err, AX_E_INVALID,
                           TREES_PATH ".trees[%zu].right_children[%" PRIu32 "]: no leaf %" PRId64,
                           r->index, i, row);
        r->nodes[i].set = (uint32_t)(forest->leaf_count + (size_t)row);
    }
    float weight = r->weights ? r->weights[r->index] : 1.0f;
    double *out = forest->leaf_values + forest->leaf_count * width;
    for (size_t i = 0; i < values->count; i++)
        out[i] = (double)(r->leaves[i] * weight);
    forest->leaf_count += rows;
    return AX_OK;
}

static enum ax_code tree_leaves(const struct trees_reading *r, struct ax_err *err)
{
    if (r->forest->leaf_width > 1)
        return tree_leaf_rows(r, err);
    for (uint32_t i = 0; r->weights && i < r->node_count; i++) {
        if (r->nodes[i].left == -1)
            r->nodes[i].value = (double)((float)r->nodes[i].value * r->weights[r->index]);
    }
    return AX_OK;
}

struct trees_sizes {
    size_t trees;
    size_t nodes;
    size_t nodes_most; /* of one tree */
    size_t sets;
    size_t sets_most;
    size_t categories;
    size_t leaf_values; /* of leaves with several values */
    size_t leaf_values_most;
};

static size_t count_of(const struct ax_value *value)
{
    return value && value->kind == AX_VALUE_NUMBERS ? value->count : 0;
}

static enum ax_code measure(const struct ax_value *trees, struct trees_sizes *sizes,
                            struct ax_err *err)
{
    for (const struct ax_value *tree = ax_value_first(trees); tree; tree = ax_value_next(tree)) {
        size_t nodes = count_of(ax_value_get(tree, "left_children"));
        size_t sets = count_of(ax_value_get(tree, "categories_nodes"));
        if (nodes < 1)
            return ax_fail(err, AX_E_INVALID, TREES_PATH ".trees[%zu].left_children: no nodes",
                           sizes->trees);
        sizes->trees++;
        sizes->nodes += nodes;
        sizes->nodes_most = AX_MAX(sizes->nodes_most, nodes);
        sizes->sets += sets;
        sizes->sets_most = AX_MAX(sizes->sets_most, sets);
        sizes->categories += count_of(ax_value_get(tree, "categories"));
        bool is_by_node;
        size_t values = count_of(leaf_rows(tree, &is_by_node));
        sizes->leaf_values += values;
        sizes->leaf_values_most = AX_MAX(sizes->leaf_values_most, values);
    }
    if (sizes->trees > AX_FOREST_TREES_MAX || sizes->nodes > AX_FOREST_NODES_MAX ||
        sizes->categories > AX_FOREST_NODES_MAX * 4)
        return ax_fail(err, AX_E_TOO_LARGE,
                       TREES_PATH ": %zu trees with %zu nodes and %zu categories", sizes->trees,
                       sizes->nodes, sizes->categories);
    return AX_OK;
}

/* Which output each tree adds to. */
static enum ax_code read_groups(const struct ax_value *model, struct trees_reading *r,
                                const struct trees_sizes *sizes, struct ax_err *err)
{
    const struct ax_value *info = ax_value_get(model, "tree_info");
    struct ax_forest *forest = r->forest;
    if (!info || info->kind != AX_VALUE_NUMBERS || info->count != sizes->trees)
        return ax_fail(err, AX_E_INVALID, TREES_PATH ".tree_info: not one integer for each tree");
    int32_t *groups = ax_try_alloc(sizes->trees + 1, sizeof(*groups));
    if (!groups)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu trees", sizes->trees);
    if (!ax_value_read_i32(info, groups, sizes->trees))
        (void)ax_fail(err, AX_E_INVALID, TREES_PATH ".tree_info holds no integer");
    for (size_t i = 0; i < sizes->trees && err->code == AX_OK; i++) {
        if (groups[i] < 0 || (size_t)groups[i] + forest->leaf_width > forest->group_count)
            (void)ax_fail(err, AX_E_INVALID, TREES_PATH ".tree_info[%zu]: no output %" PRId32, i,
                          groups[i]);
        forest->trees[i].group = (uint32_t)groups[i];
    }
    free(groups);
    return err->code;
}

static enum ax_code read_tree(struct trees_reading *r, struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    r->node_count = (uint32_t)count_of(ax_value_get(r->tree, "left_children"));
    r->nodes = forest->nodes + forest->node_count;
    forest->trees[r->index].node_from = forest->node_count;
    forest->trees[r->index].node_count = r->node_count;
    memset(r->nodes, 0, r->node_count * sizeof(*r->nodes));
    if (tree_params(r, err) || tree_nodes(r, err) || tree_categories(r, err) ||
        tree_split_types(r, err) || tree_walk(r, err) || tree_leaves(r, err))
        return err->code;
    forest->node_count += r->node_count;
    return AX_OK;
}

/* One or the number of outputs; the first tree says which, and all others must agree. */
static enum ax_code read_leaf_width(struct trees_reading *r, struct ax_err *err)
{
    int64_t size = 1;
    if (r->tree && tree_param(r, "size_leaf_vector", 1, &size, err))
        return err->code;
    bool is_row = size > 1 && (size_t)size == r->forest->group_count;
    r->forest->leaf_width = is_row ? (size_t)size : 1;
    return AX_OK;
}

static enum ax_code read_weights(struct trees_reading *r, const struct ax_value *weights,
                                 size_t tree_count, struct ax_err *err)
{
    const char *path = "learner.gradient_booster.weight_drop";
    if (!weights || (weights->kind == AX_VALUE_NUMBERS && weights->count == 0))
        return AX_OK;
    if (weights->kind != AX_VALUE_NUMBERS || weights->count != tree_count)
        return ax_fail(err, AX_E_INVALID, "%s: not one weight for each of %zu trees", path,
                       tree_count);
    r->weights = ax_try_alloc(tree_count, sizeof(*r->weights));
    if (!r->weights)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu weights", tree_count);
    if (!ax_value_read_f32(weights, r->weights, tree_count))
        return ax_fail(err, AX_E_INVALID, "%s holds something that is no number", path);
    return AX_OK;
}

static enum ax_code allocate_leaves(struct trees_reading *r, const struct trees_sizes *sizes,
                                    struct ax_err *err)
{
    if (r->forest->leaf_width == 1)
        return AX_OK;
    if (sizes->leaf_values > AX_FOREST_NODES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, TREES_PATH ": %zu values in leaves",
                       sizes->leaf_values);
    r->forest->leaf_values = ax_try_alloc(sizes->leaf_values + 1, sizeof(*r->forest->leaf_values));
    r->leaves = ax_try_alloc(sizes->leaf_values_most + 1, sizeof(*r->leaves));
    if (!r->forest->leaf_values || !r->leaves)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu values in leaves", sizes->leaf_values);
    return AX_OK;
}

static enum ax_code allocate(struct trees_reading *r, const struct trees_sizes *sizes,
                             struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    /* One more of each, so that none is empty. */
    forest->trees = ax_try_alloc(sizes->trees + 1, sizeof(*forest->trees));
    forest->nodes = ax_try_alloc(sizes->nodes + 1, sizeof(*forest->nodes));
    forest->sets = ax_try_alloc(sizes->sets + 1, sizeof(*forest->sets));
    forest->categories = ax_try_alloc(sizes->categories + 1, sizeof(*forest->categories));
    r->numbers = ax_try_alloc(sizes->nodes_most + 1, sizeof(*r->numbers));
    r->stack = ax_try_alloc(sizes->nodes_most + 1, sizeof(*r->stack));
    r->seen = ax_try_alloc(sizes->nodes_most + 1, sizeof(*r->seen));
    r->segments = ax_try_alloc(3 * sizes->sets_most + 1, sizeof(*r->segments));
    if (!forest->trees || !forest->nodes || !forest->sets || !forest->categories || !r->numbers ||
        !r->stack || !r->seen || !r->segments)
        return ax_fail(err, AX_E_LIMIT, "no memory for a forest of %zu nodes", sizes->nodes);
    return AX_OK;
}

enum ax_code ax_xgboost_read_trees(const struct ax_value *model, const struct ax_value *weights,
                                   struct ax_forest *forest, struct ax_err *err)
{
    assert(model && forest && forest->feature_count && forest->group_count && err);
    const struct ax_value *trees = ax_value_get(model, "trees");
    if (!trees ||
        (trees->kind != AX_VALUE_LIST && (trees->kind != AX_VALUE_NUMBERS || trees->count != 0)))
        return ax_fail(err, AX_E_INVALID, TREES_PATH ".trees: no list of trees");
    struct trees_sizes sizes = { 0 };
    if (measure(trees, &sizes, err))
        return err->code;

    struct trees_reading r = { .forest = forest, .tree = ax_value_first(trees) };
    if (!read_leaf_width(&r, err) && !read_weights(&r, weights, sizes.trees, err) &&
        !allocate(&r, &sizes, err) && !allocate_leaves(&r, &sizes, err) &&
        !read_groups(model, &r, &sizes, err)) {
        for (r.tree = ax_value_first(trees); r.tree; r.tree = ax_value_next(r.tree)) {
            if (read_tree(&r, err))
                break;
            r.index++;
        }
        forest->tree_count = r.index;
    }
    free(r.numbers);
    free(r.stack);
    free(r.seen);
    free(r.segments);
    free(r.leaves);
    free(r.weights);
    return err->code;
}
