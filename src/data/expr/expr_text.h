/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions as text again, in one canonical form.
 *
 * Two texts with the same tree print alike, whatever their blanks, parentheses and capital letters;
 * reading what is printed gives the same tree. So `between` is printed as the two comparisons that
 * it means, and a conversion that nobody wrote as a cast.
 */
#ifndef AX_DATA_EXPR_EXPR_TEXT_H
#define AX_DATA_EXPR_EXPR_TEXT_H

#include "base/buf.h"
#include "data/expr/expr.h"

/* Append what stands for an input. */
typedef void (*ax_expr_put_input_fn)(struct ax_buf *out, size_t input, void *arg);

/* `put_input` appends the name of a column, as ax_expr_put_name does. */
void ax_expr_put_text(struct ax_buf *out, const struct ax_expr *expr,
                      ax_expr_put_input_fn put_input, void *arg);

/* The same of an expression that may have aggregates; columns stand inside of them. */
void ax_parsed_put_text(struct ax_buf *out, const struct ax_parsed *parsed,
                        ax_expr_put_input_fn put_column, void *arg);

/* A name as an expression writes it: plain, or in "…" where it must be. */
void ax_expr_put_name(struct ax_buf *out, struct ax_str name);

/* A duration in the largest unit that it is a whole number of: "90s", "15m", "-1d", "0s". */
void ax_duration_put_text(struct ax_buf *out, int64_t us);

#endif
