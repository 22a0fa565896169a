/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reader of infer bodies fills in are rows of a signature, whatever it is of: here that of
 * a service's call. They become columns of the call, and then go the way of all calls.
 */
#include "server/api/oip_entities.h"

#include "server/server.h"
#include "server/server_thread.h"

#include <assert.h>
#include <math.h>

#define VALUE_COST ((size_t)4) /* of making one a value of a column, in bytes of reading */

/* Whether the call of a service has a column of that name. */
static bool call_has(const struct ax_serving_features *features, struct ax_str service,
                     struct ax_str name)
{
    const struct ax_applied_service *found =
        features ? ax_applied_service(features->applied, service) : NULL;
    for (size_t i = 0; found && i < found->service->call_count; i++)
        if (ax_str_equals(found->service->call[i].name, name))
            return true;
    return false;
}

static void woken(struct ax_service_pass *pass)
{
    struct ax_oip_entities *entities = container_of(pass, struct ax_oip_entities, pass);
    ax_prediction_wake(&entities->request->prediction);
}

enum ax_code ax_oip_entities_begin(struct ax_oip_request *request, struct ax_err *err)
{
    assert(request && !request->entities && err && err->code);
    struct ax_prediction *prediction = &request->prediction;
    struct ax_served *served = prediction->job.served;
    struct ax_serving_features *features = ax_server_features(prediction->thread->server);
    struct ax_arena *arena = &prediction->job.request->arena;
    if (!call_has(features, served->version->service.name, request->infer.input.name))
        return err->code;
    ax_err_clear(err);
    struct ax_oip_entities *entities = ax_arena_zalloc(arena, 1, sizeof(*entities));
    if (!entities)
        return ax_arena_fail(arena, "the request", err);
    if (ax_serving_bind(features, served, &entities->service, &entities->target.inputs, err))
        return err->code;
    if (!entities->service->call.input_count)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "service '%.*s' takes lists, which are no inputs of this protocol",
                       AX_STR_ARG(served->version->service.name));
    entities->request = request;
    entities->pass.woken = woken;
    entities->features = ax_serving_features_ref(features);
    request->entities = entities;
    const struct ax_infer_body body = request->infer.body;
    return ax_infer_begin(&request->infer, &entities->service->call, served->version->signature,
                          arena, &body, err);
}

enum ax_code ax_oip_entities_unknown(const struct ax_oip_request *request, struct ax_err *err)
{
    assert(request && request->entities && err && err->code);
    const struct ax_version *version = request->prediction.job.served->version;
    struct ax_str name = request->infer.input.name;
    if (!ax_signature_input(version->signature, name))
        return err->code;
    ax_err_clear(err);
    return ax_fail(
        err, AX_E_INVALID,
        "input '%.*s' is the model's, which does not mix with keys and request values of "
        "service '%.*s': send either",
        AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)),
        AX_STR_ARG(version->service.name));
}

void ax_oip_entities_done(struct ax_oip_entities *entities)
{
    if (!entities)
        return;
    ax_service_pass_done(&entities->pass);
    ax_serving_features_unref(entities->features);
}

/* ---- columns ---- */

static enum ax_code make_columns(struct ax_oip_entities *entities, struct ax_err *err)
{
    const struct ax_service *service = entities->service->applied->service;
    const struct ax_infer *infer = &entities->request->infer;
    struct ax_values *columns = ax_arena_alloc(infer->arena, service->call_count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(infer->arena, "the request", err);
    for (size_t i = 0; i < service->call_count; i++) {
        struct ax_type type = ax_storage_type(service->call[i].storage);
        if (ax_values_init(&columns[i], type, infer->rows.count, infer->arena, err))
            return err->code;
    }
    entities->columns = columns;
    return AX_OK;
}

/* Of a field that is there. */
static void set_value(struct ax_values *values, size_t row, const struct ax_column *column)
{
    const void *from = ax_column_at(column, row);
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        values->bools[row] = *(const uint8_t *)from;
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        values->i64s[row] = *(const int64_t *)from;
        return;
    case AX_TYPE_FLOAT64:
        values->f64s[row] = *(const double *)from + 0.0; /* -0 is 0 */
        return;
    case AX_TYPE_STRING:
        values->texts[row] = *(const struct ax_str *)from;
        return;
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no type");
}

/* Fill some more rows of the column in hand. */
static void fill_column(struct ax_oip_entities *entities, size_t byte_budget, size_t *cost)
{
    const struct ax_rows *rows = &entities->request->infer.rows;
    const struct ax_column *column = &rows->columns[entities->column];
    struct ax_values *values = &entities->columns[entities->column];
    size_t end = entities->row + AX_MIN(byte_budget / VALUE_COST + 1, rows->count - entities->row);
    *cost += (end - entities->row) * VALUE_COST;
    for (; entities->row < end; entities->row++) {
        size_t row = entities->row;
        bool is_there = column->datatype == AX_FP64
                            ? !isnan(*(const double *)ax_column_at(column, row))
                            : ax_column_is_valid(column, row);
        if (is_there)
            set_value(values, row, column);
        else
            ax_values_set_null(values, row);
    }
    if (entities->row == rows->count) {
        entities->column++;
        entities->row = 0;
    }
}

/* ---- the call ---- */

static enum ax_code begin_call(struct ax_oip_entities *entities, struct ax_err *err)
{
    struct ax_prediction *prediction = &entities->request->prediction;
    struct ax_request *http = prediction->job.request;
    size_t rows = entities->request->infer.rows.count;
    entities->target.rows = &prediction->rows;
    if (ax_admission_check_rows(prediction->thread->scoring.admission, rows, err) ||
        ax_rows_reserve(&prediction->rows, prediction->job.served->version->signature, rows,
                        &http->arena, err))
        return err->code;
    ax_service_pass_begin(&entities->pass, entities->features, rows, &http->arena,
                          ax_http_worker_loop(http->worker), ax_prediction_deadline_ns(prediction));
    if (ax_service_call_begin(&entities->call, &entities->pass, entities->service,
                              AX_SERVICE_TELL_NOTHING, err) ||
        ax_service_call_take_columns(&entities->call, entities->columns,
                                     ax_server_now_us(prediction->thread->server), err))
        return err->code;
    ax_service_call_sample(&entities->call, ax_server_thread_sampler(prediction->thread));
    ax_service_call_add(&entities->call, &entities->target);
    return AX_OK;
}

enum ax_code ax_oip_entities_fill(struct ax_oip_entities *entities, size_t byte_budget,
                                  bool *ret_done, struct ax_err *err)
{
    assert(entities && byte_budget && ret_done && err);
    const struct ax_service *service = entities->service->applied->service;
    size_t cost = 0;
    bool waits;
    *ret_done = false;
    if (!entities->columns && make_columns(entities, err))
        return err->code;
    while (entities->column < service->call_count && cost < byte_budget)
        fill_column(entities, byte_budget - cost, &cost);
    if (entities->column < service->call_count || cost >= byte_budget)
        return AX_OK;
    if (!entities->pass.features && begin_call(entities, err))
        return err->code;
    ax_service_pass_step(&entities->pass, byte_budget - cost, &cost, ret_done, &waits);
    if (waits)
        ax_prediction_wait(&entities->request->prediction);
    if (*ret_done && entities->target.err.code)
        return ax_fail(err, entities->target.err.code, "%s", entities->target.err.msg);
    return AX_OK;
}
