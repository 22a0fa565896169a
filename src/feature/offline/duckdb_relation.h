/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as they come: files, a query or a table, what was pushed, and which columns they have.
 *
 * Files are found, in byte order of their paths, and looked at one by one; neighbours that have the
 * same columns are a run, which is read at once. Everything lives in the relation's arena.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_RELATION_H
#define AX_FEATURE_OFFLINE_DUCKDB_RELATION_H

#include "feature/offline/duckdb_convert.h"
#include "feature/offline/duckdb_store.h"

#define AX_RELATION_FILES_MAX 100000

enum ax_relation_format {
    AX_RELATION_SQL, /* a query or a table: no files */
    AX_RELATION_CSV,
    AX_RELATION_JSONL,
    AX_RELATION_PARQUET,
    AX_RELATION_PUSHED, /* the rows of a journal, as they are stored: no files */
};

struct ax_relation_run {
    enum ax_relation_format format;
    size_t first; /* of the relation's files */
    size_t count;
    struct ax_str from; /* of SQL: what stands behind FROM */
    struct ax_str *names;
    struct ax_str *types; /* DuckDB's words; of CSV and JSON lines see ax_relation_put_own */
    size_t column_count;
};

struct ax_pushed;

struct ax_relation {
    struct ax_arena arena;
    size_t csv_buffer_bytes;
    struct ax_str *files; /* absolute */
    size_t file_count;
    struct ax_relation_run *runs;
    size_t run_count;
    struct ax_pushed *pushed; /* what the last run reads; NULL: nothing was pushed */
};

/* One column that is wanted of a relation. */
struct ax_relation_column {
    struct ax_str name;
    struct ax_storage storage;
    struct ax_str zone;
    struct ax_str alias;   /* its name in the result */
    bool micros;           /* a time: a whole number is one, in microseconds since 1970 */
    const char *necessity; /* NULL: may be null; else what it is, "which is required" */
};

/* Open what a source says. Expected: NOT_FOUND, INVALID, TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_relation_open(struct ax_offline *offline,
                                          const struct ax_source *source,
                                          struct ax_relation *ret_relation, struct ax_err *err);
/* Behind all that is there, add the rows that were pushed, if there are any: all tables then have
 * one more column, ax_taken (when a row was taken in, microseconds; null: it was not pushed).
 * Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_relation_add_pushed(struct ax_offline *offline,
                                                const struct ax_source *source,
                                                struct ax_relation *relation, struct ax_err *err);
/* Whether a file (absolute; it need not be there) is one that the source reads, or would read. Of
 * SQL nobody knows. Expected: INVALID (it is), TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_relation_check_out(struct ax_offline *offline,
                                               const struct ax_source *source, const char *out,
                                               struct ax_err *err);
/* Whether both paths lead to one file. */
bool ax_relation_is_same_file(const char *a, const char *b);
/* Only find the files of a source that has some, in their order. */
AX_MUST_USE enum ax_code ax_relation_find_files(struct ax_offline *offline,
                                                const struct ax_source *source,
                                                struct ax_relation *ret_relation,
                                                struct ax_err *err);
/* Open one file (absolute), or one query. */
AX_MUST_USE enum ax_code ax_relation_open_file(struct ax_offline *offline, const char *path,
                                               struct ax_relation *ret_relation,
                                               struct ax_err *err);
AX_MUST_USE enum ax_code ax_relation_open_sql(struct ax_offline *offline, struct ax_str query,
                                              struct ax_relation *ret_relation, struct ax_err *err);
void ax_relation_done(struct ax_relation *relation);

/* The index of a run's column, or -1. */
long ax_relation_run_find(const struct ax_relation_run *run, struct ax_str name);

/* Append a source's glob from the root. */
void ax_relation_put_pattern(struct ax_buf *out, const struct ax_offline *offline,
                             struct ax_str glob);

/* Append a path as a literal of SQL for readers of files, which take every path for a pattern. */
void ax_relation_put_path(struct ax_buf *out, struct ax_str path);

/* Append what stands behind FROM for `count` files of a run from `first` on, and a column of it. */
void ax_relation_put_from(struct ax_buf *out, const struct ax_relation *relation,
                          const struct ax_relation_run *run, size_t first, size_t count);
void ax_relation_put_column(struct ax_buf *out, const struct ax_relation_run *run, size_t column);

/* Append a column as it is, for who passes it on: of CSV its text, of JSON lines numbers and bools
 * where all lines have such, else the text (an object's or a list's is its JSON). */
void ax_relation_put_own(struct ax_buf *out, const struct ax_relation_run *run, size_t column);

/* Where a run's rows are, for messages: a file's path, or "the query". */
struct ax_str ax_relation_run_place(const struct ax_relation *relation,
                                    const struct ax_relation_run *run);

/* Whether each run has the columns, of types that can become the wanted ones. INVALID: "column
 * 'temp' is VARCHAR in data/w2.parquet; float64 is expected". */
AX_MUST_USE enum ax_code ax_relation_check(const struct ax_relation *relation,
                                           const struct ax_relation_column *columns, size_t count,
                                           struct ax_err *err);

/* Append one column of a run, converted. */
void ax_relation_put_value(struct ax_buf *out, const struct ax_relation_run *run,
                           const struct ax_relation_column *column);

/* Which columns go into which table; `where` may leave rows out, by the columns' aliases. */
struct ax_relation_load {
    const char *table;
    const struct ax_relation_column *columns;
    size_t count;
    struct ax_str where; /* empty: all */
    /* Or NULL: whether each file, or the query, was read before; of such only rows are read that
     * `seen_where` holds of, too. That may be empty: none. */
    const bool *is_seen;
    struct ax_str seen_where;
};

/* Make the table, its rows in the order of the relation's. The columns were checked. Expected:
 * INVALID (with file, row and column of a value that cannot be converted), TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_relation_load(struct ax_offline *offline,
                                          const struct ax_relation *relation,
                                          const struct ax_relation_load *load, struct ax_err *err);

/* Whether each row can be told where it stands: all files are Parquet and alike. */
bool ax_relation_has_places(const struct ax_relation *relation);
/* Append the query of what would be loaded, with each row's place in file_index and
 * file_row_number, from 0. The table's name is not used. */
void ax_relation_put_scan(struct ax_buf *out, const struct ax_relation *relation,
                          const struct ax_relation_load *load);

/* Run the text, which makes a table of a run's rows whose rowid is to be their order: with one
 * thread, but for Parquet, whose order several keep. Expected: those of ax_sql_run. */
AX_MUST_USE enum ax_code ax_relation_run_in_order(struct ax_offline *offline,
                                                  const struct ax_relation_run *run,
                                                  struct ax_err *err);

/* A statement that reads a file of a run, converted, failed and told so in `err`: look for the
 * value, and when there is one tell where it stands instead. Returns err->code. */
enum ax_code ax_relation_explain(struct ax_offline *offline, const struct ax_relation *relation,
                                 const struct ax_relation_run *run, size_t file,
                                 const struct ax_relation_load *load, struct ax_err *err);

#endif
