/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CatBoost's features, splits and trees as a forest.
 *
 * Borders. CatBoost goes right when x > border, a forest's split goes left when x < value: the
 * value is the next float above the border. Nothing is above +inf, so such a split (borders are
 * middles between training values, which may be infinite) never goes right; it becomes a set
 * without a member. NaN becomes -inf or +inf in CatBoost, or is compared as it is, which is false:
 * it goes left, or right where the feature says so and the border is not +inf.
 *
 * Categories. A one-hot split goes right when the category's hash is one value. The engine reads
 * categories as indexes into the feature's list of hashes (the signature's dictionary by hash), so
 * each becomes a set of one index, and everything unknown goes left everywhere.
 *
 * Oblivious trees are made plain ones. Bit i of the leaf's number is the answer of split i, so with
 * the last split at the root the leaves of a depth-first walk are in order. That multiplies the
 * splits by up to 2^15, but never beyond twice the number of leaves, which lie in the file.
 */
#include "engine/forest/catboost_model.h"

#include "base/alloc.h"
#include "engine/forest/catboost_hash.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

void ax_catboost_done(struct ax_catboost *model)
{
    if (!model)
        return;
    ax_forest_done(&model->forest);
    free(model->leaf_values);
    free(model->features);
    free(model->places);
    free(model->splits);
    free(model->hashes);
    *model = (struct ax_catboost){ 0 };
}

/* The array with room for `more` elements behind the `used` ones: half as many again at least, so
 * that growing is cheap. The same array and an error when refused. */
static void *grown(void *array, size_t used, size_t *room, size_t more, size_t size,
                   struct ax_err *err)
{
    if (more <= *room - used)
        return array;
    size_t larger = AX_MAX(used + more, *room + *room / 2 + 16);
    void *fresh = ax_try_alloc(larger, size);
    if (!fresh) {
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu elements of the model", larger);
        return array;
    }
    if (used)
        memcpy(fresh, array, used * size);
    free(array);
    *room = larger;
    return fresh;
}

#define GROW(array, used, room, more, err) \
    ((array) = grown((array), (used), &(room), (more), sizeof(*(array)), (err)), (err)->code)

/* The feature at a place in a row, which must be free. */
static enum ax_code take_place(struct ax_catboost *model, const struct ax_catboost_about *about,
                               struct ax_err *err)
{
    if (about->flat_index < 0 || (uint64_t)about->flat_index >= AX_SIGNATURE_INPUTS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "the flat index %" PRId64 " is not below %zu",
                       about->flat_index, AX_SIGNATURE_INPUTS_MAX);
    size_t place = (size_t)about->flat_index;
    size_t count = model->forest.feature_count;
    if (place >= count) {
        if (GROW(model->features, count, model->feature_room, place + 1 - count, err))
            return err->code;
        memset(model->features + count, 0, (place + 1 - count) * sizeof(*model->features));
        model->forest.feature_count = place + 1;
    }
    struct ax_catboost_feature *feature = &model->features[place];
    if (feature->is_present)
        return ax_fail(err, AX_E_INVALID, "two features have the flat index %zu", place);
    *feature = (struct ax_catboost_feature){ .is_present = true, .name = about->name };
    return AX_OK;
}

static enum ax_code room_for_splits(struct ax_catboost *model, size_t count, struct ax_err *err)
{
    if (count > AX_CATBOOST_SPLITS_MAX - model->split_count)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu borders and categories",
                       AX_CATBOOST_SPLITS_MAX);
    return GROW(model->splits, model->split_count, model->split_room, count, err);
}

/* A set of `count` (0 or 1) categories, as a node names it. */
static enum ax_code add_set(struct ax_catboost *model, size_t count, int32_t category,
                            uint32_t *ret, struct ax_err *err)
{
    struct ax_forest *forest = &model->forest;
    size_t room = model->set_room;
    if (GROW(forest->sets, forest->set_count, room, 1, err) ||
        GROW(forest->categories, forest->set_count, model->set_room, 1, err))
        return err->code;
    /* One place a set, used or not, so that one room counts for both arrays. */
    forest->categories[forest->set_count] = category;
    forest->sets[forest->set_count] =
        (struct ax_forest_set){ .from = forest->set_count, .count = (uint32_t)count };
    forest->category_count = ++forest->set_count;
    *ret = (uint32_t)forest->set_count;
    return AX_OK;
}

enum ax_code ax_catboost_add_number(struct ax_catboost *model,
                                    const struct ax_catboost_about *about, const float *borders,
                                    size_t border_count, struct ax_err *err)
{
    assert(model && about && (borders || !border_count) && err);
    assert(!model->place_count);
    if (take_place(model, about, err) || room_for_splits(model, border_count, err))
        return err->code;
    for (size_t i = 0; i < border_count; i++) {
        /* The library counts the borders below a value, which is one comparison only in order. */
        if (isnan(borders[i]) || (i > 0 && borders[i] <= borders[i - 1]))
            return ax_fail(err, AX_E_INVALID,
                           "border %zu of the feature at %" PRId64 " is not above the one before",
                           i, about->flat_index);
        struct ax_catboost_split split = {
            .feature = (uint32_t)about->flat_index,
            .border = borders[i],
            .value = nextafterf(borders[i], INFINITY),
            .missing = about->is_true_when_missing ? AX_MISSING_RIGHT : AX_MISSING_LEFT,
        };
        if (borders[i] == INFINITY) {
            split.missing = AX_MISSING_LEFT;
            if (add_set(model, 0, 0, &split.set, err))
                return err->code;
        }
        model->splits[model->split_count++] = split;
    }
    return AX_OK;
}

