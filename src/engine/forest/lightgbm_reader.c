/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LightGBM's text models (version v2 to v4): what stands in front of the trees and behind them; the
 * trees themselves are read by lightgbm_trees.c.
 *
 * In front: a first line "tree", then fields up to the first tree. Behind: importances, the
 * parameters of training, of which only the list of categorical features matters, and a last line
 * "pandas_categorical:" with one JSON list of categories for each category column of the data frame
 * that the Python package trained on. The file does not say which features those columns are. They
 * are the features trained as categorical, in order, as long as there are as many of them;
 * otherwise the file is refused, since a dictionary for the wrong feature would be a wrong answer.
 *
 * Everything is f64. The prediction is the objective's transform of the sum; random forests
 * (average_output) divide it by the number of rounds first, while the raw score stays the sum.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "engine/forest/lightgbm_trees.h"
#include "engine/forest/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE           "header"
#define CATEGORIES_MAX  ((size_t)1 << 24)
#define SHOWN_BYTES_MAX 40 /* of a file's text in a message */

enum {
    VERSION,
    NUM_CLASS,
    NUM_TREE_PER_ITERATION,
    MAX_FEATURE_IDX,
    OBJECTIVE,
    AVERAGE_OUTPUT,
    FEATURE_NAMES,
    FEATURE_INFOS,
    TREE_SIZES,
    FIELDS_USED,
    /* The ones from here on change no answer. */
    FIELD_COUNT = FIELDS_USED + 2
};

static const char *const field_names[FIELD_COUNT] = {
    "version",    "num_class",      "num_tree_per_iteration", "max_feature_idx",
    "objective",  "average_output", "feature_names",          "feature_infos",
    "tree_sizes", "label_index",    "monotone_constraints",
};

/* What may follow an objective's name. */
enum {
    WITH_SQRT = 1,    /* " sqrt": trained on the roots of the labels */
    WITH_SIGMOID = 2, /* " sigmoid:1", always */
    WITH_CLASSES = 4, /* " num_class:3", always */
};

struct objective {
    const char *name;
    enum ax_transform transform;
    enum ax_task task;
    enum ax_transform probability;
    unsigned words;
};

#define VALUE(transform) (transform), AX_TASK_VALUE, AX_TRANSFORM_IDENTITY

static const struct objective objectives[] = {
    { "binary", AX_TRANSFORM_SIGMOID, AX_TASK_BINARY, AX_TRANSFORM_SIGMOID, WITH_SIGMOID },
    { "cross_entropy", VALUE(AX_TRANSFORM_SIGMOID), 0 },
    { "cross_entropy_lambda", VALUE(AX_TRANSFORM_LOG1P_EXP), 0 },
    { "custom", VALUE(AX_TRANSFORM_IDENTITY), 0 },
    { "fair", VALUE(AX_TRANSFORM_IDENTITY), WITH_SQRT },
    { "gamma", VALUE(AX_TRANSFORM_EXP), 0 },
    { "huber", VALUE(AX_TRANSFORM_IDENTITY), 0 },
    { "lambdarank", VALUE(AX_TRANSFORM_IDENTITY), 0 },
    { "mape", VALUE(AX_TRANSFORM_IDENTITY), WITH_SQRT },
    { "multiclass", AX_TRANSFORM_SOFTMAX, AX_TASK_MULTICLASS, AX_TRANSFORM_SOFTMAX, WITH_CLASSES },
    { "multiclassova", AX_TRANSFORM_SIGMOID, AX_TASK_MULTICLASS, AX_TRANSFORM_SIGMOID,
      WITH_SIGMOID | WITH_CLASSES },
    { "poisson", VALUE(AX_TRANSFORM_EXP), 0 },
    { "quantile", VALUE(AX_TRANSFORM_IDENTITY), WITH_SQRT },
    { "rank_xendcg", VALUE(AX_TRANSFORM_IDENTITY), 0 },
    { "regression", VALUE(AX_TRANSFORM_IDENTITY), WITH_SQRT },
    { "regression_l1", VALUE(AX_TRANSFORM_IDENTITY), WITH_SQRT },
    { "tweedie", VALUE(AX_TRANSFORM_EXP), 0 },
    /* as versions before 3 wrote them */
    { "xentlambda", VALUE(AX_TRANSFORM_LOG1P_EXP), 0 },
    { "xentropy", VALUE(AX_TRANSFORM_SIGMOID), 0 },
};

struct reading {
    struct ax_lightgbm_lines lines;
    struct ax_str fields[FIELD_COUNT];
    struct ax_forest forest;
    struct ax_str categorical; /* of the parameters: "2,3"; no pointer: not told */
    struct ax_str pandas;      /* JSON; no pointer: none */
};

