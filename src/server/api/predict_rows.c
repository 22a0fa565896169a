/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/predict: rows as objects of named values, or entities whose features are
 * known here; answers as objects of named results. docs/protocols/predict.md.
 */
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/api/row_request.h"
#include "server/api/service_pass.h"
#include "server/server.h"

/* Of a request by entity, for which alone there is memory. */
struct predict_call {
    struct ax_service_pass pass;
    struct ax_service_call call;
    struct ax_service_target target;
    struct ax_prediction *prediction;
};

struct predict_request {
    struct ax_row_request rows;     /* first */
    struct predict_call *by_entity; /* NULL: not begun, or rows */
};

static const struct ax_row_member predict_members[] = {
    { .name = "rows", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT },
    AX_ROW_ENTITY_MEMBERS,
    { .name = "version", .read = ax_row_body_read_version },
    { 0 },
};

static const struct ax_row_protocol predict_protocol = {
    .members = predict_members,
    .wanted = "'rows' or 'entities'",
    .unknown_hint = "a request has 'rows', or 'entities' with 'request', 'given', 'at' and "
                    "'features', and may have 'version'",
};

static struct predict_request *predict_from(struct ax_prediction *prediction)
{
    return container_of(prediction, struct predict_request, rows.prediction);
}

static void predict_woken(struct ax_service_pass *pass)
{
    ax_prediction_wake(container_of(pass, struct predict_call, pass)->prediction);
}

static enum ax_code predict_begin_call(struct predict_request *request, struct ax_err *err)
{
    struct ax_prediction *prediction = &request->rows.prediction;
    struct ax_served *served = prediction->job.served;
    struct ax_request *http = prediction->job.request;
    const struct ax_row_body *body = &request->rows.body;
    size_t rows = body->cells[AX_ROW_SET_ROWS].row_count;
    struct ax_serving_features *features = ax_server_features(prediction->thread->server);
    const struct ax_serving_service *service;
    struct predict_call *made = ax_arena_zalloc(&http->arena, 1, sizeof(*made));
    if (!made)
        return ax_arena_fail(&http->arena, "the request", err);
    made->prediction = prediction;
    made->target.rows = &prediction->rows;
    made->pass.woken = predict_woken;
    request->by_entity = made;
    if (ax_admission_check_rows(prediction->thread->scoring.admission, rows, err) ||
        ax_server_check_features(prediction->thread->server, err) ||
        ax_serving_bind(features, served, &service, &made->target.inputs, err) ||
        ax_rows_reserve(&prediction->rows, served->version->signature, rows, &http->arena, err))
        return err->code;
    ax_service_pass_begin(&made->pass, features, rows, &http->arena,
                          ax_http_worker_loop(http->worker), ax_prediction_deadline_ns(prediction));
    if (ax_service_call_begin(&made->call, &made->pass, service, body->tell, err) ||
        ax_service_call_take(&made->call, body->cells, body->is_one,
                             ax_server_now_us(prediction->thread->server), err))
        return err->code;
    ax_service_call_sample(&made->call, ax_server_thread_sampler(prediction->thread));
    ax_service_call_add(&made->call, &made->target);
    request->rows.call = &made->call;
    request->rows.is_filling = true;
    return AX_OK;
}

static enum ax_code predict_fill(struct predict_request *request, size_t byte_budget, size_t *cost,
                                 bool *ret_done, struct ax_err *err)
{
    bool waits;
    if (!ax_row_body_is_by_entity(&request->rows.body))
        return ax_row_request_fill(&request->rows, &request->rows.body.cells[AX_ROW_SET_ROWS],
                                   byte_budget, cost, ret_done, err);
    if (!request->rows.is_filling && predict_begin_call(request, err))
        return err->code;
    ax_service_pass_step(&request->by_entity->pass, byte_budget, cost, ret_done, &waits);
    if (waits)
        ax_prediction_wait(&request->rows.prediction);
    const struct ax_err *failure = &request->by_entity->target.err;
    if (*ret_done && failure->code)
        return ax_fail(err, failure->code, "%s", failure->msg);
    return AX_OK;
}

static enum ax_code predict_read(struct ax_prediction *prediction, size_t byte_budget,
                                 bool *ret_done, struct ax_err *err)
{
    struct predict_request *request = predict_from(prediction);
    size_t cost = 0;
    bool is_ready;
    *ret_done = false;
    if (ax_row_request_parse(&request->rows, byte_budget, &cost, &is_ready, err))
        return err->code;
    if (!is_ready)
        return AX_OK;
    if (predict_fill(request, byte_budget - cost, &cost, ret_done, err))
        return err->code;
    if (!*ret_done)
        return AX_OK;
    ax_predict_answer_want(prediction->rows.signature, prediction->wanted);
    if (request->by_entity)
        prediction->told_bytes = request->by_entity->call.told.len;
    return AX_OK;
}

static void predict_put_head(const struct ax_version *version, struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("{\"model\":"));
    ax_json_put_str(out, ax_str_from(version->model_name));
    ax_json_put_key(out, "version");
    ax_json_put_str(out, ax_str_from(version->text));
    (void)ax_buf_append_char(out, ',');
    ax_predict_answer_put_id(out);
    (void)ax_buf_append_str(out, AX_STR(",\"predictions\":["));
}

static bool predict_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    struct ax_row_request *request = container_of(prediction, struct ax_row_request, prediction);
    if (!request->began)
        predict_put_head(prediction->job.served->version, out);
    request->began = true;
    if (!ax_row_request_print_rows(request, out, byte_budget, ax_predict_answer_put_row))
        return false;
    (void)ax_buf_append_char(out, ']');
    ax_predict_answer_put_end(prediction->job.request->began_ns, out);
    return true;
}

static void predict_release(struct ax_prediction *prediction)
{
    const struct predict_request *request = predict_from(prediction);
    if (request->by_entity)
        ax_service_pass_done(&request->by_entity->pass);
}

static const struct ax_prediction_form predict_form = {
    .read = predict_read,
    .print = predict_print,
    .release = predict_release,
    .status = ax_prediction_status,
    .value_bytes = AX_PREDICT_VALUE_BYTES,
};

void ax_predict(struct ax_call *call)
{
    ax_row_request_start(call, &predict_form, &predict_protocol, sizeof(struct predict_request));
}
