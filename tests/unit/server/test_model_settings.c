/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what an operator writes about a model is taken as documented, and what is wrong is refused
 * at its place, without anything being taken.
 * Method: tables of texts, with the settings or the message that must come of them.
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

static struct ax_version_policy policy(const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_version_policy made = { .latest_count = 77 };
    assert_int_equal(ax_version_policy_parse(ax_str_from(text), &made, &err), 0);
    return made;
}

static void policies(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t number;
        size_t newer_count;
        bool has;
    } cases[] = {
        { "latest:1", 9, 0, true },
        { "latest:1", 9, 1, false },
        { "latest:3", 1, 2, true },
        { "latest:3", 1, 3, false },
        { "latest:18446744073709551615", 1, SIZE_MAX - 1, true },
        { "all", 1, 1000000, true },
        { "specific:3,1", 1, 5, true },
        { "specific:3,1", 3, 0, true },
        { "specific:3,1", 2, 0, false },
        { "specific: 3 , 9223372036854775807", INT64_MAX, 0, true },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_version_policy made = policy(cases[i].text);
        if (ax_version_policy_has(&made, cases[i].number, cases[i].newer_count) != cases[i].has)
            fail_msg("%s, %llu", cases[i].text, (unsigned long long)cases[i].number);
    }
    assert_int_equal(policy("specific:3,1").numbers[0], 1);
    assert_int_equal(policy("specific:3,1").number_count, 2);
}

static void bad_policies(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "found ''; expected 'latest:N', 'all' or 'specific:1,3'" },
        { "latest", "found 'latest'; expected 'latest:N', 'all' or 'specific:1,3'" },
        { "latest:0", "found 'latest:0'; expected 'latest:N', 'all' or 'specific:1,3'" },
        { "latest:-1", "found 'latest:-1'; expected 'latest:N', 'all' or 'specific:1,3'" },
        { "All", "found 'All'; expected 'latest:N', 'all' or 'specific:1,3'" },
        { "specific:", "found ''; expected the number of a version" },
        { "specific:1,", "found ''; expected the number of a version" },
        { "specific:1,,2", "found ''; expected the number of a version" },
        { "specific:1;2", "found '1;2'; expected the number of a version" },
        { "specific:0", "no version has the number 0" },
        { "specific:9223372036854775808", "no version has the number 9223372036854775808" },
        { "specific:2,1,2", "version 2 is listed twice" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_version_policy made = { .latest_count = 77 };
        assert_int_equal(ax_version_policy_parse(ax_str_from(cases[i].text), &made, &err),
                         AX_E_INVALID);
        assert_string_equal(err.msg, cases[i].message);
        assert_int_equal(made.latest_count, 77);
    }
    char text[512] = "specific:1";
    for (size_t i = 2; i <= AX_POLICY_NUMBERS_MAX + 1; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%zu", i);
    struct ax_err err = AX_ERR_INIT;
    struct ax_version_policy made;
    assert_int_equal(ax_version_policy_parse(ax_str_from(text), &made, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "over 64 versions are listed");
}

/* ---- serving.yaml ---- */

static struct ax_model_settings settings(const char *yaml)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model_settings made;
    ax_model_settings_init(&made);
    if (ax_model_settings_yaml(ax_str_from(yaml), &made, &err))
        fail_msg("%s: %s", yaml, err.msg);
    return made;
}

static void all_keys(void **state)
{
    (void)state;
    struct ax_model_settings made = settings("versions: [3, 1]\n"
                                             "timeout_ms: 20\n"
                                             "timeout_override: true\n"
                                             "priority: 16\n"
                                             "in_flight_max: 8\n"
                                             "max_batch_size: 64\n"
                                             "pinned: true\n");
    struct ax_model_settings expected = {
        .policy = { AX_POLICY_SPECIFIC, .numbers = { 1, 3 }, .number_count = 2 },
        .timeout_ns = UINT64_C(20) * AX_NS_PER_MS,
        .timeout_override = true,
        .priority = 16,
        .in_flight_max = 8,
        .rows_max = 64,
        .is_pinned = true,
    };
    assert_true(ax_model_settings_equal(&made, &expected));
    made = settings("versions: latest:2\n");
    assert_int_equal(made.policy.kind, AX_POLICY_LATEST);
    assert_int_equal(made.policy.latest_count, 2);
    assert_int_equal(settings("versions: all").policy.kind, AX_POLICY_ALL);
    assert_int_equal(settings("versions: 'specific:1,3'").policy.number_count, 2);
}

