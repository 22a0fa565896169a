/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model configuration of Triton's, as JSON, as settings. The JSON is that of its protobuf
 * message: snake_case or camelCase names, 64-bit numbers as numbers or texts, choices by name or
 * number.
 *
 * Only what we have a use for is looked at: name, version_policy, max_batch_size, of
 * dynamic_batching the queue policy and the priorities, model_warmup. What would change when a
 * request is answered and cannot be had here is refused by name; what only says how to be fast
 * (instance groups, preferred sizes, optimization) is left alone.
 */
#include "base/clock.h"
#include "base/json.h"
#include "data/signature.h"
#include "server/model_settings.h"

#include <assert.h>
#include <stdlib.h>

#define KEY_BYTES_MAX    64
#define IN_FLIGHT_MAX    1000000
#define TIMEOUT_US_MAX   (UINT64_C(24) * 60 * 60 * 1000000)
#define POLICY_SPECIFIC  "version_policy.specific.versions"
#define QUEUE_POLICY     "dynamic_batching.default_queue_policy"
#define PRIORITY_DEFAULT "dynamic_batching.default_priority_level"

/* The member that is called `key`, in snake_case, or the same in camelCase. NULL: none, or null. */
static const struct ax_json *get(const struct ax_json *object, const char *key)
{
    char camel[KEY_BYTES_MAX];
    size_t len = 0;
    const struct ax_json *found = ax_json_get(object, key);
    assert(strlen(key) < sizeof(camel));
    for (const char *at = key; *at; at++) {
        bool is_raised = *at == '_';
        at += is_raised;
        camel[len++] = is_raised ? (char)(*at - 'a' + 'A') : *at;
    }
    camel[len] = '\0';
    if (!found)
        found = ax_json_get(object, camel);
    return ax_json_kind(found) == AX_JSON_KIND_NULL ? NULL : found;
}

static enum ax_code get_object(const struct ax_json *object, const char *key, const char *path,
                               const struct ax_json **ret, struct ax_err *err)
{
    *ret = get(object, key);
    if (*ret && ax_json_kind(*ret) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "config: '%s' is not an object", path);
    return AX_OK;
}

static enum ax_code get_array(const struct ax_json *object, const char *key, const char *path,
                              const struct ax_json **ret, struct ax_err *err)
{
    *ret = get(object, key);
    if (*ret && ax_json_kind(*ret) != AX_JSON_KIND_ARRAY)
        return ax_fail(err, AX_E_INVALID, "config: '%s' is not an array", path);
    return AX_OK;
}

/* A whole number from 0, which may be written as a text. */
static enum ax_code to_number(const struct ax_json *value, const char *path, uint64_t max,
                              uint64_t *ret, struct ax_err *err)
{
    uint64_t number;
    struct ax_str text = ax_json_str(value);
    bool is_number = ax_json_kind(value) == AX_JSON_KIND_STRING ? ax_str_to_u64(text, &number)
                                                                : ax_json_to_u64(value, &number);
    if (!is_number || number > max)
        return ax_fail(err, AX_E_INVALID, "config: '%s' is not a whole number from 0 to %llu", path,
                       (unsigned long long)max);
    *ret = number;
    return AX_OK;
}

/* The same when it is there. */
static enum ax_code get_number(const struct ax_json *object, const char *key, const char *path,
                               uint64_t max, uint64_t *ret, struct ax_err *err)
{
    const struct ax_json *value = get(object, key);
    return value ? to_number(value, path, max, ret, err) : AX_OK;
}

static enum ax_code get_bool(const struct ax_json *object, const char *key, const char *path,
                             bool *ret, struct ax_err *err)
{
    const struct ax_json *value = get(object, key);
    if (value && ax_json_kind(value) != AX_JSON_KIND_BOOL)
        return ax_fail(err, AX_E_INVALID, "config: '%s' is not true or false", path);
    if (value)
        *ret = ax_json_is_true(value);
    return AX_OK;
}

