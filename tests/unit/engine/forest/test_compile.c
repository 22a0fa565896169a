/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: thresholds are sorted as qsort would sort them, few or many, whatever they are.
 * Method: numbers of random bits, floats, small steps and edges, in counts around the border
 * between the two ways; this file includes the implementation. What compiling makes of a forest is
 * held against walking it plainly in test_kernel.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/compile.c"

#include "forest_data.h"

#define COUNT_MAX 3000

enum numbers { ANY_BITS, FLOATS, STEPS, EDGES, NUMBERS_COUNT };

static double draw(enum numbers kind, uint64_t *random)
{
    static const double edges[] = { 0.0,     -0.0, INFINITY, -INFINITY, 1e-310,
                                    -1e-310, 1.0,  -1.0,     1e300,     -1e300 };
    uint64_t bits = forest_random(random);
    double number = 0;
    float narrow = 0;
    uint32_t narrow_bits = (uint32_t)(bits >> 32);
    switch (kind) {
    case ANY_BITS:
        memcpy(&number, &bits, sizeof(number));
        break;
    case FLOATS:
        memcpy(&narrow, &narrow_bits, sizeof(narrow));
        number = (double)narrow;
        break;
    case STEPS:
        number = (double)((int64_t)(bits >> 50) - 8192) / 16.0;
        break;
    case EDGES:
    case NUMBERS_COUNT:
        number = edges[(bits >> 40) % AX_COUNT(edges)];
        break;
    }
    return isnan(number) ? 0.5 : number;
}

static void numbers_are_sorted(void **state)
{
    (void)state;
    static const uint32_t counts[] = {
        0, 1, 2, SORTED_BY_BYTES_MIN - 1, SORTED_BY_BYTES_MIN, SORTED_BY_BYTES_MIN + 1, COUNT_MAX
    };
    static double sorted[COUNT_MAX], wanted[COUNT_MAX], spare[COUNT_MAX];
    uint64_t random = 20131201;
    for (size_t round = 0; round < 10 * AX_COUNT(counts) * NUMBERS_COUNT; round++) {
        uint32_t count = counts[round % AX_COUNT(counts)];
        enum numbers kind = (enum numbers)(round / AX_COUNT(counts) % NUMBERS_COUNT);
        for (uint32_t i = 0; i < count; i++)
            sorted[i] = wanted[i] = draw(kind, &random);
        sort_numbers(sorted, spare, count);
        qsort(wanted, count, sizeof(*wanted), compare_thresholds);
        for (uint32_t i = 0; i < count; i++)
            assert_true(sorted[i] == wanted[i]);
    }
}

static void narrow_numbers_are_sorted(void **state)
{
    (void)state;
    static const uint32_t counts[] = { 0, 1, 2, 255, SORTED_NARROW_MIN, COUNT_MAX };
    static double sorted[COUNT_MAX], wanted[COUNT_MAX], spare[COUNT_MAX];
    uint64_t random = 20131202;
    for (size_t round = 0; round < 10 * AX_COUNT(counts) * NUMBERS_COUNT; round++) {
        uint32_t count = counts[round % AX_COUNT(counts)];
        enum numbers kind = (enum numbers)(round / AX_COUNT(counts) % NUMBERS_COUNT);
        for (uint32_t i = 0; i < count; i++) {
            float number = (float)draw(kind, &random);
            sorted[i] = wanted[i] = (double)number;
        }
        sort_narrow(sorted, spare, count);
        qsort(wanted, count, sizeof(*wanted), compare_thresholds);
        for (uint32_t i = 0; i < count; i++)
            assert_true(sorted[i] == wanted[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_sorted),
        cmocka_unit_test(narrow_numbers_are_sorted),
    };
    return cmocka_run_group_tests_name("engine/forest/compile", tests, NULL, NULL);
}
