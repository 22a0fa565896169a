/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CatBoost file says beside its trees: the objective, the classes, the names of features.
 *
 * The prediction is always the sum, CatBoost's RawFormulaVal, so an objective only decides whether
 * sums mean probabilities, and the many that are not listed here cannot be misunderstood. Names of
 * classes are looked for where the library looks, in its order: class_params.class_names, its
 * classes_count, its class_to_label, the training's class_names, else 0, 1, ….
 *
 * Classes that training was told of and never saw have no values in the leaves; the library answers
 * -inf for them. The leaves are widened here, and what the sum of such a class begins with is -inf.
 */
#include "engine/forest/catboost_model.h"

#include "base/alloc.h"
#include "base/json_number.h"
#include "engine/forest/catboost_hash.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_TEXT     32                 /* bytes of a number in decimal */
#define WHOLE_LIMIT     9007199254740992.0 /* 2^53: below it whole numbers are exact */
#define WIDE_LEAVES_MAX ((size_t)1 << 24)  /* a file of few bytes can announce many classes */

static const struct {
    const char *name;
    enum ax_task task;
    enum ax_transform probability;
} objectives[] = {
    { "Logloss", AX_TASK_BINARY, AX_TRANSFORM_SIGMOID },
    { "CrossEntropy", AX_TASK_BINARY, AX_TRANSFORM_SIGMOID },
    { "Focal", AX_TASK_BINARY, AX_TRANSFORM_SIGMOID },
    { "MultiClass", AX_TASK_MULTICLASS, AX_TRANSFORM_SOFTMAX },
    { "MultiClassOneVsAll", AX_TASK_MULTICLASS, AX_TRANSFORM_SIGMOID },
    /* Several labels a row: a probability each, and no class. */
    { "MultiLogloss", AX_TASK_VALUE, AX_TRANSFORM_SIGMOID },
    { "MultiCrossEntropy", AX_TASK_VALUE, AX_TRANSFORM_SIGMOID },
};

/* The description of the objective: the training's, else the model's own. */
static const struct ax_value *loss_of(const struct ax_catboost_info *info)
{
    const struct ax_value *loss = ax_value_get(info->params, "loss_function");
    return loss ? loss : info->loss_function;
}

static enum ax_code read_objective(struct ax_catboost *model, const struct ax_catboost_info *info,
                                   struct ax_err *err)
{
    struct ax_forest *forest = &model->forest;
    const struct ax_value *name = ax_value_get(loss_of(info), "type");
    if (name && name->kind == AX_VALUE_TEXT)
        ax_forest_name_objective(forest, name->raw);
    for (size_t i = 0; name && name->kind == AX_VALUE_TEXT && i < AX_COUNT(objectives); i++) {
        if (!ax_str_is(name->raw, objectives[i].name))
            continue;
        if ((objectives[i].task == AX_TASK_BINARY && model->dimension != 1) ||
            (objectives[i].task == AX_TASK_MULTICLASS && model->dimension < 2))
            return ax_fail(err, AX_E_INVALID, "%zu outputs of the objective %s", model->dimension,
                           objectives[i].name);
        forest->task = objectives[i].task;
        forest->probability = objectives[i].probability;
    }
    return AX_OK;
}

/* ---- classes ---- */

/* 1000000, not 1e+06; else the shortest that is the number. */
static void number_text(double number, char text[NUMBER_TEXT])
{
    if (number == trunc(number) && fabs(number) < WHOLE_LIMIT) {
        (void)snprintf(text, NUMBER_TEXT, "%.0f", number);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, NUMBER_TEXT, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            return;
    }
}

/* A list of numbers as texts; `texts` is an array of NUMBER_TEXT bytes each. */
static bool number_labels(const struct ax_value *list, struct ax_str *labels,
                          char (*texts)[NUMBER_TEXT], double *numbers)
{
    if (!ax_value_read_f64(list, numbers, list->count))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        number_text(numbers[i], texts[i]);
        labels[i] = ax_str_from(texts[i]);
    }
    return true;
}

static bool text_labels(const struct ax_value *list, struct ax_str *labels)
{
    size_t i = 0;
    for (const struct ax_value *at = ax_value_first(list); at; at = ax_value_next(at)) {
        if (at->kind != AX_VALUE_TEXT || !ax_str_is_utf8(at->raw))
            return false;
        labels[i++] = at->raw;
    }
    return true;
}

