/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model part of an XGBoost file: version, objective, base score, rounds; the trees themselves
 * are read by xgboost_trees.c, names and dictionaries by xgboost_describe.c.
 *
 * The numbers among the parameters are texts ("num_class": "3"). The base score is stored as users
 * write it: for the logistic objectives a probability, for those with a log link the mean;
 * xgboost_objective.c makes margins of it. Before 3.1 it was one number, which then counts for
 * every output. DART's trees lay one level deeper before 3.4, beside the weights.
 */
#include "engine/forest/xgboost_reader.h"

#include "base/alloc.h"
#include "base/json_number.h"
#include "engine/forest/xgboost_objective.h"
#include "engine/forest/xgboost_trees.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define XGBOOST_MAJOR_NEWEST 3
#define XGBOOST_MINOR_NEWEST 4 /* of that major */

struct reading {
    const struct ax_value *learner;
    const struct ax_value *model;   /* learner.gradient_booster.model */
    const struct ax_value *weights; /* of the trees (DART), or NULL */
    struct ax_xgboost_version version;
    struct ax_forest forest;
    const struct ax_xgboost_objective *objective;
};

/* Strictly as JSON writes numbers: strtof alone would also take 0x1p-1 or +.5, of which the library
 * makes something else or nothing. */
static bool parse_float(const char **at, const char *end, float *ret)
{
    char copy[128]; /* strtof wants an end */
    const char *behind = ax_json_number_skip(*at, end);
    if (!behind || (size_t)(behind - *at) >= sizeof(copy))
        return false;
    size_t len = (size_t)(behind - *at);
    memcpy(copy, *at, len);
    copy[len] = '\0';
    *ret = strtof(copy, NULL);
    *at = behind;
    return true;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

bool ax_xgboost_parse_floats(struct ax_str text, float *out, size_t count_max, size_t *ret_count)
{
    assert((text.ptr || !text.len) && out && ret_count);
    const char *end = text.ptr + text.len;
    const char *at = skip_blanks(text.ptr, end);
    char closing = '\0';
    if (at < end && (*at == '[' || *at == '(')) {
        closing = *at == '[' ? ']' : ')';
        at = skip_blanks(at + 1, end);
    }
    size_t count = 0;
    bool more = !closing || at == end || *at != closing;
    while (more) {
        if (count == count_max || !parse_float(&at, end, &out[count]))
            return false;
        count++;
        at = skip_blanks(at, end);
        more = closing && at < end && *at == ',';
        if (more)
            at = skip_blanks(at + 1, end);
    }
    if (closing && (at == end || *at++ != closing))
        return false;
    if (skip_blanks(at, end) != end)
        return false;
    *ret_count = count;
    return true;
}

/* An integer written as a text, or plainly; `otherwise` when the field is missing. */
static enum ax_code read_integer(const struct ax_value *map, const char *path, const char *name,
                                 int64_t otherwise, int64_t *ret, struct ax_err *err)
{
    const struct ax_value *value = ax_value_get(map, name);
    *ret = otherwise;
    if (!value)
        return AX_OK;
    bool ok =
        value->kind == AX_VALUE_TEXT ? ax_str_to_i64(value->raw, ret) : ax_value_to_i64(value, ret);
    return ok ? AX_OK : ax_fail(err, AX_E_INVALID, "%s.%s is no integer", path, name);
}

static struct ax_str text_of(const struct ax_value *value)
{
    return value && value->kind == AX_VALUE_TEXT ? value->raw : (struct ax_str){ "", 0 };
}

static enum ax_code read_version(struct reading *r, const struct ax_value *root, struct ax_err *err)
{
    const struct ax_value *value = ax_value_get(root, "version");
    int32_t version[3];
    if (!value || value->kind != AX_VALUE_NUMBERS || value->count != 3 ||
        !ax_value_read_i32(value, version, 3))
        return ax_fail(err, AX_E_INVALID, "'version' is not three integers");
    bool is_known = version[0] >= 1 &&
                    (version[0] < XGBOOST_MAJOR_NEWEST ||
                     (version[0] == XGBOOST_MAJOR_NEWEST && version[1] <= XGBOOST_MINOR_NEWEST));
    if (!is_known)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "version: written by XGBoost %d.%d.%d; 1.0 to %d.%d are known here",
                       version[0], version[1], version[2], XGBOOST_MAJOR_NEWEST,
                       XGBOOST_MINOR_NEWEST);
    r->version = (struct ax_xgboost_version){ version[0], version[1] };
    return AX_OK;
}

