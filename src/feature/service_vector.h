/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inputs of a service for some rows of a request: from the online store, from what the call
 * gives, and by expressions.
 *
 * A request has any number of rows; a vector is of a slice of them, at most AX_VALUES_ROWS_MAX.
 * Beginning makes the keys, and adds them to what is asked of the store (service_lookups.h), alone
 * or with other vectors; when that has been answered, finishing makes columns of those inputs that
 * expressions read or make. The others go from rows of the store straight into a model's rows, or
 * become columns when they are asked for. All memory is the request's arena. One thread at a time:
 * that of the lookups.
 *
 * Texts of the columns may lie in rows of the store, and so does what has no column yet: all is
 * good until the epoch is left, as the rows are. What ax_service_vector_write put into a model's
 * rows stays.
 */
#ifndef AX_FEATURE_SERVICE_VECTOR_H
#define AX_FEATURE_SERVICE_VECTOR_H

#include "data/rows.h"
#include "feature/service_lookups.h"
#include "feature/service_plan.h"

/* An input that the call gives itself, in place of what would be fetched or computed. */
struct ax_service_given {
    size_t input; /* a field or an expression, and each once */
    struct ax_values values;
    const uint64_t *rows; /* bits of the rows that give it; NULL: all do, as they must of a list */
};

/* What a request asks; borrowed, and unchanged until its last vector is done with. */
struct ax_service_request {
    const struct ax_service_plan *plan;
    size_t rows;
    const struct ax_values *call; /* one a column of the service's call, of its computation type */
    const int64_t *at;            /* moments, microseconds since 1970, one a row */
    const struct ax_service_given *given;
    size_t given_count;
    struct ax_arena *arena;
};

struct ax_service_status {
    enum ax_online_status status;
    bool defaulted; /* the value is the field's default; `status` says why */
    bool given;     /* by the call */
    int64_t time;   /* of the view's row that was found; AX_ONLINE_TIMELESS: there is none */
};

struct ax_service_vector {
    const struct ax_service_request *request;
    size_t from, rows;              /* the slice */
    struct ax_values *inputs;       /* one an input that is a column */
    bool is_whole;                  /* all are, not only those that are no number of the plan */
    struct ax_service_keys *keys;   /* one a visit of the plan: group by group, by rows */
    const struct ax_values **scope; /* what expressions see */
    struct ax_values *call;         /* the slice, narrowed to what is declared */
    const uint64_t **found;         /* validity of an input before defaults; NULL: it has none */
    const struct ax_online_part **parts; /* that count, a row after the other in each role */
    uint8_t *states;                     /* enum ax_online_status, likewise */
    int64_t *times;
    const struct ax_service_given **given; /* one an input, or NULL */
};

/* Begin with rows [from, from + rows) of the request: its keys are added to `lookups`, whose arena
 * is the request's; when it fails, some may have been. Expected: INVALID (a required value is null,
 * or one does not fit its type: names it and the row), UNSUPPORTED, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_service_vector_begin(struct ax_service_vector *vector,
                                                 const struct ax_service_request *request,
                                                 size_t from, size_t rows,
                                                 struct ax_service_lookups *lookups,
                                                 struct ax_err *err);

/* The lookups are answered, in this wake-up. A store that cannot be asked is no failure: its values
 * are missing, with that status. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_service_vector_finish(struct ax_service_vector *vector,
                                                  struct ax_err *err);

/* Of a finished vector, make columns of all inputs that are none, for whoever looks at them.
 * Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_service_vector_columns(struct ax_service_vector *vector,
                                                   struct ax_err *err);

/* Of input `input`, which is a column, in row `row` of the slice. */
struct ax_service_status ax_service_vector_status(const struct ax_service_vector *vector,
                                                  size_t input, size_t row);

/* Fill in rows of a model from row `to` on, which were cleared; `inputs` is what
 * ax_service_plan_bind made for its signature. Texts are copied to the arena, which is that of the
 * rows. Expected: those of the setters of data/rows.h, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_service_vector_write(const struct ax_service_vector *vector,
                                                 const size_t *inputs, struct ax_rows *rows,
                                                 size_t to, struct ax_arena *arena,
                                                 struct ax_err *err);

#endif