static enum ax_code copy_labels(struct ax_signature *signature, const struct ax_str *labels,
                                size_t count, struct ax_err *err)
{
    struct ax_str *copies = ax_arena_alloc(&signature->arena, count, sizeof(*copies));
    for (size_t i = 0; copies && i < count; i++) {
        copies[i].ptr = ax_arena_strdup(&signature->arena, labels[i]);
        copies[i].len = labels[i].len;
        if (!copies[i].ptr)
            copies = NULL;
    }
    if (!copies)
        return ax_arena_fail(&signature->arena, "the labels", err);
    signature->labels = copies;
    signature->label_count = count;
    return AX_OK;
}

/* Names from a list of texts, numbers, or truth values. */
static enum ax_code read_labels(const struct ax_value *list, bool is_boolean,
                                struct ax_signature *signature, struct ax_err *err)
{
    static const struct ax_str truths[] = { { "False", 5 }, { "True", 4 } };
    if (is_boolean && list->count == 2)
        return copy_labels(signature, truths, 2, err);
    struct ax_str *labels = ax_try_alloc(list->count, sizeof(*labels));
    char(*texts)[NUMBER_TEXT] = ax_try_alloc(list->count, sizeof(*texts));
    double *numbers = ax_try_alloc(list->count, sizeof(*numbers));
    if (!labels || !texts || !numbers)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu labels", list->count);
    else if (list->kind == AX_VALUE_NUMBERS ? !number_labels(list, labels, texts, numbers)
                                            : !text_labels(list, labels))
        (void)ax_fail(err, AX_E_INVALID, "class_names are neither all texts nor all numbers");
    else
        (void)copy_labels(signature, labels, list->count, err);
    free(labels);
    free(texts);
    free(numbers);
    return err->code;
}

static enum ax_code sequential_labels(struct ax_signature *signature, size_t count,
                                      struct ax_err *err)
{
    struct ax_str *labels = ax_try_alloc(count, sizeof(*labels));
    char(*texts)[NUMBER_TEXT] = ax_try_alloc(count, sizeof(*texts));
    if (!labels || !texts)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu labels", count);
    for (size_t i = 0; i < count && !err->code; i++) {
        (void)snprintf(texts[i], NUMBER_TEXT, "%zu", i);
        labels[i] = ax_str_from(texts[i]);
    }
    if (!err->code)
        (void)copy_labels(signature, labels, count, err);
    free(labels);
    free(texts);
    return err->code;
}

static bool is_filled_list(const struct ax_value *list)
{
    return list && (list->kind == AX_VALUE_LIST || list->kind == AX_VALUE_NUMBERS) && list->count;
}

static enum ax_code read_classes(struct ax_catboost *model, const struct ax_catboost_info *info,
                                 size_t *ret_count, struct ax_signature *signature,
                                 struct ax_err *err)
{
    const struct ax_value *names = ax_value_get(info->class_params, "class_names");
    const struct ax_value *type = ax_value_get(info->class_params, "class_label_type");
    const struct ax_value *to_label = ax_value_get(info->class_params, "class_to_label");
    const struct ax_value *options = ax_value_get(info->params, "data_processing_options");
    const struct ax_value *trained = ax_value_get(options, "class_names");
    bool is_boolean = type && type->kind == AX_VALUE_TEXT && ax_str_is(type->raw, "Boolean");
    int64_t count;
    if (!ax_value_to_i64(ax_value_get(info->class_params, "classes_count"), &count))
        count = 0;
    if (count < 0 || (uint64_t)count > AX_FOREST_GROUPS_MAX ||
        (is_filled_list(names) && names->count > AX_FOREST_GROUPS_MAX))
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu classes", AX_FOREST_GROUPS_MAX);
    size_t found = model->dimension == 1 ? 2 : model->dimension;
    enum ax_code code;
    if (is_filled_list(names))
        code = read_labels(names, is_boolean, signature, err);
    else if (count > 0)
        code = sequential_labels(signature, (size_t)count, err);
    else if (is_filled_list(to_label) && to_label->count == found)
        code = read_labels(to_label, false, signature, err);
    else if (is_filled_list(trained) && trained->count == found)
        code = read_labels(trained, is_boolean, signature, err);
    else
        code = sequential_labels(signature, found, err);
    if (code)
        return code;
    *ret_count = signature->label_count;
    if (*ret_count < found || (model->dimension == 1 && *ret_count != 2))
        return ax_fail(err, AX_E_INVALID, "%zu names for %zu classes", *ret_count, found);
    return AX_OK;
}