enum ax_code ax_catboost_add_categorical(struct ax_catboost *model,
                                         const struct ax_catboost_about *about, struct ax_err *err)
{
    assert(model && about && err);
    if (about->index < 0 || (uint64_t)about->index >= AX_SIGNATURE_INPUTS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "the index %" PRId64 " is not below %zu", about->index,
                       AX_SIGNATURE_INPUTS_MAX);
    size_t index = (size_t)about->index;
    size_t count = model->place_count;
    if (take_place(model, about, err))
        return err->code;
    if (index >= count) {
        if (GROW(model->places, count, model->place_room, index + 1 - count, err))
            return err->code;
        memset(model->places + count, 0, (index + 1 - count) * sizeof(*model->places));
        model->place_count = index + 1;
    }
    if (model->places[index])
        return ax_fail(err, AX_E_INVALID, "two categorical features have the index %zu", index);
    model->places[index] = (uint32_t)about->flat_index + 1;
    model->features[about->flat_index].is_categorical = true;
    return AX_OK;
}

enum ax_code ax_catboost_add_one_hot(struct ax_catboost *model, int64_t index,
                                     const int32_t *hashes, size_t hash_count, struct ax_err *err)
{
    assert(model && (hashes || !hash_count) && err);
    if (index < 0 || (uint64_t)index >= model->place_count || !model->places[index])
        return ax_fail(err, AX_E_INVALID,
                       "one-hot categories of a feature %" PRId64 " that is not there", index);
    uint32_t place = model->places[index] - 1;
    struct ax_catboost_feature *feature = &model->features[place];
    if (feature->is_required)
        return ax_fail(err, AX_E_INVALID, "two lists of one-hot categories of the feature %" PRId64,
                       index);
    if (room_for_splits(model, hash_count, err) ||
        GROW(model->hashes, model->hash_count, model->hash_room, hash_count, err))
        return err->code;
    feature->is_required = true;
    feature->hash_from = model->hash_count;
    feature->hash_count = hash_count;
    for (size_t i = 0; i < hash_count; i++) {
        struct ax_catboost_split split = { .feature = place, .missing = AX_MISSING_LEFT };
        if (add_set(model, 1, (int32_t)i, &split.set, err))
            return err->code;
        model->splits[model->split_count++] = split;
        model->hashes[model->hash_count++] = (uint32_t)hashes[i];
    }
    return AX_OK;
}

enum ax_code ax_catboost_add_leaf_values(struct ax_catboost *model, size_t count, double **ret,
                                         struct ax_err *err)
{
    assert(model && ret && err);
    if (count > AX_CATBOOST_LEAVES_MAX - model->leaf_value_count)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu values of leaves",
                       AX_CATBOOST_LEAVES_MAX);
    if (GROW(model->leaf_values, model->leaf_value_count, model->leaf_room, count, err))
        return err->code;
    *ret = model->leaf_values ? model->leaf_values + model->leaf_value_count : NULL;
    model->leaf_value_count += count;
    return AX_OK;
}

