/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a source have told windows: its events within reach, kept in the state
 * directory, so that a start need not read the files again.
 *
 * Each time the source is materialised a whole new one is made, <state>/history/<source>/<name>,
 * in the form of a journal; its name tells its number, how the source told events from each other
 * and when they were, the times between which all events are in it, and how many those are. It
 * counts when it has its name, and the last one does. Columns may have come and gone since: it is
 * read as a journal is. See docs/internals/online-store.md, "Windows".
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_HISTORY_H
#define AX_FEATURE_ONLINE_ONLINE_HISTORY_H

#include "feature/online/journal.h"
#include "feature/source_plan.h"

#include <limits.h>

/* A history of a source. */
struct ax_online_history {
    char folder[PATH_MAX]; /* empty: there is none */
    uint32_t number;
    int64_t from_us; /* events whose time is later are in it, */
    int64_t to_us;   /* and no later than that */
    uint64_t rows;
    bool is_other; /* of the source as it was, or that cannot be read as its columns are now: what
                      it says does not count */
};

/* The last one that is of the source as it is; none, and is_other: there are others. Expected:
 * DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_online_history_find(const char *state, const struct ax_source *source,
                                                struct ax_online_history *ret_history,
                                                struct ax_err *err);
/* The first one of a number above `after`, of the source as it is or was. Expected: likewise. */
AX_MUST_USE enum ax_code ax_online_history_next(const char *state, const struct ax_source *source,
                                                uint32_t after,
                                                struct ax_online_history *ret_history,
                                                struct ax_err *err);
/* Whether it has all of these columns of its source (by number, as many as the source has; NULL:
 * all of them).
 * Expected: DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_online_history_has(const struct ax_online_history *history,
                                               const struct ax_source *source, const bool *columns,
                                               bool *ret_has, struct ax_err *err);
/* Remove it, and keep that there was one, which is_other. Expected: the system's codes. */
AX_MUST_USE enum ax_code ax_online_history_forget(const char *state, const struct ax_source *source,
                                                  const struct ax_online_history *history,
                                                  struct ax_err *err);

/* Rows of it that were read, as rows of the source: their sequences are below all that are pushed,
 * and above those of histories before. Borrows `read`. */
struct ax_source_rows ax_online_history_rows(const struct ax_online_history *history,
                                             const struct ax_journal_rows *read);

struct ax_online_history_writer;

/* Begin one behind the last; `state` and `source` are borrowed. One thread. Expected: DENIED,
 * LIMIT, INVALID. */
AX_MUST_USE enum ax_code ax_online_history_begin(const char *state, const struct ax_source *source,
                                                 int64_t from_us, int64_t to_us,
                                                 struct ax_online_history_writer **ret_writer,
                                                 struct ax_err *err);
/* A column of the computation type for each of the source's. Expected: those of ax_journal_add and
 * of ax_journal_commit. */
AX_MUST_USE enum ax_code ax_online_history_add(struct ax_online_history_writer *writer,
                                               const struct ax_values *const *columns, size_t rows,
                                               struct ax_err *err);
/* Have it on the disk: it counts, and those before are removed. Expected: as above. */
AX_MUST_USE enum ax_code ax_online_history_end(struct ax_online_history_writer *writer,
                                               struct ax_err *err);
/* What has not ended is gone. NULL is fine. */
void ax_online_history_free(struct ax_online_history_writer *writer);

#endif
