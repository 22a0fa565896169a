/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small measurements in turns: parts of the program, each run over and over for short slices.
 *
 * Parts take turns slice by slice, so that whatever else the machine does meets all of them. Time
 * is the thread's CPU time. A part is called with numbers that go round, so that it can work on
 * another input each time.
 */
#ifndef AX_BENCH_MICRO_TURNS_H
#define AX_BENCH_MICRO_TURNS_H

#include <stddef.h>

#define TURNS_SLICES 61

struct turns_part {
    const char *name;
    void (*run)(const void *context, size_t number); /* once */
    const void *context;
    size_t numbers; /* run is called with 0 to numbers - 1, and again */
    size_t per;     /* the time of a run is told by so many; 0 is 1 */
    double slices[TURNS_SLICES];
};

/* Time them and print a line each: nanoseconds, the least and the median of the slices. */
void turns_take(struct turns_part *parts, size_t count);

#endif
