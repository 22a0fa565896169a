/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step of a walk through a complete tree: from node `at` to its child 2 at, or 2 at + 1.
 *
 * On x86 it is a comparison and an addition with its carry, in words of the machine: of what C can
 * say, compilers make one or two instructions more, and their intrinsic for such an addition stores
 * its sum to memory each time.
 */
#ifndef AX_ENGINE_FOREST_CHILD_H
#define AX_ENGINE_FOREST_CHILD_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)

/* Right when the bound is below the value. */
static AX_ALWAYS_INLINE size_t ax_child_of_number(size_t at, const uint32_t *bound, uint32_t value)
{
    __asm__("cmpl %[value], %[bound]\n\tadcq %[at], %[at]"
            : [at] "+r"(at)
            : [bound] "m"(*bound), [value] "r"(value)
            : "cc");
    return at;
}

/* Right when the split is below the rank. */
static AX_ALWAYS_INLINE size_t ax_child_of_rank(size_t at, uint16_t split, const uint16_t *rank)
{
    __asm__("cmpw %[rank], %[split]\n\tadcq %[at], %[at]"
            : [at] "+r"(at)
            : [split] "r"(split), [rank] "m"(*rank)
            : "cc");
    return at;
}

#else

static AX_ALWAYS_INLINE size_t ax_child_of_number(size_t at, const uint32_t *bound, uint32_t value)
{
    return at + at + (*bound < value);
}

static AX_ALWAYS_INLINE size_t ax_child_of_rank(size_t at, uint16_t split, const uint16_t *rank)
{
    return at + at + (split < *rank);
}

#endif

#endif
