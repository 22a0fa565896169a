/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laying model.yaml over a model. What the model file says is never changed, only completed: a
 * name, a dictionary or a label that is there already must be the same. A model whose file names
 * nothing has the names f0, f1, …, and may be given others, all at once.
 *
 * A label needs names for the classes, which often come from here; so an engine puts an output
 * `label` last, and it is taken away again when the version ends up without names.
 */
#include "engine/version_yaml.h"

#include "engine/input_yaml.h"

#include <math.h>
#include <stdio.h>

#define NAME               AX_VERSION_YAML_NAME
#define KEYS_MAX           32
#define THRESHOLDS_MAX     64
#define DECISION_BYTES_MAX ((size_t)16 << 20)

/* `training` is what `auspex train` wrote down about itself; nothing is read from it. `warmup` is
 * the server's (server/warmup_rows.c). */
static const char *const own_keys[] = { "engine",   "signature", "decision", "description",
                                        "training", "service",   "warmup" };

enum ax_code ax_version_yaml_engine(const struct ax_yaml *root, const struct ax_engine **ret_engine,
                                    struct ax_err *err)
{
    assert(root && ret_engine && err);
    const struct ax_yaml *node = ax_yaml_get(root, "engine");
    struct ax_str text;
    *ret_engine = NULL;
    if (!node)
        return AX_OK;
    if (ax_yaml_str(node, NAME, &text, err))
        return err->code;
    *ret_engine = ax_engine_by_name(text);
    if (*ret_engine)
        return AX_OK;
    char names[128] = "";
    size_t len = 0;
    for (size_t i = 0; ax_engines[i] && len < sizeof(names); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
                                ax_engines[i]->name);
    return ax_yaml_fail(node, NAME, err, "no engine '%.*s'; there are %s", AX_STR_ARG(text), names);
}

static bool is_own_key(struct ax_str key)
{
    for (size_t i = 0; i < AX_COUNT(own_keys); i++)
        if (ax_str_is(key, own_keys[i]))
            return true;
    return false;
}

static enum ax_code check_keys(const struct ax_yaml *root, const struct ax_engine *engine,
                               struct ax_err *err)
{
    const char *keys[KEYS_MAX + 1];
    size_t count = 0;
    for (; count < AX_COUNT(own_keys); count++)
        keys[count] = own_keys[count];
    for (const struct ax_option *o = engine->options; o && o->name; o++) {
        assert(count < KEYS_MAX);
        keys[count++] = o->name;
    }
    keys[count] = NULL;
    return ax_yaml_only(root, NAME, keys, err);
}

enum ax_code ax_version_yaml_options(const struct ax_yaml *root, const struct ax_engine *engine,
                                     void *config, struct ax_arena *arena, struct ax_err *err)
{
    assert(root && engine && arena && err && (config || !engine->options));
    if (root->kind != AX_YAML_MAP)
        return ax_yaml_fail(root, NAME, err, "expected a mapping of keys");
    if (check_keys(root, engine, err))
        return err->code;
    if (!engine->options)
        return AX_OK;
    struct ax_yaml options = { .kind = AX_YAML_MAP, .line = root->line, .column = root->column };
    struct ax_yaml **end = &options.first;
    for (const struct ax_yaml *node = root->first; node; node = node->next) {
        if (is_own_key(node->key))
            continue;
        struct ax_yaml *copy = ax_arena_alloc(arena, 1, sizeof(*copy));
        if (!copy)
            return ax_arena_fail(arena, NAME, err);
        *copy = *node;
        copy->next = NULL;
        *end = copy;
        end = &copy->next;
        options.count++;
    }
    const struct ax_option_group groups[] = { { engine->options, config }, { 0 } };
    return ax_option_yaml(groups, &options, NAME, err);
}

/* ---- signature ---- */

static void print_default_name(size_t index, char ret_text[24])
{
    (void)snprintf(ret_text, 24, "f%zu", index);
}

/* Whether no input has a name of its own. */
static bool is_unnamed(const struct ax_signature *signature)
{
    char text[24];
    for (size_t i = 0; i < signature->input_count; i++) {
        print_default_name(i, text);
        struct ax_str name = signature->inputs[i].name;
        if (name.len && !ax_str_is(name, text))
            return false;
    }
    return true;
}

static enum ax_code give_default_names(struct ax_signature *signature, struct ax_err *err)
{
    char text[24];
    for (size_t i = 0; i < signature->input_count; i++) {
        if (signature->inputs[i].name.len)
            continue;
        print_default_name(i, text);
        if (ax_signature_name_input(signature, i, ax_str_from(text), err))
            return err->code;
    }
    return AX_OK;
}

