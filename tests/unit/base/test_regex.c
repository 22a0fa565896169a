/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: patterns match, extract and replace as DuckDB's regexp_ functions do; what may not be is
 * refused by name; one expression serves many threads.
 * Method: tables whose results were taken from DuckDB 1.5.5; long and hostile patterns; four
 * threads that use one expression on texts of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/regex.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>

static struct ax_regex *must(const char *pattern, const char *options)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_regex_options read;
    struct ax_regex *regex = NULL;
    assert_int_equal(ax_regex_options_read(ax_str_from(options), &read, &err), AX_OK);
    if (ax_regex_new(ax_str_from(pattern), &read, &regex, &err))
        fail_msg("%s", err.msg);
    return regex;
}

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *options, *text;
        bool part, whole;
    } rows[] = {
        { "b", "", "abc", true, false },
        { "abc", "", "abc", true, true },
        { "^b", "", "abc", false, false },
        { "", "", "abc", true, false },
        { "", "", "", true, true },
        { "B", "", "abc", false, false },
        { "B", "i", "abc", true, false },
        { "B", "ic", "abc", false, false },
        { "(?i)STRASSE", "", "strasse", true, true },
        { "\xc3\x84", "i", "\xc3\xa4", true, true }, /* Ä, ä */
        { "a.c", "", "a\nc", false, false },
        { "a.c", "s", "a\nc", true, true },
        { "a.c", "sn", "a\nc", false, false },
        { "a.c", "l", "abc", false, false },
        { "a.c", "l", "xa.cx", true, false },
        { "^.$", "", "\xe2\x82\xac", true, true }, /* one code point */
        { "\\d+", "", "x12", true, false },
        { "\\pL", "", "\xd0\x96", true, true },
        { "(a|ab)(c|bcd)(d*)", "", "abcd", true, true },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_regex *regex = must(rows[i].pattern, rows[i].options);
        if (ax_regex_matches(regex, ax_str_from(rows[i].text)) != rows[i].part ||
            ax_regex_matches_whole(regex, ax_str_from(rows[i].text)) != rows[i].whole)
            fail_msg("row %zu: '%s' on '%s'", i, rows[i].pattern, rows[i].text);
        ax_regex_free(regex);
    }
}

static void matches_texts_with_nul_and_none(void **state)
{
    (void)state;
    struct ax_regex *regex = must("a\\x00b", "");
    assert_true(ax_regex_matches(regex, (struct ax_str){ "xa\0b", 4 }));
    assert_false(ax_regex_matches(regex, (struct ax_str){ "xa\0b", 3 }));
    assert_false(ax_regex_matches(regex, (struct ax_str){ NULL, 0 }));
    ax_regex_free(regex);
    regex = must("^$", "");
    assert_true(ax_regex_matches(regex, (struct ax_str){ NULL, 0 }));
    assert_int_equal(ax_regex_extract(regex, (struct ax_str){ NULL, 0 }, 0).len, 0);
    ax_regex_free(regex);
}

static void extracts(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        size_t group;
        const char *wanted;
    } rows[] = {
        { "b(.)(d)?", "abcd bx", 0, "bcd" },
        { "b(.)(d)?", "abcd bx", 1, "c" },
        { "b(.)(d)?", "abce", 2, "" },
        { "b(.)(d)?", "xyz", 0, "" },
        { "b(.)", "abc", 2, "" },
        { "(?P<year>\\d{4})-", "on 2013-01-01", 1, "2013" },
        { "a*", "baa", 0, "" },
        { "(a+)(b+)", "aabb", 2, "bb" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_regex *regex = must(rows[i].pattern, "");
        struct ax_str text = ax_str_from(rows[i].text);
        struct ax_str got = ax_regex_extract(regex, text, rows[i].group);
        if (!ax_str_is(got, rows[i].wanted))
            fail_msg("row %zu: '%.*s'", i, AX_STR_ARG(got));
        ax_regex_free(regex);
    }
}

