/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the body of a push: rows of a source, from text to columns that may be taken in.
 *
 *   {"source": s, "rows": [{…}, …]}, or "row": {…}         our own
 *   {"push_source_name": s, "df": {"column": […], …}, "to": "online", …}     Feast's
 *   {…} NEWLINE {…} NEWLINE …                               lines; the source stands in the query
 *
 * First the text becomes cells and the name of the source, in an arena or borrowed from the text;
 * then, by that source's plan, columns of its types, which are checked. Those have an arena of
 * their own, and may outlive the text. Both stop when their budget is spent. See
 * docs/internals/named-rows.md.
 */
#ifndef AX_SERVER_API_PUSH_BODY_H
#define AX_SERVER_API_PUSH_BODY_H

#include "data/cells_values.h"
#include "feature/source_plan.h"
#include "server/api/row_body.h"

#define AX_PUSH_ROWS_MAX ((size_t)100000)

/* How far a row's time may lie ahead of the clock. */
#define AX_PUSH_AHEAD_US INT64_C(5000000)

struct ax_push_body {
    struct ax_row_body json; /* of lines: its reader, rows and cells alone */
    int state;               /* PUSH_* of push_body.c */
    struct ax_str lines;     /* what is left of them */
    size_t line;             /* that is read, from 0 */

    struct ax_arena *arena; /* of the columns */
    const struct ax_source_plan *plan;
    struct ax_cells_target *targets; /* one a column of the source */
    struct ax_cells_values fill;
    size_t at; /* in what the state goes through */
    int64_t latest_us;

    /* The result of reading. */
    struct ax_str source;
    bool is_feast;    /* it is named as Feast does */
    size_t row_count; /* without those that filling left out */

    /* The result of filling. */
    struct ax_values *columns;
    struct ax_source_rows rows;
    uint64_t *dropped; /* rows that were not as expected, a bit each; NULL: nothing is expected */
    size_t dropped_count;
    size_t unexpected[AX_EXPECT_FAIL + 1]; /* how often something was not, by its action */
};

/* Begin with a body; `source` is the one that the query names, or empty. */
void ax_push_body_init(struct ax_push_body *body, struct ax_str text, bool is_lines,
                       struct ax_str source, struct ax_arena *arena);

/* Read on for about `byte_budget` bytes, and add to *cost what was read. Expected: INVALID,
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_push_body_read(struct ax_push_body *body, size_t byte_budget,
                                           size_t *cost, bool *ret_done, struct ax_err *err);

/* Behind that: begin with columns of the source that was named, in `arena`; `now_us` is the moment
 * that its times may lie AX_PUSH_AHEAD_US ahead of. Expected: INVALID (a column that the source has
 * not), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_push_body_fill_begin(struct ax_push_body *body,
                                                 const struct ax_source_plan *plan, int64_t now_us,
                                                 struct ax_arena *arena, struct ax_err *err);

/* Go on likewise; when *ret_done is set, body->rows are good to be taken in, perhaps none of them.
 * Expected: INVALID (a value, or what ax_source_plan_check and ax_row_checks_run say), TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_push_body_fill(struct ax_push_body *body, size_t byte_budget,
                                           size_t *cost, bool *ret_done, struct ax_err *err);

#endif
