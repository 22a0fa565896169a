/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source loaded into a table: the columns that are read, converted, in the order in which ties
 * are broken, so that `rowid` is the tie-breaker (docs/internals/point-in-time.md).
 *
 * Column i of the source is called c<i>. As known there are also `seen`, the moment from which a
 * row is visible, and of events `gone`, the one from which it no longer is (null: it stays).
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_TABLE_H
#define AX_FEATURE_OFFLINE_DUCKDB_TABLE_H

#include "feature/offline/duckdb_store.h"

struct ax_source_table {
    const struct ax_source *source;
    char name[24];
    bool as_known;
    bool has_versions; /* as known: some rows are gone at some moment */
    size_t rows;
    /* Of times in microseconds; 0 without rows, or with time: none. */
    int64_t first;
    int64_t last;
    int64_t unit;     /* all times are whole numbers of it */
    int64_t capacity; /* a power of two, more than rowid; 0: (time, rowid) does not fit an int64 */
};

/* Load into the table ax_h<number>. used[i]: column i is read; time, created and ids are read
 * anyway. Expected: NOT_FOUND, INVALID, TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_source_table_load(struct ax_offline *offline,
                                              const struct ax_source *source, const bool *used,
                                              bool as_known, size_t number,
                                              struct ax_source_table *ret_table,
                                              struct ax_err *err);

/* Compare the columns of a source with what it holds. */
AX_MUST_USE enum ax_code ax_source_table_check(struct ax_offline *offline,
                                               const struct ax_source *source, struct ax_err *err);

/* Append what orders the rows of one key, of a row called h: its time in microseconds in `time` and
 * its rowid; and what a moment (SQL, in microseconds) is compared with. */
void ax_source_table_put_order(struct ax_buf *out, const struct ax_source_table *table);
void ax_source_table_put_moment(struct ax_buf *out, const struct ax_source_table *table,
                                const char *moment);

#endif
