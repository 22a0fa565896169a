/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /materialize and /materialize-incremental, as Feast's client asks for them;
 * docs/protocols/feast.md.
 *
 * A request becomes a command line of `auspex materialize`, which is queued among the jobs of the
 * control socket (server/control.h), so no I/O thread reads a source. Who waits for the end is told
 * by a message from the thread for jobs; a request that ends before leaves the job alone.
 */
#include "base/alloc.h"
#include "base/calendar.h"
#include "base/json.h"
#include "net/uri.h"
#include "server/api/endpoints.h"
#include "server/api/feast_answer.h"
#include "server/control.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"
#include "server/serving_features.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Parsed in one go and into a tree, and never in need of more. */
#define BODY_BYTES_MAX ((size_t)64 << 10)
/* Of a flag, with the longest name of a view. */
#define FLAG_BYTES_MAX ((size_t)512)

struct materialize_call {
    bool is_incremental;
    bool is_async, is_forced;    /* of the query */
    const struct ax_json *views; /* an array of texts, or NULL: all */
    struct ax_control_request request;
};

/* A request that waits: freed by the message, also when it has ended before. */
struct materialize_wait {
    struct ax_http_worker *worker;
    uint64_t id;
    struct ax_err err;
};

/* ---- the query ---- */

static enum ax_code read_flag(struct ax_str name, struct ax_str value, bool *ret_flag,
                              struct ax_err *err)
{
    static const char *const yes[] = { "true", "1", "yes", "on" };
    static const char *const no[] = { "false", "0", "no", "off" };
    for (size_t i = 0; i < AX_COUNT(yes); i++) {
        bool is_yes = ax_str_equals_nocase(value, ax_str_from(yes[i]));
        if (!is_yes && !ax_str_equals_nocase(value, ax_str_from(no[i])))
            continue;
        *ret_flag = is_yes;
        return AX_OK;
    }
    return ax_fail(err, AX_E_INVALID, "'%.*s' is true or false", AX_STR_ARG(name));
}

static enum ax_code read_query(struct ax_request *request, struct materialize_call *call,
                               struct ax_err *err)
{
    struct ax_str query = request->query;
    struct ax_str name, value;
    bool is_taken = true;
    while (is_taken) {
        if (ax_uri_take_parameter(&query, &request->arena, &name, &value, &is_taken, err))
            return err->code;
        if (is_taken && ax_str_is(name, "async") && read_flag(name, value, &call->is_async, err))
            return err->code;
        if (is_taken && ax_str_is(name, "force") && read_flag(name, value, &call->is_forced, err))
            return err->code;
    }
    return AX_OK;
}

/* ---- the body ---- */

static enum ax_code add_flag(struct materialize_call *call, struct ax_arena *arena,
                             const char *name, struct ax_str value, struct ax_err *err)
{
    char text[FLAG_BYTES_MAX];
    int len = snprintf(text, sizeof(text), "--%s=%.*s", name, AX_STR_ARG(value));
    if (len < 0 || (size_t)len >= sizeof(text))
        return ax_fail(err, AX_E_TOO_LARGE, "a name in 'feature_views' is too long");
    char *flag = ax_arena_strdup(arena, (struct ax_str){ text, (size_t)len });
    if (!flag)
        return ax_arena_fail(arena, "the request", err);
    call->request.argv[call->request.argc++] = flag;
    return AX_OK;
}

/* A member that is null is as if it were not there. */
static const struct ax_json *member(const struct ax_json *root, const char *name)
{
    const struct ax_json *value = ax_json_get(root, name);
    return value && ax_json_kind(value) != AX_JSON_KIND_NULL ? value : NULL;
}

static enum ax_code read_time(const struct ax_json *root, const char *name, int64_t *ret_us,
                              struct ax_err *err)
{
    const struct ax_json *value = member(root, name);
    bool is_naive;
    if (!value || ax_json_kind(value) != AX_JSON_KIND_STRING ||
        !ax_calendar_parse(ax_json_str(value), ret_us, &is_naive))
        return ax_fail(err, AX_E_INVALID, "'%s' must be a time, as 2013-10-01T00:00:00Z", name);
    return AX_OK;
}

static enum ax_code add_time(struct materialize_call *call, struct ax_arena *arena,
                             const char *name, int64_t us, struct ax_err *err)
{
    char text[AX_CALENDAR_TEXT_SIZE];
    size_t len = ax_calendar_text(us, text);
    return add_flag(call, arena, name, (struct ax_str){ text, len }, err);
}

