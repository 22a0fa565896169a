/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of one entity: events go in, in any order, corrected and repeated; values at a moment
 * come out.
 *
 * A value is a function of the set of events and of the moment, whatever the order in which events
 * came (docs/internals/windows.md has the rules). What is kept is what moments from the floor on
 * can reach. One thread at a time; the spec is borrowed and must outlive it.
 */
#ifndef AX_FEATURE_WINDOW_H
#define AX_FEATURE_WINDOW_H

#include "data/expr/values.h"
#include "feature/window_spec.h"

struct ax_window;

/* What the caller promises, and what therefore need not be kept. */
enum ax_window_mode {
    /* Events come in the order of their times, each id once, none is gone; moments are not asked
     * for before the newest event; no event is left out. Rows older than the newest N and ids are
     * not kept. */
    AX_WINDOW_SORTED,
    /* Anything: rows and ids are kept for as long as windows reach. */
    AX_WINDOW_ANY,
};

#define AX_WINDOW_TIME_MAX (INT64_C(1) << 61)

struct ax_window_event {
    struct ax_str id; /* bytes whose order is that of ids; at most 64 KiB */
    int64_t time;     /* us; within AX_WINDOW_TIME_MAX of 0 */
    int64_t created;  /* with `sequence` the version: the highest of an id counts */
    int64_t sequence;
    bool is_gone; /* in this version the event is not this entity's */
};

enum ax_window_status {
    AX_WINDOW_PRESENT,
    AX_WINDOW_NULL,
    AX_WINDOW_TOO_MANY, /* null since top_k met too many different values */
};

struct ax_window_item {
    union {
        int64_t i64; /* bool, int64, timestamp, duration */
        double f64;
        struct ax_str text;
    };
};

/* Of the spec's type; borrowed until the next call. */
struct ax_window_value {
    enum ax_window_status status;
    struct ax_window_item item;         /* of a scalar */
    const struct ax_window_item *items; /* of a list */
    size_t item_count;
};

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_window_new(const struct ax_window_spec *spec, enum ax_window_mode mode,
                                       struct ax_window **ret_window, struct ax_err *err);
void ax_window_free(struct ax_window *window);

/* Forget all events and the floor, keeping memory for those of another entity. */
void ax_window_clear(struct ax_window *window);

/* Take in an event; its values are row `row` of the spec's columns. A version that is not higher
 * than a known one of its id changes nothing. Expected: INVALID (time, id; a promise that is not
 * kept), TOO_LARGE (a text over 64 KiB), LIMIT; AX_WINDOW_ANY is as it was then, AX_WINDOW_SORTED
 * is to be cleared. */
AX_MUST_USE enum ax_code ax_window_put(struct ax_window *window,
                                       const struct ax_window_event *event,
                                       const struct ax_values *const *columns, size_t row,
                                       struct ax_err *err);

/* The values at a moment, one an aggregate. `self` is the id of an event that does not count, or
 * NULL. Expected: INVALID (before the floor; a promise that is not kept), LIMIT. */
AX_MUST_USE enum ax_code ax_window_get(struct ax_window *window, int64_t at,
                                       const struct ax_str *self,
                                       const struct ax_window_value **ret_values,
                                       struct ax_err *err);

/* No moment before `floor` will be asked for. A lower floor than before changes nothing. */
void ax_window_forget(struct ax_window *window, int64_t floor);

/* What it takes from the heap, without texts over 12 bytes; and how many events it keeps as rows.
 */
size_t ax_window_bytes(const struct ax_window *window);
size_t ax_window_rows(const struct ax_window *window);

#endif