/* The item's `name`. */
static enum ax_code item_name(const struct ax_yaml *item, struct ax_str *ret, struct ax_err *err)
{
    static const char *const keys[] = { "name", "required", "default", "categories", NULL };
    if (item->kind != AX_YAML_MAP)
        return ax_yaml_fail(item, NAME, err, "expected a mapping with the key 'name'");
    if (ax_yaml_only(item, NAME, keys, err))
        return err->code;
    const struct ax_yaml *name = ax_yaml_get(item, "name");
    if (!name)
        return ax_yaml_fail(item, NAME, err, "the key 'name' is missing");
    return ax_yaml_str(name, NAME, ret, err);
}

/* The list names all inputs of an unnamed model, in their order. */
static enum ax_code name_all(struct ax_signature *signature, const struct ax_yaml *list,
                             struct ax_err *err)
{
    struct ax_str name;
    size_t index = 0;
    ax_signature_clear_names(signature);
    for (const struct ax_yaml *item = list->first; item; item = item->next) {
        if (item_name(item, &name, err))
            return err->code;
        if (ax_signature_name_input(signature, index++, name, err))
            return ax_err_context(err, NAME ":%u:%u", item->line, item->column);
    }
    return AX_OK;
}

/* Whether each item's name is one of the model's already. */
static enum ax_code names_are_known(const struct ax_signature *signature,
                                    const struct ax_yaml *list, bool *ret, struct ax_err *err)
{
    struct ax_str name;
    *ret = true;
    for (const struct ax_yaml *item = list->first; item; item = item->next) {
        if (item_name(item, &name, err))
            return err->code;
        *ret = *ret && ax_signature_input(signature, name);
    }
    return AX_OK;
}

static enum ax_code apply_input(struct ax_signature *signature, const struct ax_yaml *item,
                                struct ax_err *err)
{
    struct ax_str name;
    if (item_name(item, &name, err))
        return err->code;
    const struct ax_input *input = ax_signature_input(signature, name);
    if (!input) {
        (void)ax_signature_unknown_input(signature, name, err);
        return ax_err_context(err, NAME ":%u:%u", item->line, item->column);
    }
    return ax_input_yaml_take(signature, ax_signature_index(signature, input), item, NAME, err);
}

static enum ax_code apply_inputs(struct ax_signature *signature, const struct ax_yaml *list,
                                 struct ax_err *err)
{
    bool known;
    if (list->kind != AX_YAML_LIST)
        return ax_yaml_fail(list, NAME, err, "expected a list of inputs");
    bool unnamed = is_unnamed(signature);
    if (give_default_names(signature, err) || names_are_known(signature, list, &known, err))
        return err->code;
    if (unnamed && !known) {
        if (list->count != signature->input_count)
            return ax_yaml_fail(list, NAME, err,
                                "%zu names for %zu inputs; the model file names none, so list all "
                                "in their order (or use f0, f1, …)",
                                list->count, signature->input_count);
        if (name_all(signature, list, err))
            return err->code;
    }
    for (const struct ax_yaml *item = list->first; item; item = item->next)
        if (apply_input(signature, item, err))
            return err->code;
    return AX_OK;
}

static size_t class_count(const struct ax_signature *signature)
{
    size_t width = 0;
    if (signature->task == AX_TASK_BINARY)
        return 2;
    if (signature->task != AX_TASK_MULTICLASS)
        return 0;
    for (size_t i = 0; i < signature->output_count; i++)
        width = AX_MAX(width, signature->outputs[i].width);
    return width;
}

static enum ax_code apply_labels(struct ax_signature *signature, const struct ax_yaml *node,
                                 struct ax_err *err)
{
    size_t classes = class_count(signature);
    struct ax_str *labels;
    size_t count;
    if (!classes)
        return ax_yaml_fail(node, NAME, err, "labels name classes; this model has none");
    if (ax_yaml_texts(node, NAME, &signature->arena, &labels, &count, err))
        return err->code;
    if (count != classes)
        return ax_yaml_fail(node, NAME, err, "%zu labels for %zu classes", count, classes);
    for (size_t i = 0; i < count; i++) {
        if (signature->label_count && !ax_str_equals(labels[i], signature->labels[i]))
            return ax_yaml_fail(node, NAME, err, "the model file has other labels; leave them out");
        for (size_t k = 0; k < i; k++)
            if (ax_str_equals(labels[i], labels[k]))
                return ax_yaml_fail(node, NAME, err, "label '%.*s' is listed twice",
                                    AX_STR_ARG(labels[i]));
        char *copy = ax_arena_strdup(&signature->arena, labels[i]);
        if (!copy)
            return ax_arena_fail(&signature->arena, "the labels", err);
        labels[i].ptr = copy;
    }
    signature->labels = labels;
    signature->label_count = count;
    return AX_OK;
}

