/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the protocols of named values share: a prediction whose body is read into cells, and whose
 * cells are filled into the rows of its version.
 *
 * Which version answers may stand behind the rows, so cells are filled in when the body is over.
 */
#ifndef AX_SERVER_API_ROW_REQUEST_H
#define AX_SERVER_API_ROW_REQUEST_H

#include "server/api/csv_rows.h"
#include "server/api/predict_answer.h"
#include "server/api/row_body.h"
#include "server/prediction.h"

struct ax_row_request {
    struct ax_prediction prediction; /* first */
    struct ax_row_body body;         /* its cells are the result of either form */
    struct ax_csv_rows csv;
    bool is_csv;
    struct ax_cells_fill fill;
    bool is_read;                 /* the body, by ax_row_request_read */
    bool is_filling;              /* its cells into rows */
    size_t printed;               /* rows of the answer */
    bool began;                   /* the head of the answer is printed */
    struct ax_service_call *call; /* by which the rows were filled; NULL: from cells */
};

/* Make a request for the endpoint and start it; without `protocol` its body is CSV. Its struct is
 * of `size` bytes and begins with a struct ax_row_request. */
void ax_row_request_start(struct ax_call *call, const struct ax_prediction_form *form,
                          const struct ax_row_protocol *protocol, size_t size);

/* The first half of a form's read: the body, and the version that it asks for. *ret_ready: the rows
 * can be filled; *cost is what was read. */
AX_MUST_USE enum ax_code ax_row_request_parse(struct ax_row_request *request, size_t byte_budget,
                                              size_t *cost, bool *ret_ready, struct ax_err *err);

/* A form's read: the body, then the rows. What the library's own predict returns is wanted. */
enum ax_code ax_row_request_read(struct ax_prediction *prediction, size_t byte_budget,
                                 bool *ret_done, struct ax_err *err);

/* The second half of it: fill `cells` into the rows of the prediction's version. */
AX_MUST_USE enum ax_code ax_row_request_fill(struct ax_row_request *request,
                                             const struct ax_cells *cells, size_t byte_budget,
                                             size_t *cost, bool *ret_done, struct ax_err *err);

/* Print on with rows, divided by commas, until about `byte_budget` bytes are printed; true when all
 * are. `put` prints one. */
bool ax_row_request_print_rows(struct ax_row_request *request, struct ax_buf *out,
                               size_t byte_budget,
                               void (*put)(const struct ax_predict_answer *answer, size_t row,
                                           struct ax_buf *out));

/* A form's print: {"predictions":[…]}, of each row a number or an array of numbers. */
bool ax_row_request_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget);

#endif
