/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A windowed view as what its window states need: the columns to be computed of each event, and the
 * aggregates over them.
 *
 * Values and filters that compute the same are one column, aggregates of all fields that are the
 * same are one aggregate. All of it lives in the caller's arena, but for the spec.
 */
#ifndef AX_FEATURE_VIEW_WINDOWS_H
#define AX_FEATURE_VIEW_WINDOWS_H

#include "feature/definitions.h"
#include "feature/window_spec.h"

struct ax_view_windows {
    const struct ax_expr *const *columns; /* over the source's columns; borrowed from the view */
    size_t column_count;
    const struct ax_window_aggregate *aggregates;
    size_t aggregate_count;
    /* Of a field: its root, whose inputs are numbers of these aggregates; NULL: not wanted. */
    const struct ax_expr *const *field_roots;
    struct ax_window_spec *spec; /* owned */
};

/* The view is windowed; wanted[i]: field i is (NULL: all are). Expected: INVALID, TOO_LARGE (more
 * columns or aggregates than a state has), LIMIT; the message names the view's place. */
AX_MUST_USE enum ax_code ax_view_windows_make(const struct ax_view *view, const bool *wanted,
                                              struct ax_arena *arena,
                                              struct ax_view_windows *ret_windows,
                                              struct ax_err *err);
void ax_view_windows_done(struct ax_view_windows *windows);

#endif