static enum ax_code read_booster(struct reading *r, struct ax_err *err)
{
    const struct ax_value *booster = ax_value_get(r->learner, "gradient_booster");
    struct ax_str name = text_of(ax_value_get(booster, "name"));
    bool is_dart = ax_str_is(name, "dart");
    if (!ax_str_is(name, "gbtree") && !is_dart)
        return ax_fail(
            err, name.len ? AX_E_UNSUPPORTED : AX_E_INVALID,
            "learner.gradient_booster.name: booster '%.*s'; only 'gbtree' and 'dart' are "
            "read",
            AX_STR_ARG(name));
    r->model = ax_value_get(is_dart ? ax_value_get(booster, "gbtree") : booster, "model");
    if (!r->model || r->model->kind != AX_VALUE_MAP)
        return ax_fail(err, AX_E_INVALID, "learner.gradient_booster.%smodel is missing",
                       is_dart ? "gbtree." : "");
    r->weights = ax_value_get(booster, "weight_drop");
    if (!r->weights)
        r->weights = ax_value_get(r->model, "weight_drop"); /* since 3.4 */
    return AX_OK;
}

static enum ax_code read_objective(struct reading *r, struct ax_err *err)
{
    const struct ax_value *objective = ax_value_get(r->learner, "objective");
    struct ax_str name = text_of(ax_value_get(objective, "name"));
    if (!name.len)
        return ax_fail(err, AX_E_INVALID, "learner.objective.name is missing");
    r->objective = ax_xgboost_objective_find(name);
    if (!r->objective)
        return ax_fail(err, AX_E_UNSUPPORTED, "learner.objective.name: objective '%.*s'",
                       AX_STR_ARG(name));
    r->forest.transform = ax_xgboost_objective_transform(r->objective, r->version);
    ax_forest_name_objective(&r->forest, name);
    r->forest.task = r->objective->task;
    r->forest.probability = r->objective->probability;
    r->forest.input_type = r->forest.sum_type = AX_FP32;
    r->forest.leaf_width = 1;
    return AX_OK;
}

/* Sizes of the input and the output. */
static enum ax_code read_shape(struct reading *r, struct ax_err *err)
{
    const char *path = "learner.learner_model_param";
    const struct ax_value *param = ax_value_get(r->learner, "learner_model_param");
    int64_t features, classes, targets;
    if (read_integer(param, path, "num_feature", 0, &features, err) ||
        read_integer(param, path, "num_class", 0, &classes, err) ||
        read_integer(param, path, "num_target", 1, &targets, err))
        return err->code;
    if (features < 1 || features > (int64_t)AX_SIGNATURE_INPUTS_MAX)
        return ax_fail(err, features < 1 ? AX_E_INVALID : AX_E_TOO_LARGE,
                       "%s.num_feature: %" PRId64 " features; 1 to %zu are served", path, features,
                       AX_SIGNATURE_INPUTS_MAX);
    int64_t most = (int64_t)AX_FOREST_GROUPS_MAX;
    if (classes < 0 || targets < 0 || classes > most || targets > most)
        return ax_fail(err, classes < 0 || targets < 0 ? AX_E_INVALID : AX_E_TOO_LARGE,
                       "%s: %" PRId64 " classes and %" PRId64 " targets; at most %" PRId64
                       " are served",
                       path, classes, targets, most);
    if (classes > 1 && targets > 1)
        return ax_fail(err, AX_E_UNSUPPORTED, "%s: several classes and several targets at once",
                       path);
    r->forest.feature_count = (size_t)features;
    r->forest.group_count = (size_t)AX_MAX(AX_MAX(classes, targets), 1);
    bool is_classes = r->forest.task == AX_TASK_MULTICLASS;
    if (is_classes != (classes > 1) && (is_classes || classes > 1))
        return ax_fail(err, is_classes ? AX_E_INVALID : AX_E_UNSUPPORTED,
                       "%s.num_class: %" PRId64 " classes with objective '%s'", path, classes,
                       r->objective->name);
    if (r->forest.task == AX_TASK_BINARY && r->forest.group_count > 1) {
        /* Several yes-or-no answers at once: plain values, one an output column. */
        r->forest.task = AX_TASK_VALUE;
        r->forest.probability = AX_TRANSFORM_IDENTITY;
    }
    return AX_OK;
}

/* Whether the stored base score is to become a margin by the objective's link. A model without
 * trees that was told to estimate its base score has no estimate, and since 3.1 the library takes
 * what it finds. */
