/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a configuration written for Triton means here what it means there, as far as there is a
 * meaning; what would be different is refused by name, and nothing is taken of what is refused.
 * Method: tables of configurations, with the settings or the message that must come of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/model_settings.h"

#include <stdio.h>
#include <string.h>

static struct ax_model_settings config(const char *json)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model_settings made;
    ax_model_settings_init(&made);
    if (ax_model_settings_config(ax_str_from(json), AX_STR("m"), &made, &err))
        fail_msg("%s: %s", json, err.msg);
    return made;
}

static void everything(void **state)
{
    (void)state;
    const char *snake =
        "{\"name\": \"m\", \"platform\": \"\", \"backend\": \"fil\", \"max_batch_size\": 512,"
        " \"input\": [{\"name\": \"input__0\", \"data_type\": \"TYPE_FP32\", \"dims\": [3]}],"
        " \"version_policy\": {\"specific\": {\"versions\": [\"7\", 3]}},"
        " \"instance_group\": [{\"kind\": \"KIND_CPU\"}],"
        " \"dynamic_batching\": {\"preferred_batch_size\": [4], \"priority_levels\": \"5\","
        "   \"default_priority_level\": 2, \"max_queue_delay_microseconds\": 100,"
        "   \"default_queue_policy\": {\"timeout_action\": \"REJECT\", \"max_queue_size\": 9,"
        "     \"default_timeout_microseconds\": \"1500\", \"allow_timeout_override\": true}},"
        " \"model_warmup\": [{\"name\": \"a\", \"batch_size\": 8, \"count\": 3, \"inputs\":"
        "   {\"input__0\": {\"data_type\": \"TYPE_FP32\", \"dims\": [3], \"random_data\": true}}},"
        "   {\"inputs\": {\"input__0\": {\"zero_data\": true}}}]}";
    const char *camel =
        "{\"maxBatchSize\": 512, \"versionPolicy\": {\"specific\": {\"versions\": [3, 7]}},"
        " \"dynamicBatching\": {\"priorityLevels\": 5, \"defaultPriorityLevel\": \"2\","
        "   \"defaultQueuePolicy\": {\"timeoutAction\": 0, \"maxQueueSize\": 9,"
        "     \"defaultTimeoutMicroseconds\": 1500, \"allowTimeoutOverride\": true}},"
        " \"modelWarmup\": [{\"batchSize\": 8, \"count\": 3, \"inputs\":"
        "   {\"x\": {\"randomData\": true}}}, {\"inputs\": {\"x\": {\"zeroData\": true}}}]}";
    const struct ax_model_settings expected = {
        .policy = { AX_POLICY_SPECIFIC, .numbers = { 3, 7 }, .number_count = 2 },
        .timeout_ns = UINT64_C(1500) * AX_NS_PER_US,
        .timeout_override = true,
        .priority = 2,
        .in_flight_max = 9,
        .rows_max = 512,
        .warm_ups = { { 8, 3, true }, { 1, 1, false } },
        .warm_up_count = 2,
    };
    struct ax_model_settings made = config(snake);
    assert_true(ax_model_settings_equal(&made, &expected));
    made = config(camel);
    assert_true(ax_model_settings_equal(&made, &expected));
    made.warm_ups[1].rows = 2;
    assert_false(ax_model_settings_equal(&made, &expected));
}

static void policies(void **state)
{
    (void)state;
    assert_int_equal(config("{\"version_policy\": {\"latest\": {}}}").policy.latest_count, 1);
    assert_int_equal(
        config("{\"version_policy\": {\"latest\": {\"num_versions\": 3}}}").policy.latest_count, 3);
    assert_int_equal(config("{\"version_policy\": {\"all\": {}}}").policy.kind, AX_POLICY_ALL);
}

static void what_is_not_said_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"name\": \"\", \"version_policy\": null, \"dynamic_batching\": null}",
        "{\"dynamic_batching\": {\"default_queue_policy\": {}}, \"unknown\": [1]}",
    };
    struct ax_model_settings before = config("{\"max_batch_size\": 3}");
    before.policy.kind = AX_POLICY_ALL;
    before.timeout_ns = 1501;
    before.priority = 9;
    before.warm_up_count = 1;
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_model_settings after = before;
        assert_int_equal(ax_model_settings_config(ax_str_from(texts[i]), AX_STR("m"), &after, &err),
                         0);
        assert_true(ax_model_settings_equal(&after, &before));
    }
}

