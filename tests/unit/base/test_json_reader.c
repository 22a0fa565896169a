/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the reader hands out exactly the tokens of a text, refuses everything that is no JSON with
 * the place, and reads arrays of numbers as one token after the other would.
 * Method: tables of good texts with their tokens in letters, and of bad ones; every prefix of a
 * good text is bad; random arrays read by both ways. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_reader.h"

#include "base/json.h"

#include "random.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char letters[] = {
    [AX_JSON_FAILED] = 'F',     [AX_JSON_END] = '.',         [AX_JSON_OBJECT_BEGIN] = '{',
    [AX_JSON_OBJECT_END] = '}', [AX_JSON_ARRAY_BEGIN] = '[', [AX_JSON_ARRAY_END] = ']',
    [AX_JSON_KEY] = 'k',        [AX_JSON_STRING] = 's',      [AX_JSON_NUMBER] = 'n',
    [AX_JSON_TRUE] = 't',       [AX_JSON_FALSE] = 'f',       [AX_JSON_NULL] = '0',
};

/* The tokens of a text up to the end or the failure, one letter each; the text is copied to memory
 * of its very size, so that a sanitizer sees a step too far. */
static void tokens_of(struct ax_str text, char *ret_tokens, size_t size, struct ax_err *err)
{
    char *copy = malloc(text.len ? text.len : 1);
    assert_non_null(copy);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    struct ax_json_reader reader;
    ax_json_reader_init(&reader, (struct ax_str){ copy, text.len });
    size_t count = 0;
    enum ax_json_token token;
    do {
        token = ax_json_read(&reader, err);
        assert_true(count + 1 < size);
        ret_tokens[count++] = letters[token];
    } while (token != AX_JSON_END && token != AX_JSON_FAILED);
    ret_tokens[count] = '\0';
    free(copy);
}

static void good_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tokens;
    } rows[] = {
        { "1", "n." },
        { " \t\r\n true ", "t." },
        { "[]", "[]." },
        { "{}", "{}." },
        { "[1,-2.5e3,\"a\",true,false,null]", "[nnstf0]." },
        { "{\"a\":1,\"b\":[{},[]],\"a\":{\"c\":null}}", "{knk[{}[]]k{k0}}." },
        { "[ [ 1 , 2 ] , { \"a\" : \"b\" } ]", "[[nn]{ks}]." },
        { "[NaN,Infinity,-Infinity]", "[nnn]." },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"", "s." },
        { "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", "s." },
        { "\"\x7F\"", "s." },
        { "\"12345678\\n12345678\"", "s." },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        char tokens[64];
        tokens_of(ax_str_from(rows[i].text), tokens, sizeof(tokens), &err);
        assert_string_equal(tokens, rows[i].tokens);
        assert_int_equal(err.code, AX_OK);
    }
}

