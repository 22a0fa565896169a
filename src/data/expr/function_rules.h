/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kernels share: the rules that all results obey, said once.
 */
#ifndef AX_DATA_EXPR_FUNCTION_RULES_H
#define AX_DATA_EXPR_FUNCTION_RULES_H

#include "data/expr/function.h"

/* Of a float64 result that was computed as C does: NaN becomes null, so does an infinity of finite
 * arguments, and -0 becomes 0. */
void ax_call_settle(struct ax_call *call);

/* The part of it that is about NaN and infinities, where there is one. */
void ax_call_settle_infinite(struct ax_call *call);

/* Copy the value of a row between columns of one type; not whether it is null. */
static inline void ax_values_copy(struct ax_values *out, const struct ax_values *from, size_t row)
{
    size_t size = ax_type_size(out->type);
    memcpy((char *)out->data + row * size, (const char *)from->data + row * size, size);
}

/* The lowest eight bits as bytes that are 0 or 1: byte i keeps bit i alone, and what is not 0 is
 * carried to bit 7. And such bytes as bits: the factor brings byte i to bit 56 + i, and nothing
 * else there. */
static inline uint64_t ax_bytes_of_bits(uint64_t bits)
{
    uint64_t bytes = (bits & 0xFF) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (bytes + UINT64_C(0x7F7F7F7F7F7F7F7F)) >> 7 & UINT64_C(0x0101010101010101);
}

static inline uint64_t ax_bits_of_bytes(uint64_t bytes)
{
    return bytes * UINT64_C(0x0102040810204080) >> 56;
}

/* where[row] is 1 where a bool is true; else 0. */
void ax_values_find_true(const struct ax_values *values, uint8_t *where);

/* Copy the rows where where[row] is 1, nulls too; both have one type, which is no list. */
void ax_values_copy_where(struct ax_values *out, const struct ax_values *from,
                          const uint8_t *where);

#endif
