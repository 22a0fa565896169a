/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL over files: an embedded DuckDB behind a small interface.
 *
 * A database in memory reads CSV, JSON lines and Parquet by the paths that a query names, sorts and
 * joins within a memory limit (spilling to a folder), and hands results out as a stream of chunks
 * of typed columns. It never fetches extensions and never touches the network. A handle belongs to
 * one thread at a time; several handles may be used at once. All of it blocks and belongs off the
 * I/O threads. A build without DuckDB answers UNSUPPORTED to ax_sql_open.
 */
#ifndef AX_BASE_SQL_H
#define AX_BASE_SQL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>

struct ax_sql;
struct ax_sql_stream;

struct ax_sql_config {
    size_t threads;          /* at least 1 */
    size_t memory_bytes_max; /* 0: DuckDB's own default, 80 % of the machine's */
    const char *temp_folder; /* where it spills; NULL: it does not spill */
    atomic_bool *cancelled;  /* NULL, or set by anyone to end a running query with CANCELLED */
    /* Or NULL: while a statement runs or a query begins, between DuckDB's tasks but at most ten
     * times a second, on the calling thread; `share` as ax_sql_progress has it. */
    void (*tick)(void *arg, double share);
    void *arg;
};

/* Expected: UNSUPPORTED (built without it), INVALID (a setting), LIMIT. */
AX_MUST_USE enum ax_code ax_sql_open(const struct ax_sql_config *config, struct ax_sql **ret_sql,
                                     struct ax_err *err);
/* Streams must be freed before. NULL is fine. */
void ax_sql_close(struct ax_sql *sql);

/* Run one statement and drop its result. Expected: INVALID (DuckDB's own message: syntax, unknown
 * column, a malformed row of a file), NOT_FOUND (a file), TOO_LARGE (memory limit), CANCELLED. */
AX_MUST_USE enum ax_code ax_sql_run(struct ax_sql *sql, struct ax_str statement,
                                    struct ax_err *err);

/* Whether a query that somebody wrote is one SELECT, each of its columns called otherwise. It is
 * not run. On failure *ret_at is the byte where it went wrong; SIZE_MAX: that is not known.
 * Expected: those of ax_sql_run. */
AX_MUST_USE enum ax_code ax_sql_check(struct ax_sql *sql, struct ax_str query, size_t *ret_at,
                                      struct ax_err *err);

/* `query` failed, alone or within another statement, as `err` tells. When ax_sql_check refuses it,
 * `err` becomes what that says. Returns the byte where it is wrong; SIZE_MAX: not known. */
size_t ax_sql_explain(struct ax_sql *sql, struct ax_str query, struct ax_err *err);

/* What a column becomes, whatever it was: all integers are widened to I64 (UBIGINT and HUGEINT to
 * F64), FLOAT and DECIMAL to F64, DATE and every TIMESTAMP to TIMESTAMP, ENUM and UUID to TEXT,
 * BLOB to BYTES. LIST and ARRAY of these are LIST. Other types are refused by name. */
enum ax_sql_type {
    AX_SQL_BOOL,      /* bool */
    AX_SQL_I64,       /* int64_t */
    AX_SQL_F64,       /* double */
    AX_SQL_TEXT,      /* struct ax_str, of UTF-8; valid until the next chunk */
    AX_SQL_BYTES,     /* the same of any bytes: `texts`, too */
    AX_SQL_TIMESTAMP, /* int64_t, microseconds since 1970, UTC */
    AX_SQL_LIST,      /* struct ax_sql_list: a range of the column's items, which are scalars */
};
const char *ax_sql_type_name(enum ax_sql_type type) AX_RETURNS_NONNULL;

/* Whether a stream gives each value of DuckDB's type (its name: "INTEGER") as what it is. Values of
 * other types are rounded, or refused: who wants them exactly casts them to VARCHAR. */
bool ax_sql_type_is_exact(struct ax_str type);

/* A whole type. */
struct ax_sql_kind {
    enum ax_sql_type type;
    enum ax_sql_type item; /* of a LIST: its items', never LIST */
};

struct ax_sql_list {
    uint64_t offset;
    uint64_t len;
};

struct ax_sql_column {
    enum ax_sql_type type;
    union {
        const bool *bools;
        const int64_t *i64s;
        const double *f64s;
        const struct ax_str *texts;
        const struct ax_sql_list *lists;
    };
    const uint64_t *validity; /* bit r % 64 of word r / 64 is 1: present; NULL: all are */
    const struct ax_sql_column
        *items; /* of a LIST; lists may share items and need not cover them */
};

struct ax_sql_chunk {
    size_t rows; /* 0: the stream is over */
    const struct ax_sql_column *columns;
};

static inline bool ax_sql_is_null(const struct ax_sql_column *column, size_t row)
{
    return column->validity && !(column->validity[row / 64] >> (row % 64) & 1);
}

/* Run one query and stream its result, rows in the query's order. One stream a handle at a time:
 * whatever else runs on the handle ends a stream that is not over yet. Expected: those of
 * ax_sql_run, and UNSUPPORTED (a column's type; cast it in the query). */
AX_MUST_USE enum ax_code ax_sql_query(struct ax_sql *sql, struct ax_str query,
                                      struct ax_sql_stream **ret_stream, struct ax_err *err);
void ax_sql_stream_free(struct ax_sql_stream *stream);

size_t ax_sql_stream_column_count(const struct ax_sql_stream *stream);
struct ax_str ax_sql_stream_column_name(const struct ax_sql_stream *stream, size_t column);
enum ax_sql_type ax_sql_stream_column_type(const struct ax_sql_stream *stream, size_t column);
struct ax_sql_kind ax_sql_stream_column_kind(const struct ax_sql_stream *stream, size_t column);

/* The next rows, valid until the next call. Expected: those of ax_sql_run. */
AX_MUST_USE enum ax_code ax_sql_stream_next(struct ax_sql_stream *stream,
                                            struct ax_sql_chunk *ret_chunk, struct ax_err *err);

/* The share of the running query that is done, 0 to 1; negative when DuckDB cannot tell. */
double ax_sql_progress(const struct ax_sql *sql);

/* One row, one column: its integer or its text (NUL-terminated, the caller frees). INVALID when the
 * query gives anything else. */
AX_MUST_USE enum ax_code ax_sql_get_i64(struct ax_sql *sql, struct ax_str query, int64_t *ret,
                                        struct ax_err *err);
AX_MUST_USE enum ax_code ax_sql_get_text(struct ax_sql *sql, struct ax_str query, char **ret,
                                         struct ax_err *err);

/* Append text as SQL: 'it''s' or "a ""column""". */
void ax_sql_put_literal(struct ax_buf *out, struct ax_str text);
void ax_sql_put_name(struct ax_buf *out, struct ax_str name);

#endif
