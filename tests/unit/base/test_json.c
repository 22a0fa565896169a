/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: documents hold what the text says; what is printed reads back as the same value, floats in
 * the fewest digits.
 * Method: one document walked by name and by iteration, tables of conversions; a million random bit
 * patterns of each float type printed and read by libc; shortness against %.*g with one digit less.
 * Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include "random.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATTERNS = 300000 };

/* NULL when an allocation was refused. */
static struct ax_json_doc *parse(const char *text)
{
    struct ax_json_doc *doc = NULL;
    struct ax_err err = AX_ERR_INIT;
    enum ax_code code = ax_json_parse(ax_str_from(text), &doc, &err);
    if (code) {
        assert_int_equal(code, AX_E_LIMIT);
        assert_true(ax_torture_struck());
        assert_null(doc);
    }
    return doc;
}

static void documents(void **state)
{
    (void)state;
    struct ax_json_doc *doc = parse("{\"name\":\"fl\\u00e9\",\"n\":[1,2.5,NaN],\"ok\":true,"
                                    "\"no\":null,\"in\":{\"x\":-3},\"name\":\"second\"}");
    if (!doc)
        return;
    const struct ax_json *root = ax_json_root(doc);
    assert_int_equal(ax_json_kind(root), AX_JSON_KIND_OBJECT);
    assert_int_equal(ax_json_count(root), 6);
    assert_true(ax_str_equals(ax_json_str(ax_json_get(root, "name")), AX_STR("fl\xC3\xA9")));
    assert_true(ax_json_is_true(ax_json_get(root, "ok")));
    assert_int_equal(ax_json_kind(ax_json_get(root, "no")), AX_JSON_KIND_NULL);
    assert_null(ax_json_get(root, "absent"));
    assert_null(ax_json_get(ax_json_get(root, "n"), "x"));
    int64_t value;
    assert_true(ax_json_to_i64(ax_json_get(ax_json_get(root, "in"), "x"), &value) && value == -3);

    struct ax_json_iter iter = ax_json_iterate(root);
    static const char *const keys[] = { "name", "n", "ok", "no", "in", "name" };
    for (size_t i = 0; i < AX_COUNT(keys); i++) {
        assert_non_null(ax_json_next(&iter));
        assert_true(ax_str_is(iter.key, keys[i]));
    }
    assert_null(ax_json_next(&iter));
    iter = ax_json_iterate(ax_json_get(root, "n"));
    double numbers[3];
    for (size_t i = 0; i < 3; i++)
        assert_true(ax_json_to_f64(ax_json_next(&iter), &numbers[i]));
    assert_true(numbers[0] == 1 && numbers[1] == 2.5 && isnan(numbers[2]));
    assert_null(ax_json_next(&iter));
    ax_json_free(doc);
}

static void nothing_is_null(void **state)
{
    (void)state;
    double f64;
    int64_t i64;
    uint64_t u64;
    assert_int_equal(ax_json_kind(NULL), AX_JSON_KIND_NULL);
    assert_null(ax_json_get(NULL, "a"));
    assert_int_equal(ax_json_count(NULL), 0);
    assert_int_equal(ax_json_str(NULL).len, 0);
    assert_false(ax_json_is_true(NULL));
    assert_false(ax_json_to_f64(NULL, &f64) || ax_json_to_i64(NULL, &i64) ||
                 ax_json_to_u64(NULL, &u64));
    struct ax_json_iter iter = ax_json_iterate(NULL);
    assert_null(ax_json_next(&iter));
    ax_json_free(NULL);
}

static void conversions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_i64, is_u64;
        double f64;
    } rows[] = {
        { "0", true, true, 0 },
        { "-0", true, true, -0.0 },
        { "-1", true, false, -1 },
        { "1.0", true, true, 1 },
        { "1e3", true, true, 1000 },
        { "1.5", false, false, 1.5 },
        { "9223372036854775807", true, true, 9223372036854775807.0 },
        { "9223372036854775808", false, true, 9223372036854775808.0 },
        { "18446744073709551616", false, false, 18446744073709551616.0 },
        { "-9223372036854775809", false, false, -9223372036854775809.0 },
        { "1e300", false, false, 1e300 },
        { "Infinity", false, false, INFINITY },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_json_doc *doc = parse(rows[i].text);
        if (!doc)
            return;
        const struct ax_json *root = ax_json_root(doc);
        double f64;
        int64_t i64;
        uint64_t u64;
        assert_int_equal(ax_json_kind(root), AX_JSON_KIND_NUMBER);
        assert_true(ax_json_to_f64(root, &f64) && f64 == rows[i].f64);
        assert_int_equal(ax_json_to_i64(root, &i64), rows[i].is_i64);
        assert_int_equal(ax_json_to_u64(root, &u64), rows[i].is_u64);
        ax_json_free(doc);
    }
}

