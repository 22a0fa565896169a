/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MLflow's scoring protocol; docs/protocols/mlflow-scoring.md.
 *
 * A scoring server of MLflow has one model, so its path names none. Here it is the one that
 * --default-model names, or the only one that is served; a path of our own names any.
 *
 * Failures have the form that MLflow's exceptions have. UNSUPPORTED can only be a content type
 * here, so it is 415.
 */
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/api/row_request.h"
#include "server/server.h"
#include "server/server_thread.h"

#include "auspex_config.h"

#define SHOWN_MODELS_MAX 5
#define SHOWN_BYTES_MAX  150

static const struct ax_row_member mlflow_members[] = {
    { .name = "dataframe_split", .layout = AX_LAYOUT_SPLIT, .accepts = AX_ROW_ARRAY },
    { .name = "dataframe_records", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT },
    { .name = "instances", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_ANY },
    { .name = "inputs", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_ANY },
    { 0 },
};

/* "params" are for models that take some. */
static const struct ax_row_protocol mlflow_protocol = {
    .members = mlflow_members,
    .wanted = "'dataframe_split', 'dataframe_records', 'instances' or 'inputs'",
};

static int mlflow_status(enum ax_code code)
{
    return code == AX_E_UNSUPPORTED ? 415 : ax_prediction_status(code);
}

/* The name that MLflow's exceptions have for it. */
static const char *mlflow_code_name(enum ax_code code)
{
    switch (code) {
    case AX_E_NOT_FOUND:
        return "RESOURCE_DOES_NOT_EXIST";
    case AX_E_UNAUTHENTICATED:
        return "UNAUTHENTICATED";
    case AX_E_DENIED:
        return "PERMISSION_DENIED";
    case AX_E_CANCELLED:
        return "CANCELLED";
    case AX_E_LIMIT:
    case AX_E_UNAVAILABLE:
        return "TEMPORARILY_UNAVAILABLE";
    case AX_E_TIMEOUT:
        return "DEADLINE_EXCEEDED";
    case AX_E_INTERNAL:
        return "INTERNAL_ERROR";
    case AX_OK:
    case AX_E_INVALID:
    case AX_E_EXISTS:
    case AX_E_CONFLICT:
    case AX_E_TOO_LARGE:
    case AX_E_UNSUPPORTED:
        break;
    }
    return "BAD_REQUEST";
}

static void mlflow_put_error(const struct ax_err *err, struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("{\"error_code\":"));
    ax_json_put_str(out, ax_str_from(mlflow_code_name(err->code)));
    (void)ax_buf_append_str(out, AX_STR(",\"message\":"));
    ax_json_put_str(out, ax_str_from(err->msg));
    (void)ax_buf_append_char(out, '}');
}