static void replaces(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text, *rewrite, *first, *all;
    } rows[] = {
        { "l", "hello", "L", "heLlo", "heLLo" },
        { "(.)l", "hello", "<\\1>", "h<e>lo", "h<e>lo" },
        { "x*", "abc", "-", "-abc", "-a-b-c-" },
        { "b*", "abbc", "-", "-abbc", "-a-c-" },
        { "x*", "", "-", "-", "-" },
        { "x*", "\xe2\x82\xac\xc3\xa4", "-", "-\xe2\x82\xac\xc3\xa4", "-\xe2\x82\xac-\xc3\xa4-" },
        { "z", "abc", "-", "abc", "abc" },
        { "(a)|(b)", "ab", "[\\1\\2]", "[a]b", "[a][b]" },
        { "b", "abc", "\\\\", "a\\c", "a\\c" },
        { "b", "abc", "", "ac", "ac" },
        { "(b)", "abc", "\\0\\1", "abbc", "abbc" },
        { "$", "abc", "!", "abc!", "abc!" },
        { "a|$", "aa", "-", "-a", "--" },
        { "^", "abc", "-", "-abc", "-abc" },
    };
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_regex *regex = must(rows[i].pattern, "");
        struct ax_str rewrite = ax_str_from(rows[i].rewrite);
        assert_int_equal(ax_regex_check_rewrite(regex, rewrite, &err), AX_OK);
        for (unsigned all = 0; all < 2; all++) {
            char out[100];
            size_t len =
                ax_regex_replace(regex, ax_str_from(rows[i].text), rewrite, all, out, sizeof(out));
            struct ax_str got = { out, len };
            if (!ax_str_is(got, all ? rows[i].all : rows[i].first))
                fail_msg("row %zu: '%.*s'", i, AX_STR_ARG(got));
        }
        ax_regex_free(regex);
    }
}

static void replacement_writes_what_fits(void **state)
{
    (void)state;
    struct ax_regex *regex = must("(a)", "");
    char out[9] = "........";
    assert_int_equal(ax_regex_replace(regex, AX_STR("xaaa"), AX_STR("b\\1b"), true, out, 6), 10);
    assert_string_equal(out, "xbabba..");
    assert_int_equal(ax_regex_replace(regex, AX_STR("xaaa"), AX_STR("bbb"), true, NULL, 0), 10);
    ax_regex_free(regex);
}

static void options_give_what_they_say(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_regex_options options = { .nocase = true };
    assert_int_equal(ax_regex_options_read(AX_STR(" g\ti\nls"), &options, &err), AX_OK);
    assert_true(options.global && options.nocase && options.literal && options.dot_newline);
    assert_int_equal(ax_regex_options_read(AX_STR("gx"), &options, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "'gx'"));
    assert_true(options.global); /* untouched */
}

static void refuses_bad_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        enum ax_code code;
        const char *words;
    } rows[] = {
        { "a(b", AX_E_INVALID, "missing ): a(b" },
        { "a)", AX_E_INVALID, "unexpected ): a)" },
        { "[z-a]", AX_E_INVALID, "invalid character class range" },
        { "*", AX_E_INVALID, "no argument for repetition operator" },
        { "(?=a)", AX_E_INVALID, "invalid perl operator" },
        { "(a)\\1", AX_E_INVALID, "invalid escape sequence" },
        { "\xff", AX_E_INVALID, "invalid UTF-8" },
        { "a{1001}", AX_E_INVALID, "invalid repetition size" },
        { "(\\pL{99}){9}", AX_E_TOO_LARGE, "10000 instructions" },
        { "((a{100}){100}){9}", AX_E_INVALID, "invalid repetition size" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_regex *regex = NULL;
        enum ax_code code = ax_regex_new(ax_str_from(rows[i].pattern), NULL, &regex, &err);
        if (code != rows[i].code || !strstr(err.msg, rows[i].words))
            fail_msg("row %zu: %d '%s'", i, (int)code, err.msg);
        assert_null(regex);
    }
    static char long_pattern[AX_REGEX_PATTERN_BYTES_MAX + 2];
    memset(long_pattern, 'a', sizeof(long_pattern) - 1);
    struct ax_err err = AX_ERR_INIT;
    struct ax_regex *regex = NULL;
    assert_int_equal(ax_regex_new(ax_str_from(long_pattern), NULL, &regex, &err), AX_E_TOO_LARGE);
    long_pattern[AX_REGEX_PATTERN_BYTES_MAX] = '\0';
    ax_err_clear(&err);
    assert_int_equal(ax_regex_new(ax_str_from(long_pattern), NULL, &regex, &err), AX_OK);
    ax_regex_free(regex);
    ax_regex_free(NULL);
}

