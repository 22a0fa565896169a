/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers by splitmix64 (Steele, Lea, Flood 2014): a counter with a large odd step, and a
 * mixer that makes each of its states look like nothing. Streams begin where the mixer sends their
 * numbers, since states that are few steps apart would give the same sequence, moved.
 */
#include "base/random.h"

#include <assert.h>
#include <math.h>

#define STEP 0x9E3779B97F4A7C15u
#define PI   3.14159265358979323846

static uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void ax_random_init(struct ax_random *random, uint64_t seed, uint64_t stream)
{
    assert(random);
    random->state = random_mix(random_mix(seed + STEP) + stream);
}

uint64_t ax_random_next(struct ax_random *random)
{
    return random_mix(random->state += STEP);
}

/* What lies behind the last whole multiple of `bound` would favour small numbers. */
uint64_t ax_random_below(struct ax_random *random, uint64_t bound)
{
    assert(bound > 0);
    uint64_t last = UINT64_MAX - UINT64_MAX % bound;
    uint64_t drawn = ax_random_next(random);
    while (drawn >= last)
        drawn = ax_random_next(random);
    return drawn % bound;
}

double ax_random_uniform(struct ax_random *random)
{
    return ((double)(ax_random_next(random) >> 12) + 0.5) * 0x1p-52;
}

/* Box and Muller; the second number of a pair is not kept, so that each call is like the other. */
double ax_random_normal(struct ax_random *random)
{
    double radius = sqrt(-2 * log(ax_random_uniform(random)));
    return radius * cos(2 * PI * ax_random_uniform(random));
}