static bool lightgbm_recognise(struct ax_str head)
{
    struct ax_lightgbm_lines lines = { head.ptr, head.ptr + head.len };
    struct ax_str line;
    return head.len > 0 && ax_lightgbm_next_line(&lines, &line) && ax_str_is(line, "tree") &&
           memmem(head.ptr, head.len, "num_class=", strlen("num_class=")) != NULL;
}

static enum ax_code read_header(struct reading *r, struct ax_err *err)
{
    struct ax_str line;
    struct ax_lightgbm_lines before = r->lines;
    if (!ax_lightgbm_next_line(&r->lines, &line) || !ax_str_is(line, "tree"))
        return ax_fail(err, AX_E_INVALID,
                       "the first line is not 'tree': this is no LightGBM model");
    for (before = r->lines; ax_lightgbm_next_line(&r->lines, &line); before = r->lines) {
        if (ax_str_starts_with(line, AX_STR("Tree=")) || ax_str_is(line, "end of trees")) {
            r->lines = before;
            return AX_OK;
        }
        if (line.len > 0 &&
            ax_lightgbm_put_field(line, field_names, FIELD_COUNT, r->fields, PLACE, err))
            return err->code;
    }
    return ax_fail(err, AX_E_INVALID, "'end of trees' is missing: the file was cut off");
}

static enum ax_code read_integer(const struct reading *r, int field, int64_t min, int64_t max,
                                 int64_t *ret, struct ax_err *err)
{
    return ax_lightgbm_integers(r->fields[field], PLACE, field_names[field], 1, min, max, ret, err);
}

static enum ax_code read_shape(struct reading *r, struct ax_err *err)
{
    struct ax_str version = r->fields[VERSION];
    if (!ax_str_is(version, "v2") && !ax_str_is(version, "v3") && !ax_str_is(version, "v4"))
        return ax_fail(err, AX_E_UNSUPPORTED, "version: '%.*s'; v2 to v4 are known here",
                       AX_STR_ARG(ax_str_cut(version, 16)));
    int64_t last, classes, groups;
    if (read_integer(r, MAX_FEATURE_IDX, 0, INT32_MAX - 1, &last, err) ||
        read_integer(r, NUM_CLASS, 1, INT32_MAX, &classes, err) ||
        read_integer(r, NUM_TREE_PER_ITERATION, 1, INT32_MAX, &groups, err))
        return err->code;
    if (last >= (int64_t)AX_SIGNATURE_INPUTS_MAX || groups > (int64_t)AX_FOREST_GROUPS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE,
                       "%" PRId64 " features and %" PRId64 " outputs; at most %zu and %zu are "
                       "served",
                       last + 1, groups, AX_SIGNATURE_INPUTS_MAX, AX_FOREST_GROUPS_MAX);
    if (classes != groups)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "num_tree_per_iteration: %" PRId64 " trees a round for %" PRId64 " outputs",
                       groups, classes);
    r->forest.feature_count = (size_t)last + 1;
    r->forest.group_count = (size_t)groups;
    r->forest.input_type = r->forest.sum_type = AX_FP64;
    r->forest.flush_zero = true;
    r->forest.category_form = AX_CATEGORY_TOWARDS_ZERO;
    r->forest.leaf_width = 1;
    r->forest.base = ax_try_alloc(r->forest.group_count, sizeof(*r->forest.base));
    if (!r->forest.base)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu outputs", r->forest.group_count);
    for (size_t i = 0; i < r->forest.group_count; i++)
        r->forest.base[i] = 0.0;
    return AX_OK;
}

/* A parameter of the objective as the library reads it, which is not always the nearest f64: whole
 * part and fraction are read as integers, divided and added. Up to 15 digits each, which f64 holds;
 * the library writes 6 in all. */
static bool read_parameter(struct ax_str text, double *ret)
{
    double parts[2] = { 0.0, 0.0 }, power = 1.0, scale = 1.0;
    size_t at = 0, digits = 0;
    for (int part = 0; part < 2; part++) {
        for (digits = 0; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
            parts[part] = parts[part] * 10.0 + (double)(text.ptr[at] - '0');
            power *= part ? 10.0 : 1.0;
            if (++digits > 15)
                return false;
        }
        if (at == text.len || text.ptr[at] != '.' || part)
            break;
        at++;
    }
    double value = parts[0] + parts[1] / power;
    bool is_small = false;
    if (at < text.len && text.ptr[at] == 'e') {
        int64_t exponent;
        struct ax_str rest = { text.ptr + at + 1, text.len - at - 1 };
        if (rest.len && rest.ptr[0] == '+')
            rest = (struct ax_str){ rest.ptr + 1, rest.len - 1 };
        if (!ax_str_to_i64(rest, &exponent) || exponent < -22 || exponent > 22)
            return false; /* up to 10^22 every power is exact */
        is_small = exponent < 0;
        for (int64_t i = is_small ? -exponent : exponent; i > 0; i--)
            scale *= 10.0;
        at = text.len;
    }
    *ret = is_small ? value / scale : value * scale;
    return at == text.len && text.len > 0;
}