/* One of two words. */
static enum ax_code read_choice(const struct ax_yaml *node, const char *no, const char *yes,
                                bool *ret, struct ax_err *err)
{
    struct ax_str text;
    if (ax_yaml_str(node, NAME, &text, err))
        return err->code;
    *ret = ax_str_is(text, yes);
    if (*ret || ax_str_is(text, no))
        return AX_OK;
    return ax_yaml_fail(node, NAME, err, "found '%.*s'; expected %s or %s", AX_STR_ARG(text), no,
                        yes);
}

static enum ax_code apply_form(struct ax_signature *signature, const struct ax_yaml *node,
                               struct ax_err *err)
{
    bool is_uniform = ax_signature_is_uniform(signature);
    bool is_columns = !is_uniform;
    if (node && read_choice(node, "tensor", "columns", &is_columns, err))
        return err->code;
    if (!is_uniform && !is_columns)
        return ax_yaml_fail(node, NAME, err,
                            "form 'tensor' needs inputs of one numeric datatype; use 'columns'");
    signature->form = is_columns ? AX_FORM_COLUMNS : AX_FORM_TENSOR;
    return AX_OK;
}

static enum ax_code apply_signature(struct ax_signature *signature, const struct ax_yaml *node,
                                    struct ax_err *err)
{
    static const char *const keys[] = { "form",           "inputs",           "labels",
                                        "max_batch_size", "unknown_category", NULL };
    int64_t rows_max;
    if (node && node->kind != AX_YAML_MAP)
        return ax_yaml_fail(node, NAME, err, "expected a mapping");
    if (node && ax_yaml_only(node, NAME, keys, err))
        return err->code;
    const struct ax_yaml *inputs = ax_yaml_get(node, "inputs");
    const struct ax_yaml *labels = ax_yaml_get(node, "labels");
    const struct ax_yaml *rows = ax_yaml_get(node, "max_batch_size");
    const struct ax_yaml *unknown = ax_yaml_get(node, "unknown_category");
    if (inputs && apply_inputs(signature, inputs, err))
        return err->code;
    if (give_default_names(signature, err) || (labels && apply_labels(signature, labels, err)))
        return err->code;
    if (rows && ax_yaml_i64(rows, NAME, &rows_max, err))
        return err->code;
    if (rows && (rows_max < 1 || rows_max > (int64_t)AX_SIGNATURE_ROWS_MAX))
        return ax_yaml_fail(rows, NAME, err, "found %lld; expected 1 to %zu", (long long)rows_max,
                            AX_SIGNATURE_ROWS_MAX);
    if (rows)
        signature->rows_max = (size_t)rows_max;
    if (unknown &&
        read_choice(unknown, "error", "missing", &signature->unknown_category_is_missing, err))
        return err->code;
    return apply_form(signature, ax_yaml_get(node, "form"), err);
}

static void drop_label_output(struct ax_signature *signature)
{
    size_t last = signature->output_count - 1;
    if (signature->output_count && !signature->label_count && signature->task != AX_TASK_VALUE &&
        ax_str_is(signature->outputs[last].name, "label"))
        signature->output_count = last;
}

/* ---- decision ---- */

/* Steps of a decision, in an arena. `name` is of the file where it stands. */
struct steps {
    const char *name;
    struct ax_arena *arena;
    struct ax_decision_step *items;
    size_t count;
};

static enum ax_code read_action(const struct steps *steps, const struct ax_yaml *node,
                                struct ax_str *ret, struct ax_err *err)
{
    struct ax_str text;
    if (ax_yaml_str(node, steps->name, &text, err))
        return err->code;
    if (!text.len)
        return ax_yaml_fail(node, steps->name, err, "the name of an action is empty");
    char *copy = ax_arena_strdup(steps->arena, text);
    if (!copy)
        return ax_arena_fail(steps->arena, "the decision", err);
    *ret = (struct ax_str){ copy, text.len };
    return AX_OK;
}

