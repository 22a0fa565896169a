/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CSV, JSON lines or Parquet file as a Parquet file of the same rows in the same order.
 *
 * Parquet says its types. Of the others the whole file is looked at: a column becomes a number, a
 * bool or a time only when no value of it would lose what it says, so "007", "20130101000000000001"
 * and "03/04/2013" stay texts; docs/internals/dataset-snapshots.md has the rules.
 */
#ifndef AX_PIPELINE_DATASET_ROWS_H
#define AX_PIPELINE_DATASET_ROWS_H

#include "base/sql.h"

/* Write `out`, a new file; of CSV and JSON lines, columns of these names stay texts. `sql` runs
 * with one thread in between, and with `threads` after. Expected: NOT_FOUND, INVALID (the ending, a
 * malformed row, two names that differ in case alone), TOO_LARGE, CANCELLED, and the system's
 * codes. */
AX_MUST_USE enum ax_code ax_dataset_rows_copy(struct ax_sql *sql, size_t threads, const char *path,
                                              const struct ax_str *texts, size_t text_count,
                                              const char *out, struct ax_err *err);

#endif
