/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Open Inference Protocol over HTTP: health, and the infer endpoint. Metadata is in
 * oip_metadata.c, the body's reader in oip_infer.c, the answer's printer in oip_answer.c.
 *
 * Of the protocol's extensions only what is listed by GET /v2 exists; docs/protocols/
 * open-inference.md says what is accepted and what is refused.
 */
#include "server/api/oip.h"

#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/api/oip_entities.h"
#include "server/server_thread.h"

#include <assert.h>

int ax_oip_status(enum ax_code code)
{
    if (code == AX_E_EXISTS || code == AX_E_CANCELLED)
        return 400;
    return ax_prediction_status(code);
}

static void answer_flag(struct ax_call *call, const char *name, bool value)
{
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_key(out, name);
    ax_json_put_bool(out, value);
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(call->thread, call->request, value ? 200 : 503);
}

void ax_oip_live(struct ax_call *call)
{
    answer_flag(call, "live", true);
}

void ax_oip_ready(struct ax_call *call)
{
    answer_flag(call, "ready", ax_server_thread_is_ready(call->thread));
}

static enum ax_code infer_split(const struct ax_request *request, struct ax_infer_body *ret_body,
                                struct ax_err *err)
{
    static const char name[] = "inference-header-content-length";
    /* Two readers of one request must not differ about where its JSON ends. */
    if (ax_request_has_second(request, name))
        return ax_fail(err, AX_E_INVALID, "Inference-Header-Content-Length may come once only");
    return ax_infer_split(request->body, ax_request_header(request, name), ret_body, err);
}

static enum ax_code infer_begin(struct ax_prediction *prediction, struct ax_infer *infer,
                                struct ax_err *err)
{
    struct ax_request *request = prediction->job.request;
    const struct ax_version *version = prediction->job.served->version;
    struct ax_infer_body body;
    if (infer_split(request, &body, err))
        return err->code;
    body.model = ax_str_from(version->model_name);
    return ax_infer_begin(infer, version->signature, version->signature, &request->arena, &body,
                          err);
}

/* The outputs that are answered by their best classes. */
static enum ax_code infer_make_classes(struct ax_oip_request *request, struct ax_err *err)
{
    const struct ax_infer *infer = &request->infer;
    for (size_t i = 0; i < infer->output_count; i++) {
        if (infer->outputs[i].classes == 0)
            continue;
        if (!request->classes)
            request->classes =
                ax_arena_zalloc(infer->arena, infer->output_count, sizeof(*request->classes));
        if (!request->classes)
            return ax_arena_fail(infer->arena, "the classes", err);
        const struct ax_output *output = &infer->model->outputs[infer->outputs[i].index];
        if (ax_oip_classes_init(&request->classes[i], infer->model, output,
                                infer->outputs[i].classes, infer->arena, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code infer_read(struct ax_prediction *prediction, size_t byte_budget, bool *ret_done,
                               struct ax_err *err)
{
    struct ax_oip_request *request = container_of(prediction, struct ax_oip_request, prediction);
    struct ax_infer *infer = &request->infer;
    if (!infer->signature && infer_begin(prediction, infer, err))
        return err->code;
    if (ax_infer_read(infer, byte_budget, ret_done, err))
        return !infer->is_unknown  ? err->code
               : request->entities ? ax_oip_entities_unknown(request, err)
                                   : ax_oip_entities_begin(request, err);
    if (!*ret_done)
        return AX_OK;
    ax_prediction_limit_us(prediction, infer->parameters.timeout_us);
    if (!request->entities)
        prediction->rows = infer->rows;
    else if (ax_oip_entities_fill(request->entities, byte_budget, ret_done, err) || !*ret_done)
        return err->code;
    if (infer_make_classes(request, err))
        return err->code;
    prediction->priority = infer->parameters.priority;
    for (size_t i = 0; i < infer->output_count; i++)
        prediction->wanted[infer->outputs[i].index] = true;
    return AX_OK;
}

static void infer_peek(struct ax_prediction *prediction)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_infer_body body;
    if (!infer_split(prediction->job.request, &body, &ignored))
        ax_prediction_limit_us(prediction,
                               ax_oip_parameters_peek_timeout(body.json, AX_PREDICTION_READ_BYTES));
}

static void infer_release(struct ax_prediction *prediction)
{
    struct ax_oip_request *request = container_of(prediction, struct ax_oip_request, prediction);
    ax_oip_entities_done(request->entities);
}

static const struct ax_prediction_form infer_form = {
    .read = infer_read,
    .release = infer_release,
    .peek = infer_peek,
    .print = ax_oip_print,
    .status = ax_oip_status,
    .value_bytes = 16,
    .names_priority = true,
    .names_timeout = true,
};

void ax_oip_infer(struct ax_call *call)
{
    struct ax_oip_request *request = ax_arena_zalloc(&call->request->arena, 1, sizeof(*request));
    struct ax_err err = AX_ERR_INIT;
    if (request) {
        ax_prediction_start(call, &infer_form, &request->prediction);
        return;
    }
    (void)ax_arena_fail(&call->request->arena, "the request", &err);
    ax_prediction_refuse(call, &infer_form, &err);
}