/* Put a threshold at its place, the highest first. */
static enum ax_code add_threshold(struct steps *steps, const struct ax_yaml *item,
                                  struct ax_err *err)
{
    static const char *const keys[] = { "at_least", "action", NULL };
    struct ax_decision_step step;
    const struct ax_yaml *at_least = ax_yaml_get(item, "at_least");
    const struct ax_yaml *action = ax_yaml_get(item, "action");
    if (!at_least || !action)
        return ax_yaml_fail(item, steps->name, err, "expected the keys 'at_least' and 'action'");
    if (ax_yaml_only(item, steps->name, keys, err) ||
        ax_yaml_f64(at_least, steps->name, &step.at_least, err) ||
        read_action(steps, action, &step.action, err))
        return err->code;
    if (!isfinite(step.at_least))
        return ax_yaml_fail(at_least, steps->name, err, "expected a finite number");
    size_t place = steps->count;
    for (; place > 0 && steps->items[place - 1].at_least <= step.at_least; place--) {
        if (steps->items[place - 1].at_least == step.at_least)
            return ax_yaml_fail(at_least, steps->name, err, "this threshold is there already");
        steps->items[place] = steps->items[place - 1];
    }
    steps->items[place] = step;
    steps->count++;
    return AX_OK;
}

/* All that can be said without the model. */
static enum ax_code read_steps(struct steps *steps, const struct ax_yaml *node, struct ax_err *err)
{
    static const char *const keys[] = { "thresholds", "otherwise", "class", NULL };
    const struct ax_yaml *thresholds = ax_yaml_get(node, "thresholds");
    const struct ax_yaml *otherwise = ax_yaml_get(node, "otherwise");
    if (node->kind == AX_YAML_MAP && ax_yaml_only(node, steps->name, keys, err))
        return err->code;
    if (!thresholds || !otherwise || thresholds->kind != AX_YAML_LIST)
        return ax_yaml_fail(node, steps->name, err,
                            "expected a list 'thresholds' and the action 'otherwise'");
    if (thresholds->count < 1 || thresholds->count > THRESHOLDS_MAX)
        return ax_yaml_fail(thresholds, steps->name, err, "expected 1 to %d thresholds",
                            THRESHOLDS_MAX);
    steps->items = ax_arena_alloc(steps->arena, thresholds->count + 1, sizeof(*steps->items));
    if (!steps->items)
        return ax_arena_fail(steps->arena, "the decision", err);
    for (const struct ax_yaml *item = thresholds->first; item; item = item->next)
        if (add_threshold(steps, item, err))
            return err->code;
    struct ax_decision_step *last = &steps->items[steps->count];
    last->at_least = -INFINITY;
    if (read_action(steps, otherwise, &last->action, err))
        return err->code;
    steps->count++;
    return AX_OK;
}

static enum ax_code check_has_class(const struct ax_yaml *decision, const char *name, bool many,
                                    struct ax_err *err)
{
    const struct ax_yaml *node = ax_yaml_get(decision, "class");
    if (!many && node)
        return ax_yaml_fail(node, name, err, "'class' is for models of more than two classes");
    if (many && !node)
        return ax_yaml_fail(decision, name, err,
                            "the key 'class' is missing: whose probability decides?");
    return AX_OK;
}

enum ax_code ax_version_check_decision(const struct ax_yaml *decision, const char *name, bool many,
                                       struct ax_err *err)
{
    assert(decision && name && err);
    struct ax_arena arena;
    struct steps steps = { .name = name, .arena = &arena };
    ax_arena_init(&arena, 4096, DECISION_BYTES_MAX);
    (void)(read_steps(&steps, decision, err) || check_has_class(decision, name, many, err));
    ax_arena_done(&arena);
    return err->code;
}

static enum ax_code apply_class(struct ax_version *version, const struct ax_yaml *decision,
                                struct ax_err *err)
{
    const struct ax_signature *signature = version->signature;
    const struct ax_yaml *node = ax_yaml_get(decision, "class");
    bool many = signature->task == AX_TASK_MULTICLASS;
    struct ax_str text;
    uint64_t number;
    if (check_has_class(decision, NAME, many, err) || !many)
        return err->code;
    if (ax_yaml_str(node, NAME, &text, err))
        return err->code;
    for (size_t i = 0; i < signature->label_count; i++) {
        if (ax_str_equals(signature->labels[i], text)) {
            version->decision_class = i;
            return AX_OK;
        }
    }
    if (!signature->label_count && ax_str_to_u64(text, &number) &&
        number < class_count(signature)) {
        version->decision_class = (size_t)number;
        return AX_OK;
    }
    long near = ax_str_nearest(text, signature->labels, signature->label_count);
    if (near >= 0)
        return ax_yaml_fail(node, NAME, err, "no class '%.*s'; nearest is '%.*s'", AX_STR_ARG(text),
                            AX_STR_ARG(signature->labels[near]));
    return ax_yaml_fail(node, NAME, err,
                        "no class '%.*s'; expected a label, or without labels the "
                        "number of a class from 0",
                        AX_STR_ARG(text));
}

