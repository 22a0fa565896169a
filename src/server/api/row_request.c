/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining the reader of bodies, the cells and a prediction.
 */
#include "server/api/row_request.h"

#include "base/json.h"
#include "server/server_thread.h"

#include <assert.h>

void ax_row_request_start(struct ax_call *call, const struct ax_prediction_form *form,
                          const struct ax_row_protocol *protocol, size_t size)
{
    assert(call && form && size >= sizeof(struct ax_row_request));
    struct ax_request *http = call->request;
    struct ax_row_request *request = ax_arena_zalloc(&http->arena, 1, size);
    if (request) {
        request->is_csv = !protocol;
        if (protocol)
            ax_row_body_init(&request->body, protocol, http->body, &http->arena);
        else
            ax_cells_init(&request->body.cells[AX_ROW_SET_ROWS], &http->arena);
        ax_csv_rows_init(&request->csv, http->body, &request->body.cells[AX_ROW_SET_ROWS]);
        if (form->part_over)
            ax_prediction_start_parts(call, form, &request->prediction);
        else
            ax_prediction_start(call, form, &request->prediction);
        return;
    }
    struct ax_err err = AX_ERR_INIT;
    (void)ax_arena_fail(&http->arena, "the request", &err);
    ax_prediction_refuse(call, form, &err);
}

enum ax_code ax_row_request_fill(struct ax_row_request *request, const struct ax_cells *cells,
                                 size_t byte_budget, size_t *cost, bool *ret_done,
                                 struct ax_err *err)
{
    assert(request && cells && byte_budget && cost && ret_done && err);
    struct ax_prediction *prediction = &request->prediction;
    const struct ax_signature *signature = prediction->job.served->version->signature;
    if (!request->is_filling &&
        ax_cells_fill_begin(&request->fill, cells, &prediction->rows, signature,
                            &prediction->job.request->arena, err))
        return err->code;
    request->is_filling = true;
    return ax_cells_fill_step(&request->fill, byte_budget, cost, ret_done, err);
}

static enum ax_code request_parse(struct ax_row_request *request, size_t byte_budget, size_t *cost,
                                  bool *ret_done, struct ax_err *err)
{
    if (request->is_csv)
        return ax_csv_rows_read(&request->csv, byte_budget, cost, ret_done, err);
    /* The tensor "input" cannot be told from a feature of that name. */
    const struct ax_signature *signature = request->prediction.job.served->version->signature;
    request->body.withheld = ax_signature_input(signature, AX_STR("input")) ? AX_ROW_TENSOR : 0;
    return ax_row_body_read(&request->body, byte_budget, cost, ret_done, err);
}

/* Behind the body; *ret_waits: it is to be waited for. */
static enum ax_code request_choose(struct ax_row_request *request, bool *ret_waits,
                                   struct ax_err *err)
{
    *ret_waits = false;
    if (request->is_filling || !request->body.version.ptr)
        return AX_OK;
    return ax_prediction_choose(&request->prediction, request->body.version, ret_waits, err);
}

static void request_want(struct ax_prediction *prediction)
{
    const struct ax_signature *signature = prediction->job.served->version->signature;
    const struct ax_output *output = ax_signature_output(signature, AX_STR("prediction"));
    assert(output);
    prediction->wanted[output - signature->outputs] = true;
}

enum ax_code ax_row_request_parse(struct ax_row_request *request, size_t byte_budget, size_t *cost,
                                  bool *ret_ready, struct ax_err *err)
{
    assert(request && byte_budget && cost && ret_ready && err);
    size_t spent = 0;
    bool waits;
    *ret_ready = false;
    if (!request->is_read && request_parse(request, byte_budget, &spent, &request->is_read, err))
        return err->code;
    *cost += spent;
    if (!request->is_read || spent >= byte_budget)
        return AX_OK;
    if (request_choose(request, &waits, err))
        return err->code;
    *ret_ready = !waits;
    return AX_OK;
}

enum ax_code ax_row_request_read(struct ax_prediction *prediction, size_t byte_budget,
                                 bool *ret_done, struct ax_err *err)
{
    assert(prediction && ret_done && err);
    struct ax_row_request *request = container_of(prediction, struct ax_row_request, prediction);
    size_t cost = 0;
    bool is_ready;
    *ret_done = false;
    if (ax_row_request_parse(request, byte_budget, &cost, &is_ready, err))
        return err->code;
    if (!is_ready)
        return AX_OK;
    if (ax_row_request_fill(request, &request->body.cells[AX_ROW_SET_ROWS], byte_budget - cost,
                            &cost, ret_done, err))
        return err->code;
    if (*ret_done)
        request_want(prediction);
    return AX_OK;
}

bool ax_row_request_print_rows(struct ax_row_request *request, struct ax_buf *out,
                               size_t byte_budget,
                               void (*put)(const struct ax_predict_answer *answer, size_t row,
                                           struct ax_buf *out))
{
    assert(request && out && put);
    const struct ax_scoring_job *job = &request->prediction.job;
    size_t end = byte_budget > SIZE_MAX - out->len ? SIZE_MAX : out->len + byte_budget;
    struct ax_predict_answer answer;
    ax_predict_answer_init(&answer, job->served->version, &job->out, request->call);
    return ax_predict_answer_put_rows(&answer, &request->printed, end, put, out);
}

bool ax_row_request_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    assert(prediction && out);
    struct ax_row_request *request = container_of(prediction, struct ax_row_request, prediction);
    if (!request->began)
        (void)ax_buf_append_str(out, AX_STR("{\"predictions\":["));
    request->began = true;
    if (!ax_row_request_print_rows(request, out, byte_budget, ax_predict_answer_put_bare))
        return false;
    (void)ax_buf_append_str(out, AX_STR("]}"));
    return true;
}
