/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every number is read as strtod reads it, to the bit, and nothing else is a number.
 * Method: random doubles and floats printed with every precision, random digits with random
 * exponents, exact midpoints of neighbouring doubles with and without one more digit far behind,
 * each compared with strtod; tables of good and bad texts. The locale is C, as in every test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_number.h"

#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 200000 };

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void assert_as_strtod(const char *text)
{
    double wanted = strtod(text, NULL);
    double found = 0;
    const char *end = text + strlen(text);
    const char *behind = ax_json_number_read(text, end, &found);
    if (isinf(wanted)) {
        assert_null(behind);
        assert_ptr_equal(ax_json_number_skip(text, end), end);
    } else if (behind != end || memcmp(&wanted, &found, sizeof(wanted)) != 0) {
        fail_msg("'%s': %a, not %a", text, found, wanted);
    }
}

static void printed_doubles(void **state)
{
    (void)state;
    uint64_t random = 11;
    char text[400];
    for (int i = 0; i < ROUNDS; i++) {
        double value = double_of(test_random(&random));
        if (!isfinite(value))
            continue;
        (void)snprintf(text, sizeof(text), "%.*g", (int)(test_random(&random) % 25 + 1), value);
        assert_as_strtod(text);
        (void)snprintf(text, sizeof(text), "%.17g", value);
        assert_as_strtod(text);
        value = (double)(int64_t)test_random(&random) / 9.3e18 * 1000;
        (void)snprintf(text, sizeof(text), "%.*f", (int)(test_random(&random) % 30 + 1), value);
        assert_as_strtod(text);
    }
}

static void printed_floats(void **state)
{
    (void)state;
    uint64_t random = 12;
    char text[64];
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t bits = (uint32_t)test_random(&random);
        float value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        (void)snprintf(text, sizeof(text), "%.17g", (double)value);
        assert_as_strtod(text);
        (void)snprintf(text, sizeof(text), "%.9g", (double)value);
        assert_as_strtod(text);
        value = (float)((double)(int64_t)test_random(&random) / 9.3e18 * 100);
        (void)snprintf(text, sizeof(text), "%.17g", (double)value);
        assert_as_strtod(text);
    }
}

static void random_digits(void **state)
{
    (void)state;
    uint64_t random = 13;
    char text[128];
    for (int i = 0; i < ROUNDS; i++) {
        unsigned long long whole = test_random(&random) >> test_random(&random) % 64;
        unsigned long long part = test_random(&random) >> test_random(&random) % 64;
        (void)snprintf(text, sizeof(text), "%llu.%llue%d", whole, part,
                       (int)(test_random(&random) % 720) - 360);
        assert_as_strtod(text);
        (void)snprintf(text, sizeof(text), "-%llue%d", whole,
                       (int)(test_random(&random) % 140) - 70);
        assert_as_strtod(text);
        (void)snprintf(text, sizeof(text), "0.00000000%llu", part);
        assert_as_strtod(text);
    }
}

/* 10^-k times a small mantissa and exact binary fractions meet the boundaries of the product. */
static void exact_fractions_and_powers(void **state)
{
    (void)state;
    char text[128];
    for (int power = -340; power <= 310; power++)
        for (unsigned digit = 1; digit < 100; digit++) {
            (void)snprintf(text, sizeof(text), "%ue%d", digit, power);
            assert_as_strtod(text);
        }
    for (int shift = 0; shift < 60; shift++)
        for (unsigned odd = 1; odd < 200; odd += 2) {
            (void)snprintf(text, sizeof(text), "%.60f", ldexp(odd, -shift));
            assert_as_strtod(text);
            (void)snprintf(text, sizeof(text), "%.17g", ldexp(odd, -shift));
            assert_as_strtod(text);
        }
    for (uint64_t value = (UINT64_C(1) << 53) - 40; value < (UINT64_C(1) << 53) + 40; value++)
        for (int power = -24; power <= 24; power++) {
            (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)value, power);
            assert_as_strtod(text);
        }
}

static void midpoints(void **state)
{
    (void)state;
    uint64_t random = 14;
    static char text[4000];
    for (int i = 0; i < 2000; i++) {
        uint64_t bits = test_random(&random) % 0x7FE0000000000000u;
        if (i % 4 == 0)
            bits %= UINT64_C(1) << 52; /* subnormal */
        long double middle = ((long double)double_of(bits) + (long double)double_of(bits + 1)) / 2;
        (void)snprintf(text, sizeof(text), "%.1100Le", middle);
        assert_as_strtod(text);
        char *exponent = strchr(text, 'e');
        char tail[16];
        (void)snprintf(tail, sizeof(tail), "%s", exponent);
        memset(exponent, '0', 1000);
        (void)snprintf(exponent + 1000, 32, "1%s", tail);
        assert_as_strtod(text);
    }
}

