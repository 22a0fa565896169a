/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/features/{service}?key=value…: the features of one entity as the service's inputs, with
 * where each comes from; docs/protocols/features.md. For people who look for a cause.
 *
 * The query's parameters are cells of one row. There is no model: the call fills nobody's rows, and
 * what it tells is the answer.
 */
#include "base/json.h"
#include "net/uri.h"
#include "server/api/endpoints.h"
#include "server/api/service_pass.h"
#include "server/request_user.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"

#include <assert.h>

struct feature_values {
    const struct ax_request_user *user; /* first */
    struct ax_server_thread *thread;
    struct ax_request *request;
    const struct ax_serving_service *service;
    struct ax_cells cells[AX_ROW_SETS];
    struct ax_service_pass pass;
    struct ax_service_call call;
};

static void values_release(void *user)
{
    struct feature_values *values = user;
    ax_service_pass_done(&values->pass);
}

static void values_fail(struct ax_server_thread *thread, struct ax_request *request,
                        const struct ax_err *err)
{
    ax_server_thread_answer_error(thread, request, ax_code_http(err->code), err->msg, NULL);
}

static void values_cancelled(void *user)
{
    struct feature_values *values = user;
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_CANCELLED, "the client went away");
    values_fail(values->thread, values->request, &err);
}

static const struct ax_request_user values_user = {
    .cancelled = values_cancelled,
    .release = values_release,
};

static bool is_request_value(const struct ax_service *service, struct ax_str name)
{
    for (size_t i = 0; i < service->request_count; i++)
        if (ax_str_equals(service->call[i].name, name))
            return true;
    return false;
}

/* Which set a parameter is of: a request value, a moment, or else a key. */
static enum ax_row_set set_of(const struct ax_service *service, struct ax_str name)
{
    if (is_request_value(service, name))
        return AX_ROW_SET_REQUEST;
    return ax_str_is(name, "at") ? AX_ROW_SET_AT : AX_ROW_SET_ROWS;
}

static enum ax_code put_parameter(struct ax_cells *cells, enum ax_row_set set, struct ax_str name,
                                  struct ax_str value, struct ax_err *err)
{
    size_t column = 0;
    if (set == AX_ROW_SET_AT && cells->column_count)
        return ax_fail(err, AX_E_INVALID, "'at' is given twice");
    if (set == AX_ROW_SET_AT
            ? ax_cells_add_unnamed(cells, err)
            : ax_cells_column(cells, name, &column, err) || ax_cells_give(cells, 0, column, err))
        return err->code;
    return ax_cells_put_text(cells, 0, column, AX_CELL_FIELD, value, err);
}

static enum ax_code read_query(struct feature_values *values, struct ax_err *err)
{
    const struct ax_service *service = values->service->applied->service;
    struct ax_arena *arena = &values->request->arena;
    struct ax_str query = values->request->query;
    for (size_t i = 0; i < AX_ROW_SETS; i++) {
        ax_cells_init(&values->cells[i], arena);
        values->cells[i].is_positional = i == AX_ROW_SET_AT;
        if (i == AX_ROW_SET_ROWS && ax_cells_add_row(&values->cells[i], err))
            return err->code;
    }
    for (;;) {
        struct ax_str name;
        struct ax_str value;
        bool taken;
        if (ax_uri_take_parameter(&query, arena, &name, &value, &taken, err))
            return err->code;
        if (!taken)
            return AX_OK;
        enum ax_row_set set = set_of(service, name);
        struct ax_cells *cells = &values->cells[set];
        if ((!cells->row_count && ax_cells_add_row(cells, err)) ||
            put_parameter(cells, set, name, value, err))
            return err->code;
    }
}

static void values_answer(struct feature_values *values)
{
    const struct ax_applied_service *applied = values->service->applied;
    struct ax_buf *out = ax_server_thread_answer_begin(values->thread);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "service", applied->service->name);
    ax_json_put_member_u64(out, "version", applied->version);
    ax_json_put_member(out, "digest", ax_str_from(applied->digest));
    (void)ax_buf_append_char(out, ',');
    (void)ax_buf_append_str(out, ax_service_call_told(&values->call, 0));
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(values->thread, values->request, 200);
}

/* One row is little, so it is made in one go. */
static void values_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct feature_values *values = request->user;
    const struct ax_err *err = &values->call.err;
    size_t cost = 0;
    bool done;
    bool waits;
    ax_service_pass_step(&values->pass, SIZE_MAX, &cost, &done, &waits);
    if (err->code)
        values_fail(values->thread, request, err);
    else if (done)
        values_answer(values);
}

static void values_woken(struct ax_service_pass *pass)
{
    struct feature_values *values = container_of(pass, struct feature_values, pass);
    ax_request_resume(values->request, values_step);
}

static enum ax_code values_begin(struct feature_values *values, struct ax_str name,
                                 struct ax_err *err)
{
    static const bool is_one[AX_ROW_SETS] = {
        [AX_ROW_SET_REQUEST] = true, [AX_ROW_SET_GIVEN] = true, [AX_ROW_SET_AT] = true
    };
    struct ax_server *server = values->thread->server;
    struct ax_serving_features *features = ax_server_features(server);
    struct ax_request *request = values->request;
    values->pass.woken = values_woken;
    if (ax_server_check_features(server, err) ||
        ax_serving_service(features, name, &values->service, err) || read_query(values, err))
        return err->code;
    ax_service_pass_begin(&values->pass, features, /* rows= */ 1, &request->arena,
                          ax_http_worker_loop(request->worker), /* deadline_ns= */ 0);
    if (ax_service_call_begin(&values->call, &values->pass, values->service,
                              AX_SERVICE_TELL_SOURCES, err) ||
        ax_service_call_take(&values->call, values->cells, is_one, ax_server_now_us(server), err))
        return err->code;
    return AX_OK;
}

void ax_feature_values(struct ax_call *call)
{
    assert(call);
    struct ax_request *request = call->request;
    struct ax_err err = AX_ERR_INIT;
    struct feature_values *values = ax_arena_zalloc(&request->arena, 1, sizeof(*values));
    if (!values) {
        (void)ax_arena_fail(&request->arena, "the request", &err);
        values_fail(call->thread, request, &err);
        return;
    }
    values->user = &values_user;
    values->thread = call->thread;
    values->request = request;
    request->user = values;
    if (values_begin(values, call->service, &err))
        values_fail(call->thread, request, &err);
    else
        values_step(NULL, NULL, request);
}