/* One word behind the objective's name; returns which, 0 after a failure. */
static unsigned read_objective_word(struct reading *r, const struct objective *objective,
                                    struct ax_str word, struct ax_err *err)
{
    struct ax_str rest = word, name, value;
    uint64_t classes;
    ax_lightgbm_next_word(&rest, ':', &name);
    ax_lightgbm_next_word(&rest, ':', &value);
    if (objective->words & WITH_SQRT && ax_str_is(word, "sqrt")) {
        r->forest.transform = AX_TRANSFORM_SIGNED_SQUARE;
        return WITH_SQRT;
    }
    if (objective->words & WITH_SIGMOID && ax_str_is(name, "sigmoid")) {
        if (read_parameter(value, &r->forest.slope) && r->forest.slope > 0.0)
            return WITH_SIGMOID;
        (void)ax_fail(err, AX_E_INVALID, "objective: sigmoid: '%.*s' is no number above 0",
                      AX_STR_ARG(ax_str_cut(value, SHOWN_BYTES_MAX)));
        return 0;
    }
    if (objective->words & WITH_CLASSES && ax_str_is(name, "num_class")) {
        if (ax_str_to_u64(value, &classes) && classes == r->forest.group_count && classes > 1)
            return WITH_CLASSES;
        (void)ax_fail(err, AX_E_INVALID, "objective: num_class: '%.*s' for %zu outputs",
                      AX_STR_ARG(ax_str_cut(value, SHOWN_BYTES_MAX)), r->forest.group_count);
        return 0;
    }
    (void)ax_fail(err, AX_E_UNSUPPORTED, "objective: '%.*s' with '%s'",
                  AX_STR_ARG(ax_str_cut(word, SHOWN_BYTES_MAX)), objective->name);
    return 0;
}

static const struct objective *find_objective(struct ax_str name)
{
    for (size_t i = 0; i < AX_COUNT(objectives); i++) {
        if (ax_str_is(name, objectives[i].name))
            return &objectives[i];
    }
    return NULL;
}

static enum ax_code read_objective(struct reading *r, struct ax_err *err)
{
    struct ax_str text = r->fields[OBJECTIVE], word = { "custom", strlen("custom") };
    /* Without one (the user's own objective) the sums are the answer. */
    if (text.ptr)
        ax_lightgbm_next_word(&text, ' ', &word);
    const struct objective *objective = find_objective(word);
    if (!objective)
        return ax_fail(err, AX_E_UNSUPPORTED, "objective: '%.*s'",
                       AX_STR_ARG(ax_str_cut(word, SHOWN_BYTES_MAX)));
    ax_forest_name_objective(&r->forest, word);
    r->forest.transform = objective->transform;
    r->forest.probability = objective->probability;
    r->forest.task = objective->task;
    if (r->forest.group_count > 1 && objective->task != AX_TASK_MULTICLASS &&
        !ax_str_is(word, "custom"))
        return ax_fail(err, AX_E_INVALID, "num_class: %zu outputs with objective '%s'",
                       r->forest.group_count, objective->name);
    unsigned seen = 0;
    while (ax_lightgbm_next_word(&text, ' ', &word)) {
        seen |= read_objective_word(r, objective, word, err);
        if (err->code)
            return err->code;
    }
    unsigned missing = objective->words & ~seen & ~(unsigned)WITH_SQRT;
    if (missing)
        return ax_fail(err, AX_E_INVALID, "objective: '%s' without its %s", objective->name,
                       missing & WITH_CLASSES ? "num_class" : "sigmoid");
    return AX_OK;
}

