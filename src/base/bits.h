/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bits in words: bit b % 64 of word b / 64.
 */
#ifndef AX_BASE_BITS_H
#define AX_BASE_BITS_H

#include <stddef.h>
#include <stdint.h>

static inline size_t ax_bits_words(size_t count)
{
    return (count + 63) / 64;
}

/* Bits [from, from + count) of `bit_count`, moved to the beginning of words. What is in the last
 * word beyond them is not defined. */
static inline void ax_bits_copy(uint64_t *to, const uint64_t *bits, size_t bit_count, size_t from,
                                size_t count)
{
    for (size_t at = from; at < from + count; at += 64) {
        uint64_t word = bits[at / 64] >> at % 64;
        if (at % 64 && (at / 64 + 1) * 64 < bit_count)
            word |= bits[at / 64 + 1] << (64 - at % 64);
        *to++ = word;
    }
}

#endif
