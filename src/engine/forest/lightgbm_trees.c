/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of a LightGBM file: a block of lines each, ended by an empty one.
 *
 * Splits and leaves are numbered apart; a child below 0 is leaf ~child. Here the leaves follow the
 * splits in one array. A split goes left when x <= threshold, which is x < the next f64 above it;
 * above +inf there is none, and a split there sends every value left, so it becomes one at -inf
 * with its children in each other's place. `decision_type` holds bits: 1 a split on categories, 2
 * missing values go left, 4 and 8 the way of missing: none (NaN is 0), zero (0 and NaN are
 * missing), NaN. A split on categories has the number of its bitset as threshold, goes left when
 * the category is in the set, and right with NaN, whatever its other bits say; since a set of ours
 * leads right, its children change places.
 *
 * Counts are taken in a first pass over the text and memory is asked for once; each count is of
 * words that lie in the file, so a file cannot ask for more than a multiple of its own size.
 */
#include "engine/forest/lightgbm_trees.h"

#include "base/alloc.h"
#include "engine/forest/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CATEGORIES_MAX ((size_t)1 << 26) /* of all sets together */

enum {
    NUM_LEAVES,
    NUM_CAT,
    SPLIT_FEATURE,
    THRESHOLD,
    DECISION_TYPE,
    LEFT_CHILD,
    RIGHT_CHILD,
    LEAF_VALUE,
    CAT_BOUNDARIES,
    CAT_THRESHOLD,
    IS_LINEAR,
    FIELDS_USED,
    /* The ones from here on change no answer. */
    FIELD_COUNT = FIELDS_USED + 11
};

static const char *const field_names[FIELD_COUNT] = {
    "num_leaves",
    "num_cat",
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "cat_boundaries",
    "cat_threshold",
    "is_linear",
    "split_gain",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
    "shrinkage",
    /* of linear trees, which is_linear refuses */
    "leaf_const",
    "num_features",
    "leaf_features",
    "leaf_coeff",
};

enum { DECISION_CATEGORICAL = 1, DECISION_LEFT = 2, DECISION_MISSING = 12, DECISION_MAX = 15 };

struct trees_sizes {
    size_t trees;
    size_t leaves;
    size_t sets;
    size_t categories;
    size_t numbers_most; /* the longest list of one tree */
};

struct trees_reading {
    struct ax_forest *forest;
    char place[32]; /* "Tree=3" */
    struct ax_str fields[FIELD_COUNT];
    size_t leaf_count;
    size_t set_count;
    struct ax_forest_node *nodes;
    int64_t *integers; /* scratch for one list */
    double *numbers;   /* the same */
    int64_t *bounds;   /* of the bitsets of one tree */
    uint32_t *stack;
    unsigned char *seen;
};

/* The value of a line that begins with `name` and "=". */
static bool line_value(struct ax_str line, const char *name, struct ax_str *ret)
{
    size_t len = strlen(name);
    if (line.len <= len || memcmp(line.ptr, name, len) != 0 || line.ptr[len] != '=')
        return false;
    *ret = (struct ax_str){ line.ptr + len + 1, line.len - len - 1 };
    return true;
}

static size_t count_bits(struct ax_str text)
{
    struct ax_str word;
    uint64_t bits;
    size_t count = 0;
    while (ax_lightgbm_next_word(&text, ' ', &word))
        count += ax_str_to_u64(word, &bits) ? (size_t)__builtin_popcountll(bits) : 0;
    return count;
}

static enum ax_code measure(struct ax_lightgbm_lines lines, struct trees_sizes *sizes,
                            struct ax_err *err)
{
    struct ax_str line, value;
    while (ax_lightgbm_next_line(&lines, &line) && !ax_str_is(line, "end of trees")) {
        size_t words = 0;
        sizes->trees += line_value(line, "Tree", &value);
        if (line_value(line, "leaf_value", &value))
            sizes->leaves += words = ax_lightgbm_count_words(value);
        if (line_value(line, "cat_boundaries", &value))
            sizes->sets += words = ax_lightgbm_count_words(value);
        if (line_value(line, "cat_threshold", &value)) {
            words = ax_lightgbm_count_words(value);
            sizes->categories += count_bits(value);
        }
        sizes->numbers_most = AX_MAX(sizes->numbers_most, words);
    }
    if (sizes->trees > AX_FOREST_TREES_MAX || 2 * sizes->leaves > AX_FOREST_NODES_MAX ||
        sizes->sets > AX_FOREST_NODES_MAX || sizes->categories > CATEGORIES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu trees with %zu leaves and %zu categories",
                       sizes->trees, sizes->leaves, sizes->categories);
    return AX_OK;
}

