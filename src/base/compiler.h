/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler attributes and small macros that the whole tree uses.
 *
 * This is the only place that names GNU attributes; everything else uses the AX_ names.
 */
#ifndef AX_BASE_COMPILER_H
#define AX_BASE_COMPILER_H

#include <stddef.h>

#define AX_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define AX_MUST_USE                   __attribute__((warn_unused_result))
#define AX_ALIGNED(bytes)             __attribute__((aligned(bytes)))
#define AX_NORETURN                   __attribute__((noreturn))
#define AX_RETURNS_NONNULL            __attribute__((returns_nonnull))
#define AX_LIKELY(x)                  __builtin_expect(!!(x), 1)
#define AX_UNLIKELY(x)                __builtin_expect(!!(x), 0)
#define AX_UNUSED                     __attribute__((unused))
/* Of a typedef: so many bytes of numbers, with the operators of one. */
#define AX_VECTOR(bytes) __attribute__((vector_size(bytes)))

/* Of a static function that is to be specialised by its constant arguments. */
#define AX_ALWAYS_INLINE inline __attribute__((always_inline))

/* Of a function that is seldom called, which then burdens no caller. */
#define AX_COLD __attribute__((cold, noinline))

/* Of a function that uses instructions which not every CPU has; its callers ask for them first. */
#define AX_TARGET(features) __attribute__((target(features)))

/* The number of elements of an array (not of a pointer). */
#define AX_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define AX_MIN(a, b) ((a) < (b) ? (a) : (b))
#define AX_MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct of type `type` whose `member` lies at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define container_of_const(ptr, type, member) \
    ((const type *)(const void *)((const char *)(ptr) - offsetof(type, member)))

/* A cache line; what different threads write is kept this far apart. */
#define AX_CACHE_LINE 64

/* *ret = a * b or a + b; true when the result does not fit (as GNU's builtins, any integer type).
 */
#define AX_MUL_OVERFLOWS(a, b, ret) __builtin_mul_overflow(a, b, ret)
#define AX_ADD_OVERFLOWS(a, b, ret) __builtin_add_overflow(a, b, ret)

#endif
