/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns of which files the columns of a query are made of, as far as its text tells.
 *
 * A name is followed down from the result: through select lists, stars, joins, sub-queries, WITH
 * and UNION to the files that are read, of which no more is opened than the names of columns, where
 * these decide. What cannot be followed (PIVOT, tables, recursion) makes a trace less than whole,
 * never wrong.
 */
#ifndef AX_PIPELINE_COLUMN_TRACE_H
#define AX_PIPELINE_COLUMN_TRACE_H

#include "base/err.h"
#include "base/sql.h"

struct ax_column_tracer; /* of one query, or one file; borrowed texts outlive it */

struct ax_traced_column {
    struct ax_str file; /* path or pattern, as the query has it */
    struct ax_str name; /* of the file's column */
    size_t reading;     /* of the file: rows of two readings have nothing to do with each other */
    bool is_plain;      /* the column itself, whatever its name or type is now: nothing computed */
    bool is_of_row;     /* of this row alone: no aggregate, no window */
};

/* Each column of each reading once. */
struct ax_column_trace {
    const struct ax_traced_column *columns; /* the tracer's */
    size_t count;
    bool is_whole; /* there is no more */
};

/* Of one SELECT. Expected: INVALID (DuckDB's parser says why), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_column_tracer_of_query(struct ax_sql *sql, struct ax_str query,
                                                   struct ax_column_tracer **ret_tracer,
                                                   struct ax_err *err);
/* Of all columns of a file, or of files by a pattern. */
struct ax_column_tracer *ax_column_tracer_of_file(struct ax_str path) AX_RETURNS_NONNULL;
void ax_column_tracer_free(struct ax_column_tracer *tracer);

/* Of the result's column of that name; case does not count. */
struct ax_column_trace ax_column_tracer_find(struct ax_column_tracer *tracer, struct ax_str name);

#endif