enum ax_code ax_catboost_begin_tree(struct ax_catboost *model, struct ax_err *err)
{
    assert(model && err);
    struct ax_forest *forest = &model->forest;
    if (forest->tree_count >= AX_FOREST_TREES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu trees", AX_FOREST_TREES_MAX);
    if (GROW(forest->trees, forest->tree_count, model->tree_room, 1, err))
        return err->code;
    model->open_tree = forest->node_count;
    return AX_OK;
}

enum ax_code ax_catboost_add_nodes(struct ax_catboost *model, size_t count, uint32_t *ret,
                                   struct ax_err *err)
{
    assert(model && ret && err);
    struct ax_forest *forest = &model->forest;
    if (count > AX_FOREST_NODES_MAX - forest->node_count)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu nodes", AX_FOREST_NODES_MAX);
    if (GROW(forest->nodes, forest->node_count, model->node_room, count, err))
        return err->code;
    *ret = (uint32_t)(forest->node_count - model->open_tree);
    forest->node_count += count;
    return AX_OK;
}

static struct ax_forest_node *node_at(const struct ax_catboost *model, uint32_t node)
{
    assert(node < model->forest.node_count - model->open_tree);
    return &model->forest.nodes[model->open_tree + node];
}

enum ax_code ax_catboost_set_leaf(struct ax_catboost *model, uint32_t node, size_t leaf,
                                  struct ax_err *err)
{
    assert(model && model->dimension && err);
    if (leaf >= model->leaf_value_count / model->dimension)
        return ax_fail(err, AX_E_INVALID, "tree %zu: there are no values of leaf %zu",
                       model->forest.tree_count, leaf);
    *node_at(model, node) = (struct ax_forest_node){
        .left = -1,
        .right = -1,
        .value = model->dimension == 1 ? model->leaf_values[leaf] : 0,
        .set = model->dimension == 1 ? 0 : (uint32_t)leaf,
    };
    return AX_OK;
}

enum ax_code ax_catboost_set_split(struct ax_catboost *model, uint32_t node, int64_t split,
                                   uint32_t left, uint32_t right, struct ax_err *err)
{
    assert(model && err);
    if (split < 0 || (uint64_t)split >= model->split_count)
        return ax_fail(err, AX_E_INVALID, "tree %zu: there is no split %" PRId64,
                       model->forest.tree_count, split);
    const struct ax_catboost_split *known = &model->splits[split];
    *node_at(model, node) = (struct ax_forest_node){
        .left = (int32_t)left,
        .right = (int32_t)right,
        .feature = known->feature,
        .value = known->value,
        .set = known->set,
        .missing = known->missing,
    };
    return AX_OK;
}

static void close_tree(struct ax_catboost *model)
{
    struct ax_forest *forest = &model->forest;
    forest->trees[forest->tree_count++] = (struct ax_forest_tree){
        .node_from = model->open_tree,
        .node_count = (uint32_t)(forest->node_count - model->open_tree),
    };
}

enum ax_code ax_catboost_end_tree(struct ax_catboost *model, struct ax_err *err)
{
    assert(model && err);
    struct ax_forest *forest = &model->forest;
    size_t count = forest->node_count - model->open_tree;
    assert(count);
    uint32_t *stack = ax_try_alloc(count, sizeof(*stack));
    unsigned char *seen = ax_try_alloc(count, 1);
    struct ax_tree_fault fault;
    if (!stack || !seen)
        (void)ax_fail(err, AX_E_LIMIT, "no memory to check %zu nodes", count);
    else if (!ax_forest_check_tree(forest->nodes + model->open_tree, (uint32_t)count,
                                   forest->feature_count, stack, seen, &fault))
        (void)ax_fail(err, AX_E_INVALID, "tree %zu: node %u %s (%" PRId64 ")", forest->tree_count,
                      fault.node, fault.what, fault.value);
    free(stack);
    free(seen);
    if (!err->code)
        close_tree(model);
    return err->code;
}

enum ax_code ax_catboost_add_oblivious(struct ax_catboost *model, const int32_t *splits,
                                       size_t depth, size_t leaf, struct ax_err *err)
{
    assert(model && (splits || !depth) && err);
    if (depth > AX_CATBOOST_DEPTH_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "tree %zu is %zu levels deep; at most %d are read",
                       model->forest.tree_count, depth, AX_CATBOOST_DEPTH_MAX);
    uint32_t inner = (1U << depth) - 1;
    uint32_t first;
    if (ax_catboost_begin_tree(model, err) ||
        ax_catboost_add_nodes(model, 2 * (size_t)inner + 1, &first, err))
        return err->code;
    for (size_t level = 0; level < depth; level++) {
        for (uint32_t i = (1U << level) - 1; i < (2U << level) - 1; i++)
            if (ax_catboost_set_split(model, i, splits[depth - 1 - level], 2 * i + 1, 2 * i + 2,
                                      err))
                return err->code;
    }
    for (uint32_t i = 0; i <= inner; i++)
        if (ax_catboost_set_leaf(model, inner + i, leaf + i, err))
            return err->code;
    close_tree(model);
    return AX_OK;
}

enum ax_code ax_catboost_set_scale(struct ax_catboost *model, double scale, const double *biases,
                                   size_t bias_count, struct ax_err *err)
{
    assert(model && model->dimension && (biases || !bias_count) && err);
    struct ax_forest *forest = &model->forest;
    if (!isfinite(scale) || scale == 0)
        return ax_fail(err, AX_E_UNSUPPORTED, "the scale %g; a finite one other than 0 is wanted",
                       scale);
    if (bias_count > 1 && bias_count != model->dimension)
        return ax_fail(err, AX_E_INVALID, "%zu biases for %zu outputs", bias_count,
                       model->dimension);
    bool has_bias = false;
    for (size_t i = 0; i < bias_count; i++) {
        if (!isfinite(biases[i]))
            return ax_fail(err, AX_E_INVALID, "bias %zu is not finite", i);
        has_bias = has_bias || biases[i] != 0;
    }
    forest->scale = scale;
    if (!has_bias)
        return AX_OK;
    forest->bias = ax_try_alloc(model->dimension, sizeof(*forest->bias));
    if (!forest->bias)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu biases", model->dimension);
    for (size_t i = 0; i < model->dimension; i++)
        forest->bias[i] = biases[bias_count == 1 ? 0 : i];
    return AX_OK;
}
