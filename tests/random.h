/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers for tests: the same ones in every run, so that a failure can be repeated.
 */
#ifndef AX_TESTS_RANDOM_H
#define AX_TESTS_RANDOM_H

#include <stdint.h>

/* xorshift64*; `*state` is anything but 0 at first. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(2685821657736338717);
}

#endif