static void bad_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
    } rows[] = {
        { "", "malformed JSON: ends at byte 0, the value is not complete" },
        { "[1,]", "malformed JSON at byte 3: expected a value" },
        { "[,1]", "malformed JSON at byte 1: expected a value" },
        { "[1 2]", "malformed JSON at byte 3: expected ',' or ']'" },
        { "[1}", "malformed JSON at byte 2: expected ',' or ']'" },
        { "{\"a\":1]", "malformed JSON at byte 6: expected ',' or '}'" },
        { "{\"a\" 1}", "malformed JSON at byte 5: expected ':'" },
        { "{\"a\":}", "malformed JSON at byte 5: expected a value" },
        { "{\"a\":1,}", "malformed JSON at byte 7: expected a member's name" },
        { "{a:1}", "malformed JSON at byte 1: expected a member's name" },
        { "{1:1}", "malformed JSON at byte 1: expected a member's name" },
        { "1 1", "malformed JSON at byte 2: nothing may follow the value" },
        { "6Infinity", "malformed JSON at byte 1: nothing may follow the value" },
        { "01", "malformed JSON at byte 1: nothing may follow the value" },
        { "-", "malformed JSON at byte 0: expected a number" },
        { "1.", "malformed JSON at byte 0: expected a number" },
        { "+1", "malformed JSON at byte 0: expected a value" },
        { ".5", "malformed JSON at byte 0: expected a value" },
        { "tru", "malformed JSON at byte 0: expected a value" },
        { "True", "malformed JSON at byte 0: expected a value" },
        { "nan", "malformed JSON at byte 0: expected a value" },
        { "-NaN", "malformed JSON at byte 0: expected a number" },
        { "Inf", "malformed JSON at byte 0: expected a value" },
        { "'a'", "malformed JSON at byte 0: expected a value" },
        { "\"a", "malformed JSON: ends at byte 2, expected a character of a string or '\"'" },
        { "\"a\nb\"", "malformed JSON at byte 2: expected a character of a string or '\"'" },
        { "\"1234567\x01\"", "malformed JSON at byte 8: expected a character of a string or '\"'" },
        { "\"\\x\"", "malformed JSON at byte 1: unknown escape" },
        { "\"\\u12g4\"", "malformed JSON at byte 1: unknown escape" },
        { "\"\\", "malformed JSON at byte 1: unknown escape" },
        { "\"\\u123", "malformed JSON at byte 1: unknown escape" },
        { "\"\xFF\"", "malformed JSON at byte 0: the string is not UTF-8" },
        { "\"12345678\xC3\"", "malformed JSON at byte 0: the string is not UTF-8" },
        { "[1,2", "malformed JSON: ends at byte 4, the value is not complete" },
        { "[1,", "malformed JSON: ends at byte 3, expected a value" },
        { "\xEF\xBB\xBF{}", "malformed JSON at byte 0: expected a value" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        char tokens[64];
        tokens_of(ax_str_from(rows[i].text), tokens, sizeof(tokens), &err);
        assert_int_equal(tokens[strlen(tokens) - 1], 'F');
        assert_int_equal(err.code, AX_E_INVALID);
        assert_string_equal(err.msg, rows[i].msg);
    }
    struct ax_err err = AX_ERR_INIT;
    char tokens[64];
    tokens_of(AX_STR("[\0]"), tokens, sizeof(tokens), &err);
    assert_string_equal(tokens, "[F");
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"a\\u00e9b\\n\",\"inputs\":[{\"shape\":[1,-2.5e+10],\"data\":[[NaN,null],[true,"
        "-Infinity]]},{}],\"x\":false}";
    for (size_t len = 0; len < sizeof(text); len++) {
        struct ax_err err = AX_ERR_INIT;
        char tokens[100];
        tokens_of((struct ax_str){ text, len }, tokens, sizeof(tokens), &err);
        bool whole = len == sizeof(text) - 1;
        assert_int_equal(tokens[strlen(tokens) - 1], whole ? '.' : 'F');
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    static char text[250000];
    for (int object = 0; object < 2; object++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_reader reader;
        size_t len = 0;
        while (len + 5 < sizeof(text)) {
            memcpy(text + len, object ? "{\"a\":" : "[", object ? 5 : 1);
            len += object ? 5 : 1;
        }
        ax_json_reader_init(&reader, (struct ax_str){ text, len });
        unsigned depth = 0;
        enum ax_json_token token;
        while ((token = ax_json_read(&reader, &err)) != AX_JSON_FAILED)
            depth += token != AX_JSON_KEY;
        assert_int_equal(depth, AX_JSON_DEPTH_MAX);
        assert_string_equal(err.msg, "JSON nesting depth exceeds maximum allowed limit (100)");
    }
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    struct ax_err err = AX_ERR_INIT;
    char tokens[300];
    tokens_of((struct ax_str){ text, 200 }, tokens, sizeof(tokens), &err);
    assert_int_equal(strlen(tokens), 201);
    assert_int_equal(tokens[200], '.');
}

static void texts_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text; /* NULL: half a surrogate pair */
    } rows[] = {
        { "\"abc\"", "abc" },
        { "\"\"", "" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00z\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z" },
        { "\"\\uFFFF\"", "\xEF\xBF\xBF" },
        { "\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF" },
        { "\"\\uD800\"", NULL },
        { "\"\\uD800\\n\"", NULL },
        { "\"\\uD800\\uD800\"", NULL },
        { "\"\\uDC00\"", NULL },
        { "\"\\uDC00\\uDC00\"", NULL },
        { "\"\\uDFFF\\uDFFF\"", NULL },
        { "\"\\uD800x\"", NULL },
    };
    struct ax_arena arena;
    ax_arena_init(&arena, 64, 4096);
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_reader reader;
        struct ax_str text = AX_STR("untouched");
        ax_json_reader_init(&reader, ax_str_from(rows[i].json));
        assert_int_equal(ax_json_read(&reader, &err), AX_JSON_STRING);
        enum ax_code code = ax_json_read_text(&reader, &arena, &text, &err);
        if (code == AX_E_LIMIT) {
            assert_true(ax_torture_struck());
        } else if (rows[i].text) {
            assert_int_equal(code, AX_OK);
            assert_int_equal(text.len, strlen(rows[i].text));
            assert_memory_equal(text.ptr, rows[i].text, text.len);
        } else {
            assert_int_equal(code, AX_E_INVALID);
            assert_string_equal(text.ptr, "untouched");
        }
    }
    ax_arena_done(&arena);
    struct ax_json_reader reader;
    struct ax_err err = AX_ERR_INIT;
    struct ax_str text;
    ax_arena_init(&arena, 1, 4);
    ax_json_reader_init(&reader, AX_STR("\"\\n234\""));
    assert_int_equal(ax_json_read(&reader, &err), AX_JSON_STRING);
    assert_int_equal(ax_json_read_text(&reader, &arena, &text, &err), AX_E_TOO_LARGE);
    ax_arena_done(&arena);
}

