/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source loaded into a table: the columns that are read, converted, in the order in which ties
 * are broken, so that `rowid` is the tie-breaker (docs/internals/point-in-time.md). Where one join
 * reads the source there may be a scan instead, a query over its Parquet files whose rows come in
 * any order, each with its place.
 *
 * Column i of the source is called c<i>. As known there are also `seen`, the moment from which a
 * row is visible, and of events `gone`, the one from which it no longer is (null: it stays). Where
 * rows were pushed there is `ax_taken` (duckdb_relation.h).
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_TABLE_H
#define AX_FEATURE_OFFLINE_DUCKDB_TABLE_H

#include "base/hash.h"
#include "feature/offline/duckdb_store.h"

struct ax_source_table {
    const struct ax_source *source;
    char name[24];
    char *scan; /* NULL: there is a table of that name; else the query, in parentheses. Owned */
    char stamp[AX_SHA256_TEXT_SIZE]; /* of a scan: of its files, which are read again */
    bool has_pushed;
    bool as_known;
    bool has_versions; /* as known: some rows are gone at some moment */
    size_t rows;
    /* Of times in microseconds; 0 without rows, or with time: none. */
    int64_t first;
    int64_t last;
    int64_t unit;   /* all times are whole numbers of it */
    int64_t stride; /* a power of two, more than any rowid or file_row_number */
    /* A power of two, more than what breaks ties; 0: (time, that) does not fit an int64. */
    int64_t capacity;
};

/* What was read of a source before, and need not be read again; what was pushed is not read. */
struct ax_source_seen {
    const struct ax_map *files; /* whose stamps (ax_file_stamp) are keys: all that has no other one;
                                   NULL: all of a source that has no files */
    struct ax_str where; /* of what was read before, rows are read that this holds of, by c<i>;
                            empty: none */
};

struct ax_source_reading {
    const struct ax_source *source;
    const bool *used; /* column i is read; time, created and ids are read anyway */
    bool as_known;
    const int64_t *known_until;        /* or NULL: rows that were known later are left out */
    bool once;                         /* by one ASOF join: it may read a scan */
    size_t number;                     /* of the table, which is ax_h<number> */
    const struct ax_source_seen *seen; /* or NULL: everything is read. Not with `once` */
};

/* Expected: NOT_FOUND, INVALID, TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_source_table_load(struct ax_offline *offline,
                                              const struct ax_source_reading *reading,
                                              struct ax_source_table *ret_table,
                                              struct ax_err *err);
/* Drop the table. CONFLICT: the files of a scan changed while they were read. */
AX_MUST_USE enum ax_code ax_source_table_close(struct ax_offline *offline,
                                               struct ax_source_table *table, struct ax_err *err);

/* Append when a row of a source became known, in microseconds: `created`, or when it was pushed, or
 * its time. A row that has neither always was: null. */
void ax_source_put_known(struct ax_buf *out, const struct ax_source *source, bool has_pushed);

/* Compare the columns of a source with what it holds. */
AX_MUST_USE enum ax_code ax_source_table_check(struct ax_offline *offline,
                                               const struct ax_source *source, struct ax_err *err);

/* Append what stands behind FROM. */
void ax_source_table_put_from(struct ax_buf *out, const struct ax_source_table *table);

/* Append what orders the rows of one key: the time in microseconds and what breaks ties; the time
 * that is in it; and what a moment (SQL, in microseconds) is compared with. */
void ax_source_table_put_order(struct ax_buf *out, const struct ax_source_table *table);
void ax_source_table_put_time(struct ax_buf *out, const struct ax_source_table *table,
                              const char *order);
void ax_source_table_put_moment(struct ax_buf *out, const struct ax_source_table *table,
                                const char *moment);

#endif
