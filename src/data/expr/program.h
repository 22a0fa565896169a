/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native evaluation: trees compiled into steps over columns.
 *
 * A program holds the expressions of one view or service together, so that what they share is
 * computed once. It is immutable and may run in many threads at once. Running it takes memory from
 * the arena that it is given, in proportion to rows and steps, and nothing per row beyond the texts
 * that functions make; with an arena that was used before, running does not call malloc.
 */
#ifndef AX_DATA_EXPR_PROGRAM_H
#define AX_DATA_EXPR_PROGRAM_H

#include "data/expr/expr.h"
#include "data/expr/values.h"

struct ax_program;

/* Compile `count` trees, which are copied as far as they are needed (the arena that holds them may
 * go). Expected: INVALID (a literal that a function refuses: a pattern, a zone), TOO_LARGE, LIMIT.
 */
AX_MUST_USE enum ax_code ax_program_new(const struct ax_expr *const *exprs, size_t count,
                                        struct ax_program **ret_program, struct ax_err *err);
void ax_program_free(struct ax_program *program);

size_t ax_program_output_count(const struct ax_program *program);

/* What it takes from the heap, without what functions made of their constants. */
size_t ax_program_bytes(const struct ax_program *program);

/* Whether input i is read. */
bool ax_program_reads(const struct ax_program *program, size_t input);

/* Evaluate all outputs over `rows` (at most AX_VALUES_ROWS_MAX) rows. inputs[i] is input i, of the
 * type that the scope said; inputs that are not read may be NULL. outputs[i] are views into the
 * arena, or of the inputs themselves. Expected: TOO_LARGE, LIMIT (the arena). */
AX_MUST_USE enum ax_code ax_program_run(const struct ax_program *program,
                                        const struct ax_values *const *inputs, size_t rows,
                                        struct ax_arena *arena, struct ax_values *outputs,
                                        struct ax_err *err);

#endif
