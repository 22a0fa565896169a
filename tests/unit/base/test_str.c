/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: comparing, UTF-8, numbers and "did you mean" do what their contracts say.
 * Method: tables of good and bad texts; UTF-8 also against a slow decoder, for all sequences of up
 * to three bytes and many of four.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#include "random.h"

static void comparing(void **state)
{
    (void)state;
    assert_int_equal(ax_str_compare(AX_STR("a"), AX_STR("a")), 0);
    assert_true(ax_str_compare(AX_STR("a"), AX_STR("ab")) < 0);
    assert_true(ax_str_compare(AX_STR("b"), AX_STR("ab")) > 0);
    assert_true(ax_str_compare(AX_STR("\x7F"), AX_STR("\x80")) < 0);
    assert_int_equal(ax_str_compare((struct ax_str){ NULL, 0 }, AX_STR("")), 0);
    assert_true(ax_str_equals_nocase(AX_STR("Content-Length"), AX_STR("content-length")));
    assert_false(ax_str_equals_nocase(AX_STR("[a"), AX_STR("{a")));
    assert_false(ax_str_equals_nocase(AX_STR("ab"), AX_STR("abc")));
    assert_true(ax_str_starts_with(AX_STR("v2/models"), AX_STR("v2/")));
    assert_false(ax_str_starts_with(AX_STR("v"), AX_STR("v2/")));
    assert_true(ax_str_ends_with(AX_STR("rows.csv"), AX_STR(".csv")));
    assert_true(ax_str_ends_with(AX_STR(".csv"), AX_STR(".csv")));
    assert_true(ax_str_ends_with((struct ax_str){ NULL, 0 }, AX_STR("")));
    assert_false(ax_str_ends_with(AX_STR("csv"), AX_STR(".csv")));
    assert_false(ax_str_ends_with(AX_STR("rows.csv.gz"), AX_STR(".csv")));
    struct ax_str rest = AX_STR("M3");
    assert_false(ax_str_take_char(&rest, '3'));
    assert_true(ax_str_take_char(&rest, 'M') && ax_str_take_char(&rest, '3'));
    assert_false(ax_str_take_char(&rest, '3'));
    assert_true(ax_str_is((struct ax_str){ NULL, 0 }, ""));
    assert_false(ax_str_is(AX_STR("a\0b"), "a"));
}

/* The length of a character as RFC 3629 defines it, by decoding. */
static size_t slow_len(const unsigned char *p, size_t len)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    uint32_t code = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    bool good = code >= least[n] && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
    return good ? n : 0;
}

