/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions over one row: "dep_delay > 30 and carrier in ('UA', 'AA')".
 *
 * A condition is an expression (data/expr/expr.h) over a model's inputs that is true or false; it
 * holds when it is true. BOOL is bool there, INT64 int64, FP32 and FP64 float64 and BYTES string.
 * An FP32 input is compared with the constant rounded to FP32, so that `x = 0.1` means what it
 * says.
 *
 * What nearly all conditions are, tests of one input against constants joined by and, or and not,
 * becomes a postfix list, which is evaluated for one row without memory of its own. What is more
 * than that is left to a program, whose outputs the caller computes for many rows at once.
 */
#ifndef AX_ENGINE_CONDITION_H
#define AX_ENGINE_CONDITION_H

#include "base/arena.h"
#include "base/err.h"
#include "data/batch.h"
#include "data/expr/program.h"
#include "data/signature.h"

struct ax_condition_op;
union ax_condition_constant;

struct ax_condition {
    const struct ax_condition_op *ops; /* postfix */
    size_t op_count;
    const union ax_condition_constant *constants;
    size_t constant_count;
    struct ax_program *program; /* over the inputs; NULL: there are tests alone */
    size_t node_count;          /* of its trees */
};

/* The inputs as names. Read by the conditions that are compiled, and not needed any more then. */
struct ax_condition_names {
    const struct ax_signature *signature; /* outlives it */
    struct ax_scope scope;
    struct ax_scope_column *columns;
    struct ax_map indexes;
};

void ax_condition_names_init(struct ax_condition_names *names,
                             const struct ax_signature *signature);
void ax_condition_names_done(struct ax_condition_names *names);

/* Compile `text`; what it becomes lies in `arena`, but for the program. On failure *ret_at is the
 * byte of `text` where it went wrong. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_condition_compile(struct ax_str text,
                                              const struct ax_condition_names *names,
                                              struct ax_arena *arena, struct ax_condition *ret,
                                              size_t *ret_at, struct ax_err *err);
/* Of one that was compiled, or is all zero. */
void ax_condition_done(struct ax_condition *condition);

/* Whether the condition is true for row `row` of `in`, whose columns are as the signature's inputs.
 * `computed` are the outputs of its program, if it has one, and `at` is the row in them. Any
 * thread.
 */
bool ax_condition_holds(const struct ax_condition *condition, const struct ax_batch *in, size_t row,
                        const struct ax_values *computed, size_t at);

/* Whether conditions can read inputs of this datatype: BOOL, INT64, FP32, FP64, BYTES. */
bool ax_condition_has_datatype(enum ax_datatype datatype);

#endif
