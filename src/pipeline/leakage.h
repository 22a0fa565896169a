/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leakage: inputs of a service that know the label of the row that they are for.
 *
 * What the definitions prove is refused, with the way from the input to the label; what only may be
 * wrong is told. It compares names, of what the label's expression reads, of the values that a call
 * gives, of a source's columns and event ids, and the columns of files that these come from, as far
 * as they can be followed (pipeline/column_trace.h). The rules are told in
 * docs/internals/training-sets.md. That a label became known after the moment asked about is
 * checked row by row, in pipeline/training_set.h.
 */
#ifndef AX_PIPELINE_LEAKAGE_H
#define AX_PIPELINE_LEAKAGE_H

#include "base/err.h"
#include "base/sql.h"
#include "pipeline/train_file.h"

/* One line of text, which may have something to do with the label and need not. */
typedef void (*ax_leakage_warn_fn)(void *arg, const char *text);

/* Check the inputs of `spec`, which has a service; `columns` are those of its rows. Relative paths
 * of queries and sources start in the working folder. `warn` may be NULL. Expected: INVALID (an
 * input leaks, or label or label_known_at is no SQL expression). */
AX_MUST_USE enum ax_code ax_leakage_check(struct ax_sql *sql, const struct ax_train_spec *spec,
                                          const struct ax_str *columns, size_t column_count,
                                          ax_leakage_warn_fn warn, void *arg, struct ax_err *err);

#endif