/* The margin above which a row is of class 1. */
static enum ax_code read_threshold(struct ax_forest *forest, struct ax_str text, struct ax_err *err)
{
    double share = 0.5;
    const char *end = text.len ? ax_json_number_read(text.ptr, text.ptr + text.len, &share) : NULL;
    if (text.len && (end != text.ptr + text.len || !(share > 0 && share < 1)))
        return ax_fail(err, AX_E_INVALID,
                       "binclass_probability_threshold: '%.*s' is no number between 0 and 1",
                       AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    forest->class_margin = -log(1 / share - 1);
    return AX_OK;
}

/* ---- classes that no training row had ---- */

/* Where each output of the leaves stands among all classes. */
static enum ax_code read_outputs(const struct ax_catboost *model,
                                 const struct ax_catboost_info *info, size_t classes,
                                 int32_t *ret_outputs, struct ax_err *err)
{
    const struct ax_value *to_label = ax_value_get(info->class_params, "class_to_label");
    bool is_right = to_label && to_label->kind == AX_VALUE_NUMBERS &&
                    to_label->count == model->dimension &&
                    ax_value_read_i32(to_label, ret_outputs, model->dimension);
    for (size_t i = 0; is_right && i < model->dimension; i++)
        is_right =
            ret_outputs[i] >= (i ? ret_outputs[i - 1] + 1 : 0) && (size_t)ret_outputs[i] < classes;
    if (!is_right)
        return ax_fail(err, AX_E_INVALID,
                       "class_params.class_to_label does not say which of %zu classes the %zu "
                       "outputs are",
                       classes, model->dimension);
    return AX_OK;
}

static enum ax_code widen_leaves(struct ax_catboost *model, const int32_t *outputs, size_t classes,
                                 struct ax_err *err)
{
    struct ax_forest *forest = &model->forest;
    size_t leaves = model->leaf_value_count / model->dimension;
    if (leaves > WIDE_LEAVES_MAX / classes)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu values of leaves with unseen classes",
                       WIDE_LEAVES_MAX);
    double *wide = ax_try_alloc(leaves * classes + 1, sizeof(*wide));
    double *bias = ax_try_alloc(classes, sizeof(*bias));
    if (!wide || !bias) {
        free(wide);
        free(bias);
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu values of leaves", leaves * classes);
    }
    memset(wide, 0, leaves * classes * sizeof(*wide));
    memset(bias, 0, classes * sizeof(*bias));
    for (size_t c = 0; c < classes; c++)
        forest->base[c] = -INFINITY;
    for (size_t i = 0; i < model->dimension; i++) {
        forest->base[outputs[i]] = 0;
        if (forest->bias)
            bias[outputs[i]] = forest->bias[i];
        for (size_t leaf = 0; leaf < leaves; leaf++)
            wide[leaf * classes + (size_t)outputs[i]] =
                model->leaf_values[leaf * model->dimension + i];
    }
    free(model->leaf_values);
    model->leaf_values = wide;
    model->leaf_value_count = leaves * classes;
    model->dimension = classes;
    if (forest->bias) {
        free(forest->bias);
        forest->bias = bias;
    } else {
        free(bias);
    }
    return AX_OK;
}

static enum ax_code add_unseen_classes(struct ax_catboost *model,
                                       const struct ax_catboost_info *info, size_t classes,
                                       struct ax_err *err)
{
    if (model->forest.scale < 0)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "a scale below 0 with classes that training never saw");
    int32_t *outputs = ax_try_alloc(model->dimension, sizeof(*outputs));
    if (!outputs)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu classes", classes);
    if (!read_outputs(model, info, classes, outputs, err))
        (void)widen_leaves(model, outputs, classes, err);
    free(outputs);
    return err->code;
}

/* ---- inputs ---- */

