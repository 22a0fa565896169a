/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of an input as a blob behind the JSON, or as the whole of a raw body.
 *
 * A blob is read when its input's object has ended, since nothing of that object may come behind
 * it. It is viewed where it lies when it is a whole matrix at a fitting address.
 */
#include "server/api/oip_infer_states.h"

#define BLOB_ELEMENTS_MAX 8192

/* The bytes of the input's blob: there, and as many as its shape says. */
static enum ax_code infer_take_blob(struct ax_infer *infer, struct ax_str *ret_bytes,
                                    struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    struct ax_str name = ax_str_cut(input->name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    struct ax_str model = infer->body.model;
    size_t left = infer->body.blobs.len - infer->blobs_taken;
    if (input->blob_size > left)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected size for input '%.*s', expecting %llu additional bytes for "
                       "model '%.*s'",
                       AX_STR_ARG(name), (unsigned long long)(input->blob_size - left),
                       AX_STR_ARG(model));
    size_t size = ax_blob_element_size(input->datatype);
    size_t wanted = 0;
    if (AX_MUL_OVERFLOWS(input->element_count, size, &wanted) ||
        (size > 0 && wanted != input->blob_size))
        return ax_fail(err, AX_E_INVALID,
                       "input byte size mismatch for input '%.*s' for model '%.*s'. Expected %zu, "
                       "got %llu",
                       AX_STR_ARG(name), AX_STR_ARG(model), wanted,
                       (unsigned long long)input->blob_size);
    /* The length alone of a text takes four bytes. */
    if (size == 0 && input->element_count > input->blob_size / 4)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected number of string elements for input '%.*s' for model '%.*s': "
                       "%zu do not fit into %llu bytes",
                       AX_STR_ARG(name), AX_STR_ARG(model), input->element_count,
                       (unsigned long long)input->blob_size);
    *ret_bytes =
        (struct ax_str){ infer->body.blobs.ptr + infer->blobs_taken, (size_t)input->blob_size };
    infer->blobs_taken += (size_t)input->blob_size;
    return AX_OK;
}

enum ax_code ax_infer_begin_blob(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    const struct ax_signature *signature = infer->signature;
    size_t rows = 0;
    struct ax_str bytes;
    if (ax_infer_check_input(infer, &rows, err) || infer_take_blob(infer, &bytes, err))
        return err->code;
    input->blob = (struct ax_blob){ .bytes = bytes,
                                    .datatype = input->datatype,
                                    .column = input->is_tensor ? 0 : input->column,
                                    .width = input->width };
    bool is_whole = input->width == signature->input_count && !infer->has_rows;
    if (!is_whole)
        return ax_infer_take_rows(infer, rows, AX_INFER_BLOB, err);
    /* It sets every field, so nothing is to be cleared. */
    infer->has_rows = true;
    infer->cleared = rows;
    const struct ax_dictionary *categories =
        input->is_tensor ? NULL : signature->inputs[input->column].categories;
    bool is_name = categories && categories->has_numbers;
    if (is_name || !ax_rows_can_view(signature, input->datatype, bytes.ptr)) {
        infer->state = AX_INFER_BLOB;
        if (ax_rows_reserve(&infer->rows, signature, rows, infer->arena, err))
            return err->code;
        infer->rows.takes_codes = input->is_tensor;
        return AX_OK;
    }
    infer->state = infer->body.is_raw ? AX_INFER_WHOLE : AX_INFER_INPUTS;
    return ax_rows_view(&infer->rows, signature, rows, bytes.ptr, infer->arena, err);
}

enum ax_code ax_infer_step_blob(struct ax_infer *infer, size_t *cost, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    struct ax_blob *blob = &input->blob;
    size_t count = AX_MIN(input->element_count - blob->element, (size_t)BLOB_ELEMENTS_MAX);
    size_t at = blob->at;
    if (ax_blob_read(blob, &infer->rows, count, err))
        return err->code;
    /* Fewer bytes than a number has as JSON, and each as much work as one of those at most. */
    *cost += blob->at - at;
    if (blob->element < input->element_count)
        return AX_OK;
    if (blob->at < blob->bytes.len)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected number of string elements for input '%.*s' for model '%.*s': "
                       "%zu bytes are left behind the %zu of its shape",
                       AX_STR_ARG(ax_str_cut(input->name, AX_SIGNATURE_SHOWN_BYTES_MAX)),
                       AX_STR_ARG(infer->body.model), blob->bytes.len - blob->at,
                       input->element_count);
    infer->state = infer->body.is_raw ? AX_INFER_WHOLE : AX_INFER_INPUTS;
    return AX_OK;
}

/* A raw body that is a text: one, without its length. */
static enum ax_code infer_read_raw_text(struct ax_infer *infer, struct ax_err *err)
{
    infer->has_rows = true;
    infer->cleared = 1;
    infer->state = AX_INFER_WHOLE;
    return ax_rows_init(&infer->rows, infer->signature, 1, infer->arena, err)
               ? err->code
               : ax_rows_set_str(&infer->rows, 0, 0, infer->body.blobs, err);
}

enum ax_code ax_infer_begin_raw(struct ax_infer *infer, struct ax_err *err)
{
    const struct ax_signature *signature = infer->signature;
    struct ax_infer_input *input = &infer->input;
    bool is_tensor = signature->form == AX_FORM_TENSOR;
    if (!is_tensor && signature->input_count != 1)
        return ax_fail(err, AX_E_INVALID,
                       "a raw request can only be sent to a model with one input, '%.*s' has %zu",
                       AX_STR_ARG(infer->body.model), signature->input_count);
    *input = (struct ax_infer_input){
        .name = is_tensor ? AX_STR("input") : signature->inputs[0].name,
        .datatype = ax_input_wire_datatype(&signature->inputs[0]),
        .seen = AX_INFER_SEEN_ALL | AX_INFER_SEEN_BLOB,
        .blob_size = infer->body.blobs.len,
        .dimension_count = 2,
    };
    infer->default_form = AX_INFER_BINARY;
    input->shape[1] = is_tensor ? signature->input_count : 1;
    size_t size = ax_blob_element_size(input->datatype);
    if (size == 0)
        return infer_read_raw_text(infer, err);
    /* A part of a row is a mismatch of its size. */
    uint64_t row = input->shape[1] * size;
    input->shape[0] = (input->blob_size + row - 1) / row;
    return ax_infer_begin_blob(infer, err);
}
