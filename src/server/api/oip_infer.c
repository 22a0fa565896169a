/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The infer body as a state machine over the pull reader.
 *
 * Each state is a place between two tokens; one step reads a token or a few, or does a bounded
 * piece of other work, and says what it cost in bytes of budget. This file has the request's own
 * members and what is done when all were read; the states inside inputs and outputs are the other
 * files' of oip_infer_states.h.
 */
#include "server/api/oip_infer.h"

#include "server/api/oip_infer_states.h"

#include <assert.h>

#define FINISH_VALUES_MAX 8192

static enum ax_code infer_step_request(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (ax_infer_read_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = AX_INFER_TRAIL;
        return AX_OK;
    }
    if (ax_str_is(key, "inputs")) {
        infer->state = AX_INFER_INPUTS;
        return ax_infer_once(&infer->seen, AX_INFER_SEEN_INPUTS, "inputs", err)
                   ? err->code
                   : ax_infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'inputs'", err);
    }
    if (ax_str_is(key, "outputs")) {
        infer->state = AX_INFER_OUTPUTS;
        return ax_infer_once(&infer->seen, AX_INFER_SEEN_OUTPUTS, "outputs", err)
                   ? err->code
                   : ax_infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'outputs'", err);
    }
    if (ax_str_is(key, "parameters")) {
        infer->state = AX_INFER_PARAMETERS;
        return ax_infer_once(&infer->seen, AX_INFER_SEEN_PARAMETERS, "parameters", err)
                   ? err->code
                   : ax_infer_expect(infer, AX_JSON_OBJECT_BEGIN, "'parameters'", err);
    }
    if (!ax_str_is(key, "id"))
        return ax_infer_skip(infer, AX_INFER_REQUEST, err);
    if (ax_infer_once(&infer->seen, AX_INFER_SEEN_ID, "id", err) ||
        ax_infer_read_text(infer, "'id'", &infer->id, err))
        return err->code;
    if (infer->id.len > AX_INFER_ID_BYTES_MAX)
        return ax_fail(err, AX_E_INVALID, "'id' is longer than %d bytes", AX_INFER_ID_BYTES_MAX);
    return AX_OK;
}

static enum ax_code infer_step_parameters(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (ax_infer_read_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = AX_INFER_REQUEST;
        return AX_OK;
    }
    if (ax_str_is(key, "binary_data_output"))
        return ax_infer_read_form(infer, &infer->seen, "binary_data_output", &infer->default_form,
                                  err);
    bool known;
    if (ax_oip_parameters_read(&infer->parameters, key, &infer->reader, &known, err) || known)
        return err->code;
    return ax_infer_skip(infer, AX_INFER_PARAMETERS, err);
}

static enum ax_code infer_step_skip(struct ax_infer *infer, size_t byte_budget, struct ax_err *err)
{
    bool done;
    if (ax_json_skip(&infer->reader, infer->skip_depth, byte_budget, &done, err))
        return err->code;
    if (done)
        infer->state = infer->state_after_skip;
    return AX_OK;
}

/* Behind the request: nothing more may come. */
static enum ax_code infer_step_trail(struct ax_infer *infer, struct ax_err *err)
{
    if (ax_json_read(&infer->reader, err) == AX_JSON_FAILED)
        return err->code;
    if (!infer->has_rows)
        return ax_fail(err, AX_E_INVALID, "the request has no 'inputs'");
    if (infer->blobs_taken < infer->body.blobs.len)
        return ax_fail(err, AX_E_INVALID, "unexpected additional input data for model '%.*s'",
                       AX_STR_ARG(infer->body.model));
    infer->state = AX_INFER_WHOLE;
    return AX_OK;
}

/* Everything is known: what is answered, and how. */
static enum ax_code infer_step_whole(struct ax_infer *infer)
{
    const struct ax_signature *model = infer->model;
    for (size_t i = 0; infer->output_count == 0 && i < model->output_count; i++)
        if (model->outputs[i].by_default)
            infer->outputs[infer->output_count++] = (struct ax_infer_output){ .index = i };
    for (size_t i = 0; i < infer->output_count; i++)
        if (infer->outputs[i].form == AX_INFER_UNSAID)
            infer->outputs[i].form = infer->default_form ? infer->default_form : AX_INFER_JSON;
    infer->state = AX_INFER_FINISH;
    return AX_OK;
}

static enum ax_code infer_step_finish(struct ax_infer *infer, size_t *cost, struct ax_err *err)
{
    size_t width = infer->signature->input_count;
    size_t count = AX_MAX(FINISH_VALUES_MAX / AX_MAX(width, (size_t)1), (size_t)1);
    size_t to = AX_MIN(infer->finished + count, infer->rows.count);
    if (ax_rows_finish(&infer->rows, infer->finished, to, err))
        return err->code;
    *cost += (to - infer->finished) * width;
    infer->finished = to;
    if (to == infer->rows.count)
        infer->state = AX_INFER_DONE;
    return AX_OK;
}

