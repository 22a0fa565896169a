/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of a source: rows that were taken in, kept in files until they are elsewhere.
 *
 * Rows are added to a group in memory and committed with one write; what a commit has acknowledged
 * outlives the process, and with is_synced the machine. Rows have sequences from 1 on without gaps.
 * One thread writes, of the process that owns the state directory (base/state_lock.h). Files are
 * read by feature/online/journal_reader.h. See docs/internals/online-store.md.
 */
#ifndef AX_FEATURE_ONLINE_JOURNAL_H
#define AX_FEATURE_ONLINE_JOURNAL_H

#include "data/expr/values.h"
#include "feature/definitions.h"

#define AX_JOURNAL_GROUP_BYTES_MAX   ((size_t)64 << 20)
#define AX_JOURNAL_SEGMENT_BYTES_MAX ((uint64_t)64 << 20) /* unless something else is said */

struct ax_journal;

struct ax_journal_config {
    const char *folder;                         /* the source's own; made if it is not there */
    struct ax_str source;                       /* its name */
    const struct ax_definition_column *columns; /* of its rows; borrowed while it is opened */
    size_t column_count;
    bool is_synced;             /* commits are on the disk; else: with the kernel */
    uint64_t segment_bytes_max; /* a segment over it is ended; 0: the default */
    uint64_t bytes_max;         /* of all segments; 0: no limit */
};

struct ax_journal_stats {
    uint64_t rows;          /* committed since it was opened, */
    uint64_t commits;       /* in so many groups */
    uint64_t bytes_written; /* of them */
    uint64_t failures;      /* commits that failed */
    uint64_t bytes_cut;     /* of the last group, when it was opened, */
    bool is_cut_damaged;    /* which was not broken off: it was there, and did not check */
    uint64_t rows_kept;     /* in all files */
    uint64_t segments;      /* files */
    uint64_t bytes;         /* of all files */
};

/* Open it for writing: read the last segment through, and cut off what was not acknowledged.
 * Expected: INVALID (damaged, or another source's), DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_journal_open(const struct ax_journal_config *config,
                                         struct ax_journal **ret_journal, struct ax_err *err);
/* What was not committed is gone. NULL is fine. */
void ax_journal_close(struct ax_journal *journal);

/* Whether its rows have these columns, in this order. */
bool ax_journal_has(const struct ax_journal *journal, const struct ax_definition_column *columns,
                    size_t column_count);

/* Add `rows` rows, a column of the computation type for each of the journal's, to the group that is
 * committed next; their sequences run from *ret_first. Values are narrowed to what is stored, what
 * does not fit is null. `taken_us`: when they were taken in, microseconds UTC. A failure adds
 * nothing, and leaves the group as it was. Expected: TOO_LARGE (a row, or all
 * of them: no group takes them), LIMIT (the group is full:
 * commit it; or memory), UNAVAILABLE (it takes nothing more until it is opened anew). */
AX_MUST_USE enum ax_code ax_journal_add(struct ax_journal *journal,
                                        const struct ax_values *const *columns, size_t rows,
                                        int64_t taken_us, uint64_t *ret_first, struct ax_err *err);

/* Write what was added. Blocks. After a failure nothing of it was taken in, and its sequences are
 * given again. Expected: LIMIT (the disk or the journal is full), UNAVAILABLE. */
AX_MUST_USE enum ax_code ax_journal_commit(struct ax_journal *journal, struct ax_err *err);

/* Rows with sequences below `next` were acknowledged: *ret_missing of them are not there. Rows
 * without values take their sequences, so that no other row gets one of them. Nothing waits to be
 * committed. Blocks. Expected: those of a commit. */
AX_MUST_USE enum ax_code ax_journal_skip(struct ax_journal *journal, uint64_t next,
                                         uint64_t *ret_missing, struct ax_err *err);

/* End the last segment: its rows may be erased then. Blocks. Expected: LIMIT, UNAVAILABLE. */
AX_MUST_USE enum ax_code ax_journal_end_segment(struct ax_journal *journal, struct ax_err *err);

/* Take the values out of some of the rows with these sequences, ascending, of segments that were
 * ended: *ret_count of them, at least one, which lie in one segment. Such a row keeps its sequence,
 * and each column is null. Killed meanwhile, all of them have their values, or none. Blocks.
 * Expected: INVALID (damaged), LIMIT. */
AX_MUST_USE enum ax_code ax_journal_erase(struct ax_journal *journal, const uint64_t *sequences,
                                          size_t count, size_t *ret_count, struct ax_err *err);

/* The sequence behind the last one that was committed: what readers may read up to. Any thread. */
uint64_t ax_journal_next(const struct ax_journal *journal);

/* Remove the segments that have only rows below `sequence`, but for the last one. Blocks. */
AX_MUST_USE enum ax_code ax_journal_remove_below(struct ax_journal *journal, uint64_t sequence,
                                                 struct ax_err *err);

/* Have rows go that are old: remove the segments that have only rows which were taken in before
 * `before_us`, with sequences below `below`. The last segment is ended before if its first row was
 * taken in before `end_us`. Nothing waits to be committed. Blocks. Expected: those of the above. */
AX_MUST_USE enum ax_code ax_journal_expire(struct ax_journal *journal, int64_t end_us,
                                           int64_t before_us, uint64_t below, struct ax_err *err);

/* Any thread; the numbers may be of different moments. */
void ax_journal_stats(const struct ax_journal *journal, struct ax_journal_stats *ret_stats);

#endif
