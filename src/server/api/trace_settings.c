/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace extension's settings, of a server that does not trace: they can be read, for all models
 * or for one, and what would switch tracing on is refused by name. Clients that set what is set
 * already, or clear it, are not refused. GET /v2 does not list the extension.
 */
#include "server/api/endpoints.h"
#include "server/api/settings.h"
#include "server/server_thread.h"

#include <assert.h>

/* Of each, the value that it has and cannot but have; all are texts in the protocol. */
static const struct {
    const char *name, *value;
} fixed[] = {
    { "trace_file", "" },
    { "trace_rate", "1000" },
    { "trace_count", "-1" },
    { "log_frequency", "0" },
};

static const char *const trace_levels[] = { "OFF", "TIMESTAMPS", "TENSORS" };

static enum ax_code take_level(struct ax_str level, struct ax_err *err)
{
    if (ax_str_is(level, "OFF"))
        return AX_OK;
    for (size_t i = 0; i < AX_COUNT(trace_levels); i++)
        if (ax_str_is(level, trace_levels[i]))
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "trace_level '%s': tracing is not supported, only 'OFF' can be set",
                           trace_levels[i]);
    return ax_fail(err, AX_E_INVALID, "unknown trace_level '%.*s'; there is OFF",
                   AX_STR_ARG(ax_str_cut(level, AX_SETTINGS_SHOWN_BYTES_MAX)));
}

/* A text, or an array of them. */
static enum ax_code take_levels(const struct ax_json *value, struct ax_err *err)
{
    if (ax_json_kind(value) == AX_JSON_KIND_STRING)
        return take_level(ax_json_str(value), err);
    enum ax_code code = AX_OK;
    if (ax_json_kind(value) != AX_JSON_KIND_ARRAY || ax_json_count(value) == 0)
        return ax_fail(err, AX_E_INVALID, "'trace_level' must be an array of levels, or null");
    struct ax_json_iter iter = ax_json_iterate(value);
    for (const struct ax_json *level; !code && (level = ax_json_next(&iter));)
        code = ax_json_kind(level) == AX_JSON_KIND_STRING
                   ? take_level(ax_json_str(level), err)
                   : ax_fail(err, AX_E_INVALID, "each of 'trace_level' must be a string");
    return code;
}

/* There is nothing to change, so nothing is noted. */
static enum ax_code trace_take(void *change, struct ax_str name, const struct ax_json *value,
                               struct ax_err *err)
{
    (void)change;
    if (ax_str_is(name, "trace_level"))
        return value ? take_levels(value, err) : AX_OK;
    for (size_t i = 0; i < AX_COUNT(fixed); i++) {
        if (!ax_str_is(name, fixed[i].name))
            continue;
        if (value && ax_json_kind(value) != AX_JSON_KIND_STRING)
            return ax_fail(err, AX_E_INVALID, "'%s' must be a string, or null", fixed[i].name);
        if (!value || ax_str_is(ax_json_str(value), fixed[i].value))
            return AX_OK;
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "'%s': tracing is not supported, so it cannot be set to anything but \"%s\"",
                       fixed[i].name, fixed[i].value);
    }
    return ax_fail(err, AX_E_INVALID,
                   "unknown trace setting '%.*s'; there are trace_file, trace_level, trace_rate, "
                   "trace_count and log_frequency",
                   AX_STR_ARG(ax_str_cut(name, AX_SETTINGS_SHOWN_BYTES_MAX)));
}

static enum ax_code find_model(const struct ax_call *call, struct ax_err *err)
{
    struct ax_served *served;
    if (call->model.len == 0)
        return AX_OK;
    return ax_catalog_version(call->thread->catalog, call->model, AX_STR(""), &served, err);
}

static void answer_settings(struct ax_call *call)
{
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_str(out, AX_STR("{\"trace_level\":[\"OFF\"]"));
    for (size_t i = 0; i < AX_COUNT(fixed); i++) {
        ax_json_put_key(out, fixed[i].name);
        ax_json_put_str(out, ax_str_from(fixed[i].value));
    }
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(call->thread, call->request, 200);
}

void ax_trace_settings(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    if (find_model(call, &err))
        ax_settings_answer_error(call, &err);
    else
        answer_settings(call);
}

void ax_trace_settings_change(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    if (find_model(call, &err) || ax_settings_read(call->request, trace_take, call, &err))
        ax_settings_answer_error(call, &err);
    else
        answer_settings(call);
}