static enum ax_code take_times(struct materialize_call *call, const struct ax_json *root,
                               struct ax_arena *arena, struct ax_err *err)
{
    const struct ax_json *all = member(root, "disable_event_timestamp");
    int64_t from_us = INT64_MIN, to_us = 0;
    if (all && ax_json_kind(all) != AX_JSON_KIND_BOOL)
        return ax_fail(err, AX_E_INVALID, "'disable_event_timestamp' must be true or false");
    if (!call->is_incremental && ax_json_is_true(all))
        return AX_OK;
    if (!call->is_incremental && read_time(root, "start_ts", &from_us, err))
        return err->code;
    if (read_time(root, "end_ts", &to_us, err))
        return err->code;
    if (from_us > to_us)
        return ax_fail(err, AX_E_INVALID, "'start_ts' is later than 'end_ts'");
    if (from_us > ax_server_wall_us())
        return ax_fail(err, AX_E_INVALID,
                       "'start_ts' lies ahead of now, up to which rows are taken");
    if (!call->is_incremental && add_time(call, arena, "from", from_us, err))
        return err->code;
    return add_time(call, arena, "to", to_us, err);
}

static enum ax_code take_views(struct materialize_call *call, const struct ax_json *root,
                               const struct ax_definitions *definitions, struct ax_arena *arena,
                               struct ax_err *err)
{
    const struct ax_json *item;
    const struct ax_view *view;
    call->views = member(root, "feature_views");
    if (call->views && ax_json_kind(call->views) != AX_JSON_KIND_ARRAY)
        return ax_fail(err, AX_E_INVALID, "'feature_views' must be an array of names");
    if (!call->views || !ax_json_count(call->views)) {
        call->views = NULL;
        return AX_OK;
    }
    struct ax_json_iter iter = ax_json_iterate(call->views);
    while ((item = ax_json_next(&iter))) {
        if (ax_json_kind(item) != AX_JSON_KIND_STRING)
            return ax_fail(err, AX_E_INVALID, "'feature_views' must be an array of names");
        if (ax_definitions_find_view(definitions, ax_json_str(item), &view, err))
            return err->code;
        if (!view->online)
            return ax_fail(err, AX_E_INVALID,
                           "view '%.*s' is not online; take 'online: false' away",
                           AX_STR_ARG(view->name));
        if (add_flag(call, arena, "view", view->name, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code take_body(struct materialize_call *call, const struct ax_json *root,
                              const struct ax_definitions *definitions, struct ax_arena *arena,
                              struct ax_err *err)
{
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "the body must be an object");
    if (member(root, "version"))
        return ax_fail(err, AX_E_INVALID, "'version': only the one in force is kept online");
    size_t views = ax_json_count(ax_json_get(root, "feature_views"));
    if (views > definitions->view_count)
        return ax_fail(err, AX_E_INVALID, "'feature_views' has more names than there are views");
    call->request = (struct ax_control_request){
        .command = "materialize", .who = "HTTP", .typed = "materialize", .folder = "/", .argc = 1
    };
    call->request.argv = ax_arena_zalloc(arena, views + 5, sizeof(call->request.argv[0]));
    if (!call->request.argv)
        return ax_arena_fail(arena, "the request", err);
    if (call->is_incremental && add_flag(call, arena, "incremental", AX_STR("true"), err))
        return err->code;
    return take_times(call, root, arena, err) || take_views(call, root, definitions, arena, err)
               ? err->code
               : AX_OK;
}

/* ---- answering ---- */

static void put_name(struct ax_buf *out, struct ax_str name)
{
    if (out->ptr[out->len - 1] != '[')
        (void)ax_buf_append_char(out, ',');
    ax_json_put_str(out, name);
}

static void put_views(struct ax_buf *out, const struct materialize_call *call,
                      const struct ax_definitions *definitions)
{
    const struct ax_json *item;
    ax_json_put_key(out, "feature_views");
    (void)ax_buf_append_char(out, '[');
    if (call->views) {
        struct ax_json_iter iter = ax_json_iterate(call->views);
        while ((item = ax_json_next(&iter))) {
            put_name(out, ax_json_str(item));
        }
    }
    for (size_t i = 0; !call->views && i < definitions->view_count; i++) {
        if (definitions->views[i].online)
            put_name(out, definitions->views[i].name);
    }
    (void)ax_buf_append_char(out, ']');
}

static void answer_accepted(struct ax_server_thread *thread, struct ax_request *request,
                            const struct materialize_call *call,
                            const struct ax_definitions *definitions)
{
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "status", AX_STR("accepted"));
    put_views(out, call, definitions);
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(thread, request, 202);
}

static void answer_conflict(struct ax_server_thread *thread, struct ax_request *request,
                            const struct materialize_call *call,
                            const struct ax_definitions *definitions, const struct ax_err *err)
{
    struct ax_buf text, *out = ax_server_thread_answer_begin(thread);
    ax_buf_init(&text, sizeof(err->msg) + 128);
    ax_buf_printf(&text, "Cannot start async materialization: %s; ?force=true waits behind it",
                  err->msg);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "error", ax_buf_str(&text));
    put_views(out, call, definitions);
    (void)ax_buf_append_char(out, '}');
    ax_buf_done(&text);
    ax_server_thread_answer(thread, request, 409);
}

/* ---- waiting ---- */

static void deliver_done(void *context, void *state, struct ax_request *request, void *message)
{
    (void)context;
    struct materialize_wait *wait = message;
    if (request && wait->err.code) {
        ax_feast_answer_failure(state, request, &wait->err);
    } else if (request) {
        (void)ax_buf_append_str(ax_server_thread_answer_begin(state), AX_STR("null"));
        ax_server_thread_answer(state, request, 200);
    }
    free(wait);
}

/* On the thread for jobs. */
static void job_done(void *arg, const struct ax_err *err)
{
    struct materialize_wait *wait = arg;
    wait->err = *err;
    /* The views are there: what is not is a file of a source, which is wrong. */
    if (err->code == AX_E_NOT_FOUND)
        wait->err.code = AX_E_INVALID;
    ax_request_post(wait->worker, wait->id, deliver_done, wait);
}

/* ---- the request ---- */

static enum ax_code submit(struct ax_server_thread *thread, struct ax_request *request,
                           const struct materialize_call *call, struct ax_err *err)
{
    struct ax_control *control = ax_server_control(thread->server);
    struct ax_control_task task = { .request = call->request,
                                    .is_only = call->is_async && !call->is_forced };
    struct materialize_wait *wait = NULL;
    if (!control)
        return ax_fail(err, AX_E_UNAVAILABLE, "the server does not own its state directory");
    if (!call->is_async) {
        wait = ax_try_alloc(1, sizeof(*wait));
        if (!wait)
            return ax_fail(err, AX_E_LIMIT, "no memory for the request");
        *wait = (struct materialize_wait){ .worker = request->worker, .id = request->id };
        task.done = job_done;
        task.arg = wait;
    }
    if (ax_control_submit(control, &task, err))
        free(wait);
    return err->code;
}

static void run(struct ax_server_thread *thread, struct ax_request *request,
                struct materialize_call *call, const struct ax_json *root)
{
    struct ax_serving_features *features = ax_server_features(thread->server);
    const struct ax_definitions *definitions = NULL;
    struct ax_err err = AX_ERR_INIT;
    if (features)
        definitions = &features->applied->definitions;
    else if (!ax_server_check_features(thread->server, &err))
        (void)ax_fail(&err, AX_E_NOT_FOUND, "no definitions of features are in force");
    if (!err.code && !read_query(request, call, &err) &&
        !take_body(call, root, definitions, &request->arena, &err))
        (void)(submit(thread, request, call, &err) != AX_OK);
    if (err.code == AX_E_CONFLICT)
        answer_conflict(thread, request, call, definitions, &err);
    else if (err.code)
        ax_feast_answer_failure(thread, request, &err);
    else if (call->is_async)
        answer_accepted(thread, request, call, definitions);
}

static void begin(struct ax_call *call, bool is_incremental)
{
    assert(call);
    struct materialize_call asked = { .is_incremental = is_incremental };
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc = NULL;
    if (call->request->body.len > BODY_BYTES_MAX)
        (void)ax_fail(&err, AX_E_TOO_LARGE, "the body has more than %zu bytes", BODY_BYTES_MAX);
    if (err.code || ax_json_parse(call->request->body, &doc, &err))
        ax_feast_answer_failure(call->thread, call->request, &err);
    else
        run(call->thread, call->request, &asked, ax_json_root(doc));
    ax_json_free(doc);
}

void ax_feast_materialize(struct ax_call *call)
{
    begin(call, false);
}

void ax_feast_materialize_incremental(struct ax_call *call)
{
    begin(call, true);
}
