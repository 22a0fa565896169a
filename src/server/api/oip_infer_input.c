/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of an input: name, shape, datatype, parameters. Its elements are read by
 * oip_infer_data.c and oip_infer_blob.c.
 */
#include "server/api/oip_infer_states.h"

enum ax_code ax_infer_step_inputs(struct ax_infer *infer, struct ax_err *err)
{
    bool end;
    if (ax_infer_read_element(infer, "inputs", &end, err))
        return err->code;
    infer->input = (struct ax_infer_input){ .datatype = AX_FP32 };
    infer->state = end ? AX_INFER_REQUEST : AX_INFER_INPUT;
    return AX_OK;
}

static enum ax_code infer_read_datatype(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str text;
    if (ax_infer_read_text(infer, "'datatype'", &text, err))
        return err->code;
    if (!ax_datatype_from_name(text, &infer->input.datatype))
        return ax_fail(err, AX_E_INVALID, "unknown datatype '%.*s'",
                       AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    return AX_OK;
}

static enum ax_code infer_read_shape(struct ax_infer *infer, struct ax_err *err)
{
    if (ax_infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'shape'", err))
        return err->code;
    struct ax_infer_input *input = &infer->input;
    for (;;) {
        enum ax_json_token token = ax_json_read(&infer->reader, err);
        if (token == AX_JSON_FAILED)
            return err->code;
        if (token == AX_JSON_ARRAY_END)
            return AX_OK;
        uint64_t dimension;
        if (token != AX_JSON_NUMBER || !ax_json_read_u64(&infer->reader, &dimension))
            return ax_fail(err, AX_E_INVALID, "'shape' must hold whole numbers from 0");
        if (input->dimension_count == AX_INFER_DIMENSIONS_MAX)
            return ax_fail(err, AX_E_INVALID, "'shape' has more than %d dimensions",
                           AX_INFER_DIMENSIONS_MAX);
        input->shape[input->dimension_count++] = dimension;
    }
}

/* The input's object is over. */
static enum ax_code infer_end_input(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if (!(input->seen & AX_INFER_SEEN_NAME))
        return ax_fail(err, AX_E_INVALID, "an input has no 'name'");
    bool has_blob = input->seen & AX_INFER_SEEN_BLOB;
    const char *lacks = !(input->seen & AX_INFER_SEEN_SHAPE)               ? "shape"
                        : !(input->seen & AX_INFER_SEEN_DATATYPE)          ? "datatype"
                        : !has_blob && !(input->seen & AX_INFER_SEEN_DATA) ? "data"
                                                                           : NULL;
    if (lacks) {
        (void)ax_fail(err, AX_E_INVALID, "has no '%s'", lacks);
        return ax_infer_context(infer, err);
    }
    if (has_blob && input->seen & AX_INFER_SEEN_DATA) {
        (void)ax_fail(err, AX_E_INVALID, "has both 'data' and 'binary_data_size'");
        return ax_infer_context(infer, err);
    }
    if (has_blob)
        return ax_infer_begin_blob(infer, err);
    infer->state = AX_INFER_INPUTS;
    return input->is_deferred ? ax_infer_return_to_data(infer, err) : AX_OK;
}

enum ax_code ax_infer_step_input(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    struct ax_str key;
    bool end;
    if (ax_infer_read_member(infer, &key, &end, err))
        return err->code;
    if (end)
        return infer_end_input(infer, err);
    if (ax_str_is(key, "name"))
        return ax_infer_once(&input->seen, AX_INFER_SEEN_NAME, "name", err) ||
                       ax_infer_read_text(infer, "'name'", &input->name, err)
                   ? err->code
                   : AX_OK;
    enum ax_code code;
    if (ax_str_is(key, "shape")) {
        code = ax_infer_once(&input->seen, AX_INFER_SEEN_SHAPE, "shape", err);
        code = code ? code : infer_read_shape(infer, err);
    } else if (ax_str_is(key, "datatype")) {
        code = ax_infer_once(&input->seen, AX_INFER_SEEN_DATATYPE, "datatype", err);
        code = code ? code : infer_read_datatype(infer, err);
    } else if (ax_str_is(key, "data")) {
        code = ax_infer_once(&input->seen, AX_INFER_SEEN_DATA, "data", err);
        /* Its failures name the input already. */
        return code ? ax_infer_context(infer, err) : ax_infer_meet_data(infer, err);
    } else if (ax_str_is(key, "parameters")) {
        code = ax_infer_once(&input->seen, AX_INFER_SEEN_PARAMETERS, "parameters", err);
        code = code ? code : ax_infer_expect(infer, AX_JSON_OBJECT_BEGIN, "'parameters'", err);
        infer->state = AX_INFER_INPUT_PARAMETERS;
    } else {
        code = ax_infer_skip(infer, AX_INFER_INPUT, err);
    }
    return code && input->name.len ? ax_infer_context(infer, err) : code;
}

enum ax_code ax_infer_step_input_parameters(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (ax_infer_read_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = AX_INFER_INPUT;
        return AX_OK;
    }
    if (ax_str_is(key, "shared_memory_region"))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "input parameter '%.*s' is not supported; send 'data' as JSON or as a blob",
                       AX_STR_ARG(key));
    if (!ax_str_is(key, "binary_data_size"))
        return ax_infer_skip(infer, AX_INFER_INPUT_PARAMETERS, err);
    enum ax_code code =
        ax_infer_once(&infer->input.seen, AX_INFER_SEEN_BLOB, "binary_data_size", err);
    code = code ? code : ax_infer_expect(infer, AX_JSON_NUMBER, "'binary_data_size'", err);
    if (!code && !ax_json_read_u64(&infer->reader, &infer->input.blob_size))
        code = ax_fail(err, AX_E_INVALID, "'binary_data_size' must be a whole number from 0");
    return code && infer->input.name.len ? ax_infer_context(infer, err) : code;
}
