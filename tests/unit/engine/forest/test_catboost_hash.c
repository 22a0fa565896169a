/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: texts have the hashes that CatBoost writes into its files.
 * Method: what CatBoost 1.2.10 itself wrote for texts of every length at which the formula changes,
 *   each in memory of exactly its size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/catboost_hash.h"

#include "forest_data.h"

#define TEN(c)    c c c c c c c c c c
#define THIRTY(c) TEN(c) TEN(c) TEN(c)

static const struct {
    const char *text;
    uint32_t hash;
} known[] = {
    { "", 797982799 },
    { "a", 3489901818 },
    { "ab", 4090249022 },
    { "abc", 978243121 },
    { "abcd", 345588365 },
    { "abcdefg", 163411706 },
    { "abcdefgh", 4270775063 },
    { "abcdefghi", 3019552977 },
    { "0123456789abcdef", 2645308183 },
    { "0123456789abcdefg", 3849924666 },
    { "The quick brown fox jumps over t", 704156603 },
    { "The quick brown fox jumps over the", 820402493 },
    { THIRTY("x") THIRTY("x") "xxx", 3405046475 },
    { THIRTY("y") THIRTY("y") "yyyy", 1213635094 },
    { THIRTY("z") THIRTY("z") "zzzzz", 1972452671 },
    { THIRTY("q") THIRTY("q") THIRTY("q") THIRTY("q") "qqqqqqqq", 1569960128 },
    { THIRTY("r") THIRTY("r") THIRTY("r") THIRTY("r") "rrrrrrrrr", 2976866690 },
    { TEN("1234567890") "123456789012345678901234567890", 1690387360 },
    { "Zo\xc3\xab \xe2\x80\x93 \xc3\x86r\xc3\xb8", 2802672259 },
    { "-7", 1380874953 },
    { "-9223372036854775808", 953718104 },
    { "nan", 761118297 },
};

static void hashes_are_the_librarys(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(known); i++) {
        struct ax_str text = ax_str_from(known[i].text);
        char *exact = forest_copy(text);
        uint32_t hash = ax_catboost_hash((struct ax_str){ exact, text.len });
        if (hash != known[i].hash)
            fail_msg("'%s': %u, not %u", known[i].text, hash, known[i].hash);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hashes_are_the_librarys) };
    return cmocka_run_group_tests_name("engine/forest/catboost_hash", tests, NULL, NULL);
}
