/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /get-online-features: features of entities as Feast's client asks for them;
 * docs/protocols/feast.md.
 *
 * Five stages, each in steps: the body is read; what it asks for is found, a service in force or
 * one made of its list; the columns become those of the call; the call is made (service_pass.h), of
 * which each slice is printed when it is there; the answer is put together.
 */
#include "server/api/endpoints.h"

#include "feature/listed_service.h"
#include "server/api/feast_answer.h"
#include "server/api/feast_body.h"
#include "server/api/service_pass.h"
#include "server/server.h"
#include "server/sliced_answer.h"

#include <assert.h>

#define READ_BYTES ((size_t)16 << 10)

enum { STAGE_READ, STAGE_FIND, STAGE_FILL, STAGE_CALL };

struct feast_request {
    struct ax_sliced_answer base; /* first */
    struct ax_feast_body body;
    const char *error_class; /* of a failure that comes next */
    int stage;

    struct ax_applied_service listed; /* what a list is, */
    struct ax_serving_service own;    /* with its plan */
    const struct ax_serving_service *service;
    struct ax_cells_values fill;
    struct ax_cells_target *columns; /* of the call */
    const uint32_t *places;          /* of each column of the body: which of them */
    struct ax_service_pass pass;
    struct ax_service_call call;
    struct ax_feast_answer answer;
};

static void feast_step(void *context, void *state, struct ax_request *http);

static struct ax_arena *arena_of(struct feast_request *request)
{
    return &request->base.request->arena;
}

/* ---- what is asked for ---- */

/* A list: its plan is made for this request alone. */
static enum ax_code plan_list(struct feast_request *request, struct ax_serving_features *features,
                              struct ax_err *err)
{
    const struct ax_feast_body *body = &request->body;
    if (!features)
        return ax_fail(err, AX_E_NOT_FOUND, "no definitions of features are in force");
    const struct ax_definitions *definitions = &features->applied->definitions;
    if (!body->feature_count)
        return ax_fail(err, AX_E_INVALID, "name 'features' or a 'feature_service'");
    if (ax_listed_service_new(definitions, body->features, body->feature_count, arena_of(request),
                              &request->listed.service, err) ||
        ax_service_plan_new(definitions, request->listed.service, features->online->views,
                            &request->own.plan, err))
        return err->code;
    request->own.applied = &request->listed;
    request->service = &request->own;
    return AX_OK;
}

/* The column of the call that has this name, or the one key of an entity that has. */
static size_t find_column(const struct ax_service *service, struct ax_str name)
{
    for (size_t i = 0; i < service->call_count; i++)
        if (ax_str_equals(service->call[i].name, name))
            return i;
    for (size_t i = 0; i < service->role_count; i++) {
        const struct ax_role *role = &service->roles[i];
        const struct ax_entity *entity = role->view->entity;
        if (entity->key_count == 1 && ax_str_equals(entity->name, name) &&
            ax_str_equals(entity->keys[0].name, service->call[role->call_keys[0]].name))
            return role->call_keys[0];
    }
    return SIZE_MAX;
}

static enum ax_code fail_missing(const struct ax_service *service, size_t column,
                                 struct ax_err *err)
{
    struct ax_str name = service->call[column].name;
    return ax_fail(err, AX_E_INVALID, "'entities' has no '%.*s', which %s", AX_STR_ARG(name),
                   column < service->request_count ? "is required" : "is a join key");
}

/* Columns `former` and `column` of the body are one of the call. */
static enum ax_code fail_twice(const struct ax_cells *cells, size_t former, size_t column,
                               struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "'entities' has '%.*s' and '%.*s', which are one join key",
                   AX_STR_ARG(cells->columns[former].name),
                   AX_STR_ARG(cells->columns[column].name));
}