/* Which rounds answer, and how many are averaged. */
static enum ax_code read_rounds(struct reading *r, struct ax_iterations iterations,
                                struct ax_err *err)
{
    struct ax_forest *forest = &r->forest;
    size_t listed = ax_lightgbm_count_words(r->fields[TREE_SIZES]);
    if (r->fields[TREE_SIZES].ptr && listed != forest->tree_count)
        return ax_fail(err, AX_E_INVALID, "tree_sizes lists %zu trees, but there are %zu", listed,
                       forest->tree_count);
    size_t rounds = forest->tree_count / forest->group_count;
    if (forest->tree_count % forest->group_count != 0)
        return ax_fail(err, AX_E_INVALID, "%zu trees are no whole rounds of %zu",
                       forest->tree_count, forest->group_count);
    if (iterations.kind == AX_ITERATIONS_BEST)
        return ax_fail(err, AX_E_INVALID,
                       "iterations: best: a LightGBM file does not tell the best round, but after "
                       "early stopping holds the rounds up to it alone: use all");
    if (ax_forest_choose_rounds(forest, iterations, rounds, 0, "best_iteration", &rounds, err))
        return err->code;
    forest->tree_count = rounds * forest->group_count;
    if (r->fields[AVERAGE_OUTPUT].ptr) {
        if (rounds == 0)
            return ax_fail(err, AX_E_INVALID, "average_output of no rounds");
        forest->divisor = (double)rounds;
    }
    return AX_OK;
}

/* Behind the trees: the list of categorical features, and the dictionaries. */
static enum ax_code read_tail(struct reading *r, struct ax_err *err)
{
    static const char list[] = "[categorical_feature: ", pandas[] = "pandas_categorical:";
    struct ax_str line;
    while (ax_lightgbm_next_line(&r->lines, &line)) {
        if (line.len == 0)
            continue;
        r->pandas = (struct ax_str){ NULL, 0 }; /* only the last line counts */
        if (ax_str_starts_with(line, AX_STR(list)) && line.ptr[line.len - 1] == ']')
            r->categorical = (struct ax_str){ line.ptr + strlen(list), line.len - sizeof(list) };
        if (ax_str_starts_with(line, AX_STR(pandas)))
            r->pandas = (struct ax_str){ line.ptr + strlen(pandas), line.len - strlen(pandas) };
    }
    if (r->fields[FEATURE_INFOS].ptr &&
        ax_lightgbm_count_words(r->fields[FEATURE_INFOS]) != r->forest.feature_count)
        return ax_fail(err, AX_E_INVALID, "feature_infos: not one for each of %zu features",
                       r->forest.feature_count);
    return AX_OK;
}

static enum ax_code describe_names(const struct reading *r, struct ax_signature *signature,
                                   struct ax_err *err)
{
    struct ax_str names = r->fields[FEATURE_NAMES], name;
    if (!names.ptr || ax_lightgbm_count_words(names) != signature->input_count)
        return ax_fail(err, AX_E_INVALID, "feature_names: not one for each of %zu features",
                       signature->input_count);
    for (size_t i = 0; ax_lightgbm_next_word(&names, ' ', &name); i++) {
        if (ax_signature_name_input(signature, i, name, err))
            return ax_err_context(err, "feature_names[%zu]", i);
    }
    return AX_OK;
}

/* Mark the features that were trained as categorical; returns how many they are. The parameters
 * list them when the Python package trained; feature_infos shows them as "0:1:2", the others as
 * "[-1:2]", and one without any use as "none". */
static size_t find_categorical(const struct reading *r, bool *marks)
{
    size_t features = r->forest.feature_count, count = 0;
    struct ax_str list = r->categorical, infos = r->fields[FEATURE_INFOS], word;
    uint64_t index;
    memset(marks, 0, features * sizeof(*marks));
    while (list.ptr && ax_lightgbm_next_word(&list, ',', &word)) {
        if (ax_str_to_u64(word, &index) && index < features)
            marks[index] = true;
    }
    for (size_t i = 0; infos.ptr && ax_lightgbm_next_word(&infos, ' ', &word); i++)
        marks[i] = marks[i] || (word.ptr[0] != '[' && !ax_str_is(word, "none"));
    for (size_t i = 0; i < features; i++)
        count += marks[i];
    return count;
}

/* A category's name: a text, or what JSON would write for it. */
static enum ax_code category_name(const struct ax_json *value, char *text, struct ax_str *ret,
                                  struct ax_err *err)
{
    int64_t whole;
    double number;
    switch (ax_json_kind(value)) {
    case AX_JSON_KIND_STRING:
        *ret = ax_json_str(value);
        return AX_OK;
    case AX_JSON_KIND_NUMBER:
        if (ax_json_to_i64(value, &whole))
            (void)snprintf(text, AX_CATEGORY_NUMBER_BYTES, "%" PRId64, whole);
        else if (ax_json_to_f64(value, &number))
            ax_category_print(number, text);
        *ret = ax_str_from(text);
        return AX_OK;
    case AX_JSON_KIND_BOOL:
        *ret = ax_str_from(ax_json_is_true(value) ? "true" : "false");
        return AX_OK;
    case AX_JSON_KIND_NULL:
    case AX_JSON_KIND_ARRAY:
    case AX_JSON_KIND_OBJECT:
        break;
    }
    return ax_fail(err, AX_E_UNSUPPORTED,
                   "pandas_categorical: a category that is no text, number or bool");
}

