/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journals of all sources that are pushed or were, by name.
 *
 * Without a folder nothing is journalled, and sequences are given all the same. The store's
 * writer's thread.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_JOURNALS_H
#define AX_FEATURE_ONLINE_ONLINE_JOURNALS_H

#include "base/map.h"
#include "base/metric.h"
#include "feature/online/journal.h"
#include "feature/online/online_seen.h"
#include "feature/source_plan.h"

struct ax_online_journal {
    struct ax_journal *journal; /* NULL: it is not open, or there is none */
    char *folder;               /* NULL: there is none */
    uint64_t next;              /* sequence, of a source without a journal */
    uint64_t folding, folded;   /* position on the disk, of the fold that is going on and before */
    bool is_touched;            /* rows were added that are not committed */
    struct ax_err err;          /* of the last commit */
    struct ax_online_seen seen; /* of the source, by the views that are in force */
    uint64_t bytes, rows;       /* that its files have, */
    ax_metric bytes_metric, rows_metric; /* as is shown */
    ax_metric missing_metric;
};

struct ax_online_journals {
    char *folder; /* of all; NULL: none */
    bool is_synced;
    uint64_t bytes_max; /* of each */
    struct ax_map by_source;
    int64_t taken_us; /* when the last rows were taken in, of any source: never goes back */
    uint64_t bytes, rows, bytes_written, failures; /* of those that were committed */
};

void ax_online_journals_init(struct ax_online_journals *journals, const char *folder,
                             bool is_synced, uint64_t bytes_max);
void ax_online_journals_done(struct ax_online_journals *journals);

/* Whether there is a journal of that source, open or not. */
bool ax_online_journals_have(const struct ax_online_journals *journals, struct ax_str source);

/* What a journal was found to lack when it was opened. */
struct ax_online_journal_loss {
    uint64_t bytes_cut;  /* of its last group, */
    bool is_cut_damaged; /* which was not broken off (ax_journal_stats) */
    uint64_t rows;       /* that had been acknowledged, and are missing */
};

/* Have the journal of the plan's source open with its columns, and give no sequence below `next`.
 * Expected: those of ax_journal_open and ax_journal_skip; then it takes nothing until this
 * succeeds. */
AX_MUST_USE enum ax_code ax_online_journals_open(struct ax_online_journals *journals,
                                                 const struct ax_source_plan *plan, uint64_t next,
                                                 struct ax_online_journal_loss *ret_loss,
                                                 struct ax_err *err);

/* Of a source that was opened. */
struct ax_online_journal *ax_online_journals_get(const struct ax_online_journals *journals,
                                                 struct ax_str source);

/* Add rows to what is committed next; their sequences run from *ret_first. Expected: those of
 * ax_journal_add, and CONFLICT (it has other columns). */
AX_MUST_USE enum ax_code ax_online_journal_add(struct ax_online_journal *journal,
                                               const struct ax_source_plan *plan,
                                               const struct ax_source_rows *rows, int64_t taken_us,
                                               struct ax_arena *arena, uint64_t *ret_first,
                                               struct ax_err *err);

/* Commit all that was added; each journal's `err` says what became of its rows. */
void ax_online_journals_commit(struct ax_online_journals *journals);

/* ax_journal_end_segment and ax_journal_erase of one of them. Expected: besides, UNAVAILABLE (it
 * could not be opened). */
AX_MUST_USE enum ax_code ax_online_journal_end_segment(struct ax_online_journals *journals,
                                                       struct ax_online_journal *journal,
                                                       struct ax_err *err);
AX_MUST_USE enum ax_code ax_online_journal_erase(struct ax_online_journals *journals,
                                                 struct ax_online_journal *journal,
                                                 const uint64_t *sequences, size_t count,
                                                 size_t *ret_count, struct ax_err *err);

/* ax_journal_expire of one of them, of rows that have been folded. */
AX_MUST_USE enum ax_code ax_online_journal_expire(struct ax_online_journals *journals,
                                                  struct ax_online_journal *journal, int64_t end_us,
                                                  int64_t before_us, struct ax_err *err);

/* The sequence behind the last one that was committed. */
uint64_t ax_online_journal_next(const struct ax_online_journal *journal);

#endif