/* A decision looks at one number a row. */
static enum ax_code check_score(const struct ax_signature *signature, const struct ax_yaml *node,
                                struct ax_err *err)
{
    const struct ax_output *prediction = ax_signature_output(signature, AX_STR("prediction"));
    bool is_value = signature->task == AX_TASK_VALUE || signature->task == AX_TASK_QUANTILES;
    if (!prediction || prediction->datatype == AX_BYTES || (is_value && prediction->width != 1))
        return ax_yaml_fail(node, NAME, err,
                            "a decision needs one number a row, which this model "
                            "does not predict");
    return AX_OK;
}

static enum ax_code apply_decision(struct ax_version *version, const struct ax_yaml *node,
                                   struct ax_err *err)
{
    struct steps steps = { .name = NAME, .arena = &version->arena };
    if (read_steps(&steps, node, err) || check_score(version->signature, node, err) ||
        apply_class(version, node, err))
        return err->code;
    version->decision = steps.items;
    version->decision_count = steps.count;
    return AX_OK;
}

/* ---- service ---- */

static enum ax_code read_service_text(const struct ax_yaml *service, const char *key,
                                      struct ax_str *ret, struct ax_err *err)
{
    const struct ax_yaml *node = ax_yaml_get(service, key);
    if (!node)
        return ax_yaml_fail(service, NAME, err, "the key '%s' is missing", key);
    return ax_yaml_str(node, NAME, ret, err);
}

/* Of `inputs` the types are for people. */
static enum ax_code apply_service(struct ax_version *version, const struct ax_yaml *node,
                                  struct ax_err *err)
{
    static const char *const keys[] = { "name", "version", "digest", "inputs", NULL };
    const struct ax_yaml *number_node = ax_yaml_get(node, "version");
    struct ax_version_service *service = &version->service;
    struct ax_str name, digest;
    int64_t number = 0;
    if (node->kind != AX_YAML_MAP)
        return ax_yaml_fail(node, NAME, err, "expected a mapping");
    if (ax_yaml_only(node, NAME, keys, err) || read_service_text(node, "name", &name, err) ||
        read_service_text(node, "digest", &digest, err) ||
        (number_node && ax_yaml_i64(number_node, NAME, &number, err)))
        return err->code;
    if (!name.len || !ax_str_is_plain(name))
        return ax_yaml_fail(ax_yaml_get(node, "name"), NAME, err, "found no name of a service");
    if (digest.len != AX_SHA256_TEXT_SIZE - 1)
        return ax_yaml_fail(ax_yaml_get(node, "digest"), NAME, err,
                            "found %zu characters; a digest has %d", digest.len,
                            AX_SHA256_TEXT_SIZE - 1);
    if (number_node && number < 1)
        return ax_yaml_fail(number_node, NAME, err, "found %lld; versions count from 1",
                            (long long)number);
    char *copy = ax_arena_strdup(&version->arena, name);
    if (!copy)
        return ax_arena_fail(&version->arena, "the service", err);
    service->name = (struct ax_str){ copy, name.len };
    service->number = (uint64_t)number;
    memcpy(service->digest, digest.ptr, digest.len);
    return AX_OK;
}

enum ax_code ax_version_yaml_apply(const struct ax_yaml *root, struct ax_version *version,
                                   struct ax_err *err)
{
    assert(root && version && version->model && err);
    struct ax_signature *signature = &version->model->signature;
    const struct ax_yaml *decision = ax_yaml_get(root, "decision");
    const struct ax_yaml *service = ax_yaml_get(root, "service");
    if (apply_signature(signature, ax_yaml_get(root, "signature"), err) ||
        (service && apply_service(version, service, err)))
        return err->code;
    drop_label_output(signature);
    version->signature = signature;
    return decision ? apply_decision(version, decision, err) : AX_OK;
}
