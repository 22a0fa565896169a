/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a model: the version policy as text, and serving.yaml. Triton's configuration has a
 * file of its own, model_config.c.
 */
#include "server/model_settings.h"

#include "base/clock.h"
#include "base/yaml.h"
#include "data/signature.h"

#include <assert.h>
#include <stdlib.h>

#define NAME             AX_MODEL_SETTINGS_NAME
#define YAML_BYTES_MAX   ((size_t)1 << 24) /* of memory for serving.yaml */
#define TIMEOUT_MS_MAX   (INT64_C(24) * 60 * 60 * 1000)
#define IN_FLIGHT_MAX    1000000
#define POLICY_TEXT_HELP "expected 'latest:N', 'all' or 'specific:1,3'"

void ax_model_settings_init(struct ax_model_settings *settings)
{
    assert(settings);
    *settings = (struct ax_model_settings){ .policy = { AX_POLICY_LATEST, .latest_count = 1 } };
}

static bool policies_are_equal(const struct ax_version_policy *a, const struct ax_version_policy *b)
{
    return a->kind == b->kind && a->latest_count == b->latest_count &&
           a->number_count == b->number_count &&
           memcmp(a->numbers, b->numbers, a->number_count * sizeof(a->numbers[0])) == 0;
}

static bool warm_ups_are_equal(const struct ax_model_settings *a, const struct ax_model_settings *b)
{
    for (size_t i = 0; i < a->warm_up_count; i++) {
        const struct ax_warm_up_batch *left = &a->warm_ups[i];
        const struct ax_warm_up_batch *right = &b->warm_ups[i];
        if (left->rows != right->rows || left->count != right->count ||
            left->has_spread != right->has_spread)
            return false;
    }
    return true;
}

bool ax_model_settings_equal(const struct ax_model_settings *a, const struct ax_model_settings *b)
{
    assert(a && b);
    return policies_are_equal(&a->policy, &b->policy) && a->timeout_ns == b->timeout_ns &&
           a->timeout_override == b->timeout_override && a->priority == b->priority &&
           a->in_flight_max == b->in_flight_max && a->rows_max == b->rows_max &&
           a->is_pinned == b->is_pinned && a->warm_up_count == b->warm_up_count &&
           warm_ups_are_equal(a, b);
}

/* ---- the version policy ---- */

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Sorts the numbers; none may be there twice. */
static enum ax_code policy_sort(struct ax_version_policy *policy, struct ax_err *err)
{
    qsort(policy->numbers, policy->number_count, sizeof(policy->numbers[0]), compare_numbers);
    for (size_t i = 1; i < policy->number_count; i++)
        if (policy->numbers[i] == policy->numbers[i - 1])
            return ax_fail(err, AX_E_INVALID, "version %llu is listed twice",
                           (unsigned long long)policy->numbers[i]);
    return AX_OK;
}

static enum ax_code policy_add(struct ax_version_policy *policy, uint64_t number,
                               struct ax_err *err)
{
    if (number < 1 || number > INT64_MAX)
        return ax_fail(err, AX_E_INVALID, "no version has the number %llu",
                       (unsigned long long)number);
    if (policy->number_count == AX_POLICY_NUMBERS_MAX)
        return ax_fail(err, AX_E_INVALID, "over %d versions are listed", AX_POLICY_NUMBERS_MAX);
    policy->numbers[policy->number_count++] = number;
    return AX_OK;
}

/* "1,3" */
static enum ax_code policy_read_numbers(struct ax_version_policy *policy, struct ax_str text,
                                        struct ax_err *err)
{
    for (bool more = true; more;) {
        const char *comma = text.len ? memchr(text.ptr, ',', text.len) : NULL;
        struct ax_str item = { text.ptr, comma ? (size_t)(comma - text.ptr) : text.len };
        struct ax_str trimmed = ax_str_trim(item);
        uint64_t number;
        if (!ax_str_to_u64(trimmed, &number))
            return ax_fail(err, AX_E_INVALID, "found '%.*s'; expected the number of a version",
                           AX_STR_ARG(ax_str_cut(trimmed, AX_SIGNATURE_SHOWN_BYTES_MAX)));
        if (policy_add(policy, number, err))
            return err->code;
        more = comma != NULL;
        if (more)
            text = (struct ax_str){ comma + 1, text.len - item.len - 1 };
    }
    return policy_sort(policy, err);
}

