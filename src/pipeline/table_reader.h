/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a CSV, JSON lines or Parquet file as blocks of cells, in the file's order, in memory that
 * does not grow with the file.
 *
 * DuckDB reads; see base/sql.h for limits. CSV: UTF-8, ',' and '"', a header, one kind of line end;
 * an empty field without quotes is null. JSON lines: one object a line; empty lines are passed
 * over. Lines up to 4 MiB. One thread at a time.
 */
#ifndef AX_PIPELINE_TABLE_READER_H
#define AX_PIPELINE_TABLE_READER_H

#include "base/err.h"
#include "base/map.h"
#include "base/sql.h"
#include "pipeline/table.h"

struct ax_table_reader;

/* A column that is wanted: for a model, or to be passed through (then its cells are PLAIN, TEXT,
 * NUMBER, NESTED or BOOL). A name that the file does not have gives nulls. */
struct ax_table_want {
    struct ax_str name;
    bool pass;
};

struct ax_table_block {
    size_t rows;                       /* 0: the file is over */
    size_t first_row;                  /* its number in the file, from 1 */
    const struct ax_table_cell *cells; /* row-major, one a wanted column; valid until the next */
};

/* `sql` outlives the reader. Expected: NOT_FOUND, DENIED, INVALID (no such table: header, first
 * line, Parquet's own structure), UNSUPPORTED. */
AX_MUST_USE enum ax_code ax_table_reader_open(struct ax_sql *sql, const char *path,
                                              enum ax_table_format format,
                                              struct ax_table_reader **ret_reader,
                                              struct ax_err *err);
/* NULL is fine. */
void ax_table_reader_close(struct ax_table_reader *reader);

/* The columns: of a JSON lines file, the members of its first line. */
size_t ax_table_reader_column_count(const struct ax_table_reader *reader);
struct ax_str ax_table_reader_column_name(const struct ax_table_reader *reader, size_t column);
/* As DuckDB names it; of CSV and JSON lines VARCHAR. */
const char *ax_table_reader_column_type(const struct ax_table_reader *reader, size_t column);

/* Say once which columns are wanted, at least one, before the first block; names are copied.
 * Expected: INVALID, UNSUPPORTED (a column's type). */
AX_MUST_USE enum ax_code ax_table_reader_select(struct ax_table_reader *reader,
                                                const struct ax_table_want *wants, size_t count,
                                                struct ax_err *err);

/* Up to `rows_max` rows more. Expected: INVALID (a malformed row, told by its line or number),
 * TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_table_reader_next(struct ax_table_reader *reader, size_t rows_max,
                                              struct ax_table_block *ret_block, struct ax_err *err);

/* Names in the file that nobody wanted: complete after select, of JSON lines after the last block
 * (the first 64). Values are not meant for anyone. */
const struct ax_map *ax_table_reader_ignored(const struct ax_table_reader *reader);

#endif