static void bad_documents(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
    } rows[] = {
        { "", "malformed JSON: ends at byte 0, the value is not complete" },
        { "{\"a\":1}}", "malformed JSON at byte 7: nothing may follow the value" },
        { "[1e400]", "malformed JSON at byte 1: the number is too large" },
        { "[nan]", "malformed JSON at byte 1: expected a value" },
        { "[inf]", "malformed JSON at byte 1: expected a value" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_doc *doc = NULL;
        assert_int_equal(ax_json_parse(ax_str_from(rows[i].text), &doc, &err), AX_E_INVALID);
        assert_string_equal(err.msg, rows[i].msg);
        assert_null(doc);
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc = NULL;
    enum ax_code code = ax_json_parse(AX_STR("\"\\ud800\""), &doc, &err);
    assert_true(code == AX_E_INVALID || ax_torture_struck());
    ax_err_clear(&err);
    static char deep[200000];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(ax_json_parse((struct ax_str){ deep, sizeof(deep) }, &doc, &err),
                     AX_E_INVALID);
    assert_string_equal(err.msg, "JSON nesting depth exceeds maximum allowed limit (100)");
}

static struct ax_buf out;

/* The text of what the last put_ wrote, with a NUL behind it. */
static const char *printed(void)
{
    (void)ax_buf_append_char(&out, '\0');
    assert_false(out.failed);
    return out.ptr;
}

static int set_up(void **state)
{
    (void)state;
    ax_buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_buf_done(&out);
    return 0;
}

/* The first allocation is the buffer's; refused, there is nothing to look at. */
static bool buffer_is_refused(void)
{
    ax_buf_reset(&out);
    return !ax_buf_reserve(&out, 128);
}

static void strings(void **state)
{
    (void)state;
    static const struct {
        struct ax_str text;
        const char *json;
    } rows[] = {
        { { "", 0 }, "\"\"" },
        { { NULL, 0 }, "\"\"" },
        { { "a\"b\\c/", 6 }, "\"a\\\"b\\\\c/\"" },
        { { "\b\f\n\r\t", 5 }, "\"\\b\\f\\n\\r\\t\"" },
        { { "\x01\x1F\0\x7F", 4 }, "\"\\u0001\\u001f\\u0000\\u007f\"" },
        { { "\xC3\xA9\xF0\x9F\x98\x80", 6 }, "\"\xC3\xA9\xF0\x9F\x98\x80\"" },
        { { "a\xFF\xC3", 3 }, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { { "\xED\xA0\x80", 3 }, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        if (buffer_is_refused())
            return;
        ax_json_put_str(&out, rows[i].text);
        assert_string_equal(printed(), rows[i].json);
    }
}

static void objects_and_small_values(void **state)
{
    (void)state;
    if (buffer_is_refused())
        return;
    (void)ax_buf_append_char(&out, '{');
    ax_json_put_key(&out, "a");
    ax_json_put_i64(&out, INT64_MIN);
    ax_json_put_key(&out, "b\"");
    ax_json_put_bool(&out, true);
    ax_json_put_key(&out, "c");
    (void)ax_buf_append_char(&out, '{');
    ax_json_put_key(&out, "d");
    ax_json_put_u64(&out, UINT64_MAX);
    (void)ax_buf_append_char(&out, '}');
    ax_json_put_member(&out, "e", AX_STR("f\n"));
    ax_json_put_member_u64(&out, "g", 7);
    ax_json_put_member_bool(&out, "h", false);
    ax_json_put_key(&out, "i");
    (void)ax_buf_append_char(&out, '[');
    for (int i = 0; i < 2; i++) {
        ax_json_begin_item(&out);
        ax_json_put_member_u64(&out, "k", 1);
        (void)ax_buf_append_char(&out, '}');
    }
    (void)ax_buf_append_str(&out, AX_STR("]}"));
    assert_string_equal(printed(), "{\"a\":-9223372036854775808,\"b\\\"\":true,"
                                   "\"c\":{\"d\":18446744073709551615},\"e\":\"f\\n\",\"g\":7,"
                                   "\"h\":false,\"i\":[{\"k\":1},{\"k\":1}]}");
}

static void values_are_printed_as_they_were(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "-7",
        "18446744073709551615",
        "[]",
        "{}",
        "[[],{},[{}]]",
        "{\"a\":[1,2.0,-0.5,NaN,-Infinity],\"b[\":\"{\\n[\"}",
        "{\"c\":{\"d\":null,\"\":true},\"c\":false}",
    };
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct ax_json_doc *doc = parse(texts[i]);
        if (!doc || buffer_is_refused()) {
            ax_json_free(doc);
            return;
        }
        ax_json_put_value(&out, ax_json_root(doc));
        assert_string_equal(printed(), texts[i]);
        ax_json_free(doc);
    }
    if (buffer_is_refused())
        return;
    ax_json_put_value(&out, NULL);
    assert_string_equal(printed(), "null");
    struct ax_json_doc *doc = parse("[\"a\\nb\",1.0,-2,1.5,true,[1.0]]");
    if (!doc || buffer_is_refused()) {
        ax_json_free(doc);
        return;
    }
    struct ax_json_iter iter = ax_json_iterate(ax_json_root(doc));
    for (const struct ax_json *value; (value = ax_json_next(&iter));
         ax_json_put_str(&out, AX_STR("")))
        ax_json_put_plain(&out, value);
    assert_string_equal(printed(), "a\nb\"\"1\"\"-2\"\"1.5\"\"true\"\"[1.0]\"\"");
    ax_json_free(doc);
}

static void values_as_deep_as_can_be_read(void **state)
{
    (void)state;
    char text[2 * AX_JSON_DEPTH_MAX + 1] = "";
    memset(text, '[', AX_JSON_DEPTH_MAX);
    memset(text + AX_JSON_DEPTH_MAX, ']', AX_JSON_DEPTH_MAX);
    struct ax_json_doc *doc = parse(text);
    if (doc && !buffer_is_refused()) {
        ax_json_put_value(&out, ax_json_root(doc));
        assert_string_equal(printed(), text);
    }
    ax_json_free(doc);
}

static void known_floats(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *f32, *f64;
    } rows[] = {
        { 0.0f, "0.0", "0.0" },
        { -0.0f, "-0.0", "-0.0" },
        { 1.0f, "1.0", "1.0" },
        { 0.1f, "0.1", "0.10000000149011612" },
        { 16777216.0f, "16777216.0", "16777216.0" },
        { NAN, "NaN", "NaN" },
        { INFINITY, "Infinity", "Infinity" },
        { -INFINITY, "-Infinity", "-Infinity" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        if (buffer_is_refused())
            return;
        ax_json_put_f32(&out, rows[i].value);
        assert_string_equal(printed(), rows[i].f32);
        ax_buf_reset(&out);
        ax_json_put_f64(&out, (double)rows[i].value);
        assert_string_equal(printed(), rows[i].f64);
    }
}

/* Digits without leading and trailing zeros. */
static int significant_digits(const char *text)
{
    int count = 0;
    int zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && !count))
            continue;
        count++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return count - zeros;
}