static void refuses_bad_replacements(void **state)
{
    (void)state;
    static const char *const bad[] = { "\\2", "\\a", "x\\", "\\9" };
    struct ax_regex *regex = must("(a)", "");
    assert_int_equal(ax_regex_group_count(regex), 1);
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_regex_check_rewrite(regex, ax_str_from(bad[i]), &err), AX_E_INVALID);
        assert_non_null(strstr(err.msg, bad[i]));
    }
    ax_regex_free(regex);
}

/* A pattern whose deterministic automaton has 2^12 states and more than fit: still the right
 * answer, and in time linear in the text. */
static void answers_when_its_memory_is_full(void **state)
{
    (void)state;
    struct ax_regex *regex = must("[ab]*a[ab]{14}c", "");
    static char text[20000];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof(text); i++) {
        random = random * 1664525 + 1013904223;
        text[i] = random >> 31 ? 'a' : 'b';
    }
    struct ax_str all = { text, sizeof(text) };
    assert_false(ax_regex_matches(regex, all));
    text[sizeof(text) - 1] = 'c';
    text[sizeof(text) - 16] = 'b';
    assert_false(ax_regex_matches(regex, all));
    text[sizeof(text) - 16] = 'a';
    assert_true(ax_regex_matches(regex, all));
    ax_regex_free(regex);
}

struct shared_use {
    struct ax_thread thread;
    const struct ax_regex *regex;
    unsigned number, wrong;
};

static void use_shared(void *arg)
{
    struct shared_use *use = arg;
    for (unsigned i = 0; i < 2000; i++) {
        char text[32], wanted[16];
        (void)snprintf(wanted, sizeof(wanted), "%u", use->number * 10000 + i);
        (void)snprintf(text, sizeof(text), "n%u: %s;", i % 7, wanted);
        struct ax_str got = ax_regex_extract(use->regex, ax_str_from(text), 1);
        use->wrong += !ax_str_is(got, wanted);
    }
}

static void one_expression_serves_many_threads(void **state)
{
    (void)state;
    struct ax_regex *regex = must(": (\\d+);", "");
    struct shared_use uses[4];
    struct ax_err err = AX_ERR_INIT;
    for (unsigned i = 0; i < AX_COUNT(uses); i++) {
        uses[i] = (struct shared_use){ .regex = regex, .number = i };
        assert_int_equal(ax_thread_start(&uses[i].thread, "regex", use_shared, &uses[i], &err),
                         AX_OK);
    }
    for (unsigned i = 0; i < AX_COUNT(uses); i++) {
        ax_thread_join(&uses[i].thread);
        assert_int_equal(uses[i].wrong, 0);
    }
    ax_regex_free(regex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(matches_texts_with_nul_and_none),
        cmocka_unit_test(extracts),
        cmocka_unit_test(replaces),
        cmocka_unit_test(replacement_writes_what_fits),
        cmocka_unit_test(options_give_what_they_say),
        cmocka_unit_test(refuses_bad_patterns),
        cmocka_unit_test(refuses_bad_replacements),
        cmocka_unit_test(answers_when_its_memory_is_full),
        cmocka_unit_test(one_expression_serves_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