static enum ax_code describe_dictionary(const struct ax_json *list, size_t feature,
                                        struct ax_signature *signature, struct ax_err *err)
{
    size_t count = ax_json_count(list), at = 0;
    if (ax_json_kind(list) != AX_JSON_KIND_ARRAY || count > CATEGORIES_MAX)
        return ax_fail(err, AX_E_INVALID, "pandas_categorical: no list of at most %zu categories",
                       CATEGORIES_MAX);
    if (count == 0)
        return AX_OK;
    struct ax_str *names = ax_try_alloc(count, sizeof(*names));
    char(*texts)[AX_CATEGORY_NUMBER_BYTES] = ax_try_alloc(count, sizeof(*texts));
    if (!names || !texts)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", count);
    else
        memset(texts, 0, count * sizeof(*texts));
    struct ax_json_iter it = ax_json_iterate(list);
    for (const struct ax_json *value; !err->code && (value = ax_json_next(&it)); at++)
        (void)category_name(value, texts[at], &names[at], err);
    if (!err->code && ax_signature_add_dictionary(signature, feature, names, count, err))
        (void)ax_err_context(err, "pandas_categorical");
    free(names);
    free(texts);
    return err->code;
}

static enum ax_code describe_lists(const struct reading *r, const struct ax_json *lists,
                                   const bool *marks, struct ax_signature *signature,
                                   struct ax_err *err)
{
    struct ax_json_iter it = ax_json_iterate(lists);
    for (size_t i = 0; i < r->forest.feature_count; i++) {
        if (marks[i] && describe_dictionary(ax_json_next(&it), i, signature, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code describe_categories(const struct reading *r, struct ax_signature *signature,
                                        struct ax_err *err)
{
    struct ax_json_doc *doc = NULL;
    if (!r->pandas.ptr)
        return AX_OK;
    if (ax_json_parse(r->pandas, &doc, err))
        return ax_err_context(err, "pandas_categorical");
    const struct ax_json *lists = ax_json_root(doc);
    size_t count = ax_json_count(lists);
    bool *marks = ax_try_alloc(r->forest.feature_count, sizeof(*marks));
    if (!marks)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu features", r->forest.feature_count);
    else if (ax_json_kind(lists) != AX_JSON_KIND_NULL && ax_json_kind(lists) != AX_JSON_KIND_ARRAY)
        (void)ax_fail(err, AX_E_INVALID, "pandas_categorical is no list");
    else if (count > 0 && find_categorical(r, marks) != count)
        (void)ax_fail(err, AX_E_UNSUPPORTED,
                      "pandas_categorical: %zu columns of categories, but %zu features are "
                      "categorical; train with just the data frame's unordered category columns "
                      "as categorical_feature",
                      count, find_categorical(r, marks));
    else if (count > 0)
        (void)describe_lists(r, lists, marks, signature, err);
    free(marks);
    ax_json_free(doc);
    return err->code;
}

static enum ax_code lightgbm_read(struct ax_str bytes, struct ax_iterations iterations,
                                  struct ax_forest *ret_forest, struct ax_signature *signature,
                                  char *format, struct ax_err *err)
{
    assert(bytes.ptr && ret_forest && signature && format && err);
    struct reading r = { .lines = { bytes.ptr, bytes.ptr + bytes.len } };
    if (read_header(&r, err) || read_shape(&r, err) || read_objective(&r, err) ||
        ax_lightgbm_read_trees(&r.lines, &r.forest, err) || read_rounds(&r, iterations, err) ||
        read_tail(&r, err) || ax_forest_sign(&r.forest, signature, err) ||
        describe_names(&r, signature, err) || describe_categories(&r, signature, err)) {
        ax_forest_done(&r.forest);
        return err->code;
    }
    (void)snprintf(format, AX_READER_FORMAT_BYTES, "lightgbm_text");
    *ret_forest = r.forest;
    return AX_OK;
}

const struct ax_forest_reader ax_reader_lightgbm = {
    .name = "lightgbm",
    .recognise = lightgbm_recognise,
    .read = lightgbm_read,
};
