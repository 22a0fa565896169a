/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers that a seed repeats: for schedules, made-up values and samples.
 *
 * splitmix64: one addition and three multiplications a number, every state a good one. Not for
 * secrets. One struct a thread; it owns nothing.
 */
#ifndef AX_BASE_RANDOM_H
#define AX_BASE_RANDOM_H

#include <stdint.h>

struct ax_random {
    uint64_t state;
};

/* The sequence number `stream` of `seed`. Streams of one seed have nothing to do with each other,
 * nor with those of the seeds beside it. */
void ax_random_init(struct ax_random *random, uint64_t seed, uint64_t stream);

uint64_t ax_random_next(struct ax_random *random);

/* 0 .. bound - 1, all alike; `bound` is over 0. */
uint64_t ax_random_below(struct ax_random *random, uint64_t bound);

/* Between 0 and 1, never one of them, in steps of 2^-52. */
double ax_random_uniform(struct ax_random *random);

/* Of the standard normal distribution. */
double ax_random_normal(struct ax_random *random);

#endif
