/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying what changes to the table, and noting the keys for the disk.
 *
 * Rows of a source become items of its views (feature/source_plan.h), a slice at a time, so that
 * memory does not grow with the rows. The store's writer's thread.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_APPLY_H
#define AX_FEATURE_ONLINE_ONLINE_APPLY_H

#include "feature/online/online_unfolded.h"
#include "feature/online/online_views.h"
#include "feature/source_keys.h"

struct ax_online_apply {
    struct ax_online *store;             /* borrowed */
    struct ax_online_unfolded *unfolded; /* borrowed; NULL: nothing is folded */
    struct ax_online_unfolded *touched;  /* borrowed; likewise, for others; NULL: nobody asks */
    bool has_windows;                    /* rows are for plain views alone: windows have them */
    struct ax_arena arena;               /* of a slice's items */
    uint8_t results[AX_VALUES_ROWS_MAX]; /* of a write */
};

/* What became of items, added up. */
struct ax_online_counts {
    uint64_t written, stale, refused;
};

void ax_online_apply_init(struct ax_online_apply *apply, struct ax_online *store,
                          struct ax_online_unfolded *unfolded);
void ax_online_apply_done(struct ax_online_apply *apply);

/* Keys of one entity end, in the windows of its views, too: items of keys alone. */
AX_MUST_USE enum ax_code ax_online_apply_end(struct ax_online_apply *apply,
                                             const struct ax_online_views *views, size_t entity,
                                             const struct ax_online_item *items, size_t count,
                                             struct ax_online_counts *counts, struct ax_err *err);

/* Of at most AX_VALUES_ROWS_MAX rows of a source, the events of those that `is_gone` says do not
 * count any more, in the windows of all keys but those that `ended` has. Expected: LIMIT,
 * TOO_LARGE.
 */
AX_MUST_USE enum ax_code ax_online_apply_gone(struct ax_online_apply *apply,
                                              const struct ax_online_views *views, size_t source,
                                              const struct ax_source_rows *rows,
                                              const bool *is_gone,
                                              const struct ax_source_keys *ended,
                                              struct ax_err *err);

/* Items of one entity of the views, its number in the definitions. A failure is why items were
 * refused; the others were applied. Expected: LIMIT, TOO_LARGE, INVALID. */
AX_MUST_USE enum ax_code ax_online_apply_items(struct ax_online_apply *apply,
                                               const struct ax_online_views *views, size_t entity,
                                               const struct ax_online_item *items, size_t count,
                                               struct ax_online_counts *counts, struct ax_err *err);

/* Rows of a source, its number in the definitions, to its views; likewise. An event that is put
 * into windows is written. `has_it` (NULL: none has): a plain view of the source's plan, by its
 * target's number, that is left out. */
AX_MUST_USE enum ax_code ax_online_apply_rows(struct ax_online_apply *apply,
                                              const struct ax_online_views *views, size_t source,
                                              const struct ax_source_rows *rows, const bool *has_it,
                                              struct ax_online_counts *counts, struct ax_err *err);

/* Rows of a source that only windows are to have: those of `only`, or (NULL) of all its views. */
AX_MUST_USE enum ax_code ax_online_apply_events(struct ax_online_apply *apply,
                                                const struct ax_online_views *views, size_t source,
                                                const struct ax_source_rows *rows,
                                                const struct ax_view *only,
                                                struct ax_online_counts *counts,
                                                struct ax_err *err);

#endif