static void utf8_against_a_decoder(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (uint32_t word = 0; word < (1u << 24) + 2000000; word++) {
        uint32_t bits = word;
        size_t len = 3;
        if (word >> 24) {
            bits = (uint32_t)test_random(&random) | 0xF0;
            len = 4;
        }
        const unsigned char p[4] = { bits & 255, bits >> 8 & 255, bits >> 16 & 255, bits >> 24 };
        if (ax_str_utf8_len((struct ax_str){ (const char *)p, len }) != slow_len(p, len))
            fail_msg("bytes %02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
    }
}

static void utf8_of_texts(void **state)
{
    (void)state;
    assert_true(ax_str_is_utf8((struct ax_str){ NULL, 0 }));
    assert_true(ax_str_is_utf8(AX_STR("plain text that is longer than a word")));
    assert_true(ax_str_is_utf8(AX_STR("12345678\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
    assert_true(ax_str_is_utf8(AX_STR("a\0b")));
    static const char *const bad[] = {
        "\x80",         "abc\xC3",      "12345678\xFF",    "\xC0\xAF",
        "\xED\xA0\x80", "\xE0\x80\x80", "\xF4\x90\x80\x80"
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        assert_false(ax_str_is_utf8(ax_str_from(bad[i])));
    assert_int_equal(ax_str_utf8_len((struct ax_str){ NULL, 0 }), 0);
}

static void plain_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_plain;
    } texts[] = {
        { "", true },
        { "some words, 12_3-4", true },
        { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", true },
        { "a\x1F", false },
        { "\x7F", false },
        { "\xC2\x80", false },                 /* U+0080 */
        { "\xC2\xA0", true },                  /* U+00A0, a space */
        { "\xC2\xAD", false },                 /* U+00AD, a soft hyphen */
        { "\xD8\x9C", false },                 /* U+061C */
        { "\xE2\x80\x8B", false },             /* U+200B */
        { "a\xE2\x80\x8C\xE2\x80\x8D", true }, /* the joiners */
        { "\xE2\x80\x8E", false },             /* U+200E */
        { "\xE2\x80\xA8", false },             /* U+2028 */
        { "evil\xE2\x80\xAEtxt.exe", false },  /* U+202E */
        { "\xE2\x81\xA5", true },              /* U+2065, none of them */
        { "\xE2\x81\xA6", false },             /* U+2066 */
        { "\xEF\xBB\xBF", false },             /* U+FEFF */
        { "\xF3\xA0\x81\xBF", false },         /* U+E007F */
        { "\xF3\xA0\x84\x80", true },          /* U+E0100 */
        { "\xFF", false },
        { "\xE2\x80", false },
    };
    for (size_t i = 0; i < AX_COUNT(texts); i++)
        if (ax_str_is_plain(ax_str_from(texts[i].text)) != texts[i].is_plain)
            fail_msg("text %zu: '%s'", i, texts[i].text);
    assert_false(ax_str_is_plain(AX_STR("a\0b")));
    assert_true(ax_str_is_plain((struct ax_str){ NULL, 0 }));
}

static void trimming(void **state)
{
    static const struct {
        const char *text, *trimmed;
    } cases[] = {
        { "", "" },      { " \t ", "" },         { "a", "a" },      { " a", "a" },
        { "a\t ", "a" }, { "\t a b \t", "a b" }, { "\na ", "\na" },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        assert_true(ax_str_is(ax_str_trim(ax_str_from(cases[i].text)), cases[i].trimmed));
    assert_int_equal(ax_str_trim((struct ax_str){ NULL, 0 }).len, 0);
}

static void cutting(void **state)
{
    (void)state;
    assert_int_equal(ax_str_cut(AX_STR("abc"), 5).len, 3);
    assert_int_equal(ax_str_cut(AX_STR("abc"), 2).len, 2);
    assert_int_equal(ax_str_cut(AX_STR("a\xE2\x82\xAC"), 4).len, 4);
    assert_int_equal(ax_str_cut(AX_STR("a\xE2\x82\xAC"), 3).len, 1);
    assert_int_equal(ax_str_cut(AX_STR("a\xE2\x82\xAC"), 2).len, 1);
    assert_int_equal(ax_str_cut(AX_STR("abc"), 0).len, 0);
}

static void unsigned_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "1.", "a", "99999999999999999999"
    };
    uint64_t value = 77;
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        assert_false(ax_str_to_u64(ax_str_from(bad[i]), &value));
    assert_false(ax_str_to_u64((struct ax_str){ NULL, 0 }, &value));
    assert_int_equal(value, 77);
    assert_true(ax_str_to_u64(AX_STR("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(ax_str_to_u64(AX_STR("007"), &value));
    assert_int_equal(value, 7);
}

static void signed_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-", "--1", "9223372036854775808", "-9223372036854775809", "1-"
    };
    int64_t value = 77;
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        assert_false(ax_str_to_i64(ax_str_from(bad[i]), &value));
    assert_false(ax_str_to_i64((struct ax_str){ NULL, 0 }, &value));
    assert_int_equal(value, 77);
    assert_true(ax_str_to_i64(AX_STR("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_true(ax_str_to_i64(AX_STR("9223372036854775807"), &value));
    assert_true(value == INT64_MAX);
    assert_true(ax_str_to_i64(AX_STR("-0"), &value));
    assert_int_equal(value, 0);
}

static void nearest_name(void **state)
{
    (void)state;
    const struct ax_str names[] = { AX_STR("carrier"), AX_STR("dep_delay"), AX_STR("origin"),
                                    AX_STR("dest"), AX_STR("") };
    static const struct {
        const char *text;
        long nearest;
    } rows[] = {
        { "carier", 0 }, { "dep_dela", 1 },     { "depdelay", 1 }, { "orgn", 2 }, { "dest", 3 },
        { "des", 3 },    { "temperature", -1 }, { "xy", -1 },      { "", -1 },    { "Dest", 3 },
        { "de", 3 },     { "dex", -1 },         { "dst", 3 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        assert_int_equal(ax_str_nearest(ax_str_from(rows[i].text), names, 4), rows[i].nearest);
    char long_text[65];
    memset(long_text, 'a', sizeof(long_text));
    const struct ax_str same = { long_text, sizeof(long_text) };
    assert_int_equal(ax_str_nearest(same, &same, 1), -1);
    assert_int_equal(ax_str_nearest(AX_STR("a"), NULL, 0), -1);
}

static void places(void **state)
{
    (void)state;
    const struct ax_str text = AX_STR("a\n\n\xC3\xA4 b\r\nc");
    static const unsigned rows[][3] = { { 0, 1, 1 }, { 1, 1, 2 }, { 2, 2, 1 }, { 3, 3, 1 },
                                        { 5, 3, 2 }, { 6, 3, 3 }, { 9, 4, 1 }, { 10, 4, 2 } };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        unsigned line = 0, column = 0;
        ax_str_place(text, rows[i][0], &line, &column);
        assert_int_equal(line, rows[i][1]);
        assert_int_equal(column, rows[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),        cmocka_unit_test(utf8_against_a_decoder),
        cmocka_unit_test(utf8_of_texts),    cmocka_unit_test(plain_text),
        cmocka_unit_test(cutting),          cmocka_unit_test(trimming),
        cmocka_unit_test(unsigned_numbers), cmocka_unit_test(signed_numbers),
        cmocka_unit_test(nearest_name),     cmocka_unit_test(places),
    };
    return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
