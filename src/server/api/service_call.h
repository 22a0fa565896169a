/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of a service in a request: from keys and values that it gives to the rows of models, and
 * to what is told of the features.
 *
 * The columns of the call come from cells, or are made by the caller. Then the entities are gone
 * through in slices: each is one vector (feature/service_vector.h), which fills the rows of all
 * models that ask for the same. A store that answers later makes the call wait; the request goes on
 * when it is woken. Everything is on the request's I/O thread, inside wake-ups but for `woken`.
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

/* Rows of a model that are filled. The caller's, until the call is done. */
struct ax_service_target {
    const size_t *inputs; /* ax_serving_bind */
    struct ax_rows *rows; /* reserved, as many as there are entities */
    struct ax_err err;    /* why they are not filled, which hinders no others */
    struct ax_service_target *next;
};

struct ax_service_call {
    struct ax_serving_features *features; /* one reference; NULL: not begun */
    const struct ax_serving_service *service;
    struct ax_service_request request;
    struct ax_arena *arena; /* of the request: columns, and texts in rows */
    struct ax_service_target *targets;
    int state;      /* CALL_* of service_call.c */
    bool is_shared; /* ax_service_call_share */

    /* Columns from cells. */
    struct ax_cells_values fills[AX_ROW_SETS];
    size_t fill; /* of AX_ROW_SETS, in hand */
    struct ax_cells_target *columns;
    struct ax_cells_target at;
    int64_t now_us; /* the moment when the cells name none */
    struct ax_cells_target *given;
    struct ax_service_given *replaced; /* is request.given */

    /* Slices. */
    struct ax_arena own; /* of one slice, when there are several */
    struct ax_service_vector vector;
    size_t from, slice_rows;
    void (*woken)(struct ax_service_call *call);
    /* (optional) A slice's vector is finished; it is gone afterwards. */
    enum ax_code (*visit)(struct ax_service_call *call, struct ax_err *err);

    struct ax_served_sampler *sampler;    /* NULL: what is served is not logged */
    uint64_t seen[AX_SERVED_SOURCES_MAX]; /* for it, before the slice was asked for */

    enum ax_service_tell tell;
    struct ax_buf told; /* by row: "at":…,"features":{…} */
    size_t *told_ends;
};

/* Begin with `rows` entities; `call` is zeroed. `loop` is the thread's, `deadline_ns` that of the
 * request (0: none). `woken` is called when what the store was asked for has come. Takes a
 * reference of `features`. Expected: INVALID (to be told of so many), LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_service_call_begin(struct ax_service_call *call,
                                               struct ax_serving_features *features,
                                               const struct ax_serving_service *service,
                                               size_t rows, enum ax_service_tell tell,
                                               struct ax_arena *arena, struct ax_loop *loop,
                                               uint64_t deadline_ns, struct ax_err *err);
/* NULL is fine, and one that has not begun: a fetch is cancelled, the reference given back. */
void ax_service_call_done(struct ax_service_call *call);

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

/* Before the first step: what is served is logged by `sampler`; NULL: it is not. */
void ax_service_call_sample(struct ax_service_call *call, struct ax_served_sampler *sampler);

/* Before the first step. */
void ax_service_call_add(struct ax_service_call *call, struct ax_service_target *target);

/* Go on for about as long as reading `byte_budget` bytes takes, and add that to *cost. *ret_waits:
 * not before `woken` was called. When *ret_done is set all rows are filled, with their defaults.
 * Expected: INVALID (names the value and the row), UNSUPPORTED, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_service_call_step(struct ax_service_call *call, size_t byte_budget,
                                              size_t *cost, bool *ret_done, bool *ret_waits,
                                              struct ax_err *err);

/* What is told of a row; empty: nothing. */
struct ax_str ax_service_call_told(const struct ax_service_call *call, size_t row);

#endif
