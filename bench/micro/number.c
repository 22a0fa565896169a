/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading a number costs: the fast path of json_reader.h beside strtod on the same texts.
 *
 *     build/release/bench/number
 *
 * One line a kind of number; nanoseconds each, the best of many rounds over 1,000 of them, which
 * fit the first cache. Not part of the gate: seconds depend on the machine and on who else uses it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_reader.h"

enum { COUNT = 1000, ROUNDS = 3000 };

static uint64_t random_state = 88172645463325252u;

static double next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(int64_t)random_state / 9.3e18 * 100;
}

static size_t make_array(char *text, size_t size, int digits, bool narrow)
{
    size_t len = 0;
    for (int i = 0; i < COUNT; i++) {
        double value = next_random();
        if (narrow)
            value = (double)(float)value;
        text[len] = i ? ',' : '[';
        len += 1 + (size_t)snprintf(text + len + 1, size - len - 1, "%.*g", digits, value);
    }
    text[len++] = ']';
    text[len] = '\0';
    return len;
}

static double reader_ns(const char *text, size_t len, float *values)
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        struct ax_json_reader reader;
        struct ax_err err = AX_ERR_INIT;
        ax_json_reader_init(&reader, (struct ax_str){ text, len });
        (void)ax_json_read(&reader, &err);
        uint64_t start = ax_clock_ns();
        if (ax_json_read_f32s(&reader, values, 1, COUNT) != COUNT)
            abort();
        best = AX_MIN(best, ax_clock_ns() - start);
    }
    return (double)best / COUNT;
}

static double strtod_ns(const char *text, float *values)
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS / 10; round++) {
        uint64_t start = ax_clock_ns();
        const char *at = text;
        for (int i = 0; i < COUNT; i++) {
            char *behind;
            values[i] = (float)strtod(at + 1, &behind);
            at = behind;
        }
        best = AX_MIN(best, ax_clock_ns() - start);
    }
    return (double)best / COUNT;
}

int main(void)
{
    static const struct {
        const char *name;
        int digits;
        bool narrow;
    } kinds[] = {
        { "two digits", 2, false },
        { "six digits", 6, false },
        { "doubles", 17, false },
        { "floats as doubles", 17, true },
    };
    static char text[COUNT * 40];
    static float ours[COUNT], theirs[COUNT];
    for (size_t i = 0; i < AX_COUNT(kinds); i++) {
        size_t len = make_array(text, sizeof(text), kinds[i].digits, kinds[i].narrow);
        double reader = reader_ns(text, len, ours);
        double libc = strtod_ns(text, theirs);
        if (memcmp(ours, theirs, sizeof(ours)) != 0)
            abort();
        printf("%-18s %5.1f ns, strtod %5.1f ns\n", kinds[i].name, reader, libc);
    }
    return 0;
}
