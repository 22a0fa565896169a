/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a table as CSV, JSON lines or Parquet, cell by cell.
 *
 * A file appears whole or not at all: rows go to a hidden file beside it, which takes its name at
 * the end. Standard output ("-"), devices and pipes are written to as rows come, and cannot be
 * Parquet. CSV has a header, '\n', and quotes where they are needed; null is an empty field, an
 * empty text is "". Numbers are the shortest text that reads back the same. One thread at a time.
 */
#ifndef AX_PIPELINE_TABLE_WRITER_H
#define AX_PIPELINE_TABLE_WRITER_H

#include "base/err.h"
#include "base/sql.h"
#include "pipeline/table.h"

struct ax_table_writer;

struct ax_table_column {
    struct ax_str name; /* copied */
    const char *type;   /* SQL's, for Parquet: VARCHAR, FLOAT, …; borrowed as long as the writer */
};

/* Expected: NOT_FOUND (no such folder), DENIED, INVALID (Parquet to what is no file). */
AX_MUST_USE enum ax_code ax_table_writer_open(const char *path, enum ax_table_format format,
                                              const struct ax_table_column *columns, size_t count,
                                              struct ax_table_writer **ret_writer,
                                              struct ax_err *err);

/* The next cell of the row; the row is over with its last column. Failures are kept. */
void ax_table_put_cell(struct ax_table_writer *writer, const struct ax_table_cell *cell);
void ax_table_put_null(struct ax_table_writer *writer);
void ax_table_put_text(struct ax_table_writer *writer, struct ax_str text);
void ax_table_put_i64(struct ax_table_writer *writer, int64_t value);
void ax_table_put_f32(struct ax_table_writer *writer, float value);
void ax_table_put_f64(struct ax_table_writer *writer, double value);

/* Write out what has gathered when it is much. Expected: INTERNAL, LIMIT (disk full), the system's
 * codes. */
AX_MUST_USE enum ax_code ax_table_writer_flush(struct ax_table_writer *writer, struct ax_err *err);

/* All rows are there: give the file its name. `sql` makes Parquet. Expected: those of flush, and of
 * ax_sql_run. The writer is to be closed either way. */
AX_MUST_USE enum ax_code ax_table_writer_commit(struct ax_table_writer *writer, struct ax_sql *sql,
                                                struct ax_err *err);
/* Without a commit nothing is left. NULL is fine. */
void ax_table_writer_close(struct ax_table_writer *writer);

#endif