static void nul_in_a_text(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 64, 4096);
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_reader reader;
    struct ax_str text = AX_STR("");
    ax_json_reader_init(&reader, AX_STR("\"a\\u0000b\""));
    assert_int_equal(ax_json_read(&reader, &err), AX_JSON_STRING);
    if (!ax_json_read_text(&reader, &arena, &text, &err))
        assert_true(ax_str_equals(text, AX_STR("a\0b")));
    else
        assert_true(ax_torture_struck());
    ax_arena_done(&arena);
}

static void single_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
        double value;
    } rows[] = {
        { "0.1", true, 0.1 },
        { "-0", true, -0.0 },
        { "1e400", false, 0 },
        { "-1e400", false, 0 },
        { "1e-400", true, 0 },
        { "Infinity", true, INFINITY },
        { "-Infinity", true, -INFINITY },
        { "5e-324", true, 5e-324 },
        { "1.7976931348623157e308", true, 1.7976931348623157e308 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_reader reader;
        double value = 7;
        ax_json_reader_init(&reader, ax_str_from(rows[i].text));
        assert_int_equal(ax_json_read(&reader, &err), AX_JSON_NUMBER);
        assert_int_equal(ax_json_read_f64(&reader, &value), rows[i].fits);
        if (rows[i].fits)
            assert_memory_equal(&value, &rows[i].value, sizeof(value));
        else
            assert_true(value == 7);
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_reader reader;
    double value;
    int64_t i64;
    uint64_t u64;
    ax_json_reader_init(&reader, AX_STR("NaN"));
    assert_int_equal(ax_json_read(&reader, &err), AX_JSON_NUMBER);
    assert_true(ax_json_read_f64(&reader, &value) && isnan(value));
    assert_false(ax_json_read_i64(&reader, &i64));
    ax_json_reader_init(&reader, AX_STR("-3"));
    assert_int_equal(ax_json_read(&reader, &err), AX_JSON_NUMBER);
    assert_true(ax_json_read_i64(&reader, &i64) && i64 == -3);
    assert_false(ax_json_read_u64(&reader, &u64));
}

/* What the fast path reads, and what ax_json_read says next. */
static void arrays_of_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *then;
    } rows[] = {
        { "[1,2,3]", 3, "]." },
        { "[ 1 , 2 , 3 ]", 3, "]." },
        { "[]", 0, "]." },
        { "[1,null,3]", 1, "0n]." },
        { "[1,\"a\"]", 1, "s]." },
        { "[NaN,1]", 0, "nn]." },
        { "[1,Infinity]", 1, "n]." },
        { "[1,-Infinity]", 1, "n]." },
        { "[1,[2]]", 1, "[n]]." },
        { "[1,]", 1, "F" },
        { "[1,2", 2, "F" },
        { "[1,2.]", 1, "F" },
        { "[1,1e400,2]", 1, "nn]." },
        { "[1 2]", 1, "F" },
        { "[1,,2]", 1, "F" },
        { "[1x]", 1, "F" },
        { "[1}", 1, "F" },
        { "[1,2,3,4,5,6,7,8,9,10]", 8, "nn]." },
        { "{\"a\":1}", 0, "kn}." },
        { "1", 0, "n." },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        for (int wide = 0; wide < 2; wide++) {
            struct ax_err err = AX_ERR_INIT;
            struct ax_json_reader reader;
            float f32s[16] = { 0 };
            double f64s[16] = { 0 };
            ax_json_reader_init(&reader, ax_str_from(rows[i].text));
            if (rows[i].text[0] != '1')
                (void)ax_json_read(&reader, &err);
            size_t count = wide ? ax_json_read_f64s(&reader, f64s, 2, 8)
                                : ax_json_read_f32s(&reader, f32s, 2, 8);
            assert_int_equal(count, rows[i].count);
            for (size_t k = 0; k < 8; k++) {
                double value = k < count ? (double)(k + 1) : 0;
                assert_true(wide ? f64s[2 * k] == value : (double)f32s[2 * k] == value);
                assert_true(f32s[2 * k + 1] == 0 && f64s[2 * k + 1] == 0);
            }
            for (const char *then = rows[i].then; *then; then++)
                assert_int_equal(letters[ax_json_read(&reader, &err)], *then);
        }
    }
}

