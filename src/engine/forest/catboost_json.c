/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CatBoost's JSON export (`save_model(…, format='json')`).
 *
 * features_info lists the features with their borders and hashes, oblivious_trees (or trees, nested
 * maps of "split", "left" and "right") the trees, scale_and_bias what is done with their sum. The
 * numbers are written so that they come back as the ones they were, borders and leaves alike, so
 * the answers are those of the `.cbm`. (The library's own reader of this format rounds leaves
 * differently in the last bits; ours does not follow it.)
 *
 * A split is named by its number, and told in words beside it: when the two differ, the file is
 * refused. scale_and_bias is a list of a number and a list, which a document keeps as text only.
 */
#include "engine/forest/catboost_model.h"

#include "base/alloc.h"
#include "base/json_number.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

struct json_model {
    struct ax_catboost model;
    struct ax_document document;
    struct ax_document classes; /* of older files, which hold class_params as a text */
    struct ax_catboost_info info;
};

static bool is_empty(const struct ax_value *list)
{
    return !list || list->kind == AX_VALUE_NULL || list->count == 0;
}

/* ---- features ---- */

static enum ax_code json_about(const struct ax_value *feature, struct ax_catboost_about *ret,
                               struct ax_err *err)
{
    const struct ax_value *name = ax_value_get(feature, "feature_id");
    const struct ax_value *missing = ax_value_get(feature, "nan_value_treatment");
    const struct ax_value *has_nans = ax_value_get(feature, "has_nans");
    *ret = (struct ax_catboost_about){ .index = -1 };
    if (!ax_value_to_i64(ax_value_get(feature, "feature_index"), &ret->index) ||
        !ax_value_to_i64(ax_value_get(feature, "flat_feature_index"), &ret->flat_index))
        return ax_fail(err, AX_E_INVALID,
                       "feature_index or flat_feature_index is missing or no integer");
    if (!name || name->kind != AX_VALUE_TEXT || !name->raw.len)
        name = ax_value_get(feature, "feature_name");
    if (name && name->kind == AX_VALUE_TEXT)
        ret->name = name->raw;
    if (!missing)
        return AX_OK;
    bool is_true = missing->kind == AX_VALUE_TEXT && ax_str_is(missing->raw, "AsTrue");
    if (!is_true && (missing->kind != AX_VALUE_TEXT ||
                     (!ax_str_is(missing->raw, "AsIs") && !ax_str_is(missing->raw, "AsFalse"))))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "nan_value_treatment is none of AsIs, AsFalse and AsTrue");
    ret->is_true_when_missing =
        is_true && has_nans && has_nans->kind == AX_VALUE_BOOL && has_nans->is_true;
    return AX_OK;
}

