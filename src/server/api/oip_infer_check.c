/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An input against the signature: is it the tensor or a column, does its shape fit, and how many
 * rows does it have? The first input makes the rows, and all their fields begin as missing.
 */
#include "server/api/oip_infer_states.h"

#define CLEAR_BYTES_MAX ((size_t)512 << 10)

enum ax_code ax_infer_context(const struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(infer->input.name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_err_context(err, "input '%.*s'", AX_STR_ARG(name));
}

/* The tensor, unless that is the name of a feature and the shape is a column's. Who has one tensor
 * to send often does not look its name up: MLServer's codecs say "input-1", KServe's examples
 * "input-0". Other names are refused, since they are more likely a feature's, misspelt. */
static bool infer_is_tensor(const struct ax_infer *infer)
{
    const struct ax_infer_input *input = &infer->input;
    static const char *const names[] = { "input", "input-0", "input-1" };
    bool is_named = false;
    for (size_t i = 0; i < AX_COUNT(names); i++)
        is_named = is_named || ax_str_is(input->name, names[i]);
    if (!is_named)
        return false;
    if (!ax_signature_input(infer->signature, input->name))
        return true;
    return input->dimension_count == 2 && input->shape[1] == infer->signature->input_count;
}

/* Find the column of the signature, and refuse what cannot be sent for it. */
static enum ax_code infer_find_column(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    const struct ax_input *found = ax_signature_input(infer->signature, input->name);
    infer->is_unknown = !found;
    if (!found)
        return ax_signature_unknown_input(infer->signature, input->name, err);
    input->column = ax_signature_index(infer->signature, found);
    bool sends_text = input->datatype == AX_BYTES;
    bool wants_text = found->datatype == AX_BYTES;
    if (sends_text != wants_text && !(sends_text && found->categories)) {
        (void)ax_fail(err, AX_E_INVALID, "datatype is %s, expected %s",
                      ax_datatype_name(input->datatype),
                      ax_datatype_name(ax_input_wire_datatype(found)));
        return ax_infer_context(infer, err);
    }
    if (infer->inputs_seen[input->column]++)
        return ax_fail(err, AX_E_INVALID, "input '%.*s' already exists in request",
                       AX_STR_ARG(input->name));
    return AX_OK;
}

static enum ax_code infer_check_form(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    input->is_tensor = infer_is_tensor(infer);
    bool is_blob = input->seen & AX_INFER_SEEN_BLOB;
    if (!is_blob && (input->datatype == AX_FP16 || input->datatype == AX_BF16))
        return ax_fail(err, AX_E_INVALID,
                       "receiving %s data via JSON is not supported. Please use the binary data "
                       "format for input %.*s",
                       ax_datatype_name(input->datatype), AX_STR_ARG(input->name));
    if (!input->is_tensor && infer_find_column(infer, err))
        return err->code;
    if (input->is_tensor && input->datatype == AX_BYTES)
        return ax_fail(err, AX_E_INVALID,
                       "input 'input': datatype is BYTES; send texts as one input a feature");
    if (input->is_tensor && infer->has_tensor)
        return ax_fail(err, AX_E_INVALID, "input 'input' already exists in request");
    infer->has_tensor = infer->has_tensor || input->is_tensor;
    infer->has_columns = infer->has_columns || !input->is_tensor;
    if (infer->has_tensor && infer->has_columns)
        return ax_fail(err, AX_E_INVALID,
                       "the tensor 'input' and inputs named like features are mixed; send one or "
                       "the other");
    return AX_OK;
}

/* Check the shape and take the number of rows from it. */
static enum ax_code infer_check_shape(struct ax_infer *infer, size_t *ret_rows, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    size_t features = infer->signature->input_count;
    if (input->is_tensor && (input->dimension_count != 2 || input->shape[1] != features)) {
        (void)ax_fail(err, AX_E_INVALID, "unexpected shape, expected [-1,%zu]", features);
        return ax_infer_context(infer, err);
    }
    bool is_column =
        input->dimension_count == 1 || (input->dimension_count == 2 && input->shape[1] == 1);
    if (!input->is_tensor && !is_column) {
        (void)ax_fail(err, AX_E_INVALID, "unexpected shape, expected [-1,1] or [-1]");
        return ax_infer_context(infer, err);
    }
    input->width = input->is_tensor ? features : 1;
    if (input->shape[0] > infer->signature->rows_max)
        return ax_fail(err, AX_E_INVALID, "inference request batch-size must be <= %zu",
                       infer->signature->rows_max);
    *ret_rows = (size_t)input->shape[0];
    if (AX_MUL_OVERFLOWS(*ret_rows, input->width, &input->element_count)) {
        (void)ax_fail(err, AX_E_INVALID, "the product of 'shape' is too large");
        return ax_infer_context(infer, err);
    }
    return AX_OK;
}

enum ax_code ax_infer_check_input(struct ax_infer *infer, size_t *ret_rows, struct ax_err *err)
{
    if (infer_check_form(infer, err))
        return err->code;
    return infer_check_shape(infer, ret_rows, err);
}

enum ax_code ax_infer_take_rows(struct ax_infer *infer, size_t rows, int then, struct ax_err *err)
{
    infer->state = then;
    if (infer->has_rows && rows == infer->rows.count)
        return AX_OK;
    if (infer->has_rows) {
        (void)ax_fail(err, AX_E_INVALID, "holds %zu rows, the inputs before it %zu", rows,
                      infer->rows.count);
        return ax_infer_context(infer, err);
    }
    infer->has_rows = true;
    infer->state = AX_INFER_CLEAR;
    infer->state_after_clear = then;
    if (ax_rows_reserve(&infer->rows, infer->signature, rows, infer->arena, err))
        return err->code;
    infer->rows.takes_codes = infer->input.is_tensor;
    return AX_OK;
}

void ax_infer_step_clear(struct ax_infer *infer, size_t *cost)
{
    struct ax_rows *rows = &infer->rows;
    size_t count = AX_MAX(CLEAR_BYTES_MAX / AX_MAX(rows->row_bytes, (size_t)1), (size_t)1);
    size_t to = AX_MIN(infer->cleared + count, rows->count);
    ax_rows_clear(rows, infer->cleared, to);
    /* Clearing a byte costs about a sixteenth of reading one. */
    *cost += (to - infer->cleared) * rows->row_bytes / 16;
    infer->cleared = to;
    if (to == rows->count)
        infer->state = infer->state_after_clear;
}