static enum ax_code take_name(const struct ax_json *root, struct ax_str model, struct ax_err *err)
{
    const struct ax_json *name = get(root, "name");
    if (!name)
        return AX_OK;
    if (ax_json_kind(name) != AX_JSON_KIND_STRING)
        return ax_fail(err, AX_E_INVALID, "config: 'name' is not a string");
    /* Triton takes an empty name for none. */
    if (ax_json_str(name).len == 0 || ax_str_equals(ax_json_str(name), model))
        return AX_OK;
    return ax_fail(err, AX_E_INVALID, "config: 'name' is '%.*s', of the model '%.*s'",
                   AX_STR_ARG(ax_str_cut(ax_json_str(name), AX_SIGNATURE_SHOWN_BYTES_MAX)),
                   AX_STR_ARG(ax_str_cut(model, AX_SIGNATURE_SHOWN_BYTES_MAX)));
}

/* ---- version_policy ---- */

/* As the text that ax_version_policy_parse takes, so that there is one set of rules. */
static enum ax_code take_specific(const struct ax_json *specific,
                                  struct ax_version_policy *ret_policy, struct ax_err *err)
{
    const struct ax_json *versions;
    struct ax_buf text;
    uint64_t number;
    const char *separator = "specific:";
    if (get_array(specific, "versions", POLICY_SPECIFIC, &versions, err))
        return err->code;
    ax_buf_init(&text, 32 * (size_t)(AX_POLICY_NUMBERS_MAX + 1));
    struct ax_json_iter it = ax_json_iterate(versions);
    const struct ax_json *item;
    while ((item = ax_json_next(&it)) && text.len < 24 * (size_t)(AX_POLICY_NUMBERS_MAX + 1)) {
        if (to_number(item, POLICY_SPECIFIC, INT64_MAX, &number, err))
            break;
        (void)ax_buf_printf(&text, "%s%llu", separator, (unsigned long long)number);
        separator = ",";
    }
    struct ax_err cause = AX_ERR_INIT;
    struct ax_str policy = text.len ? ax_buf_str(&text) : AX_STR("specific:");
    if (!err->code && ax_version_policy_parse(policy, ret_policy, &cause))
        (void)ax_fail(err, AX_E_INVALID, "config: '" POLICY_SPECIFIC "': %s", cause.msg);
    ax_buf_done(&text);
    return err->code;
}

static enum ax_code take_latest(const struct ax_json *latest, struct ax_version_policy *ret_policy,
                                struct ax_err *err)
{
    uint64_t count = 1;
    if (get_number(latest, "num_versions", "version_policy.latest.num_versions", UINT32_MAX, &count,
                   err))
        return err->code;
    if (count == 0)
        return ax_fail(err, AX_E_INVALID,
                       "config: 'version_policy.latest.num_versions' is 0; expected at least 1");
    *ret_policy = (struct ax_version_policy){ .kind = AX_POLICY_LATEST, .latest_count = count };
    return AX_OK;
}

static enum ax_code take_version_policy(const struct ax_json *root,
                                        struct ax_version_policy *ret_policy, struct ax_err *err)
{
    const struct ax_json *policy, *latest, *all, *specific;
    if (get_object(root, "version_policy", "version_policy", &policy, err) ||
        get_object(policy, "latest", "version_policy.latest", &latest, err) ||
        get_object(policy, "all", "version_policy.all", &all, err) ||
        get_object(policy, "specific", "version_policy.specific", &specific, err))
        return err->code;
    if (!policy)
        return AX_OK;
    if ((latest != NULL) + (all != NULL) + (specific != NULL) != 1)
        return ax_fail(err, AX_E_INVALID,
                       "config: 'version_policy' needs one of 'latest', 'all' and 'specific'");
    if (latest)
        return take_latest(latest, ret_policy, err);
    if (specific)
        return take_specific(specific, ret_policy, err);
    *ret_policy = (struct ax_version_policy){ .kind = AX_POLICY_ALL };
    return AX_OK;
}

