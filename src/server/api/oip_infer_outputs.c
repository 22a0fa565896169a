/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outputs that a request asks for, and how each is to be sent.
 */
#include "server/api/oip_infer_states.h"

enum ax_code ax_infer_step_outputs(struct ax_infer *infer, struct ax_err *err)
{
    bool end;
    if (ax_infer_read_element(infer, "outputs", &end, err))
        return err->code;
    infer->output_seen = 0;
    infer->output_form = AX_INFER_UNSAID;
    infer->output_classes = 0;
    infer->state = end ? AX_INFER_REQUEST : AX_INFER_OUTPUT;
    return AX_OK;
}

/* Note an output that was asked for. */
static enum ax_code infer_add_output(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(infer->output_name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (!(infer->output_seen & AX_INFER_SEEN_NAME))
        return ax_fail(err, AX_E_INVALID, "an output has no 'name'");
    const struct ax_output *output = ax_signature_output(infer->model, infer->output_name);
    if (!output)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected inference output '%.*s'; the model's metadata lists its outputs",
                       AX_STR_ARG(name));
    size_t index = (size_t)(output - infer->model->outputs);
    if (infer->outputs_seen[index]++)
        return ax_fail(err, AX_E_INVALID, "output '%.*s' already exists in request",
                       AX_STR_ARG(name));
    infer->outputs[infer->output_count++] = (struct ax_infer_output){
        .index = index, .form = infer->output_form, .classes = infer->output_classes
    };
    infer->state = AX_INFER_OUTPUTS;
    return AX_OK;
}

enum ax_code ax_infer_step_output(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (ax_infer_read_member(infer, &key, &end, err))
        return err->code;
    if (end)
        return infer_add_output(infer, err);
    if (ax_str_is(key, "name"))
        return ax_infer_once(&infer->output_seen, AX_INFER_SEEN_NAME, "name", err) ||
                       ax_infer_read_text(infer, "'name'", &infer->output_name, err)
                   ? err->code
                   : AX_OK;
    if (!ax_str_is(key, "parameters"))
        return ax_infer_skip(infer, AX_INFER_OUTPUT, err);
    infer->state = AX_INFER_OUTPUT_PARAMETERS;
    return ax_infer_once(&infer->output_seen, AX_INFER_SEEN_PARAMETERS, "parameters", err)
               ? err->code
               : ax_infer_expect(infer, AX_JSON_OBJECT_BEGIN, "'parameters'", err);
}

/* How many classes are wanted of an output; 0 is the same as not to ask. */
static enum ax_code infer_read_classes(struct ax_infer *infer, struct ax_err *err)
{
    uint64_t classes;
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_NUMBER || !ax_json_read_u64(&infer->reader, &classes))
        return ax_fail(err, AX_E_INVALID,
                       "'classification' must be a whole number of classes, found %s",
                       ax_json_token_text(token));
    infer->output_classes = (size_t)classes;
    return AX_OK;
}

enum ax_code ax_infer_step_output_parameters(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (ax_infer_read_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = AX_INFER_OUTPUT;
        return AX_OK;
    }
    if (ax_str_is(key, "shared_memory_region"))
        return ax_fail(err, AX_E_UNSUPPORTED, "output parameter '%.*s' is not supported",
                       AX_STR_ARG(key));
    if (ax_str_is(key, "classification"))
        return infer_read_classes(infer, err);
    if (ax_str_is(key, "binary_data"))
        return ax_infer_read_form(infer, &infer->output_seen, "binary_data", &infer->output_form,
                                  err);
    return ax_infer_skip(infer, AX_INFER_OUTPUT_PARAMETERS, err);
}
