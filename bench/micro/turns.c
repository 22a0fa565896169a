/* SPDX-License-Identifier: Apache-2.0 */
/* Slices of a fraction of a millisecond, so that some are undisturbed even on a busy machine. */
#include "turns.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_NS  (UINT64_C(300) * 1000)
#define LOOK_RUNS 16 /* between two looks at the clock, a system call of some 300 ns */

static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * AX_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Nanoseconds a run. */
static double slice(const struct turns_part *part, size_t *number)
{
    uint64_t start = cpu_ns(), now;
    size_t runs = 0;
    do {
        for (size_t i = 0; i < LOOK_RUNS; i++) {
            part->run(part->context, *number);
            *number = (*number + 1) % part->numbers;
        }
        runs += LOOK_RUNS;
        now = cpu_ns();
    } while (now - start < SLICE_NS);
    return (double)(now - start) / (double)runs;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void turns_take(struct turns_part *parts, size_t count)
{
    size_t number = 0;
    for (size_t turn = 0; turn < TURNS_SLICES; turn++) {
        for (size_t i = 0; i < count; i++) {
            number %= parts[i].numbers;
            parts[i].slices[turn] = slice(&parts[i], &number) / (double)AX_MAX(parts[i].per, 1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        qsort(parts[i].slices, TURNS_SLICES, sizeof(double), by_value);
        printf("%-60s %8.1f / %8.1f ns\n", parts[i].name, parts[i].slices[0],
               parts[i].slices[TURNS_SLICES / 2]);
    }
}
