/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event ids of one or more columns as bytes, whose order is that of the columns.
 *
 * A single text stands as it is. Otherwise numbers are 8 bytes with the greatest first, and of
 * texts a zero byte becomes two and the end is marked, so that neither (1, 12) and (11, 2) nor
 * ("a", "b") and ("ab", "") are alike.
 */
#ifndef AX_FEATURE_WINDOW_ID_H
#define AX_FEATURE_WINDOW_ID_H

#include "base/buf.h"
#include "data/expr/values.h"

/* Put the id of row `row` in place of what `out` holds. Expected: INVALID (a part is null),
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_window_id_put(struct ax_buf *out, const struct ax_values *const *parts,
                                          size_t part_count, size_t row, struct ax_err *err);

#endif