static void what_is_not_said_stays(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_model_settings before = settings("versions: [7]\ntimeout_ms: 5\npriority: 3\n"
                                               "in_flight_max: 9\nmax_batch_size: 2\npinned: true");
    before.timeout_ns = 5000001; /* Not whole milliseconds. */
    struct ax_model_settings after = before;
    static const char *const texts[] = { "", "# nothing\n", "{}" };
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        assert_int_equal(ax_model_settings_yaml(ax_str_from(texts[i]), &after, &err), 0);
        assert_true(ax_model_settings_equal(&after, &before));
    }
    assert_int_equal(ax_model_settings_yaml(AX_STR("pinned: false\ntimeout_ms: 0"), &after, &err),
                     0);
    assert_false(after.is_pinned);
    assert_int_equal(after.timeout_ns, 0);
    assert_int_equal(after.in_flight_max, 9);
    assert_false(ax_model_settings_equal(&after, &before));
}

static void bad_yaml(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "- 1", "serving.yaml:1:1: expected a mapping of keys" },
        { "version: all", "serving.yaml:1:1: unknown key 'version'; did you mean 'versions'?" },
        { "pinned: true\n priority: 1", "serving.yaml:2:" },
        { "versions: []", "serving.yaml:1:11: the list of versions is empty" },
        { "versions: [1, 1]", "serving.yaml:1:11: version 1 is listed twice" },
        { "versions: [1, 0]", "serving.yaml:1:15: no version has the number 0" },
        { "versions: [1, -4]", "serving.yaml:1:15: no version has the number 0" },
        { "versions: [a]", "serving.yaml:1:12: " },
        { "versions: {latest: 1}",
          "serving.yaml:1:11: expected latest:N, all, or a list of versions" },
        { "versions: newest",
          "serving.yaml:1:11: found 'newest'; expected 'latest:N', 'all' or 'specific:1,3'" },
        { "timeout_ms: -1", "serving.yaml:1:13: 'timeout_ms' is -1; expected 0 to 86400000" },
        { "timeout_ms: 1.5", "serving.yaml:1:13: " },
        { "timeout_override: 1", "serving.yaml:1:19: " },
        { "priority: 0", "serving.yaml:1:11: 'priority' is 0; expected 1 to 16" },
        { "priority: 17", "serving.yaml:1:11: 'priority' is 17; expected 1 to 16" },
        { "in_flight_max: 0", "serving.yaml:1:16: 'in_flight_max' is 0; expected 1 to 1000000" },
        { "max_batch_size: 1048577",
          "serving.yaml:1:17: 'max_batch_size' is 1048577; expected 1 to 1048576" },
        { "pinned: [true]", "serving.yaml:1:9: " },
        { "pinned: true\npinned: true", "serving.yaml:2:" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_model_settings before = settings("priority: 3");
        struct ax_model_settings after = before;
        assert_int_equal(ax_model_settings_yaml(ax_str_from(cases[i].text), &after, &err),
                         AX_E_INVALID);
        if (strncmp(err.msg, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_true(ax_model_settings_equal(&after, &before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies), cmocka_unit_test(bad_policies),
        cmocka_unit_test(all_keys), cmocka_unit_test(what_is_not_said_stays),
        cmocka_unit_test(bad_yaml),
    };
    return cmocka_run_group_tests_name("server/model_settings", tests, NULL, NULL);
}