static void random_f32_round_trip(void **state)
{
    (void)state;
    uint64_t random = 21;
    for (int i = 0; i < PATTERNS && !buffer_is_refused(); i++) {
        uint32_t bits = (uint32_t)test_random(&random);
        float value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        ax_json_put_f32(&out, value);
        float read = strtof(printed(), NULL);
        if (memcmp(&read, &value, sizeof(value)) != 0)
            fail_msg("%a printed as %s", (double)value, out.ptr);
        char less[64];
        int digits = significant_digits(out.ptr);
        (void)snprintf(less, sizeof(less), "%.*e", digits > 1 ? digits - 2 : 0, (double)value);
        if (digits > 1 && strtof(less, NULL) == value)
            fail_msg("%s is shorter than %s", less, out.ptr);
    }
}

static void random_f64_round_trip(void **state)
{
    (void)state;
    uint64_t random = 22;
    for (int i = 0; i < PATTERNS && !buffer_is_refused(); i++) {
        uint64_t bits = test_random(&random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 2)
            value = (double)(int64_t)bits / 1e15;
        if (!isfinite(value))
            continue;
        ax_json_put_f64(&out, value);
        double read = strtod(printed(), NULL);
        if (memcmp(&read, &value, sizeof(value)) != 0)
            fail_msg("%a printed as %s", value, out.ptr);
    }
}

static void a_full_buffer_sticks(void **state)
{
    (void)state;
    struct ax_buf small;
    struct ax_err err = AX_ERR_INIT;
    ax_buf_init(&small, 10);
    for (int i = 0; i < 10; i++)
        ax_json_put_f64(&small, 0.25);
    ax_json_put_str(&small, AX_STR("abc"));
    assert_int_not_equal(ax_buf_check(&small, "answer", &err), AX_OK);
    assert_true(small.len <= 10);
    ax_buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),
        cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(conversions),
        cmocka_unit_test(bad_documents),
        cmocka_unit_test(strings),
        cmocka_unit_test(objects_and_small_values),
        cmocka_unit_test(values_are_printed_as_they_were),
        cmocka_unit_test(values_as_deep_as_can_be_read),
        cmocka_unit_test(known_floats),
        cmocka_unit_test(random_f32_round_trip),
        cmocka_unit_test(random_f64_round_trip),
        cmocka_unit_test(a_full_buffer_sticks),
    };
    return cmocka_run_group_tests_name("base/json", tests, set_up, tear_down);
}
