/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/predict: rows as objects of named values, answers as objects of named
 * results; docs/protocols/predict.md.
 */
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/api/row_request.h"

static const struct ax_row_member predict_members[] = {
    { .name = "rows", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT },
    { .name = "version", .read = ax_row_body_read_version },
    { 0 },
};

static const struct ax_row_protocol predict_protocol = {
    .members = predict_members,
    .wanted = "'rows'",
    .unknown_hint = "a request has 'rows' and may have 'version'",
};

static enum ax_code predict_read(struct ax_prediction *prediction, size_t byte_budget,
                                 bool *ret_done, struct ax_err *err)
{
    if (ax_row_request_read(prediction, byte_budget, ret_done, err))
        return err->code;
    if (*ret_done)
        ax_predict_answer_want(prediction->rows.signature, prediction->wanted);
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

static const struct ax_prediction_form predict_form = {
    .read = predict_read,
    .print = predict_print,
    .status = ax_prediction_status,
    .value_bytes = AX_PREDICT_VALUE_BYTES,
};

void ax_predict(struct ax_call *call)
{
    ax_row_request_start(call, &predict_form, &predict_protocol, sizeof(struct ax_row_request));
}