static enum ax_code allocate(struct trees_reading *r, const struct trees_sizes *sizes,
                             struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    /* One more of each, so that none is empty. */
    size_t scratch = 2 * sizes->numbers_most + 1;
    forest->trees = ax_try_alloc(sizes->trees + 1, sizeof(*forest->trees));
    forest->nodes = ax_try_alloc(2 * sizes->leaves + 1, sizeof(*forest->nodes));
    forest->sets = ax_try_alloc(sizes->sets + 1, sizeof(*forest->sets));
    forest->categories = ax_try_alloc(sizes->categories + 1, sizeof(*forest->categories));
    r->integers = ax_try_alloc(scratch, sizeof(*r->integers));
    r->numbers = ax_try_alloc(scratch, sizeof(*r->numbers));
    r->bounds = ax_try_alloc(scratch, sizeof(*r->bounds));
    r->stack = ax_try_alloc(scratch, sizeof(*r->stack));
    r->seen = ax_try_alloc(scratch, sizeof(*r->seen));
    if (!forest->trees || !forest->nodes || !forest->sets || !forest->categories || !r->integers ||
        !r->numbers || !r->bounds || !r->stack || !r->seen)
        return ax_fail(err, AX_E_LIMIT, "no memory for a forest of %zu leaves", sizes->leaves);
    return AX_OK;
}

static enum ax_code tree_integers(const struct trees_reading *r, int field, size_t count,
                                  int64_t min, int64_t max, struct ax_err *err)
{
    return ax_lightgbm_integers(r->fields[field], r->place, field_names[field], count, min, max,
                                r->integers, err);
}

static enum ax_code tree_numbers(const struct trees_reading *r, int field, size_t count,
                                 struct ax_err *err)
{
    return ax_lightgbm_numbers(r->fields[field], r->place, field_names[field], count, r->numbers,
                               err);
}

/* Append set `number` of the tree: the bits of words [from, to) of r->integers. */
static enum ax_code tree_set(struct trees_reading *r, size_t from, size_t to, struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    struct ax_forest_set *set = &forest->sets[forest->set_count++];
    *set = (struct ax_forest_set){ .from = forest->category_count };
    for (size_t w = from; w < to; w++) {
        for (uint64_t bits = (uint64_t)r->integers[w]; bits; bits &= bits - 1) {
            size_t category = (w - from) * 32 + (size_t)__builtin_ctzll(bits);
            if (category >= (size_t)AX_FOREST_CATEGORY_MAX)
                return ax_fail(err, AX_E_TOO_LARGE,
                               "%s: cat_threshold: category %zu; below %" PRId32 " are served",
                               r->place, category, AX_FOREST_CATEGORY_MAX);
            forest->categories[forest->category_count++] = (int32_t)category;
            set->count++;
        }
    }
    return AX_OK;
}

static enum ax_code tree_sets(struct trees_reading *r, struct ax_err *err)
{
    struct ax_str words = r->fields[CAT_THRESHOLD];
    size_t count = r->set_count, word_count = words.ptr ? ax_lightgbm_count_words(words) : 0;
    if (ax_lightgbm_integers(r->fields[CAT_BOUNDARIES], r->place, field_names[CAT_BOUNDARIES],
                             count + 1, 0, (int64_t)word_count, r->bounds, err) ||
        tree_integers(r, CAT_THRESHOLD, word_count, 0, UINT32_MAX, err))
        return err->code;
    if (r->bounds[0] != 0 || r->bounds[count] != (int64_t)word_count)
        return ax_fail(err, AX_E_INVALID, "%s: cat_boundaries do not divide up cat_threshold",
                       r->place);
    for (size_t i = 0; i < count; i++) {
        if (r->bounds[i] > r->bounds[i + 1])
            return ax_fail(err, AX_E_INVALID, "%s: cat_boundaries[%zu] goes backwards", r->place,
                           i + 1);
        if (tree_set(r, (size_t)r->bounds[i], (size_t)r->bounds[i + 1], err))
            return err->code;
    }
    return AX_OK;
}

