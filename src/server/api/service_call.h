/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of a service in a request: from keys and values that it gives to the rows of models, and
 * to what is told of the features.
 *
 * The columns of the call come from cells, or are made by the caller. Then a pass
 * (server/api/service_pass.h) goes through the entities in slices: each is one vector
 * (feature/service_vector.h), which fills the rows of all models that ask for the same. Everything
 * is on the request's I/O thread.
 */
#ifndef AX_SERVER_API_SERVICE_CALL_H
#define AX_SERVER_API_SERVICE_CALL_H

#include "data/cells_values.h"
#include "feature/service_vector.h"
#include "server/api/row_body.h"
#include "server/served_log.h"
#include "server/serving_features.h"

/* Entities of a request that asks to be told of their features. */
#define AX_SERVICE_TELL_ROWS_MAX ((size_t)AX_VALUES_ROWS_MAX)

struct ax_service_pass;

/* Rows of a model that are filled. The caller's, until the pass is done. */
struct ax_service_target {
    const size_t *inputs; /* ax_serving_bind */
    struct ax_rows *rows; /* reserved, as many as there are entities */
    struct ax_err err;    /* why they are not filled: their own fault, or that of the call */
    struct ax_service_target *next;
};

struct ax_service_call {
    struct ax_service_pass *pass; /* borrowed; NULL: not begun */
    struct ax_service_call *next; /* of the pass */
    const struct ax_serving_service *service;
    struct ax_service_request request;
    struct ax_arena *arena; /* of the request: columns, and texts in rows */
    struct ax_service_target *targets;
    struct ax_err err; /* why it came to no end: the pass goes on without it */
    int state;         /* CALL_* of service_call.c */
    bool is_shared;    /* ax_service_call_share */

    /* Columns from cells. */
    struct ax_cells_values fills[AX_ROW_SETS];
    size_t fill; /* of AX_ROW_SETS, in hand */
    struct ax_cells_target *columns;
    struct ax_cells_target at;
    int64_t now_us; /* the moment when the cells name none */
    struct ax_cells_target *given;
    struct ax_service_given *replaced; /* is request.given */

    /* Slices. */
    struct ax_service_vector vector;
    /* (optional) A slice's vector is finished; it is gone afterwards. */
    enum ax_code (*visit)(struct ax_service_call *call, struct ax_err *err);

    struct ax_served_sampler *sampler;    /* NULL: what is served is not logged */
    uint64_t seen[AX_SERVED_SOURCES_MAX]; /* for it, before the slice was asked for */

    enum ax_service_tell tell;
    struct ax_buf told; /* by row: "at":…,"features":{…} */
    size_t *told_ends;
};

/* Begin, of a service that is in force for the pass; `call` is zeroed, and lasts as long as the
 * pass. Expected: INVALID (to be told of so many), LIMIT, TOO_LARGE; `err` may be the call's own.
 */
AX_MUST_USE enum ax_code ax_service_call_begin(struct ax_service_call *call,
                                               struct ax_service_pass *pass,
                                               const struct ax_serving_service *service,
                                               enum ax_service_tell tell, struct ax_err *err);

/* Before the columns are taken from these cells: they are for other services, too, so they may have
 * what any in force takes, and each entity must have all keys of this one. */
void ax_service_call_share(struct ax_service_call *call, struct ax_cells *sets);

/* The columns are those of the cells: `sets` and `is_one` by set, borrowed. `now_us` is the moment
 * where none is named. Expected: INVALID, LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_service_call_take(struct ax_service_call *call,
                                              const struct ax_cells *sets, const bool *is_one,
                                              int64_t now_us, struct ax_err *err);

/* Or these, one a column of the service's call, and one moment for all. */
AX_MUST_USE enum ax_code ax_service_call_take_columns(struct ax_service_call *call,
                                                      const struct ax_values *columns, int64_t at,
                                                      struct ax_err *err);

/* Before the first step of the pass: what is served is logged by `sampler`; NULL: it is not. */
void ax_service_call_sample(struct ax_service_call *call, struct ax_served_sampler *sampler);

/* Before the first step of the pass. When the call has failed the target has its error at once. */
void ax_service_call_add(struct ax_service_call *call, struct ax_service_target *target);

/* What is told of a row; empty: nothing. */
struct ax_str ax_service_call_told(const struct ax_service_call *call, size_t row);

/* ---- for the pass; each puts what fails into the call's `err`, and that of its targets ---- */

/* Go on putting cells into columns, for about `byte_budget`, and add that to *cost; true: all are
 * there. */
bool ax_service_call_fill(struct ax_service_call *call, size_t byte_budget, size_t *cost);

/* Say what a slice looks for; inside the epoch. */
void ax_service_call_ask(struct ax_service_call *call, size_t from, size_t rows,
                         struct ax_service_lookups *lookups);

/* That has been answered: fill the slice's part of all rows, and tell of it. */
void ax_service_call_finish(struct ax_service_call *call);

/* It cannot go on. */
void ax_service_call_fail(struct ax_service_call *call, const struct ax_err *err);

/* Values of an entity: what is given, found and computed. One that is told counts as many. */
size_t ax_service_call_row_values(const struct ax_serving_service *service,
                                  enum ax_service_tell tell);

#endif