static enum ax_code json_add_number(struct ax_catboost *model, const struct ax_value *feature,
                                    struct ax_err *err)
{
    struct ax_catboost_about about;
    const struct ax_value *list = ax_value_get(feature, "borders");
    size_t count = is_empty(list) ? 0 : list->count;
    if (json_about(feature, &about, err))
        return err->code;
    if (count > AX_CATBOOST_SPLITS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu borders of one feature", count);
    float *borders = ax_try_alloc(count + 1, sizeof(*borders));
    if (!borders)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu borders", count);
    bool is_list =
        !count || (list->kind == AX_VALUE_NUMBERS && ax_value_read_f32(list, borders, count));
    enum ax_code code = is_list ? ax_catboost_add_number(model, &about, borders, count, err)
                                : ax_fail(err, AX_E_INVALID, "borders is no list of numbers");
    free(borders);
    return code;
}

static enum ax_code json_add_categorical(struct ax_catboost *model, const struct ax_value *feature,
                                         struct ax_err *err)
{
    struct ax_catboost_about about;
    return json_about(feature, &about, err) ? err->code
                                            : ax_catboost_add_categorical(model, &about, err);
}

static enum ax_code json_add_one_hot(struct ax_catboost *model, const struct ax_value *feature,
                                     struct ax_err *err)
{
    const struct ax_value *list = ax_value_get(feature, "values");
    int64_t index = -1;
    if (!list)
        return AX_OK;
    if (!ax_value_to_i64(ax_value_get(feature, "feature_index"), &index) ||
        list->kind != AX_VALUE_NUMBERS)
        return ax_fail(err, AX_E_INVALID, "values is no list of integers");
    if (list->count > AX_CATBOOST_SPLITS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu categories of one feature", list->count);
    int32_t *hashes = ax_try_alloc(list->count + 1, sizeof(*hashes));
    if (!hashes)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", list->count);
    enum ax_code code = ax_value_read_i32(list, hashes, list->count)
                            ? ax_catboost_add_one_hot(model, index, hashes, list->count, err)
                            : ax_fail(err, AX_E_INVALID, "values is no list of integers");
    free(hashes);
    return code;
}

static enum ax_code json_features(struct ax_catboost *model, const struct ax_value *info,
                                  struct ax_err *err)
{
    static const struct {
        const char *name;
        enum ax_code (*add)(struct ax_catboost *model, const struct ax_value *feature,
                            struct ax_err *err);
    } lists[] = {
        { "float_features", json_add_number },
        { "categorical_features", json_add_categorical },
        { "categorical_features", json_add_one_hot },
    };
    static const char *const refused[] = { "text_features", "embedding_features",
                                           "estimated_features" };
    if (!is_empty(ax_value_get(info, "ctrs")))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "the model needs CTRs (statistics of categories); train it with "
                       "one_hot_max_size at least the number of categories, or without "
                       "categorical features");
    for (size_t i = 0; i < AX_COUNT(refused); i++)
        if (!is_empty(ax_value_get(info, refused[i])))
            return ax_fail(err, AX_E_UNSUPPORTED, "the model has %s, which are not read",
                           refused[i]);
    for (size_t l = 0; l < AX_COUNT(lists); l++) {
        const struct ax_value *list = ax_value_get(info, lists[l].name);
        size_t i = 0;
        if (!is_empty(list) && list->kind != AX_VALUE_LIST)
            return ax_fail(err, AX_E_INVALID, "features_info.%s is no list of features",
                           lists[l].name);
        for (const struct ax_value *at = ax_value_first(list); at; at = ax_value_next(at), i++)
            if (lists[l].add(model, at, err))
                return ax_err_context(err, "features_info.%s[%zu]", lists[l].name, i);
    }
    return AX_OK;
}

/* ---- trees ---- */

/* The split's number, when the words beside it say the same. */
static enum ax_code json_split(const struct ax_catboost *model, const struct ax_value *split,
                               int32_t *ret, struct ax_err *err)
{
    const struct ax_value *border = ax_value_get(split, "border");
    int64_t number = -1;
    int64_t hash = 0;
    float value = 0;
    if (!ax_value_to_i64(ax_value_get(split, "split_index"), &number) || number < 0 ||
        (uint64_t)number >= model->split_count)
        return ax_fail(err, AX_E_INVALID, "split_index %" PRId64 " is not that of a split", number);
    const struct ax_catboost_split *known = &model->splits[number];
    const struct ax_catboost_feature *feature = &model->features[known->feature];
    bool is_same;
    if (border && border->kind == AX_VALUE_NUMBER) {
        (void)ax_text_to_f32(border->raw, &value);
        is_same = !feature->is_categorical && known->border == value;
    } else {
        is_same =
            ax_value_to_i64(ax_value_get(split, "value"), &hash) && feature->is_categorical &&
            model->hashes[feature->hash_from + (size_t)model->forest.categories[known->set - 1]] ==
                (uint32_t)hash;
    }
    if (!is_same)
        return ax_fail(err, AX_E_INVALID,
                       "split_index %" PRId64 " is another split than the one described", number);
    *ret = (int32_t)number;
    return AX_OK;
}

static enum ax_code json_oblivious(struct ax_catboost *model, const struct ax_value *tree,
                                   struct ax_err *err)
{
    const struct ax_value *list = ax_value_get(tree, "splits");
    const struct ax_value *leaves = ax_value_get(tree, "leaf_values");
    size_t depth = is_empty(list) ? 0 : list->count;
    int32_t splits[AX_CATBOOST_DEPTH_MAX];
    double *values;
    size_t i = 0;
    if (depth > AX_CATBOOST_DEPTH_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu levels; at most %d are read", depth,
                       AX_CATBOOST_DEPTH_MAX);
    for (const struct ax_value *at = ax_value_first(list); at; at = ax_value_next(at))
        if (json_split(model, at, &splits[i++], err))
            return ax_err_context(err, "splits[%zu]", i - 1);
    if (i != depth || !leaves || leaves->kind != AX_VALUE_NUMBERS || !leaves->count)
        return ax_fail(err, AX_E_INVALID, "splits or leaf_values is missing or no list");
    if (!model->dimension)
        model->dimension = AX_MAX(leaves->count >> depth, 1);
    if (leaves->count != model->dimension << depth)
        return ax_fail(err, AX_E_INVALID, "%zu leaf_values for %zu leaves of %zu outputs",
                       leaves->count, (size_t)1 << depth, model->dimension);
    size_t leaf = model->leaf_value_count / model->dimension;
    if (ax_catboost_add_leaf_values(model, leaves->count, &values, err))
        return err->code;
    if (!ax_value_read_f64(leaves, values, leaves->count))
        return ax_fail(err, AX_E_INVALID, "leaf_values are not all numbers");
    return ax_catboost_add_oblivious(model, splits, depth, leaf, err);
}

static enum ax_code json_leaf(struct ax_catboost *model, const struct ax_value *leaf, uint32_t node,
                              struct ax_err *err)
{
    const struct ax_value *value = ax_value_get(leaf, "value");
    bool is_number = value && value->kind == AX_VALUE_NUMBER;
    double *values;
    if (!is_number && (!value || value->kind != AX_VALUE_NUMBERS || !value->count))
        return ax_fail(err, AX_E_INVALID, "a node has neither a split nor a value");
    size_t count = is_number ? 1 : value->count;
    if (!model->dimension)
        model->dimension = count;
    if (count != model->dimension)
        return ax_fail(err, AX_E_INVALID, "a leaf of %zu values in a model of %zu outputs", count,
                       model->dimension);
    size_t number = model->leaf_value_count / model->dimension;
    if (ax_catboost_add_leaf_values(model, count, &values, err))
        return err->code;
    if (is_number ? !ax_value_to_f64(value, values) : !ax_value_read_f64(value, values, count))
        return ax_fail(err, AX_E_INVALID, "a leaf's value is no number");
    return ax_catboost_set_leaf(model, node, number, err);
}

static enum ax_code json_nested(struct ax_catboost *model, const struct ax_value *tree,
                                struct ax_err *err)
{
    /* Of each level at most one node waits, and the document has no more levels. */
    struct {
        const struct ax_value *value;
        uint32_t node;
    } open[AX_DOCUMENT_DEPTH_MAX + 2];
    size_t count = 1;
    open[0].value = tree;
    if (ax_catboost_begin_tree(model, err) || ax_catboost_add_nodes(model, 1, &open[0].node, err))
        return err->code;
    while (count > 0) {
        const struct ax_value *value = open[--count].value;
        uint32_t node = open[count].node;
        const struct ax_value *split = ax_value_get(value, "split");
        uint32_t left;
        int32_t number;
        if (!split) {
            if (json_leaf(model, value, node, err))
                return err->code;
            continue;
        }
        if (json_split(model, split, &number, err) || ax_catboost_add_nodes(model, 2, &left, err) ||
            ax_catboost_set_split(model, node, number, left, left + 1, err))
            return err->code;
        assert(count + 2 <= AX_COUNT(open));
        open[count].value = ax_value_get(value, "right");
        open[count++].node = left + 1;
        open[count].value = ax_value_get(value, "left");
        open[count++].node = left;
    }
    return ax_catboost_end_tree(model, err);
}

static enum ax_code json_trees(struct ax_catboost *model, const struct ax_value *root,
                               struct ax_err *err)
{
    const struct ax_value *oblivious = ax_value_get(root, "oblivious_trees");
    const struct ax_value *nested = ax_value_get(root, "trees");
    const struct ax_value *list = oblivious ? oblivious : nested;
    size_t i = 0;
    if (!list || (oblivious && nested))
        return ax_fail(err, AX_E_INVALID, "one of oblivious_trees and trees is wanted");
    if (!is_empty(list) && list->kind != AX_VALUE_LIST)
        return ax_fail(err, AX_E_INVALID, "the trees are no list");
    for (const struct ax_value *at = ax_value_first(list); at; at = ax_value_next(at), i++)
        if (oblivious ? json_oblivious(model, at, err) : json_nested(model, at, err))
            return ax_err_context(err, "%s[%zu]", oblivious ? "oblivious_trees" : "trees", i);
    return AX_OK;
}

/* "1, [0.5, 0.25]": the numbers, whatever the brackets. */
static enum ax_code json_scale(struct ax_catboost *model, const struct ax_value *value,
                               struct ax_err *err)
{
    double numbers[1 + AX_FOREST_GROUPS_MAX];
    size_t count = 0;
    if (!value) {
        if (!model->dimension)
            model->dimension = 1;
        return ax_catboost_set_scale(model, 1, NULL, 0, err);
    }
    bool is_list = value->kind == AX_VALUE_MIXED || value->kind == AX_VALUE_NUMBERS;
    const char *at = value->raw.ptr;
    const char *end = is_list ? at + value->raw.len : at;
    while (at && at < end) {
        if (strchr(" \t\r\n,[]", *at)) {
            at++;
            continue;
        }
        at = count < AX_COUNT(numbers) ? ax_json_number_read(at, end, &numbers[count]) : NULL;
        count++;
    }
    if (!at || count < 1)
        return ax_fail(err, AX_E_INVALID, "scale_and_bias is no list of a number and of biases");
    if (!model->dimension)
        model->dimension = AX_MAX(count - 1, 1);
    return ax_catboost_set_scale(model, numbers[0], numbers + 1, count - 1, err);
}

static enum ax_code json_info(struct json_model *j, const struct ax_value *info, struct ax_err *err)
{
    const struct ax_value *classes = ax_value_get(info, "class_params");
    const struct ax_value *threshold = ax_value_get(info, "binclass_probability_threshold");
    if (!classes)
        classes = ax_value_get(info, "multiclass_params");
    if (classes && classes->kind == AX_VALUE_TEXT) {
        if (ax_document_init(&j->classes, classes->raw, err))
            return ax_err_context(err, "model_info.class_params");
        classes = j->classes.values;
    }
    j->info = (struct ax_catboost_info){ .params = ax_value_get(info, "params"),
                                         .class_params = classes,
                                         .loss_function = ax_value_get(info, "loss_function") };
    if (threshold && (threshold->kind == AX_VALUE_TEXT || threshold->kind == AX_VALUE_NUMBER))
        j->info.class_threshold = threshold->raw;
    return AX_OK;
}

enum ax_code ax_catboost_read_json(struct ax_str bytes, struct ax_iterations iterations,
                                   struct ax_forest *ret_forest, struct ax_signature *signature,
                                   struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && ret_forest && signature && err);
    struct json_model j = { .info = { 0 } };
    if (ax_document_init(&j.document, bytes, err))
        return err->code;
    const struct ax_value *root = j.document.values;
    if (root->form != AX_VALUE_FORM_JSON || !ax_value_get(root, "features_info"))
        (void)ax_fail(err, AX_E_INVALID, "no features_info: this is no CatBoost model in JSON");
    else
        (void)(json_features(&j.model, ax_value_get(root, "features_info"), err) ||
               json_trees(&j.model, root, err) ||
               json_scale(&j.model, ax_value_get(root, "scale_and_bias"), err) ||
               json_info(&j, ax_value_get(root, "model_info"), err) ||
               ax_catboost_finish(&j.model, &j.info, iterations, ret_forest, signature, err));
    ax_document_done(&j.document);
    ax_document_done(&j.classes);
    ax_catboost_done(&j.model);
    return err->code;
}
