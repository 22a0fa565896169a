/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of a batch as the columns that expressions read.
 */
#ifndef AX_ENGINE_BATCH_VALUES_H
#define AX_ENGINE_BATCH_VALUES_H

#include "data/batch.h"
#include "data/expr/values.h"

/* Rows [from, from + rows) of each column i where reads[i]; the others are NULL. Columns are BOOL,
 * INT64, FP32, FP64 or BYTES; NaN is null, and so is a text that is not UTF-8, which no expression
 * can mean. What is made lies in `arena`, and texts are the batch's. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_batch_values_make(const struct ax_batch *batch, size_t from,
                                              size_t rows, const bool *reads,
                                              struct ax_arena *arena, const struct ax_values ***ret,
                                              struct ax_err *err);

#endif
