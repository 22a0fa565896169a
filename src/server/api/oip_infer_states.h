/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of reading an infer body, and the steps that its parts take. Private to oip_infer*.c.
 *
 * A step reads on from a place between two tokens, and leaves the next state in `state`. Steps that
 * do other work than reading add it to `*cost`, in bytes of budget. All fail with INVALID, naming
 * what is wrong, but for what is said below.
 */
#ifndef AX_SERVER_API_OIP_INFER_STATES_H
#define AX_SERVER_API_OIP_INFER_STATES_H

#include "server/api/oip_infer.h"

enum {
    AX_INFER_BEGIN,
    AX_INFER_REQUEST, /* between members of the request */
    AX_INFER_INPUTS,  /* between inputs */
    AX_INFER_INPUT,   /* between members of an input */
    AX_INFER_INPUT_PARAMETERS,
    AX_INFER_CLEAR, /* making all fields missing, before the first data */
    AX_INFER_DATA,
    AX_INFER_BLOB,
    AX_INFER_PARAMETERS, /* of the request */
    AX_INFER_OUTPUTS,
    AX_INFER_OUTPUT,
    AX_INFER_OUTPUT_PARAMETERS,
    AX_INFER_SKIP,
    AX_INFER_TRAIL,  /* behind the JSON */
    AX_INFER_WHOLE,  /* everything was read */
    AX_INFER_FINISH, /* defaults and required fields */
    AX_INFER_DONE,
};

/* Members that were met. */
enum {
    /* Of the request. */
    AX_INFER_SEEN_ID = 1u << 0,
    AX_INFER_SEEN_INPUTS = 1u << 1,
    AX_INFER_SEEN_OUTPUTS = 1u << 2,
    AX_INFER_SEEN_PARAMETERS = 1u << 3, /* of an input or output, too */
    /* Of an input or output. */
    AX_INFER_SEEN_NAME = 1u << 4,
    AX_INFER_SEEN_SHAPE = 1u << 5,
    AX_INFER_SEEN_DATATYPE = 1u << 6,
    AX_INFER_SEEN_DATA = 1u << 7,
    AX_INFER_SEEN_BLOB = 1u << 8,
    AX_INFER_SEEN_FORM = 1u << 9, /* binary_data, binary_data_output */
};
#define AX_INFER_SEEN_ALL (AX_INFER_SEEN_NAME | AX_INFER_SEEN_SHAPE | AX_INFER_SEEN_DATATYPE)

/*
 * oip_infer_tokens.c
 */

/* Read one token and refuse another one than `wanted`; `what` names the value. */
AX_MUST_USE enum ax_code ax_infer_expect(struct ax_infer *infer, enum ax_json_token wanted,
                                         const char *what, struct ax_err *err);

/* Read a string value. */
AX_MUST_USE enum ax_code ax_infer_read_text(struct ax_infer *infer, const char *what,
                                            struct ax_str *ret_text, struct ax_err *err);

/* Between members: the next key in *ret_key, or *ret_end at the end of the object. */
AX_MUST_USE enum ax_code ax_infer_read_member(struct ax_infer *infer, struct ax_str *ret_key,
                                              bool *ret_end, struct ax_err *err);

/* Between elements: an object begins, or *ret_end at the end of the array. */
AX_MUST_USE enum ax_code ax_infer_read_element(struct ax_infer *infer, const char *what,
                                               bool *ret_end, struct ax_err *err);

/* Read a parameter that says how values are sent. */
AX_MUST_USE enum ax_code ax_infer_read_form(struct ax_infer *infer, unsigned *seen,
                                            const char *name, enum ax_infer_form *ret_form,
                                            struct ax_err *err);

/* Pass over the value that comes next, and go on in state `then`. */
AX_MUST_USE enum ax_code ax_infer_skip(struct ax_infer *infer, int then, struct ax_err *err);

/* Note a member as met; the same one twice would leave open which counts. */
AX_MUST_USE enum ax_code ax_infer_once(unsigned *seen, unsigned member, const char *name,
                                       struct ax_err *err);

/*
 * oip_infer_check.c
 */

/* "input 'carrier': " in front of the cause. */
AX_MUST_USE enum ax_code ax_infer_context(const struct ax_infer *infer, struct ax_err *err);

/* Is the input the tensor or a column, may it be sent, and how many rows are its shape's? */
AX_MUST_USE enum ax_code ax_infer_check_input(struct ax_infer *infer, size_t *ret_rows,
                                              struct ax_err *err);

/* As many rows as the inputs before; or the first ones: memory for them, and then clearing. Goes on
 * in state `then`. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_infer_take_rows(struct ax_infer *infer, size_t rows, int then,
                                            struct ax_err *err);

void ax_infer_step_clear(struct ax_infer *infer, size_t *cost);

/*
 * oip_infer_input.c
 */

AX_MUST_USE enum ax_code ax_infer_step_inputs(struct ax_infer *infer, struct ax_err *err);
AX_MUST_USE enum ax_code ax_infer_step_input(struct ax_infer *infer, struct ax_err *err);

/* Expected: INVALID, UNSUPPORTED (shared memory). */
AX_MUST_USE enum ax_code ax_infer_step_input_parameters(struct ax_infer *infer, struct ax_err *err);

/*
 * oip_infer_data.c and oip_infer_blob.c. Expected of all: INVALID, TOO_LARGE, LIMIT.
 */

/* The reader stands in front of the data: begin with it, or pass over it until its shape and
 * datatype are known. */
AX_MUST_USE enum ax_code ax_infer_meet_data(struct ax_infer *infer, struct ax_err *err);

/* The input's object is over, and its data was passed over: go back to it. */
AX_MUST_USE enum ax_code ax_infer_return_to_data(struct ax_infer *infer, struct ax_err *err);

AX_MUST_USE enum ax_code ax_infer_step_data(struct ax_infer *infer, struct ax_err *err);

/* The input's object is over, and it has no data but a blob. */
AX_MUST_USE enum ax_code ax_infer_begin_blob(struct ax_infer *infer, struct ax_err *err);

/* A raw body: whole rows of the only input. */
AX_MUST_USE enum ax_code ax_infer_begin_raw(struct ax_infer *infer, struct ax_err *err);

AX_MUST_USE enum ax_code ax_infer_step_blob(struct ax_infer *infer, size_t *cost,
                                            struct ax_err *err);

/*
 * oip_infer_outputs.c
 */

AX_MUST_USE enum ax_code ax_infer_step_outputs(struct ax_infer *infer, struct ax_err *err);
AX_MUST_USE enum ax_code ax_infer_step_output(struct ax_infer *infer, struct ax_err *err);

/* Expected: INVALID, UNSUPPORTED (shared memory). */
AX_MUST_USE enum ax_code ax_infer_step_output_parameters(struct ax_infer *infer,
                                                         struct ax_err *err);

#endif
