/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing predictions by row: for people, of each row what fits the model; for other protocols,
 * what the library's own predict returns.
 */
#ifndef AX_SERVER_API_PREDICT_ANSWER_H
#define AX_SERVER_API_PREDICT_ANSWER_H

#include "base/buf.h"
#include "engine/version.h"

/* Bytes of a value in an answer, about: for people, and bare. */
#define AX_PREDICT_VALUE_BYTES 80
#define AX_PREDICT_BARE_BYTES  16

struct ax_service_call;

/* What is printed, of one version's answers. */
struct ax_predict_answer {
    const struct ax_version *version;
    const struct ax_batch *batch; /* columns as the signature's outputs */
    const struct ax_column *prediction;
    const struct ax_column *probability; /* NULL: not there */
    const struct ax_column *label;       /* the same */
    const struct ax_service_call *call;  /* that made the rows, to be told of; NULL: none did */
};

/* Want the outputs that rows for people are made of; `wanted` has one entry an output. */
void ax_predict_answer_want(const struct ax_signature *signature, bool *wanted);

/* Parts of an answer for people: an id of its own, and behind all else how long it took since the
 * request's first byte, with the bracket that ends it. */
void ax_predict_answer_put_id(struct ax_buf *out);
void ax_predict_answer_put_end(uint64_t began_ns, struct ax_buf *out);

/* All is borrowed; `call` may be NULL. */
void ax_predict_answer_init(struct ax_predict_answer *answer, const struct ax_version *version,
                            const struct ax_batch *batch, const struct ax_service_call *call);

/* Print on with rows from *row, divided by commas, until `out` holds `end` bytes; true when all are
 * printed. `put` prints one. */
bool ax_predict_answer_put_rows(const struct ax_predict_answer *answer, size_t *row, size_t end,
                                void (*put)(const struct ax_predict_answer *answer, size_t row,
                                            struct ax_buf *out),
                                struct ax_buf *out);

/* One row as an object. */
void ax_predict_answer_put_row(const struct ax_predict_answer *answer, size_t row,
                               struct ax_buf *out);

/* One row bare: a value, or an array of them. */
void ax_predict_answer_put_bare(const struct ax_predict_answer *answer, size_t row,
                                struct ax_buf *out);

#endif