#define QUEUE(members)  "{\"dynamic_batching\": {\"default_queue_policy\": {" members "}}}"
#define WARM_UP(sample) "{\"model_warmup\": [" sample "]}"
#define TIMES_9(text)   text "," text "," text "," text "," text "," text "," text "," text "," text

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ax_code code;
        const char *message;
    } cases[] = {
        { "", AX_E_INVALID, "config: " },
        { "{", AX_E_INVALID, "config: " },
        { "[]", AX_E_INVALID, "config: expected a JSON object" },
        { "{\"name\": \"other\"}", AX_E_INVALID, "config: 'name' is 'other', of the model 'm'" },
        { "{\"name\": 1}", AX_E_INVALID, "config: 'name' is not a string" },
        { "{\"max_batch_size\": -1}", AX_E_INVALID,
          "config: 'max_batch_size' is not a whole number from 0 to 1048576" },
        { "{\"max_batch_size\": \"many\"}", AX_E_INVALID,
          "config: 'max_batch_size' is not a whole number" },
        { "{\"max_batch_size\": 2.5}", AX_E_INVALID,
          "config: 'max_batch_size' is not a whole number" },
        { "{\"version_policy\": []}", AX_E_INVALID, "config: 'version_policy' is not an object" },
        { "{\"version_policy\": {}}", AX_E_INVALID,
          "config: 'version_policy' needs one of 'latest', 'all' and 'specific'" },
        { "{\"version_policy\": {\"all\": {}, \"latest\": {}}}", AX_E_INVALID,
          "config: 'version_policy' needs one of" },
        { "{\"version_policy\": {\"latest\": {\"num_versions\": 0}}}", AX_E_INVALID,
          "config: 'version_policy.latest.num_versions' is 0; expected at least 1" },
        { "{\"version_policy\": {\"specific\": {}}}", AX_E_INVALID,
          "config: 'version_policy.specific.versions': found ''; expected the number" },
        { "{\"version_policy\": {\"specific\": {\"versions\": [1, 0]}}}", AX_E_INVALID,
          "config: 'version_policy.specific.versions': no version has the number 0" },
        { "{\"version_policy\": {\"specific\": {\"versions\": [1, 1]}}}", AX_E_INVALID,
          "config: 'version_policy.specific.versions': version 1 is listed twice" },
        { "{\"version_policy\": {\"specific\": {\"versions\": [true]}}}", AX_E_INVALID,
          "config: 'version_policy.specific.versions' is not a whole number" },
        { "{\"version_policy\": {\"specific\": {\"versions\": {}}}}", AX_E_INVALID,
          "config: 'version_policy.specific.versions' is not an array" },
        { "{\"dynamic_batching\": true}", AX_E_INVALID,
          "config: 'dynamic_batching' is not an object" },
        { QUEUE("\"timeout_action\": \"DELAY\""), AX_E_UNSUPPORTED,
          "config: 'dynamic_batching.default_queue_policy.timeout_action' DELAY is not supported" },
        { QUEUE("\"timeout_action\": 1"), AX_E_UNSUPPORTED,
          "config: 'dynamic_batching.default_queue_policy.timeout_action' DELAY is not supported" },
        { QUEUE("\"timeout_action\": 2"), AX_E_INVALID,
          "config: 'dynamic_batching.default_queue_policy.timeout_action' is neither" },
        { QUEUE("\"timeout_action\": true"), AX_E_INVALID,
          "config: 'dynamic_batching.default_queue_policy.timeout_action' is neither" },
        { QUEUE("\"max_queue_size\": 1000001"), AX_E_INVALID,
          "config: 'dynamic_batching.default_queue_policy.max_queue_size' is not a whole number" },
        { QUEUE("\"default_timeout_microseconds\": 1e30"), AX_E_INVALID,
          "config: 'dynamic_batching.default_queue_policy.default_timeout_microseconds' is not" },
        { QUEUE("\"allow_timeout_override\": 1"), AX_E_INVALID,
          "config: 'dynamic_batching.default_queue_policy.allow_timeout_override' is not true or" },
        { "{\"dynamic_batching\": {\"priority_levels\": 17}}", AX_E_UNSUPPORTED,
          "config: 'dynamic_batching.priority_levels' is 17; there are 16" },
        { "{\"dynamic_batching\": {\"priority_levels\": \"18446744073709551615\"}}",
          AX_E_UNSUPPORTED, "config: 'dynamic_batching.priority_levels' is 18446744073709551615" },
        { "{\"dynamic_batching\": {\"priority_levels\": 2, \"default_priority_level\": 3}}",
          AX_E_INVALID, "config: 'dynamic_batching.default_priority_level' is 3, of 2 levels" },
        { "{\"dynamic_batching\": {\"priority_queue_policy\": {\"1\": {}}}}", AX_E_UNSUPPORTED,
          "config: 'dynamic_batching.priority_queue_policy' is not supported" },
        { "{\"model_warmup\": {}}", AX_E_INVALID, "config: 'model_warmup' is not an array" },
        { WARM_UP("1"), AX_E_INVALID, "config: 'model_warmup' holds no object" },
        { WARM_UP("{\"inputs\": []}"), AX_E_INVALID,
          "config: 'model_warmup.inputs' is not an object" },
        { WARM_UP("{\"inputs\": {\"a\": 1}}"), AX_E_INVALID,
          "config: 'model_warmup.inputs' holds no object" },
        { WARM_UP("{\"batch_size\": 1025}"), AX_E_INVALID,
          "config: 'model_warmup.batch_size' is not a whole number from 0 to 1024" },
        { WARM_UP("{\"inputs\": {\"a\": {\"random_data\": \"yes\"}}}"), AX_E_INVALID,
          "config: 'model_warmup.inputs.random_data' is not true or false" },
        { WARM_UP("{\"inputs\": {\"a\": {\"input_data_file\": \"rows\"}}}"), AX_E_UNSUPPORTED,
          "config: 'model_warmup.inputs.input_data_file' is not supported" },
        { WARM_UP(TIMES_9("{}")), AX_E_INVALID, "config: 'model_warmup' has over 8 samples" },
    };
    struct ax_model_settings before = config("{\"max_batch_size\": 3}");
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_model_settings after = before;
        enum ax_code code =
            ax_model_settings_config(ax_str_from(cases[i].text), AX_STR("m"), &after, &err);
        if (code != cases[i].code ||
            strncmp(err.msg, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: %s %s", cases[i].text, ax_code_name(code), err.msg);
        assert_true(ax_model_settings_equal(&after, &before));
    }
    char text[1024] = "{\"version_policy\": {\"specific\": {\"versions\": [9223372036854775807";
    for (size_t i = 0; i < AX_POLICY_NUMBERS_MAX; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%zu", i + 1);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}}}");
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_model_settings_config(ax_str_from(text), AX_STR("m"), &before, &err),
                     AX_E_INVALID);
    assert_non_null(strstr(err.msg, "over 64 versions are listed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(policies),
        cmocka_unit_test(what_is_not_said_stays),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("server/model_config", tests, NULL, NULL);
}
