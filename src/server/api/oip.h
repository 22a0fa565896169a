/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the Open Inference Protocol share: its statuses and an infer request.
 */
#ifndef AX_SERVER_API_OIP_H
#define AX_SERVER_API_OIP_H

#include "server/api/oip_classes.h"
#include "server/api/oip_infer.h"
#include "server/prediction.h"

/* The protocol's HTTP status of a failure, where it differs from our table. */
int ax_oip_status(enum ax_code code);

/* Where printing the answer stands. */
struct ax_oip_printer {
    size_t output;     /* the next of infer.outputs */
    size_t row;        /* its next row */
    bool began;        /* the head of the answer is printed */
    bool in_data;      /* the head of the output is printed */
    bool in_blobs;     /* the JSON is printed, what follows are the blobs */
    size_t blob_bytes; /* of the output's texts, as far as they were measured */
};

struct ax_oip_entities;

struct ax_oip_request {
    struct ax_prediction prediction; /* first */
    struct ax_infer infer;
    struct ax_oip_classes *classes; /* one an output that was asked for; NULL: none is ranked */
    struct ax_oip_printer printer;
    struct ax_oip_entities *entities; /* NULL: the inputs are the model's */
};

/* A value as an engine writes it: as a number to compare, and as JSON. */
double ax_oip_number(enum ax_datatype datatype, const void *value);
void ax_oip_put_number(struct ax_buf *out, enum ax_datatype datatype, const void *value);

/* A form's print, for a struct ax_oip_request. */
bool ax_oip_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget);

#endif