enum ax_code ax_version_policy_parse(struct ax_str text, struct ax_version_policy *ret_policy,
                                     struct ax_err *err)
{
    static const struct ax_str latest = { "latest:", 7 };
    static const struct ax_str specific = { "specific:", 9 };
    assert((text.ptr || !text.len) && ret_policy && err);
    struct ax_version_policy policy = { 0 };
    struct ax_str count = { text.ptr + latest.len, text.len - latest.len };
    if (ax_str_is(text, "all")) {
        policy.kind = AX_POLICY_ALL;
    } else if (ax_str_starts_with(text, latest) && ax_str_to_u64(count, &policy.latest_count) &&
               policy.latest_count > 0) {
        policy.kind = AX_POLICY_LATEST;
    } else if (ax_str_starts_with(text, specific)) {
        struct ax_str numbers = { text.ptr + specific.len, text.len - specific.len };
        policy.kind = AX_POLICY_SPECIFIC;
        if (policy_read_numbers(&policy, numbers, err))
            return err->code;
    } else {
        return ax_fail(err, AX_E_INVALID, "found '%.*s'; " POLICY_TEXT_HELP,
                       AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    }
    *ret_policy = policy;
    return AX_OK;
}

bool ax_version_policy_has(const struct ax_version_policy *policy, uint64_t number,
                           size_t newer_count)
{
    assert(policy);
    switch (policy->kind) {
    case AX_POLICY_LATEST:
        return newer_count < policy->latest_count;
    case AX_POLICY_ALL:
        return true;
    case AX_POLICY_SPECIFIC:
        break;
    }
    return bsearch(&number, policy->numbers, policy->number_count, sizeof(number),
                   compare_numbers) != NULL;
}

/* ---- serving.yaml ---- */

/* `versions`: a policy as text, or a list of numbers. */
static enum ax_code take_versions(const struct ax_yaml *node, struct ax_version_policy *ret_policy,
                                  struct ax_err *err)
{
    struct ax_err cause = AX_ERR_INIT;
    struct ax_version_policy policy = { .kind = AX_POLICY_SPECIFIC };
    struct ax_str text;
    int64_t number;
    if (node->kind == AX_YAML_MAP)
        return ax_yaml_fail(node, NAME, err, "expected latest:N, all, or a list of versions");
    if (node->kind == AX_YAML_SCALAR) {
        if (ax_yaml_str(node, NAME, &text, err))
            return err->code;
        if (ax_version_policy_parse(text, ret_policy, &cause))
            return ax_yaml_fail(node, NAME, err, "%s", cause.msg);
        return AX_OK;
    }
    if (!node->count)
        return ax_yaml_fail(node, NAME, err, "the list of versions is empty");
    for (const struct ax_yaml *item = node->first; item; item = item->next) {
        if (ax_yaml_i64(item, NAME, &number, err))
            return err->code;
        if (policy_add(&policy, (uint64_t)AX_MAX(number, INT64_C(0)), &cause))
            return ax_yaml_fail(item, NAME, err, "%s", cause.msg);
    }
    if (policy_sort(&policy, &cause))
        return ax_yaml_fail(node, NAME, err, "%s", cause.msg);
    *ret_policy = policy;
    return AX_OK;
}

/* A whole number of a range, when the key is there. */
static enum ax_code take_number(const struct ax_yaml *root, const char *key, int64_t min,
                                int64_t max, int64_t *ret, struct ax_err *err)
{
    const struct ax_yaml *node = ax_yaml_get(root, key);
    int64_t number;
    if (!node)
        return AX_OK;
    if (ax_yaml_i64(node, NAME, &number, err))
        return err->code;
    if (number < min || number > max)
        return ax_yaml_fail(node, NAME, err, "'%s' is %lld; expected %lld to %lld", key,
                            (long long)number, (long long)min, (long long)max);
    *ret = number;
    return AX_OK;
}

static enum ax_code take_bool(const struct ax_yaml *root, const char *key, bool *ret,
                              struct ax_err *err)
{
    const struct ax_yaml *node = ax_yaml_get(root, key);
    return node ? ax_yaml_bool(node, NAME, ret, err) : AX_OK;
}

static enum ax_code take_settings(const struct ax_yaml *root, struct ax_model_settings *settings,
                                  struct ax_err *err)
{
    static const char *const keys[] = { "versions",         "timeout_ms",
                                        "timeout_override", "priority",
                                        "in_flight_max",    "max_batch_size",
                                        "pinned",           NULL };
    int64_t timeout_ms = (int64_t)(settings->timeout_ns / AX_NS_PER_MS);
    int64_t priority = settings->priority;
    int64_t in_flight = (int64_t)settings->in_flight_max;
    int64_t rows = (int64_t)settings->rows_max;
    if (root->kind != AX_YAML_MAP)
        return ax_yaml_fail(root, NAME, err, "expected a mapping of keys");
    const struct ax_yaml *versions = ax_yaml_get(root, "versions");
    if (ax_yaml_only(root, NAME, keys, err) ||
        (versions && take_versions(versions, &settings->policy, err)) ||
        take_number(root, "timeout_ms", 0, TIMEOUT_MS_MAX, &timeout_ms, err) ||
        take_bool(root, "timeout_override", &settings->timeout_override, err) ||
        take_number(root, "priority", 1, AX_PRIORITIES_MAX, &priority, err) ||
        take_number(root, "in_flight_max", 1, IN_FLIGHT_MAX, &in_flight, err) ||
        take_number(root, "max_batch_size", 1, AX_SIGNATURE_ROWS_MAX, &rows, err) ||
        take_bool(root, "pinned", &settings->is_pinned, err))
        return err->code;
    if (ax_yaml_get(root, "timeout_ms"))
        settings->timeout_ns = (uint64_t)timeout_ms * AX_NS_PER_MS;
    settings->priority = (unsigned)priority;
    settings->in_flight_max = (size_t)in_flight;
    settings->rows_max = (size_t)rows;
    return AX_OK;
}

enum ax_code ax_model_settings_yaml(struct ax_str text, struct ax_model_settings *settings,
                                    struct ax_err *err)
{
    assert((text.ptr || !text.len) && settings && err);
    struct ax_model_settings taken = *settings;
    struct ax_arena arena;
    struct ax_yaml *root;
    ax_arena_init(&arena, 4096, YAML_BYTES_MAX);
    enum ax_code code = ax_yaml_parse(text, NAME, &arena, &root, err);
    if (!code)
        code = take_settings(root, &taken, err);
    if (!code)
        *settings = taken;
    ax_arena_done(&arena);
    return code;
}
