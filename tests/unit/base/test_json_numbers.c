/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is passed over 64 bytes at a time is what passing over numbers one by one accepts,
 * wherever in a block it stands; and in an array without white space it is nearly all.
 * Whole numbers are read as they were written.
 * Method: texts of a table, good and bad, and random strings of the alphabet of numbers, each in
 * the middle of good numbers at every place of a block, held against ax_json_number_skip. Arrays of
 * random whole numbers, with one element that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_number.h"
#include "base/json_numbers.h"

#include "random.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK        64
#define NUMBER_BYTES 32 /* of the longest */

#if defined(__SSE2__)
static const bool is_done_here = true;
#else
static const bool is_done_here = false;
#endif

/* How many numbers with a comma behind them stand one behind the other, and where they end. */
static size_t count_one_by_one(const char *at, const char *end, const char **ret_reached)
{
    size_t count = 0;
    *ret_reached = at;
    for (;;) {
        const char *behind = ax_json_number_skip(*ret_reached, end);
        if (!behind || behind == end || *behind != ',')
            return count;
        *ret_reached = behind + 1;
        count++;
    }
}

/* The outcome is that of one by one, or what stands before a place near it. Returns the count. */
static size_t compare(const char *text, size_t len)
{
    const char *end = text + len, *wanted, *last;
    size_t found;
    size_t all = count_one_by_one(text, end, &wanted);
    const char *reached = ax_json_numbers_skip(text, end, &found);
    if (reached > wanted || found > all)
        fail_msg("'%.*s': %zu numbers of %zu", (int)len, text, found, all);
    assert_int_equal(count_one_by_one(text, reached, &last), found);
    assert_ptr_equal(last, reached);
    /* What it leaves are a block at most and the number that stands across its begin. */
    if (is_done_here && wanted - reached > BLOCK + NUMBER_BYTES)
        fail_msg("'%.*s': stops at byte %td of %td", (int)len, text, reached - text, wanted - text);
    return found;
}

static const char *const numbers[] = {
    "0",
    "-0",
    "7",
    "-12",
    "0.5",
    "-0.25",
    "1e5",
    "1E-5",
    "0e0",
    "-1.5e+7",
    "10",
    "100.001",
    "12345678901234567890",
    "0.1e1",
    "9.0E0",
    "2e+08",
};

static const char *const others[] = {
    "",     "-",         "+1",   "01",   "-01",   "00",         "1.",    ".5",      "-.5",
    "1.e5", "1e",        "1e+",  "1e5.", "1.2.3", "1e5e5",      "1e5.3", "1.2e3.4", "--1",
    "1-",   "1-2",       "1+2",  "e5",   "1e--5", "1e+-5",      "0x1",   "1 ",      " 1",
    "NaN",  "-Infinity", "true", "null", "\"1\"", "[1]",        "1\n",   "0.0.0",   "1.5e3e",
    "-e5",  "1.-5",      "1.+5", "00.5", "-00.5", "0123456789",
};

/* Texts as long as a block and a half around `inner`, with it at every place. */
static void compare_at_every_place(const char *inner)
{
    char text[512];
    for (int before = 0; before < 2 * BLOCK; before++) {
        int len = 0;
        for (int i = 0; i < before; i += 2)
            len +=
                snprintf(text + len, sizeof(text) - (size_t)len, "%s", i + 1 < before ? "3," : "");
        if (before % 2)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "44,");
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%s", inner);
        for (int i = 0; i < 80; i++)
            len += snprintf(text + len, sizeof(text) - (size_t)len, ",5");
        (void)compare(text, (size_t)len);
    }
}

static void at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(numbers); i++)
        compare_at_every_place(numbers[i]);
    for (size_t i = 0; i < AX_COUNT(others); i++)
        compare_at_every_place(others[i]);
}

/* Pairs and triples of good texts are good, in blocks, too. */
static void nearly_all_is_passed_over(void **state)
{
    (void)state;
    uint64_t seed = 5;
    static char text[1 << 16];
    for (int round = 0; round < 200; round++) {
        size_t len = 0, count = 0;
        while (len < sizeof(text) - 64) {
            const char *number = numbers[test_random(&seed) % AX_COUNT(numbers)];
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,", number);
            count++;
        }
        size_t found = compare(text, len);
        assert_true(!is_done_here || count - found <= BLOCK / 2);
    }
}

static void random_texts(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789,,,,,--..eE+ ]0";
    uint64_t seed = 11;
    for (int round = 0; round < 300000; round++) {
        char text[200];
        size_t len = BLOCK + test_random(&seed) % (sizeof(text) - BLOCK);
        for (size_t i = 0; i < len; i++) /* mostly "1,1,1,…": else few would get far */
            text[i] = i % 2 ? ',' : '1';
        for (size_t changes = 1 + test_random(&seed) % 12; changes > 0; changes--)
            text[test_random(&seed) % len] = alphabet[test_random(&seed) % (sizeof(alphabet) - 1)];
        (void)compare(text, len);
    }
}

/* Arrays of whole numbers, and of what else may stand in arrays, read as far as it goes. */
static void whole_numbers_are_read(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "1.5", "true", "1e3", " 7", "7 ", "123456789", "-123456789"
    };
    uint64_t seed = 3;
    static char text[1 << 14];
    static int32_t wanted[1 << 13], found[1 << 13];
    for (int round = 0; round < 2000; round++) {
        size_t len = 0, count = 0;
        size_t odd_at = round % 2 ? test_random(&seed) % 500 : SIZE_MAX;
        while (count < 500) {
            int32_t limit = (int32_t[]){ 2, 10, 1000, 100000000 }[test_random(&seed) % 4];
            wanted[count] = (int32_t)(test_random(&seed) % (uint64_t)limit);
            wanted[count] = test_random(&seed) % 4 ? wanted[count] : -wanted[count];
            if (count == odd_at)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,",
                                        odd[test_random(&seed) % AX_COUNT(odd)]);
            else
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%d,", wanted[count]);
            count++;
        }
        const char *behind, *last;
        size_t most = round % 3 ? count : count / 3;
        /* Memory that ends where the text does, and begins there, too. */
        char *exact = malloc(len);
        memcpy(exact, text, len);
        size_t done = ax_json_numbers_read_i32(exact, exact + len, found, most, &behind);
        assert_true(done <= most && done <= odd_at);
        assert_memory_equal(found, wanted, done * sizeof(*found));
        assert_int_equal(count_one_by_one(exact, behind, &last), done);
        assert_ptr_equal(last, behind);
        assert_true(!is_done_here || done == most || done == odd_at ||
                    exact + len - behind < 2 * BLOCK);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_place),
        cmocka_unit_test(nearly_all_is_passed_over),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(whole_numbers_are_read),
    };
    return cmocka_run_group_tests_name("base/json_numbers", tests, NULL, NULL);
}
