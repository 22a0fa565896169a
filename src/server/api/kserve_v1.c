/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KServe's protocol V1, which TensorFlow Serving began; docs/protocols/kserve-v1.md.
 */
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/cold_wait.h"
#include "server/api/row_request.h"
#include "server/server_thread.h"

static const struct ax_row_member kserve_members[] = {
    { .name = "instances", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_ANY },
    { .name = "inputs", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_ANY },
    { 0 },
};

static const struct ax_row_protocol kserve_protocol = {
    .members = kserve_members,
    .wanted = "'instances' or 'inputs'",
};

static const struct ax_prediction_form kserve_form = {
    .read = ax_row_request_read,
    .print = ax_row_request_print,
    .status = ax_prediction_status,
    .value_bytes = AX_PREDICT_BARE_BYTES,
};

void ax_kserve_predict(struct ax_call *call)
{
    ax_row_request_start(call, &kserve_form, &kserve_protocol, sizeof(struct ax_row_request));
}

void ax_kserve_live(struct ax_call *call)
{
    (void)ax_buf_append_str(ax_server_thread_answer_begin(call->thread),
                            AX_STR("{\"status\":\"alive\"}"));
    ax_server_thread_answer(call->thread, call->request, 200);
}

void ax_kserve_model(struct ax_call *call)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    const struct ax_catalog *catalog = call->thread->catalog;
    if (ax_catalog_version(catalog, call->model, call->version, &served, &err) &&
        !ax_cold_is_there(call->thread, call->model, call->version)) {
        int status = ax_code_http(err.code);
        ax_server_thread_answer_error(call->thread, call->request, status, err.msg, NULL);
        return;
    }
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_str(out, AX_STR("{\"name\":"));
    ax_json_put_str(out, call->model);
    (void)ax_buf_append_str(out, AX_STR(",\"ready\":true}"));
    ax_server_thread_answer(call->thread, call->request, 200);
}