static enum ax_code read_has_link(const struct reading *r, bool *ret, struct ax_err *err)
{
    int64_t estimates;
    if (read_integer(ax_value_get(r->learner, "learner_model_param"), "learner.learner_model_param",
                     "boost_from_average", 1, &estimates, err))
        return err->code;
    *ret = r->forest.tree_count > 0 || !estimates || ax_xgboost_version_is_before(r->version, 3, 1);
    return AX_OK;
}

static enum ax_code read_base_score(struct reading *r, struct ax_err *err)
{
    const char *path = "learner.learner_model_param.base_score";
    const struct ax_value *param = ax_value_get(r->learner, "learner_model_param");
    struct ax_str text = text_of(ax_value_get(param, "base_score"));
    size_t groups = r->forest.group_count;
    bool has_link = true;
    if (read_has_link(r, &has_link, err))
        return err->code;
    float base[AX_FOREST_GROUPS_MAX];
    r->forest.base = ax_try_alloc(groups, sizeof(*r->forest.base));
    if (!r->forest.base)
        return ax_fail(err, AX_E_LIMIT, "%s: no memory", path);
    size_t count;
    if (!ax_xgboost_parse_floats(text, base, groups, &count))
        return ax_fail(err, AX_E_INVALID, "%s: '%.*s' is neither one number nor a list of %zu",
                       path, AX_STR_ARG(text), groups);
    if (count != 1 && count != groups)
        return ax_fail(err, AX_E_INVALID, "%s: %zu numbers for %zu outputs", path, count, groups);
    for (size_t i = count; i < groups; i++)
        base[i] = base[0];
    for (size_t i = 0; i < groups; i++) {
        if (!isfinite(base[i]))
            return ax_fail(err, AX_E_INVALID, "%s: not finite", path);
    }
    if (has_link && ax_xgboost_objective_link(r->objective, r->version, base, groups, err))
        return ax_err_context(err, "%s, with '%s'", path, r->objective->name);
    for (size_t i = 0; i < groups; i++)
        r->forest.base[i] = (double)base[i];
    return AX_OK;
}

/* That no tree is missing, which a file without iteration_indptr would not show. */
static enum ax_code check_tree_count(const struct reading *r, struct ax_err *err)
{
    const char *path = "learner.gradient_booster.model.gbtree_model_param";
    int64_t found = (int64_t)r->forest.tree_count;
    int64_t count;
    if (read_integer(ax_value_get(r->model, "gbtree_model_param"), path, "num_trees", found, &count,
                     err))
        return err->code;
    if (count != found)
        return ax_fail(err, AX_E_INVALID, "%s.num_trees: %" PRId64 ", but there are %" PRId64, path,
                       count, found);
    return AX_OK;
}

/* Where each boosting round ends among the trees. Old files do not say: every round has
 * num_parallel_tree trees for each group then, or for all groups together where leaves are rows. */
static enum ax_code read_rounds(const struct reading *r, int32_t *ends, size_t round_count,
                                const struct ax_value *indptr, struct ax_err *err)
{
    const char *path = "learner.gradient_booster.model.iteration_indptr";
    if (!ax_value_read_i32(indptr, ends, round_count + 1))
        return ax_fail(err, AX_E_INVALID, "%s holds something that is no integer", path);
    for (size_t i = 0; i < round_count; i++) {
        if (ends[i] > ends[i + 1])
            return ax_fail(err, AX_E_INVALID, "%s[%zu] goes backwards", path, i + 1);
    }
    if (ends[0] != 0 || (size_t)ends[round_count] != r->forest.tree_count)
        return ax_fail(err, AX_E_INVALID, "%s does not cover the %zu trees", path,
                       r->forest.tree_count);
    return AX_OK;
}

static enum ax_code round_size(const struct reading *r, size_t *ret, struct ax_err *err)
{
    const char *path = "learner.gradient_booster.model.gbtree_model_param";
    int64_t parallel;
    if (read_integer(ax_value_get(r->model, "gbtree_model_param"), path, "num_parallel_tree", 1,
                     &parallel, err))
        return err->code;
    size_t trees = r->forest.leaf_width > 1 ? 1 : r->forest.group_count;
    size_t size;
    if (parallel < 1 || AX_MUL_OVERFLOWS((size_t)parallel, trees, &size) ||
        r->forest.tree_count % size != 0)
        return ax_fail(err, AX_E_INVALID,
                       "%s.num_parallel_tree: %" PRId64 " does not divide %zu trees of %zu outputs",
                       path, parallel, r->forest.tree_count, trees);
    *ret = size;
    return AX_OK;
}