/* The place of a child among the nodes. */
static int32_t child_place(int64_t child, size_t split_count)
{
    return (int32_t)(child >= 0 ? child : (int64_t)split_count - child - 1);
}

static enum ax_code tree_children(struct trees_reading *r, size_t splits, struct ax_err *err)
{
    int64_t least = -(int64_t)r->leaf_count, most = (int64_t)splits - 1;
    if (tree_integers(r, LEFT_CHILD, splits, least, most, err))
        return err->code;
    for (size_t i = 0; i < splits; i++)
        r->nodes[i].left = child_place(r->integers[i], splits);
    if (tree_integers(r, RIGHT_CHILD, splits, least, most, err))
        return err->code;
    for (size_t i = 0; i < splits; i++)
        r->nodes[i].right = child_place(r->integers[i], splits);
    return AX_OK;
}

static void swap_children(struct ax_forest_node *node)
{
    int32_t left = node->left;
    node->left = node->right;
    node->right = left;
}

/* A split on categories: in the set is left. */
static enum ax_code tree_set_split(const struct trees_reading *r, size_t at, double number,
                                   size_t set_from, struct ax_err *err)
{
    struct ax_forest_node *node = &r->nodes[at];
    if (!(number >= 0.0 && number < (double)r->set_count))
        return ax_fail(err, AX_E_INVALID, "%s: threshold[%zu]: no set of categories %g", r->place,
                       at, number);
    swap_children(node);
    node->set = (uint32_t)(set_from + (size_t)number + 1);
    node->missing = AX_MISSING_LEFT;
    return AX_OK;
}

/* A split at a threshold. */
static enum ax_code tree_split(const struct trees_reading *r, size_t at, double threshold,
                               int64_t decision, struct ax_err *err)
{
    struct ax_forest_node *node = &r->nodes[at];
    bool is_swapped = threshold == INFINITY;
    bool is_left = ((decision & DECISION_LEFT) != 0) != is_swapped;
    if (is_swapped)
        swap_children(node);
    node->value = is_swapped ? -INFINITY : nextafter(threshold, INFINITY);
    switch ((decision & DECISION_MISSING) >> 2) {
    case 0:
        node->missing = AX_MISSING_AS_ZERO;
        return AX_OK;
    case 1:
        node->missing = is_left ? AX_MISSING_ZERO_LEFT : AX_MISSING_ZERO_RIGHT;
        return AX_OK;
    case 2:
        node->missing = is_left ? AX_MISSING_LEFT : AX_MISSING_RIGHT;
        return AX_OK;
    default:
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "%s: decision_type[%zu]: %" PRId64
                       " says a way of missing that is not known here",
                       r->place, at, decision);
    }
}

static enum ax_code tree_splits(struct trees_reading *r, size_t splits, struct ax_err *err)
{
    size_t set_from = r->forest->set_count;
    if (r->set_count && tree_sets(r, err))
        return err->code;
    if (tree_children(r, splits, err) ||
        tree_integers(r, SPLIT_FEATURE, splits, 0, (int64_t)r->forest->feature_count - 1, err))
        return err->code;
    for (size_t i = 0; i < splits; i++)
        r->nodes[i].feature = (uint32_t)r->integers[i];
    if (tree_numbers(r, THRESHOLD, splits, err) ||
        tree_integers(r, DECISION_TYPE, splits, 0, DECISION_MAX, err))
        return err->code;
    for (size_t i = 0; i < splits; i++) {
        if (r->integers[i] & DECISION_CATEGORICAL
                ? tree_set_split(r, i, r->numbers[i], set_from, err)
                : tree_split(r, i, r->numbers[i], r->integers[i], err))
            return err->code;
    }
    struct ax_tree_fault fault;
    if (!ax_forest_check_tree(r->nodes, (uint32_t)(splits + r->leaf_count),
                              r->forest->feature_count, r->stack, r->seen, &fault))
        return ax_fail(err, AX_E_INVALID, "%s: split %u %s", r->place, fault.node, fault.what);
    return AX_OK;
}

