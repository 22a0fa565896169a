/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /write-to-online-store: final values of a view, from text to what the online
 * store takes.
 *
 * First the text becomes cells and the name of the view (feast_body.h); then, by that view, columns
 * of its types, and these become items. Both stop when their budget is spent. What is sent on lies
 * in an arena of its own, so that the request may end before it is written. See
 * docs/protocols/feast.md.
 */
#ifndef AX_SERVER_API_FEAST_VALUES_H
#define AX_SERVER_API_FEAST_VALUES_H

#include "data/cells_values.h"
#include "feature/online/online.h"
#include "server/api/feast_body.h"

#define AX_FEAST_ROWS_MAX ((size_t)100000)

/* How far a row's time, and when it was learnt, may lie ahead of the clock. */
#define AX_FEAST_AHEAD_US INT64_C(5000000)

struct ax_feast_values {
    struct ax_feast_body body;

    const struct ax_view *view;
    const struct ax_online_layout *layout;
    struct ax_arena *arena; /* of all that follows */
    int64_t now_us;
    struct ax_cells_target *columns; /* keys, fields, the time, when it was learnt */
    bool *is_there;                  /* of each */
    struct ax_cells_values fill;
    bool is_filled;

    /* The result. */
    struct ax_online_item *items; /* one a row */
    size_t row_count;
    size_t at; /* items that are made */
};

/* Begin with a body; it is read by ax_row_body_read of body.rows. */
void ax_feast_values_init(struct ax_feast_values *values, struct ax_str text,
                          struct ax_arena *arena);

/* Behind that: begin with items of the view that was named, whose parts have that layout. `arena`
 * is that of what is sent. Expected: INVALID (a column that is missing, or one that the view has
 * not; a view with windows), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_feast_values_begin(struct ax_feast_values *values,
                                               const struct ax_view *view,
                                               const struct ax_online_layout *layout,
                                               int64_t now_us, struct ax_arena *arena,
                                               struct ax_err *err);

/* Go on for about as long as reading `byte_budget` bytes takes, and add that to *cost; when
 * *ret_done is set the items are complete. Expected: INVALID (names the column and the row),
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_feast_values_step(struct ax_feast_values *values, size_t byte_budget,
                                              size_t *cost, bool *ret_done, struct ax_err *err);

#endif
