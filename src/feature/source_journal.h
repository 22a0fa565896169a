/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows that were pushed, as a part of the history of their sources.
 *
 * Which rows there are is found out once, for all sources that are pushed or were; whoever reads
 * them by this reads the same ones, while others are appended. Immutable once opened, and shared by
 * threads. Definitions are borrowed. Everything blocks.
 */
#ifndef AX_FEATURE_SOURCE_JOURNAL_H
#define AX_FEATURE_SOURCE_JOURNAL_H

#include "feature/online/journal_reader.h"

/* The rows of a source that stand in its journal. */
struct ax_source_journal {
    const struct ax_source *source;
    char *folder;
    struct ax_journal_extent extent; /* at least one row */
};

struct ax_source_journals;

/* The journals below a state directory, which need not be there. Expected: INVALID (damaged),
 * DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_source_journals_open(const char *state,
                                                 const struct ax_definitions *definitions,
                                                 struct ax_source_journals **ret_journals,
                                                 struct ax_err *err);
/* Whether the rows that were pushed can be read by these definitions. Expected: INVALID (a column
 * has another type than it had: names the source and what to do), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_source_journals_check(const char *state,
                                                  const struct ax_definitions *definitions,
                                                  struct ax_err *err);
/* NULL is fine. */
void ax_source_journals_close(struct ax_source_journals *journals);

/* NULL: the source has no such rows. `journals` may be NULL. */
const struct ax_source_journal *ax_source_journals_get(const struct ax_source_journals *journals,
                                                       const struct ax_source *source);

/* Have the journal of a source end behind the row `last`, or where it did when it was opened, if
 * that is earlier. Nobody reads by them meanwhile. */
void ax_source_journals_cut(struct ax_source_journals *journals, struct ax_str source,
                            uint64_t last);

/* Append "rows 17 to 4711 (0123456789abcdef)": no other rows are told so. */
void ax_source_journal_put_extent(struct ax_buf *out, const struct ax_source_journal *journal);

#endif