/* What ax_json_skip_numbers passes over, and the tokens behind it. */
static void skipping_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *then;
    } rows[] = {
        { "[1,-2.5e-3,0]", 3, "]." },
        { "[ 1 ,\t2 , 12345678901234567890 ]", 3, "]." },
        { "[1,2,3,4,5,6,7,8,9,10]", 10, "]." },
        { "[]", 0, "]." },
        { "[ ]", 0, "]." },
        { "[1,null,3]", 1, "0n]." },
        { "[NaN,1]", 0, "nn]." },
        { "[1,1e400,2]", 3, "]." },
        { "[1,[2]]", 1, "[n]]." },
        { "[1,]", 1, "F" },
        { "[1,2", 2, "F" },
        { "[1,2.]", 1, "F" },
        { "[1,2e]", 1, "F" },
        { "[1,2e+]", 1, "F" },
        { "[1,-]", 1, "F" },
        { "[01]", 1, "F" },
        { "[1,,2]", 1, "F" },
        { "[1x]", 1, "F" },
        { "{\"a\":1}", 0, "kn}." },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_reader reader;
        ax_json_reader_init(&reader, ax_str_from(rows[i].text));
        (void)ax_json_read(&reader, &err);
        assert_int_equal(ax_json_skip_numbers(&reader), rows[i].count);
        for (const char *then = rows[i].then; *then; then++)
            assert_int_equal(letters[ax_json_read(&reader, &err)], *then);
    }
}