/* Which column of the call each one of the body is; the others are passed over. */
static enum ax_code find_columns(struct feast_request *request, struct ax_err *err)
{
    const struct ax_service *service = request->service->applied->service;
    const struct ax_cells *cells = &request->body.rows.cells[AX_ROW_SET_ROWS];
    struct ax_arena *arena = arena_of(request);
    uint32_t *places = ax_arena_alloc(arena, cells->column_count, sizeof(*places));
    bool *is_there = ax_arena_zalloc(arena, service->call_count, sizeof(*is_there));
    if (!places || !is_there)
        return ax_arena_fail(arena, "the columns", err);
    for (size_t i = 0; i < cells->column_count; i++) {
        size_t at = find_column(service, cells->columns[i].name);
        places[i] = at == SIZE_MAX ? AX_CELLS_PASSED_OVER : (uint32_t)at;
        if (at == SIZE_MAX)
            continue;
        for (size_t former = 0; is_there[at] && former < i; former++)
            if (places[former] == at)
                return fail_twice(cells, former, i, err);
        is_there[at] = true;
    }
    for (size_t i = 0; i < service->call_count; i++)
        if (!is_there[i] && (i >= service->request_count || service->call[i].required))
            return fail_missing(service, i, err);
    request->places = places;
    return AX_OK;
}

static void pass_woken(struct ax_service_pass *pass)
{
    struct feast_request *request = container_of(pass, struct feast_request, pass);
    ax_request_resume(request->base.request, feast_step);
}

static enum ax_code call_visit(struct ax_service_call *call, struct ax_err *err)
{
    struct feast_request *request = container_of(call, struct feast_request, call);
    return ax_feast_answer_add(&request->answer, &call->vector, err);
}

/* Made with the service, or now: of a list, and of a service that cannot have them, to tell why. */
static enum ax_code find_names(struct feast_request *request,
                               const struct ax_feast_columns **ret_columns, struct ax_err *err)
{
    bool has_full_names = request->body.has_full_names;
    *ret_columns = &request->service->feast[has_full_names];
    if ((*ret_columns)->inputs)
        return AX_OK;
    *ret_columns = &request->own.feast[has_full_names];
    return ax_feast_columns_init(&request->own.feast[has_full_names],
                                 request->service->applied->service, has_full_names,
                                 arena_of(request), err);
}

static enum ax_code begin_call(struct feast_request *request, struct ax_serving_features *features,
                               struct ax_err *err)
{
    const struct ax_service *service = request->service->applied->service;
    const struct ax_cells *cells = &request->body.rows.cells[AX_ROW_SET_ROWS];
    struct ax_request *http = request->base.request;
    struct ax_service_call *call = &request->call;
    if (ax_admission_check_rows(request->base.thread->scoring.admission, cells->row_count, err))
        return err->code;
    request->columns =
        ax_arena_zalloc(&http->arena, service->call_count, sizeof(*request->columns));
    if (!request->columns)
        return ax_arena_fail(&http->arena, "the columns", err);
    for (size_t i = 0; i < service->call_count; i++)
        request->columns[i] = (struct ax_cells_target){ .name = service->call[i].name,
                                                        .storage = service->call[i].storage,
                                                        .in_seconds = true };
    ax_cells_values_begin(&request->fill, cells, request->columns, service->call_count,
                          request->places, cells->row_count, &http->arena);
    request->pass.woken = pass_woken;
    call->visit = call_visit;
    ax_service_pass_begin(&request->pass, features, cells->row_count, &http->arena,
                          ax_http_worker_loop(http->worker), /* deadline_ns= */ 0);
    if (ax_service_call_begin(call, &request->pass, request->service, AX_SERVICE_TELL_NOTHING, err))
        return err->code;
    ax_service_call_sample(call, ax_server_thread_sampler(request->base.thread));
    const struct ax_feast_columns *columns;
    if (find_names(request, &columns, err))
        return err->code;
    return ax_feast_answer_init(
        &request->answer, service, columns, cells, request->places, request->body.has_full_names,
        (cells->row_count + request->pass.slice_rows - 1) / request->pass.slice_rows, &http->arena,
        err);
}

static enum ax_code find(struct feast_request *request, struct ax_err *err)
{
    const struct ax_feast_body *body = &request->body;
    struct ax_serving_features *features = ax_server_features(request->base.thread->server);
    request->error_class =
        body->name.len ? "FeatureServiceNotFoundException" : "FeatureViewNotFoundException";
    if (ax_server_check_features(request->base.thread->server, err))
        return err->code;
    if (body->name.len ? ax_serving_service(features, body->name, &request->service, err)
                       : plan_list(request, features, err))
        return err->code;
    if (find_columns(request, err) || begin_call(request, features, err))
        return err->code;
    request->stage = STAGE_FILL;
    return AX_OK;
}

