/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions over one row: "dep_delay > 30 and carrier in ('UA', 'AA')".
 *
 * A condition compares inputs with constants (< <= > >= = !=), asks whether they are missing (is
 * null, is not null) or one of several (in, not in), and joins such tests by and, or, not and
 * parentheses. Logic has three values, as in SQL: a test of a missing value is neither true nor
 * false, and a condition holds only when it is true. Texts stand in '…' ('' is one quote), names
 * that are no plain words in "…"; words of the language are not told apart by case. An FP32 input
 * is compared with the constant rounded to FP32, so that `x = 0.1` means what it says.
 *
 * Compiled once into a postfix program in the caller's arena; evaluating it does not allocate.
 */
#ifndef AX_ENGINE_CONDITION_H
#define AX_ENGINE_CONDITION_H

#include "base/arena.h"
#include "base/err.h"
#include "data/batch.h"
#include "data/signature.h"

#define AX_CONDITION_OPS_MAX       256 /* tests, and, or, not */
#define AX_CONDITION_CONSTANTS_MAX 1024
#define AX_CONDITION_DEPTH_MAX     32 /* operators and parentheses that are open at once */

struct ax_condition_op;
union ax_condition_constant;

struct ax_condition {
    const struct ax_condition_op *ops; /* postfix */
    size_t op_count;
    const union ax_condition_constant *constants;
    size_t constant_count;
};

/* Compile `text` over the inputs of `signature`, which must outlive the condition. On failure
 * *ret_at is the byte of `text` where it went wrong. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_condition_compile(struct ax_str text,
                                              const struct ax_signature *signature,
                                              struct ax_arena *arena, struct ax_condition *ret,
                                              size_t *ret_at, struct ax_err *err);

/* Whether the condition is true for row `row` of `in`, whose columns are as the signature's
 * inputs. Any thread. */
bool ax_condition_holds(const struct ax_condition *condition, const struct ax_batch *in,
                        size_t row);

/* Whether the engine can test inputs of this datatype: BOOL, INT64, FP32, FP64, BYTES. */
bool ax_condition_has_datatype(enum ax_datatype datatype);

#endif
