/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as text for people: as they would be written in an expression.
 */
#ifndef AX_DATA_EXPR_VALUE_TEXT_H
#define AX_DATA_EXPR_VALUE_TEXT_H

#include "base/buf.h"
#include "data/expr/values.h"

/* Append the value of a row: null, true, 3, 0.5, 'it''s', 2013-10-01T00:00:00Z, 15m, [1, null]. */
void ax_values_put_text(struct ax_buf *out, const struct ax_values *values, size_t row);

/* The same as JSON: moments as RFC 3339 texts, durations as whole microseconds. */
void ax_values_put_json(struct ax_buf *out, const struct ax_values *values, size_t row);

#endif