/* One step; adds to *cost what it did besides reading. */
static enum ax_code infer_step(struct ax_infer *infer, size_t byte_budget, size_t *cost,
                               struct ax_err *err)
{
    switch (infer->state) {
    case AX_INFER_BEGIN:
        if (infer->body.is_raw)
            return ax_infer_begin_raw(infer, err);
        infer->state = AX_INFER_REQUEST;
        return ax_infer_expect(infer, AX_JSON_OBJECT_BEGIN, "the body", err);
    case AX_INFER_REQUEST:
        return infer_step_request(infer, err);
    case AX_INFER_INPUTS:
        return ax_infer_step_inputs(infer, err);
    case AX_INFER_INPUT:
        return ax_infer_step_input(infer, err);
    case AX_INFER_INPUT_PARAMETERS:
        return ax_infer_step_input_parameters(infer, err);
    case AX_INFER_CLEAR:
        ax_infer_step_clear(infer, cost);
        return AX_OK;
    case AX_INFER_DATA:
        return ax_infer_step_data(infer, err);
    case AX_INFER_BLOB:
        return ax_infer_step_blob(infer, cost, err);
    case AX_INFER_PARAMETERS:
        return infer_step_parameters(infer, err);
    case AX_INFER_OUTPUTS:
        return ax_infer_step_outputs(infer, err);
    case AX_INFER_OUTPUT:
        return ax_infer_step_output(infer, err);
    case AX_INFER_OUTPUT_PARAMETERS:
        return ax_infer_step_output_parameters(infer, err);
    case AX_INFER_SKIP:
        return infer_step_skip(infer, byte_budget, err);
    case AX_INFER_TRAIL:
        return infer_step_trail(infer, err);
    case AX_INFER_WHOLE:
        return infer_step_whole(infer);
    case AX_INFER_FINISH:
        return infer_step_finish(infer, cost, err);
    default:
        assert(!"infer_step: no such state");
        return AX_OK;
    }
}

enum ax_code ax_infer_split(struct ax_str bytes, struct ax_str header,
                            struct ax_infer_body *ret_body, struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && ret_body && err);
    uint64_t len = bytes.len;
    struct ax_str shown = ax_str_cut(header, AX_SIGNATURE_SHOWN_BYTES_MAX);
    bool is_number = ax_str_to_u64(header, &len);
    bool is_negative = header.len > 0 && header.ptr[0] == '-';
    if (header.ptr && !is_number && !is_negative)
        return ax_fail(err, AX_E_INVALID,
                       "Unable to parse Inference-Header-Content-Length, got: %.*s",
                       AX_STR_ARG(shown));
    if (header.ptr && (!is_number || len > bytes.len))
        return ax_fail(err, AX_E_INVALID,
                       "inference header size should be in range (0, %zu), got: %.*s", bytes.len,
                       AX_STR_ARG(shown));
    *ret_body = (struct ax_infer_body){
        .json = { bytes.ptr, (size_t)len },
        .blobs = { bytes.ptr + len, bytes.len - (size_t)len },
        .is_raw = header.ptr && len == 0,
    };
    return AX_OK;
}

enum ax_code ax_infer_begin(struct ax_infer *infer, const struct ax_signature *signature,
                            const struct ax_signature *model, struct ax_arena *arena,
                            const struct ax_infer_body *body, struct ax_err *err)
{
    assert(infer && signature && model && arena && body && err);
    *infer =
        (struct ax_infer){ .signature = signature, .model = model, .arena = arena, .body = *body };
    ax_json_reader_init(&infer->reader, body->json);
    infer->reader.token_max = AX_JSON_TOKEN_BYTES_MAX;
    infer->inputs_seen = ax_arena_zalloc(arena, signature->input_count, 1);
    infer->outputs_seen = ax_arena_zalloc(arena, model->output_count, 1);
    infer->outputs = ax_arena_alloc(arena, model->output_count, sizeof(*infer->outputs));
    if (!infer->inputs_seen || !infer->outputs_seen || !infer->outputs)
        return ax_arena_fail(arena, "the request", err);
    return AX_OK;
}

enum ax_code ax_infer_read(struct ax_infer *infer, size_t byte_budget, bool *ret_done,
                           struct ax_err *err)
{
    assert(infer && ret_done && err);
    size_t cost = 0;
    while (infer->state != AX_INFER_DONE && cost < byte_budget) {
        size_t at = infer->reader.at;
        if (infer_step(infer, byte_budget - cost, &cost, err))
            return err->code;
        /* Deferred data makes the reader jump; the way back costs nothing. */
        if (infer->reader.at > at)
            cost += infer->reader.at - at;
    }
    *ret_done = infer->state == AX_INFER_DONE;
    return AX_OK;
}
