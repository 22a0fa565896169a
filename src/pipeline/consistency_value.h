/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two columns of one feature have the same in a row: what was served, and what is known.
 */
#ifndef AX_PIPELINE_CONSISTENCY_VALUE_H
#define AX_PIPELINE_CONSISTENCY_VALUE_H

#include "base/sql.h"
#include "data/expr/type.h"
#include "pipeline/consistency.h"

/* Both columns are of the type that `storage` has. Numbers of floating point may be neighbours as
 * they are stored; of lists each item is looked at. */
enum ax_consistency_outcome ax_consistency_compare(const struct ax_sql_column *served,
                                                   const struct ax_sql_column *known, size_t row,
                                                   struct ax_storage storage);

/* 2 |a - b| / (|a| + |b|) of numbers that are both there; negative: they are not, or no numbers. */
double ax_consistency_smape(const struct ax_sql_column *served, const struct ax_sql_column *known,
                            size_t row);

#endif