/* How many of `rounds` rounds answer. */
static enum ax_code choose_rounds(struct reading *r, struct ax_iterations iterations, size_t rounds,
                                  size_t *ret, struct ax_err *err)
{
    int64_t best = -1;
    if (iterations.kind == AX_ITERATIONS_BEST &&
        read_integer(ax_value_get(r->learner, "attributes"), "learner.attributes", "best_iteration",
                     -1, &best, err))
        return err->code;
    return ax_forest_choose_rounds(&r->forest, iterations, rounds,
                                   best < 0 ? 0 : (uint64_t)best + 1,
                                   "learner.attributes.best_iteration", ret, err);
}

/* Keep the trees of the rounds that answer. */
static enum ax_code read_iterations(struct reading *r, struct ax_iterations iterations,
                                    struct ax_err *err)
{
    const struct ax_value *indptr = ax_value_get(r->model, "iteration_indptr");
    size_t chosen = 0;
    if (!indptr) {
        size_t size = 1;
        if (round_size(r, &size, err) ||
            choose_rounds(r, iterations, r->forest.tree_count / size, &chosen, err))
            return err->code;
        r->forest.tree_count = chosen * size;
        return AX_OK;
    }
    if (indptr->kind != AX_VALUE_NUMBERS || indptr->count < 1 ||
        indptr->count > AX_FOREST_TREES_MAX + 1)
        return ax_fail(err, AX_E_INVALID,
                       "learner.gradient_booster.model.iteration_indptr is no list of integers");
    int32_t *ends = ax_try_alloc(indptr->count, sizeof(*ends));
    if (!ends)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu rounds", indptr->count);
    size_t rounds = indptr->count - 1;
    if (!read_rounds(r, ends, rounds, indptr, err) &&
        !choose_rounds(r, iterations, rounds, &chosen, err))
        r->forest.tree_count = (size_t)ends[chosen];
    free(ends);
    return err->code;
}

enum ax_code ax_xgboost_read(const struct ax_document *document, struct ax_iterations iterations,
                             struct ax_forest *ret_forest, struct ax_err *err)
{
    assert(document && document->count > 0 && ret_forest && err);
    const struct ax_value *root = &document->values[0];
    struct reading r = { .learner = ax_value_get(root, "learner") };
    if (!r.learner && ax_value_get(root, "Model") && ax_value_get(root, "Config"))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "a Booster's whole state, as pickles hold it; save the model alone with "
                       "save_model('model.json')");
    if (!r.learner || r.learner->kind != AX_VALUE_MAP)
        return ax_fail(err, AX_E_INVALID, "no 'learner': this is no XGBoost model");
    if (read_version(&r, root, err) || read_booster(&r, err) || read_objective(&r, err) ||
        read_shape(&r, err) || ax_xgboost_read_trees(r.model, r.weights, &r.forest, err) ||
        check_tree_count(&r, err) || read_base_score(&r, err) ||
        read_iterations(&r, iterations, err)) {
        ax_forest_done(&r.forest);
        return err->code;
    }
    *ret_forest = r.forest;
    return AX_OK;
}

static bool xgboost_recognise(struct ax_str head)
{
    if (head.len < 2)
        return false;
    const char *at = skip_blanks(head.ptr, head.ptr + head.len);
    size_t left = (size_t)(head.ptr + head.len - at);
    return left > 0 && *at == '{' && memmem(at, left, "learner", strlen("learner")) != NULL;
}

static enum ax_code xgboost_read(struct ax_str bytes, struct ax_iterations iterations,
                                 struct ax_forest *ret_forest, struct ax_signature *signature,
                                 char *format, struct ax_err *err)
{
    struct ax_document document;
    if (ax_document_init(&document, bytes, err))
        return err->code;
    struct ax_forest forest = { 0 };
    (void)(ax_xgboost_read(&document, iterations, &forest, err) ||
           ax_forest_sign(&forest, signature, err) ||
           ax_xgboost_describe(&document, &forest, signature, err));
    bool is_json = document.count && document.values[0].form == AX_VALUE_FORM_JSON;
    ax_document_done(&document);
    if (err->code) {
        ax_forest_done(&forest);
        return err->code;
    }
    (void)snprintf(format, AX_READER_FORMAT_BYTES, "xgboost_%s", is_json ? "json" : "ubjson");
    *ret_forest = forest;
    return AX_OK;
}

const struct ax_forest_reader ax_reader_xgboost = {
    .name = "xgboost",
    .recognise = xgboost_recognise,
    .read = xgboost_read,
};