/* num_leaves, num_cat and is_linear. */
static enum ax_code tree_shape(struct trees_reading *r, struct ax_err *err)
{
    size_t words = r->fields[LEAF_VALUE].ptr ? ax_lightgbm_count_words(r->fields[LEAF_VALUE]) : 0;
    if (tree_integers(r, NUM_LEAVES, 1, 1, INT32_MAX / 2, err))
        return err->code;
    r->leaf_count = (size_t)r->integers[0];
    if (r->leaf_count != words)
        return ax_fail(err, AX_E_INVALID, "%s: leaf_value: %zu numbers for %zu leaves", r->place,
                       words, r->leaf_count);
    if (tree_integers(r, NUM_CAT, 1, 0, (int64_t)r->leaf_count - 1, err))
        return err->code;
    r->set_count = (size_t)r->integers[0];
    r->integers[0] = 0;
    if (r->fields[IS_LINEAR].ptr && tree_integers(r, IS_LINEAR, 1, 0, 1, err))
        return err->code;
    if (r->integers[0])
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "%s: linear trees; train with linear_tree=false to serve the model here",
                       r->place);
    return AX_OK;
}

static enum ax_code read_tree(struct trees_reading *r, struct ax_err *err)
{
    struct ax_forest *forest = r->forest;
    if (tree_shape(r, err))
        return err->code;
    size_t splits = r->leaf_count - 1, nodes = splits + r->leaf_count;
    r->nodes = forest->nodes + forest->node_count;
    memset(r->nodes, 0, splits * sizeof(*r->nodes));
    if (tree_numbers(r, LEAF_VALUE, r->leaf_count, err))
        return err->code;
    for (size_t i = 0; i < r->leaf_count; i++) {
        if (isinf(r->numbers[i]))
            return ax_fail(err, AX_E_INVALID, "%s: leaf_value[%zu] is not finite", r->place, i);
        r->nodes[splits + i] = (struct ax_forest_node){ .left = -1, .value = r->numbers[i] };
    }
    if (splits > 0 && tree_splits(r, splits, err))
        return err->code;
    forest->trees[forest->tree_count] =
        (struct ax_forest_tree){ .node_from = forest->node_count,
                                 .node_count = (uint32_t)nodes,
                                 .group = (uint32_t)(forest->tree_count % forest->group_count) };
    forest->tree_count++;
    forest->node_count += nodes;
    return AX_OK;
}

/* The lines of the tree that `line` begins. */
static enum ax_code read_fields(struct trees_reading *r, struct ax_lightgbm_lines *lines,
                                struct ax_str line, struct ax_err *err)
{
    struct ax_str number;
    uint64_t index;
    if (!line_value(line, "Tree", &number) || !ax_str_to_u64(number, &index) ||
        index != r->forest->tree_count)
        return ax_fail(err, AX_E_INVALID, "found '%.*s' where Tree=%zu or 'end of trees' is wanted",
                       AX_STR_ARG(ax_str_cut(line, 40)), r->forest->tree_count);
    (void)snprintf(r->place, sizeof(r->place), "Tree=%zu", r->forest->tree_count);
    memset(r->fields, 0, sizeof(r->fields));
    while (ax_lightgbm_next_line(lines, &line) && line.len > 0) {
        if (ax_lightgbm_put_field(line, field_names, FIELD_COUNT, r->fields, r->place, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code read_trees(struct trees_reading *r, struct ax_lightgbm_lines *lines,
                               struct ax_err *err)
{
    struct ax_str line;
    while (ax_lightgbm_next_line(lines, &line)) {
        if (ax_str_is(line, "end of trees"))
            return AX_OK;
        if (line.len > 0 && (read_fields(r, lines, line, err) || read_tree(r, err)))
            return err->code;
    }
    return ax_fail(err, AX_E_INVALID, "'end of trees' is missing: the file was cut off");
}

enum ax_code ax_lightgbm_read_trees(struct ax_lightgbm_lines *lines, struct ax_forest *forest,
                                    struct ax_err *err)
{
    assert(lines && forest && forest->feature_count && forest->group_count && err);
    struct trees_sizes sizes = { 0 };
    struct trees_reading r = { .forest = forest };
    if (!measure(*lines, &sizes, err) && !allocate(&r, &sizes, err))
        (void)read_trees(&r, lines, err);
    free(r.integers);
    free(r.numbers);
    free(r.bounds);
    free(r.stack);
    free(r.seen);
    return err->code;
}
