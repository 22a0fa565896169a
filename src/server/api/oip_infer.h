/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the body of an Open Inference Protocol request into rows.
 *
 * A body is JSON, or JSON and behind it the blobs of the inputs that have no `data`, or (raw)
 * nothing but the elements of the only input. The request is either in tensor form (one input
 * "input", [-1, n]) or in columns form (one input a feature, [-1, 1] or [-1]); both are accepted
 * for every signature, mixed they are refused. Members may come in any order: `data` in front of
 * its shape is passed over and read when the input's object ends. Reading stops between two tokens
 * when the budget is spent and goes on at the next call, so a long body is read in slices. Texts of
 * the result lie in the body or in the arena.
 */
#ifndef AX_SERVER_API_OIP_INFER_H
#define AX_SERVER_API_OIP_INFER_H

#include "base/json_reader.h"
#include "data/rows.h"
#include "server/api/oip_blob.h"
#include "server/api/oip_parameters.h"

#define AX_INFER_DIMENSIONS_MAX 8
#define AX_INFER_ID_BYTES_MAX   1024

/* What is known of the input whose object is being read. */
struct ax_infer_input {
    struct ax_str name;
    enum ax_datatype datatype;
    uint64_t shape[AX_INFER_DIMENSIONS_MAX];
    size_t dimension_count;
    unsigned seen; /* members met so far: AX_INFER_SEEN_* of oip_infer_states.h */

    /* Set when its data is begun. */
    bool is_tensor;
    size_t column;               /* of the signature, in columns form */
    size_t width;                /* elements a row */
    size_t element_count;        /* rows * width */
    size_t element;              /* the next one */
    unsigned data_depth;         /* of the reader, inside the data's array */
    bool is_nested;              /* rows are arrays */
    bool is_flat;                /* elements stand in the data's own array */
    size_t row_end;              /* the element behind the nested row */
    bool is_deferred;            /* read after the object's end; `after` is where to go on */
    struct ax_json_reader data;  /* in front of the data that was passed over */
    struct ax_json_reader after; /* behind the object */
    uint64_t blob_size;          /* binary_data_size */
    struct ax_blob blob;
};

/* How the values of an output are sent. */
enum ax_infer_form { AX_INFER_UNSAID, AX_INFER_JSON, AX_INFER_BINARY };

/* An output that is to be answered. */
struct ax_infer_output {
    size_t index;            /* of the signature's outputs */
    enum ax_infer_form form; /* never UNSAID in the result */
    size_t classes;          /* `classification`: so many of its best; 0: its values */
};

/* A body, taken apart. */
struct ax_infer_body {
    struct ax_str json;
    struct ax_str blobs; /* what lies behind it */
    bool is_raw;         /* there is no JSON: `blobs` is the only input */
    struct ax_str model; /* its name, for messages */
};

struct ax_infer {
    const struct ax_signature *signature; /* what inputs there are, */
    const struct ax_signature *model;     /* and outputs; mostly the same */
    struct ax_arena *arena;
    struct ax_infer_body body;
    size_t blobs_taken; /* bytes of body.blobs */
    struct ax_json_reader reader;
    int state; /* INFER_* of oip_infer_states.h */
    int state_after_skip;
    int state_after_clear;
    unsigned skip_depth;
    unsigned seen; /* members of the request */

    struct ax_infer_input input;
    struct ax_str output_name;
    enum ax_infer_form output_form;
    size_t output_classes;
    unsigned output_seen;
    enum ax_infer_form default_form; /* binary_data_output */
    unsigned char *inputs_seen;      /* one a column */
    unsigned char *outputs_seen;     /* one an output */
    bool has_tensor, has_columns, has_rows;
    bool is_unknown; /* it failed since there is no input of the last one's name */
    size_t cleared;  /* rows that were cleared so far */
    size_t finished; /* rows whose defaults were set so far */

    /* The result. */
    struct ax_rows rows;
    struct ax_str id;                /* as sent, unescaped; ptr NULL: none */
    struct ax_infer_output *outputs; /* in the order that was asked */
    size_t output_count;
    struct ax_oip_parameters parameters;
};

/* Take a body apart where the header Inference-Header-Content-Length says (a NULL pointer: there is
 * none). `ret_body->model` is left to the caller. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_infer_split(struct ax_str bytes, struct ax_str header,
                                        struct ax_infer_body *ret_body, struct ax_err *err);

/* Begin with a body; nothing is read yet. The inputs are those of `signature`, the outputs those of
 * `model`. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_infer_begin(struct ax_infer *infer,
                                        const struct ax_signature *signature,
                                        const struct ax_signature *model, struct ax_arena *arena,
                                        const struct ax_infer_body *body, struct ax_err *err);

/* Read on, for about `byte_budget` bytes of the body. When *ret_done is set the rows are complete.
 * Expected: INVALID (naming what is wrong), UNSUPPORTED (shared-memory tensors),
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_infer_read(struct ax_infer *infer, size_t byte_budget, bool *ret_done,
                                       struct ax_err *err);

#endif
