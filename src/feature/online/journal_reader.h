/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a journal: rows in the order of their sequences, as columns.
 *
 * A reader shares nothing with the writer but the files, so it may be in another process. It has
 * one segment open and keeps a part of it in memory. One thread a reader; it blocks.
 */
#ifndef AX_FEATURE_ONLINE_JOURNAL_READER_H
#define AX_FEATURE_ONLINE_JOURNAL_READER_H

#include "data/expr/values.h"
#include "feature/definitions.h"

/* Which rows a journal has. */
struct ax_journal_extent {
    uint64_t first; /* sequence of the oldest one that is there */
    uint64_t next;  /* behind the last one; the same: there is none */
    uint64_t hash;  /* of the last one's group and of the seeds of all segments: of no other rows */
};

/* Look at the last segment, up to its last whole group, and at the seeds of the others. A folder
 * that is not there has no rows. Expected: INVALID (also: the last segment is damaged and has rows
 * behind that), DENIED, LIMIT, CONFLICT (a segment was removed meanwhile). */
AX_MUST_USE enum ax_code ax_journal_extent_read(const char *folder,
                                                struct ax_journal_extent *ret_extent,
                                                struct ax_err *err);

/* Whether all segments can be read as these columns; what a reader comes upon otherwise (damage) is
 * not looked for. ret_missing[i], which may be NULL: some segment has no column i. Expected:
 * INVALID (a column has a type that cannot be read as that of today). */
AX_MUST_USE enum ax_code ax_journal_check_columns(const char *folder,
                                                  const struct ax_definition_column *columns,
                                                  size_t column_count, bool *ret_missing,
                                                  struct ax_err *err);

struct ax_journal_reader;

struct ax_journal_rows {
    size_t rows; /* at most AX_VALUES_ROWS_MAX; 0: there are no more */
    uint64_t first_sequence;
    const int64_t *taken_us;        /* when each was taken in */
    const struct ax_values *values; /* one for each column that was asked for */
};

/* Read the columns `columns` (borrowed while the reader lives) of the rows with sequences from
 * `from` on, or from the oldest one that is there, up to `until`; 0: up to the last whole group. A
 * folder that is not there has no rows. Expected: INVALID, DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_journal_reader_open(const char *folder,
                                                const struct ax_definition_column *columns,
                                                size_t column_count, uint64_t from, uint64_t until,
                                                struct ax_journal_reader **ret_reader,
                                                struct ax_err *err);
/* NULL is fine. */
void ax_journal_reader_close(struct ax_journal_reader *reader);

/* The sequence of the row that it gives next, if it gives any. */
uint64_t ax_journal_reader_at(const struct ax_journal_reader *reader);

/* The next rows, in the arena; texts are the reader's until the next call. Expected: INVALID
 * (damaged, or a column has a type that cannot be read as that of today), CONFLICT (a segment was
 * removed meanwhile), LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_journal_reader_next(struct ax_journal_reader *reader,
                                                struct ax_arena *arena,
                                                struct ax_journal_rows *ret_rows,
                                                struct ax_err *err);

#endif
