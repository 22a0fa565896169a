/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rows of a source change in the online store.
 *
 * Made once from the definitions and from where the online store has their views; immutable then,
 * and shared by threads. Rows that are pushed, replayed from a journal or read from files become
 * items of the source's plain views here, and events of those with windows, and nowhere else. Pure:
 * no store, no clock, no threads. Definitions, layouts and windows are borrowed and outlive the
 * plan. See docs/internals/online-store.md, "Rows of a source".
 */
#ifndef AX_FEATURE_SOURCE_PLAN_H
#define AX_FEATURE_SOURCE_PLAN_H

#include "base/zone.h"
#include "data/expr/program.h"
#include "feature/online/journal_reader.h"
#include "feature/online/online_windows.h"
#include "feature/row_checks.h"
#include "feature/service_plan.h"

/* Rows of a source. What they point to is borrowed. */
struct ax_source_rows {
    size_t rows;
    /* One a column of the source, as it is stored: narrowed, and without NaN and -0. */
    const struct ax_values *columns;
    /* Of states that are pushed, one a column: bits of the rows that give it; in the others it is
     * null. NULL: all give it; or all rows are whole, which all are that stand anywhere. */
    const uint64_t *const *given;
    const uint64_t *dropped; /* bits of rows that are as if they were not there; NULL: none is */
    const int64_t *taken_us; /* when each was taken in; NULL: they were not pushed */
    uint64_t first_sequence;
};

/* What rows change in one view. */
struct ax_source_items {
    size_t view; /* its number in the definitions */
    struct ax_online_item *items;
    uint32_t *rows; /* that each comes from */
    size_t count;
    size_t refused; /* rows without a time, or whose key or part is larger than the store takes */
};

/* What rows put into the windows of one view; an event of each row that is not refused. */
struct ax_source_events {
    struct ax_online_windows_item *items;
    size_t count;
    const struct ax_values *const *columns; /* of the items' rows */
    size_t refused; /* rows without a time or an id, or whose id is larger than windows take */
};

/* A view of the source with windows that are online. */
struct ax_source_windows {
    const struct ax_view *definition;
    const struct ax_online_windows *windows;
    struct ax_program *program; /* of the columns of its events */
};

/* A plain view of the source. */
struct ax_source_target {
    size_t view; /* its number in the definitions */
    const struct ax_view *definition;
    const struct ax_online_layout *layout;
    struct ax_program *program; /* of its fields */
};

/* Where what a column was can be read: a field of one of the targets, which is that column. */
struct ax_source_kept {
    size_t target, field;
    const struct ax_source_kept *next; /* another such field; NULL: there is none */
};

struct ax_source_plan {
    struct ax_arena arena;
    const struct ax_source *source;
    const struct ax_zone *zone; /* of its naive times; NULL: UTC */
    struct ax_source_target *targets;
    size_t target_count;
    struct ax_source_windows *windows;
    size_t windows_count;
    struct ax_row_checks *checks; /* of rows that are pushed; NULL: nothing is expected of one */
    bool has_stored_row; /* one, that a row of states changes: its plain views have the same keys */
    /* One a column; NULL: it is not kept, and must be given, but for `created`. */
    const struct ax_source_kept **kept;
};

/* views[i] is where the view number i of the definitions is: of a plain view that is online its
 * layout, of one with windows those, or NULL. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_source_plan_new(const struct ax_definitions *definitions,
                                            const struct ax_source *source,
                                            const struct ax_online_view *views,
                                            struct ax_source_plan **ret_plan, struct ax_err *err);
/* NULL is fine. */
void ax_source_plan_free(struct ax_source_plan *plan);

/* Whether rows [from, from + count) can be taken in: each has its time, which is at most
 * `latest_us`, and its event id; what it leaves out is kept. Expected: INVALID (names the row and
 * the column). */
AX_MUST_USE enum ax_code ax_source_plan_check(const struct ax_source_plan *plan,
                                              const struct ax_source_rows *rows, size_t from,
                                              size_t count, int64_t latest_us, struct ax_err *err);

/* Whether a row leaves out a column. `created` is nothing that stays what it was. */
bool ax_source_rows_leave_out(const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                              size_t column, size_t row);

/* Whether some rows leave out columns: they are to be made whole (feature/online/online_merge.h)
 * before they are journalled or applied. */
bool ax_source_rows_are_partial(const struct ax_source_plan *plan,
                                const struct ax_source_rows *rows);

/* The latest time of rows that are in order; INT64_MIN: they have none. */
int64_t ax_source_rows_latest_us(const struct ax_source_plan *plan,
                                 const struct ax_source_rows *rows);

/* What rows [from, from + count) change, `from` a multiple of 64 and `count` at most
 * AX_VALUES_ROWS_MAX: ret_items[i] of targets[i], in the arena. Nothing that the rows hold makes it
 * fail. Expected: TOO_LARGE, LIMIT (the arena). */
AX_MUST_USE enum ax_code ax_source_plan_apply(const struct ax_source_plan *plan,
                                              const struct ax_source_rows *rows, size_t from,
                                              size_t count, struct ax_arena *arena,
                                              struct ax_source_items *ret_items,
                                              struct ax_err *err);

/* What rows [from, from + count) put into windows, likewise: ret_events[i] into windows[i]. */
AX_MUST_USE enum ax_code ax_source_plan_events(const struct ax_source_plan *plan,
                                               const struct ax_source_rows *rows, size_t from,
                                               size_t count, struct ax_arena *arena,
                                               struct ax_source_events *ret_events,
                                               struct ax_err *err);

/* Rows of the source that were read from its journal by those columns, and borrow from them. */
struct ax_source_rows ax_source_rows_from_journal(const struct ax_journal_rows *read);

/* Have rows of a journal dropped that are not as the source expects by now. Those stay that cannot
 * be asked. */
void ax_source_plan_drop(const struct ax_source_plan *plan, struct ax_source_rows *rows,
                         struct ax_arena *arena);

#endif