/* Read in runs of random lengths, numbers and other elements mixed. */
static void random_arrays_by_both_ways(void **state)
{
    (void)state;
    uint64_t random = 5;
    static char text[60000];
    for (int round = 0; round < 300; round++) {
        size_t len = 1;
        text[0] = '[';
        for (int i = 0; i < 500; i++) {
            static const char *const others[] = { "null", "NaN", "[1,2]", "\"a,1\"", "{\"b\":3}" };
            static const char *const commas[] = { ",", ", ", ",", ", ", " ,\n ", ",  " };
            size_t usual = round % 3 ? 2 : AX_COUNT(commas);
            size_t chosen = round % 3 == 1 ? 0 : round % 3 == 2 ? 1 : test_random(&random) % usual;
            const char *comma = i ? commas[chosen] : "";
            if (test_random(&random) % 10)
                len += (size_t)snprintf(text + len, 64, "%s%.*g", comma,
                                        (int)(test_random(&random) % 17 + 1),
                                        (double)(int64_t)test_random(&random) / 1e15);
            else
                len += (size_t)snprintf(text + len, 64, "%s%s", comma,
                                        others[test_random(&random) % AX_COUNT(others)]);
        }
        text[len++] = ']';
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_reader fast;
        struct ax_json_reader slow;
        ax_json_reader_init(&fast, (struct ax_str){ text, len });
        ax_json_reader_init(&slow, fast.text);
        /* Longer than each token, shorter than a run of them. */
        fast.token_max = round % 2 ? 32 : 0;
        enum ax_json_token token = AX_JSON_NULL;
        while (token != AX_JSON_END) {
            double values[64];
            size_t count = ax_json_read_f64s(&fast, values, 1, test_random(&random) % 64);
            for (size_t i = 0; i < count; i++) {
                double value;
                assert_int_equal(ax_json_read(&slow, &err), AX_JSON_NUMBER);
                assert_true(ax_json_read_f64(&slow, &value));
                assert_memory_equal(&value, &values[i], sizeof(value));
            }
            token = ax_json_read(&fast, &err);
            assert_int_equal(ax_json_read(&slow, &err), token);
            assert_int_not_equal(token, AX_JSON_FAILED);
        }
    }
}

/* Deep inside long arrays numbers are read in another way than near their ends. */
static void odd_numbers_in_long_arrays(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0",
        "00",
        "01",
        "-01",
        "0.5",
        "00.5",
        "-00.5",
        ".5",
        "-.5",
        "5.",
        "-",
        "--1",
        "+1",
        "1.5.5",
        "1e5",
        "1.5E-3",
        "1e",
        "1.5e",
        "1234567",
        "12345678",
        "123456789012345678901234567890",
        "1234567.123456789012",
        "1234567.1234567890123",
        "0.123456789012345678",
        "0.1234567890123456789",
        "0.12345678901234567890123456789012345",
        "9007199254740992",
        "9.007199254740993",
        "0.9007199254740993",
        "-1.7976931348623157",
        "999999.99999999999",
        "1x",
        "1 ",
        "1/",
        "1:",
        "0.000000000000000001",
        "0.0000000000000000000000000000001",
        "\"1\"",
        "NaN",
        "null",
        "[1]",
    };
    for (size_t i = 0; i < AX_COUNT(texts) * 2; i++) {
        char text[1024];
        const char *comma = i % 2 ? ", " : ",";
        int len = snprintf(text, sizeof(text), "[7%s-8.25%s%s", comma, comma, texts[i / 2]);
        for (int k = 0; k < 60; k++)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%d.5", comma, k);
        len += snprintf(text + len, sizeof(text) - (size_t)len, "]");
        struct ax_err fast_err = AX_ERR_INIT;
        struct ax_err slow_err = AX_ERR_INIT;
        struct ax_json_reader fast;
        struct ax_json_reader slow;
        ax_json_reader_init(&fast, (struct ax_str){ text, (size_t)len });
        ax_json_reader_init(&slow, fast.text);
        enum ax_json_token token = AX_JSON_NULL;
        while (token != AX_JSON_END && token != AX_JSON_FAILED) {
            double values[64];
            size_t count = ax_json_read_f64s(&fast, values, 1, 64);
            for (size_t k = 0; k < count; k++) {
                double value;
                assert_int_equal(ax_json_read(&slow, &slow_err), AX_JSON_NUMBER);
                assert_true(ax_json_read_f64(&slow, &value));
                assert_memory_equal(&value, &values[k], sizeof(value));
            }
            token = ax_json_read(&fast, &fast_err);
            assert_int_equal(ax_json_read(&slow, &slow_err), token);
        }
        assert_string_equal(fast_err.msg, slow_err.msg);
    }
}