static enum ax_code take_columns(struct feast_request *request, struct ax_err *err)
{
    size_t count = request->service->applied->service->call_count;
    struct ax_values *columns = ax_arena_alloc(arena_of(request), count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(arena_of(request), "the columns", err);
    for (size_t i = 0; i < count; i++)
        columns[i] = request->columns[i].values;
    request->stage = STAGE_CALL;
    return ax_service_call_take_columns(&request->call, columns,
                                        ax_server_now_us(request->base.thread->server), err);
}

/* ---- steps ---- */

/* Go on for about READ_BYTES; *ret_done: all slices are printed. *ret_waits: for the store. */
static enum ax_code go_on(struct feast_request *request, bool *ret_done, bool *ret_waits,
                          struct ax_err *err)
{
    size_t cost = 0;
    bool done = false;
    *ret_done = *ret_waits = false;
    while (!err->code && cost < READ_BYTES && !*ret_done && !*ret_waits) {
        size_t budget = READ_BYTES - cost;
        done = false;
        if (request->stage == STAGE_FIND) {
            (void)(find(request, err) != AX_OK);
        } else if (request->stage == STAGE_READ) {
            if (!ax_row_body_read(&request->body.rows, budget, &cost, &done, err) && done)
                request->stage = STAGE_FIND;
        } else if (request->stage == STAGE_FILL) {
            if (!ax_cells_values_step(&request->fill, budget, &cost, &done, err) && done)
                (void)(take_columns(request, err) != AX_OK);
        } else {
            ax_service_pass_step(&request->pass, budget, &cost, ret_done, ret_waits);
            *err = request->call.err;
        }
    }
    return err->code;
}

static void answer_failure(struct feast_request *request, const struct ax_err *err)
{
    struct ax_server_thread *thread = request->base.thread;
    bool is_missing = err->code == AX_E_NOT_FOUND && ax_server_features(thread->server);
    const char *class = is_missing ? request->error_class : "FeastError";
    ax_feast_put_error(ax_server_thread_answer_begin(thread), class, err);
    ax_server_thread_answer(thread, request->base.request, ax_code_http(err->code));
}

static void run(struct feast_request *request)
{
    struct ax_err err = AX_ERR_INIT;
    bool done, waits;
    if (go_on(request, &done, &waits, &err))
        answer_failure(request, &err);
    else if (done)
        ax_sliced_answer_start(&request->base);
    else if (!waits)
        ax_request_resume(request->base.request, feast_step);
}

static void feast_step(void *context, void *state, struct ax_request *http)
{
    (void)context;
    (void)state;
    run(http->user);
}

static bool feast_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    return ax_feast_answer_print(&container_of(base, struct feast_request, base)->answer, out,
                                 bytes);
}

static void feast_done(struct ax_sliced_answer *base)
{
    struct feast_request *request = container_of(base, struct feast_request, base);
    ax_service_pass_done(&request->pass);
    ax_service_plan_free(request->own.plan);
    ax_feast_answer_done(&request->answer);
}

static const struct ax_sliced_form feast_form = {
    .content_type = "application/json",
    .print = feast_print,
    .done = feast_done,
};

void ax_feast_online_features(struct ax_call *call)
{
    assert(call);
    struct feast_request *request = ax_sliced_answer_new(call, &feast_form, sizeof(*request));
    if (!request)
        return;
    ax_feast_body_init(&request->body, &ax_feast_get, call->request->body, arena_of(request));
    run(request);
}

/* Clients look at the status alone; MLflow's have this path, too. */
void ax_health(struct ax_call *call)
{
    bool is_ready = ax_server_thread_is_ready(call->thread);
    (void)ax_buf_append_str(ax_server_thread_answer_begin(call->thread),
                            is_ready ? AX_STR("OK") : AX_STR("loading"));
    ax_server_thread_answer_as(call->thread, call->request, is_ready ? 200 : 503,
                               "text/plain; charset=utf-8");
}