static struct ax_str trim(struct ax_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (struct ax_str){ text.ptr + 1, text.len - 1 };
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* The next part of a header's value, without the ';' behind it. */
static struct ax_str take_part(struct ax_str *value)
{
    const char *end = value->len ? memchr(value->ptr, ';', value->len) : NULL;
    size_t len = end ? (size_t)(end - value->ptr) : value->len;
    struct ax_str part = { value->ptr, len };
    *value = (struct ax_str){ value->ptr + len + (end != NULL), value->len - len - (end != NULL) };
    return trim(part);
}

/* A parameter of the content type. Only the encoding that we read is known. */
static bool is_utf8_parameter(struct ax_str part)
{
    static const char *const known[] = { "", "charset=utf-8", "charset=utf8", "charset=\"utf-8\"" };
    for (size_t i = 0; i < AX_COUNT(known); i++)
        if (ax_str_equals_nocase(part, ax_str_from(known[i])))
            return true;
    return false;
}

/* What the body is. Without a content type it is JSON. */
static enum ax_code mlflow_read_type(const struct ax_request *http, bool *ret_is_csv,
                                     struct ax_err *err)
{
    struct ax_str value = ax_request_header(http, "content-type");
    struct ax_str type = take_part(&value);
    bool is_csv = ax_str_equals_nocase(type, AX_STR("text/csv"));
    if (!is_csv && type.len > 0 && !ax_str_equals_nocase(type, AX_STR("application/json")))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "This predictor only supports the following content types: Types: "
                       "['text/csv', 'application/json']. Got '%.*s'.",
                       AX_STR_ARG(ax_str_cut(type, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    while (value.len > 0) {
        struct ax_str part = take_part(&value);
        if (!is_utf8_parameter(part))
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "content type parameter '%.*s' is not supported; only charset=utf-8 is",
                           AX_STR_ARG(ax_str_cut(part, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    }
    *ret_is_csv = is_csv;
    return AX_OK;
}

/* The first of many models, for the message that asks for one. */
static enum ax_code mlflow_fail_model(const struct ax_catalog *catalog, struct ax_err *err)
{
    char names[SHOWN_BYTES_MAX + 1];
    size_t len = 0;
    size_t at = 0;
    struct ax_str name;
    void *model;
    if (!catalog->is_complete)
        return ax_fail(err, AX_E_UNAVAILABLE, "the models are still being loaded");
    names[0] = '\0';
    for (size_t i = 0; i < SHOWN_MODELS_MAX && ax_map_next(&catalog->models, &at, &name, &model);
         i++) {
        int added = snprintf(names + len, sizeof(names) - len, "%s'%.*s'", i > 0 ? ", " : "",
                             AX_STR_ARG(ax_str_cut(name, 32)));
        if (added < 0 || (size_t)added >= sizeof(names) - len)
            break;
        len += (size_t)added;
    }
    names[len] = '\0';
    return ax_fail(err, AX_E_INVALID,
                   "name a model with --default-model or /v1/models/NAME/invocations; there are "
                   "%zu: %s",
                   catalog->models.count, names);
}

/* Which model answers, when the path names none. */
static enum ax_code mlflow_find_model(struct ax_call *call, struct ax_err *err)
{
    const struct ax_catalog *catalog = call->thread->catalog;
    struct ax_str name = ax_server_default_model(call->thread->server);
    size_t at = 0;
    void *model;
    if (call->model.len > 0)
        return AX_OK;
    if (name.len > 0) {
        ax_catalog_split_name(name, &call->model, &call->version);
        return AX_OK;
    }
    bool is_single = catalog->is_complete && catalog->models.count == 1;
    if (!is_single || !ax_map_next(&catalog->models, &at, &call->model, &model))
        return mlflow_fail_model(catalog, err);
    /* The catalog's own text may go with it while the request waits. */
    char *kept = ax_arena_alloc(&call->request->arena, call->model.len, 1);
    if (!kept)
        return ax_arena_fail(&call->request->arena, "the request", err);
    memcpy(kept, call->model.ptr, call->model.len);
    call->model.ptr = kept;
    return AX_OK;
}

static const struct ax_prediction_form mlflow_form = {
    .read = ax_row_request_read,
    .print = ax_row_request_print,
    .status = mlflow_status,
    .put_error = mlflow_put_error,
    .value_bytes = AX_PREDICT_BARE_BYTES,
};

void ax_mlflow_invocations(struct ax_call *call)
{
    struct ax_err err = AX_ERR_INIT;
    bool is_csv = false;
    if (mlflow_find_model(call, &err) || mlflow_read_type(call->request, &is_csv, &err)) {
        ax_prediction_refuse(call, &mlflow_form, &err);
        return;
    }
    ax_row_request_start(call, &mlflow_form, is_csv ? NULL : &mlflow_protocol,
                         sizeof(struct ax_row_request));
}

void ax_mlflow_ping(struct ax_call *call)
{
    (void)ax_buf_append_char(ax_server_thread_answer_begin(call->thread), '\n');
    ax_server_thread_answer(call->thread, call->request,
                            ax_server_thread_is_ready(call->thread) ? 200 : 503);
}

void ax_mlflow_version(struct ax_call *call)
{
    (void)ax_buf_append_str(ax_server_thread_answer_begin(call->thread), AX_STR(AX_VERSION));
    ax_server_thread_answer_as(call->thread, call->request, 200, "text/plain; charset=utf-8");
}
