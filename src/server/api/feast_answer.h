/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of POST /get-online-features: an array of values, of statuses and of times for each
 * column, of all rows.
 *
 * Rows come in slices, each of which is printed when its vector is there, since what that points to
 * is gone afterwards; the answer is put together of these texts, column by column. First stand the
 * columns that the call gave, in its order, then the service's fields and expressions. What the
 * words mean is told in docs/protocols/feast.md.
 */
#ifndef AX_SERVER_API_FEAST_ANSWER_H
#define AX_SERVER_API_FEAST_ANSWER_H

#include "data/cells_values.h"
#include "feature/service_vector.h"
#include "server/api/feast_columns.h"

struct ax_request;
struct ax_server_thread;

/* What was printed of a slice: where each of the texts ends. */
struct ax_feast_slice {
    struct ax_buf text;
    size_t *ends;
};

struct ax_feast_answer {
    const struct ax_service *service;
    const struct ax_feast_columns *columns; /* of the service */
    const uint32_t *called;                 /* columns of its call, which stand in front */
    size_t called_count, column_count;
    struct ax_feast_slice *slices;
    size_t slice_count, slice_max;
    size_t part_count;       /* texts of a slice */
    size_t bytes, bytes_max; /* of the answer, as far as it is known */

    /* Printing. */
    bool has_begun;
    size_t column, list, slice;
};

/* In at most `slice_max` slices. The answer may have as many bytes as the arena. `columns` are the
 * service's, borrowed; `places` is which column of the call each column of `cells` is, or
 * AX_CELLS_PASSED_OVER. Lives in the arena. Expected: INVALID (a column of the call has the name of
 * one of the service: names it and what to do, by whether it `has_full_names`), LIMIT, TOO_LARGE
 * (so many rows of so many columns are over that, whatever the values are). */
AX_MUST_USE enum ax_code ax_feast_answer_init(struct ax_feast_answer *answer,
                                              const struct ax_service *service,
                                              const struct ax_feast_columns *columns,
                                              const struct ax_cells *cells, const uint32_t *places,
                                              bool has_full_names, size_t slice_max,
                                              struct ax_arena *arena, struct ax_err *err);
/* One that was zeroed is fine. */
void ax_feast_answer_done(struct ax_feast_answer *answer);

/* The next slice, which is finished. Expected: UNAVAILABLE (none of the views could be asked),
 * LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_feast_answer_add(struct ax_feast_answer *answer,
                                             const struct ax_service_vector *vector,
                                             struct ax_err *err);

/* Print on, about `bytes`; true: that was all. */
bool ax_feast_answer_print(struct ax_feast_answer *answer, struct ax_buf *out, size_t bytes);

/* The body of a failure: a JSON text that holds JSON, of which the client makes the exception
 * `class` of the module feast.errors again. */
void ax_feast_put_error(struct ax_buf *out, const char *class, const struct ax_err *err);
/* Answer with it, of a view: what is wrong with what is written is 422, as with a push. */
void ax_feast_answer_failure(struct ax_server_thread *thread, struct ax_request *request,
                             const struct ax_err *err);

#endif