/* The tokens of a text with a limit, as tokens_of. */
static void long_tokens_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tokens, *msg;
    } rows[] = {
        { "\"12345678\"", "s.", "" },
        { "\"123456789\"", "F", "JSON at byte 0: a string of more than 8 bytes" },
        { "\"1234567\\n\"", "F", "JSON at byte 0: a string of more than 8 bytes" },
        { "\"12345678", "F",
          "malformed JSON: ends at byte 9, expected a character of a string or "
          "'\"'" },
        { "{\"123456789\":1}", "{F", "JSON at byte 1: a string of more than 8 bytes" },
        { "[1234567]", "[n].", "" },
        { "[12345678901]", "[F", "JSON at byte 1: a number of more than 8 bytes" },
        { "[1234567e10]", "[F", "JSON at byte 1: a number of more than 8 bytes" },
        { "[-123456.75]", "[F", "JSON at byte 1: a number of more than 8 bytes" },
        { "[-123.e1]", "[F", "malformed JSON at byte 1: expected a number" },
        { "[        1        ,        2        ]        ", "[nn].", "" },
        { "[         1]", "[F", "JSON at byte 9: white space of more than 8 bytes" },
        { "[1         ]", "[nF", "JSON at byte 10: white space of more than 8 bytes" },
        { "[1,         2]", "[nF", "JSON at byte 11: white space of more than 8 bytes" },
        { "{         \"a\":1}", "{F", "JSON at byte 9: white space of more than 8 bytes" },
        { "{\"a\"         :1}", "{F", "JSON at byte 12: white space of more than 8 bytes" },
        { "[]         ", "[]F", "JSON at byte 10: white space of more than 8 bytes" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        for (int fast = 0; fast < 2; fast++) {
            struct ax_err err = AX_ERR_INIT;
            struct ax_json_reader reader;
            double values[4];
            char tokens[16];
            size_t count = 0;
            ax_json_reader_init(&reader, ax_str_from(rows[i].text));
            reader.token_max = 8;
            do {
                size_t read = fast ? ax_json_read_f64s(&reader, values, 1, 4) : 0;
                while (read--)
                    tokens[count++] = 'n';
                tokens[count++] = letters[ax_json_read(&reader, &err)];
            } while (tokens[count - 1] != 'F' && tokens[count - 1] != '.');
            tokens[count] = '\0';
            assert_string_equal(tokens, rows[i].tokens);
            assert_string_equal(err.msg, rows[i].msg);
        }
    }
}

static void skipping_in_slices(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,{\"b\":[]},[[[\"x\"]]],2],\"c\":7,\"d\":true}";
    for (size_t budget = 1; budget < sizeof(text); budget++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_json_reader reader;
        ax_json_reader_init(&reader, AX_STR(text));
        assert_int_equal(ax_json_read(&reader, &err), AX_JSON_OBJECT_BEGIN);
        for (int member = 0; member < 3; member++) {
            assert_int_equal(ax_json_read(&reader, &err), AX_JSON_KEY);
            unsigned depth = reader.depth;
            assert_int_not_equal(ax_json_read(&reader, &err), AX_JSON_FAILED);
            bool done = false;
            size_t calls = 0;
            for (; !done; calls++)
                assert_int_equal(ax_json_skip(&reader, depth, budget, &done, &err), AX_OK);
            assert_true(calls == 1 || budget < 25);
        }
        assert_int_equal(ax_json_read(&reader, &err), AX_JSON_OBJECT_END);
        assert_int_equal(ax_json_read(&reader, &err), AX_JSON_END);
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_reader reader;
    bool done;
    ax_json_reader_init(&reader, AX_STR("[[1,}]"));
    assert_int_equal(ax_json_read(&reader, &err), AX_JSON_ARRAY_BEGIN);
    assert_int_equal(ax_json_skip(&reader, 0, 1000, &done, &err), AX_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(texts_are_decoded),
        cmocka_unit_test(nul_in_a_text),
        cmocka_unit_test(single_numbers),
        cmocka_unit_test(arrays_of_numbers),
        cmocka_unit_test(random_arrays_by_both_ways),
        cmocka_unit_test(odd_numbers_in_long_arrays),
        cmocka_unit_test(long_tokens_are_refused),
        cmocka_unit_test(skipping_in_slices),
        cmocka_unit_test(skipping_numbers),
    };
    return cmocka_run_group_tests_name("base/json_reader", tests, NULL, NULL);
}