static void very_long_texts(void **state)
{
    (void)state;
    static char text[300000];
    static const char *const heads[] = { "", "0.", "1.", "-12345." };
    static const char fills[] = { '0', '1', '9' };
    for (size_t i = 0; i < AX_COUNT(heads); i++)
        for (size_t k = 0; k < sizeof(fills); k++) {
            size_t len = strlen(heads[i]);
            memset(text, fills[k], sizeof(text));
            memcpy(text, heads[i], len);
            if (!len)
                text[0] = '7';
            (void)snprintf(text + 200000, 32, "1e%d", len ? 3 : -200000);
            assert_as_strtod(text);
        }
}

static void grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long len; /* of the number at its start; -1: none */
    } rows[] = {
        { "0", 1 },         { "-0", 2 },    { "01", 1 },          { "1.5e+3x", 6 },
        { "1E5", 3 },       { "1e-05", 5 }, { "0.0", 3 },         { "123456789,", 9 },
        { "12345678", 8 },  { "", -1 },     { "-", -1 },          { "+1", -1 },
        { ".5", -1 },       { "1.", -1 },   { "1.e5", -1 },       { "1e", -1 },
        { "1e+", -1 },      { "-a", -1 },   { "NaN", -1 },        { "--1", -1 },
        { "Infinity", -1 }, { "1.5.5", 3 }, { "1e5.5", 3 },       { "/", -1 },
        { ":", -1 },        { "\xB0", -1 }, { "1234567\xB0", 7 }, { "123456:8", 6 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const char *end = rows[i].text + strlen(rows[i].text);
        const char *behind = rows[i].len < 0 ? NULL : rows[i].text + rows[i].len;
        double value;
        assert_ptr_equal(ax_json_number_skip(rows[i].text, end), behind);
        assert_ptr_equal(ax_json_number_read(rows[i].text, end, &value), behind);
    }
}

/* The text may end anywhere, in memory too. */
static void stops_at_the_end(void **state)
{
    (void)state;
    static const char text[] = "-1234567890.1234567890e-10";
    for (size_t len = 1; len < sizeof(text); len++) {
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, text, len);
        double value;
        const char *behind = ax_json_number_read(copy, copy + len, &value);
        char last = text[len - 1];
        if (last >= '0' && last <= '9')
            assert_ptr_equal(behind, copy + len);
        else
            assert_null(behind);
        free(copy);
    }
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_i64, is_u64;
        int64_t i64;
        uint64_t u64;
    } rows[] = {
        { "0", true, true, 0, 0 },
        { "-0", true, true, 0, 0 },
        { "-5", true, false, -5, 0 },
        { "9223372036854775807", true, true, INT64_MAX, INT64_MAX },
        { "-9223372036854775808", true, false, INT64_MIN, 0 },
        { "9223372036854775808", false, true, 0, UINT64_C(1) << 63 },
        { "18446744073709551615", false, true, 0, UINT64_MAX },
        { "18446744073709551616", false, false, 0, 0 },
        { "1e3", true, true, 1000, 1000 },
        { "-2.0", true, false, -2, 0 },
        { "9007199254740992.0", true, true, INT64_C(1) << 53, UINT64_C(1) << 53 },
        { "1e17", false, false, 0, 0 },
        { "1.5", false, false, 0, 0 },
        { "1e400", false, false, 0, 0 },
        { "NaN", false, false, 0, 0 },
        { "", false, false, 0, 0 },
        { "1 ", false, false, 0, 0 },
        { "01", false, false, 0, 0 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        int64_t i64 = 0;
        uint64_t u64 = 0;
        assert_int_equal(ax_json_number_i64(ax_str_from(rows[i].text), &i64), rows[i].is_i64);
        assert_int_equal(ax_json_number_u64(ax_str_from(rows[i].text), &u64), rows[i].is_u64);
        assert_true(i64 == rows[i].i64 && u64 == rows[i].u64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_doubles), cmocka_unit_test(printed_floats),
        cmocka_unit_test(random_digits),   cmocka_unit_test(exact_fractions_and_powers),
        cmocka_unit_test(midpoints),       cmocka_unit_test(very_long_texts),
        cmocka_unit_test(grammar),         cmocka_unit_test(stops_at_the_end),
        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests_name("base/json_number", tests, NULL, NULL);
}