static enum ax_code describe_input(const struct ax_catboost *model, size_t place,
                                   struct ax_signature *signature, struct ax_err *err)
{
    const struct ax_catboost_feature *feature = &model->features[place];
    char number[NUMBER_TEXT];
    (void)snprintf(number, sizeof(number), "%zu", place);
    struct ax_str name = feature->name.len ? feature->name : ax_str_from(number);
    if (ax_signature_name_input(signature, place, name, err))
        return err->code;
    /* The library has no missing category: it refuses NaN there. */
    signature->inputs[place].required = feature->is_required;
    if (feature->is_categorical &&
        ax_signature_add_hashes(signature, place, ax_catboost_hash,
                                model->hashes ? model->hashes + feature->hash_from : NULL,
                                feature->hash_count, err))
        return ax_err_context(err, "the one-hot categories of '%.*s'",
                              AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    return AX_OK;
}

/* MultiQuantile's levels, when the file tells one for each output. */
static enum ax_code describe_quantiles(struct ax_catboost *model,
                                       const struct ax_catboost_info *info,
                                       struct ax_signature *signature, struct ax_err *err)
{
    const struct ax_value *loss = loss_of(info);
    const struct ax_value *name = ax_value_get(loss, "type");
    const struct ax_value *alpha = ax_value_get(ax_value_get(loss, "params"), "alpha");
    if (!name || name->kind != AX_VALUE_TEXT || !ax_str_is(name->raw, "MultiQuantile") || !alpha ||
        alpha->kind != AX_VALUE_TEXT || model->dimension < 2)
        return AX_OK;
    double *levels = ax_arena_alloc(&signature->arena, model->dimension, sizeof(*levels));
    if (!levels)
        return ax_arena_fail(&signature->arena, "the quantiles", err);
    const char *at = alpha->raw.ptr;
    const char *end = at + alpha->raw.len;
    for (size_t i = 0; i < model->dimension; i++) {
        at = ax_json_number_read(at, end, &levels[i]);
        bool is_last = i + 1 == model->dimension;
        if (!at || (is_last ? at != end : at == end || *at++ != ',') ||
            !(levels[i] >= 0 && levels[i] <= 1))
            return ax_fail(err, AX_E_INVALID,
                           "loss_function.params.alpha: not a list of %zu levels",
                           model->dimension);
    }
    signature->quantiles = levels;
    signature->quantile_count = model->dimension;
    signature->task = model->forest.task = AX_TASK_QUANTILES;
    return AX_OK;
}

/* The forest's own fields from the model's. */
static enum ax_code settle(struct ax_catboost *model, struct ax_err *err)
{
    struct ax_forest *forest = &model->forest;
    if (!forest->feature_count)
        return ax_fail(err, AX_E_INVALID, "the model has no features");
    if (model->dimension > AX_FOREST_GROUPS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu outputs; at most %zu are computed",
                       model->dimension, AX_FOREST_GROUPS_MAX);
    forest->input_type = AX_FP32;
    forest->sum_type = AX_FP64;
    forest->base = ax_try_alloc(AX_FOREST_GROUPS_MAX, sizeof(*forest->base));
    if (!forest->base)
        return ax_fail(err, AX_E_LIMIT, "no memory for the outputs");
    memset(forest->base, 0, AX_FOREST_GROUPS_MAX * sizeof(*forest->base));
    return AX_OK;
}

static enum ax_code choose_trees(struct ax_catboost *model, struct ax_iterations iterations,
                                 struct ax_err *err)
{
    struct ax_forest *forest = &model->forest;
    size_t chosen;
    if (iterations.kind == AX_ITERATIONS_BEST)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "iterations: best is in no CatBoost file: use_best_model cuts the model "
                       "before it is saved; use iterations: all");
    if (ax_forest_choose_rounds(forest, iterations, forest->tree_count, 0, "", &chosen, err))
        return err->code;
    /* A model without trees answers its bias as it is. */
    if (!forest->tree_count)
        forest->scale = 1;
    forest->tree_count = chosen;
    return AX_OK;
}

enum ax_code ax_catboost_finish(struct ax_catboost *model, const struct ax_catboost_info *info,
                                struct ax_iterations iterations, struct ax_forest *ret_forest,
                                struct ax_signature *signature, struct ax_err *err)
{
    assert(model && model->dimension && info && ret_forest && signature && err);
    struct ax_forest *forest = &model->forest;
    if (settle(model, err) || read_objective(model, info, err) ||
        choose_trees(model, iterations, err) || ax_forest_sign(forest, signature, err))
        return err->code;
    size_t classes = 0;
    bool has_classes = forest->task == AX_TASK_BINARY || forest->task == AX_TASK_MULTICLASS;
    if (has_classes && (read_classes(model, info, &classes, signature, err) ||
                        read_threshold(forest, info->class_threshold, err)))
        return err->code;
    if (model->dimension > 1 && classes > model->dimension &&
        add_unseen_classes(model, info, classes, err))
        return err->code;
    forest->class_by_margin = true;
    forest->group_count = model->dimension;
    forest->leaf_width = model->dimension;
    if (model->dimension > 1) {
        forest->leaf_count = model->leaf_value_count / model->dimension;
        forest->leaf_values = model->leaf_values;
        model->leaf_values = NULL;
    }
    for (size_t i = 0; i < forest->feature_count; i++)
        if (describe_input(model, i, signature, err))
            return err->code;
    if (describe_quantiles(model, info, signature, err))
        return err->code;
    *ret_forest = *forest;
    *forest = (struct ax_forest){ 0 };
    return AX_OK;
}