/* ---- dynamic_batching ---- */

/* Only REJECT: a late request is not put behind the others, it is refused. */
static enum ax_code check_timeout_action(const struct ax_json *policy, struct ax_err *err)
{
    const struct ax_json *action = get(policy, "timeout_action");
    uint64_t number = 2;
    bool is_text = ax_json_kind(action) == AX_JSON_KIND_STRING;
    if (!action || ax_str_is(ax_json_str(action), "REJECT"))
        return AX_OK;
    if (!is_text && ax_json_to_u64(action, &number) && number == 0)
        return AX_OK;
    if (number == 1 || ax_str_is(ax_json_str(action), "DELAY"))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "config: '" QUEUE_POLICY
                       ".timeout_action' DELAY is not supported; REJECT is");
    return ax_fail(err, AX_E_INVALID,
                   "config: '" QUEUE_POLICY ".timeout_action' is neither REJECT nor DELAY");
}

static enum ax_code take_queue_policy(const struct ax_json *batching,
                                      struct ax_model_settings *settings, struct ax_err *err)
{
    const struct ax_json *policy;
    uint64_t queue = settings->in_flight_max;
    uint64_t timeout_us = settings->timeout_ns / AX_NS_PER_US;
    if (get_object(batching, "default_queue_policy", QUEUE_POLICY, &policy, err) ||
        get_number(policy, "max_queue_size", QUEUE_POLICY ".max_queue_size", IN_FLIGHT_MAX, &queue,
                   err) ||
        get_number(policy, "default_timeout_microseconds",
                   QUEUE_POLICY ".default_timeout_microseconds", TIMEOUT_US_MAX, &timeout_us,
                   err) ||
        get_bool(policy, "allow_timeout_override", QUEUE_POLICY ".allow_timeout_override",
                 &settings->timeout_override, err) ||
        check_timeout_action(policy, err))
        return err->code;
    settings->in_flight_max = (size_t)queue;
    if (get(policy, "default_timeout_microseconds"))
        settings->timeout_ns = timeout_us * AX_NS_PER_US;
    return AX_OK;
}

static enum ax_code take_priorities(const struct ax_json *batching,
                                    struct ax_model_settings *settings, struct ax_err *err)
{
    const struct ax_json *policies;
    uint64_t levels = 0;
    uint64_t level = settings->priority;
    if (get_number(batching, "priority_levels", "dynamic_batching.priority_levels", UINT64_MAX,
                   &levels, err) ||
        get_number(batching, "default_priority_level", PRIORITY_DEFAULT, UINT64_MAX, &level, err) ||
        get_object(batching, "priority_queue_policy", "dynamic_batching.priority_queue_policy",
                   &policies, err))
        return err->code;
    if (ax_json_count(policies))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "config: 'dynamic_batching.priority_queue_policy' is not supported; "
                       "'default_queue_policy' holds for all priorities");
    if (levels > AX_PRIORITIES_MAX)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "config: 'dynamic_batching.priority_levels' is %llu; there are %d",
                       (unsigned long long)levels, AX_PRIORITIES_MAX);
    if (level > (levels ? levels : AX_PRIORITIES_MAX))
        return ax_fail(err, AX_E_INVALID, "config: '" PRIORITY_DEFAULT "' is %llu, of %llu levels",
                       (unsigned long long)level,
                       (unsigned long long)(levels ? levels : AX_PRIORITIES_MAX));
    settings->priority = (unsigned)level;
    return AX_OK;
}

/* ---- model_warmup ---- */

