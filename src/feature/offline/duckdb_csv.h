/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as we read it: comma, a header, quotes doubled inside of quotes; every value is a text.
 *
 * The header is read by us (data/csv_header.h), so that no look at the data decides what the
 * columns are.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_CSV_H
#define AX_FEATURE_OFFLINE_DUCKDB_CSV_H

#include "feature/offline/duckdb_store.h"

/* How much DuckDB reads of a file at once, which is also what limits a line: a part of the memory
 * that the store may use. */
size_t ax_csv_buffer_bytes(const struct ax_offline *offline);

/* Append read_csv's options for a file of so many columns, called c0, c1, … */
void ax_csv_put_options(struct ax_buf *out, size_t column_count, size_t buffer_bytes);

/* Append a query for the first line of a file; `path` is a literal of SQL. */
void ax_csv_put_first_line(struct ax_buf *out, struct ax_str path);

/* Reading a file failed: instead of DuckDB's words tell which line was wrong. */
void ax_csv_explain(struct ax_str path, struct ax_err *err);

#endif