/* What the inputs of one batch are filled with. */
static enum ax_code take_warm_up_inputs(const struct ax_json *inputs,
                                        struct ax_warm_up_batch *batch, struct ax_err *err)
{
    struct ax_json_iter it = ax_json_iterate(inputs);
    const struct ax_json *input;
    while ((input = ax_json_next(&it))) {
        bool is_random = false;
        if (ax_json_kind(input) != AX_JSON_KIND_OBJECT)
            return ax_fail(err, AX_E_INVALID, "config: 'model_warmup.inputs' holds no object");
        if (get(input, "input_data_file"))
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "config: 'model_warmup.inputs.input_data_file' is not supported; "
                           "name rows in the version's model.yaml");
        if (get_bool(input, "random_data", "model_warmup.inputs.random_data", &is_random, err))
            return err->code;
        batch->has_spread = batch->has_spread || is_random;
    }
    return AX_OK;
}

static enum ax_code take_warm_up(const struct ax_json *sample, struct ax_model_settings *settings,
                                 struct ax_err *err)
{
    const struct ax_json *inputs;
    uint64_t rows = 0;
    uint64_t count = 0;
    struct ax_warm_up_batch batch = { 0 };
    if (ax_json_kind(sample) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "config: 'model_warmup' holds no object");
    if (get_number(sample, "batch_size", "model_warmup.batch_size", AX_WARM_UP_ROWS_MAX, &rows,
                   err) ||
        get_number(sample, "count", "model_warmup.count", AX_WARM_UP_COUNT_MAX, &count, err) ||
        get_object(sample, "inputs", "model_warmup.inputs", &inputs, err) ||
        take_warm_up_inputs(inputs, &batch, err))
        return err->code;
    /* 0 is what protobuf has for "not there". */
    batch.rows = (uint32_t)AX_MAX(rows, UINT64_C(1));
    batch.count = (uint32_t)AX_MAX(count, UINT64_C(1));
    settings->warm_ups[settings->warm_up_count++] = batch;
    return AX_OK;
}

static enum ax_code take_warm_ups(const struct ax_json *root, struct ax_model_settings *settings,
                                  struct ax_err *err)
{
    const struct ax_json *samples;
    if (get_array(root, "model_warmup", "model_warmup", &samples, err) || !samples)
        return err->code;
    if (ax_json_count(samples) > AX_WARM_UPS_MAX)
        return ax_fail(err, AX_E_INVALID, "config: 'model_warmup' has over %d samples",
                       AX_WARM_UPS_MAX);
    settings->warm_up_count = 0;
    struct ax_json_iter it = ax_json_iterate(samples);
    const struct ax_json *sample;
    while ((sample = ax_json_next(&it)))
        if (take_warm_up(sample, settings, err))
            return err->code;
    return AX_OK;
}

static enum ax_code take_config(const struct ax_json *root, struct ax_str model,
                                struct ax_model_settings *settings, struct ax_err *err)
{
    const struct ax_json *batching;
    uint64_t rows = settings->rows_max;
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "config: expected a JSON object");
    if (take_name(root, model, err) || take_version_policy(root, &settings->policy, err) ||
        get_number(root, "max_batch_size", "max_batch_size", AX_SIGNATURE_ROWS_MAX, &rows, err) ||
        get_object(root, "dynamic_batching", "dynamic_batching", &batching, err) ||
        take_queue_policy(batching, settings, err) || take_priorities(batching, settings, err) ||
        take_warm_ups(root, settings, err))
        return err->code;
    settings->rows_max = (size_t)rows;
    return AX_OK;
}

enum ax_code ax_model_settings_config(struct ax_str text, struct ax_str model,
                                      struct ax_model_settings *settings, struct ax_err *err)
{
    assert((text.ptr || !text.len) && (model.ptr || !model.len) && settings && err);
    struct ax_model_settings taken = *settings;
    struct ax_json_doc *doc;
    if (ax_json_parse(text, &doc, err))
        return ax_err_context(err, "config");
    enum ax_code code = take_config(ax_json_root(doc), model, &taken, err);
    ax_json_free(doc);
    if (!code)
        *settings = taken;
    return code;
}
