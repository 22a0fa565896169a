/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /push: rows of a source, which are history and online values from then on.
 *
 * The body becomes columns in steps of the request's thread. Then they are a batch for the writer
 * of the online store, which journals and applies it and tells the thread by a message; no thread
 * waits. What is sent has memory of its own and is freed when its message comes, so that a request
 * may end before. See docs/protocols/push.md.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "net/uri.h"
#include "server/api/endpoints.h"
#include "server/api/feast_answer.h"
#include "server/api/push_body.h"
#include "server/feature_store.h"
#include "server/request_user.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"
#include "server/serving_features.h"

#include <assert.h>
#include <stdlib.h>

#define SLICE_BYTES       ((size_t)16 << 10)
#define ARENA_FIRST_BYTES ((size_t)4 << 10)

enum { PUSH_READS, PUSH_FILLS, PUSH_WAITS };

struct push {
    const struct ax_request_user *user; /* first */
    struct ax_request *request;         /* while it is read */
    struct ax_push_body body;
    int state;
    struct ax_arena arena;         /* of the columns; draws on the request's budget */
    struct ax_online_views *views; /* a reference, from PUSH_FILLS on */
    size_t source;                 /* its number in the definitions */
    struct ax_online_batch batch;
    struct ax_http_worker *worker;
    uint64_t id;
};

static void push_free(struct push *push)
{
    ax_online_views_unref(push->views);
    ax_arena_done(&push->arena);
    free(push);
}

/* One that waits is the writer's until its message comes. */
static void push_release(void *user)
{
    struct push *push = user;
    if (push->state != PUSH_WAITS)
        push_free(push);
}

static const struct ax_request_user push_user = { .release = push_release };

/* ---- answering ---- */

/* What is wrong with the rows is 422, as Feast's servers and their kind have it. Definitions that
 * changed meanwhile are in force soon: coming again helps. */
static int status_of(const struct push *push, enum ax_code code)
{
    if (code == AX_E_INVALID || code == AX_E_UNSUPPORTED ||
        (code == AX_E_NOT_FOUND && push->body.is_feast))
        return 422;
    return code == AX_E_CONFLICT ? 503 : ax_code_http(code);
}

static void answer_failure(struct ax_server_thread *thread, struct ax_request *request,
                           const struct push *push, const struct ax_err *err)
{
    int status = status_of(push, err->code);
    if (!push->body.is_feast || status >= 500) {
        ax_server_thread_answer_error(thread, request, status, err->msg, NULL);
        return;
    }
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    ax_feast_put_error(
        out, err->code == AX_E_NOT_FOUND ? "PushSourceNotFoundException" : "FeastError", err);
    ax_server_thread_answer(thread, request, status);
}

/* Feast's answer has no body. */
static void answer_done(struct ax_server_thread *thread, struct ax_request *request,
                        const struct push *push)
{
    const struct ax_online_batch *batch = &push->batch;
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    if (!push->body.is_feast) {
        (void)ax_buf_append_char(out, '{');
        ax_json_put_member_u64(out, "rows", push->body.row_count);
        ax_json_put_member_u64(out, "written", batch->written);
        ax_json_put_member_u64(out, "stale", batch->stale);
        ax_json_put_member_u64(out, "refused", batch->refused);
        if (batch->err.code)
            ax_json_put_member(out, "reason", ax_str_from(batch->err.msg));
        (void)ax_buf_append_char(out, '}');
    }
    ax_server_thread_answer_as(thread, request, 200,
                               push->body.is_feast ? "text/plain" : "application/json");
}

/* ---- the batch ---- */

static void deliver_done(void *context, void *state, struct ax_request *request, void *message)
{
    (void)context;
    struct push *push = message;
    /* Rows that were journalled are taken in, even if the table has no room for what follows. */
    if (request && push->batch.err.code && !push->batch.refused)
        answer_failure(state, request, push, &push->batch.err);
    else if (request)
        answer_done(state, request, push);
    push_free(push);
}

/* On the writer's thread. */
static void batch_done(struct ax_online_batch *batch)
{
    struct push *push = container_of(batch, struct push, batch);
    ax_request_post(push->worker, push->id, deliver_done, push);
}

static void send(struct ax_server_thread *thread, struct push *push)
{
    struct ax_online_writer *writer =
        ax_feature_store_writer(ax_server_feature_store(thread->server));
    struct ax_err err = AX_ERR_INIT;
    if (push->body.row_count == 0) {
        answer_done(thread, push->request, push);
        return;
    }
    int64_t latest_us =
        ax_source_rows_latest_us(push->views->source_plans[push->source], &push->body.rows);
    push->batch =
        (struct ax_online_batch){ .kind = AX_ONLINE_ROWS,
                                  .views = push->views,
                                  .number = push->source,
                                  .rows = &push->body.rows,
                                  .taken_us = ax_server_taken_us(thread->server, latest_us),
                                  .done = batch_done };
    push->worker = push->request->worker;
    push->id = push->request->id;
    push->state = PUSH_WAITS;
    if (!ax_online_writer_send(writer, &push->batch, &err))
        return;
    push->state = PUSH_FILLS;
    answer_failure(thread, push->request, push, &err);
}

/* ---- reading ---- */

/* The plan of the source that was named. */
static enum ax_code find_source(struct ax_server_thread *thread, struct push *push,
                                const struct ax_source_plan **ret_plan, struct ax_err *err)
{
    const struct ax_source *source;
    struct ax_serving_features *features = ax_server_features(thread->server);
    if (!features)
        return ax_fail(err, AX_E_NOT_FOUND, "no definitions of features are in force; apply some");
    struct ax_online_views *views = features->online;
    const struct ax_definitions *definitions = views->given.definitions;
    if (ax_definitions_find_source(definitions, push->body.source, &source, err))
        return err->code;
    push->source = (size_t)(source - definitions->sources);
    if (!views->source_plans[push->source])
        return ax_fail(err, AX_E_INVALID, "source '%.*s' is not pushed; its 'push' is not true",
                       AX_STR_ARG(source->name));
    push->views = ax_online_views_ref(views);
    *ret_plan = views->source_plans[push->source];
    return AX_OK;
}

static enum ax_code read_some(struct ax_server_thread *thread, struct push *push, bool *ret_done,
                              struct ax_err *err)
{
    const struct ax_source_plan *plan = NULL;
    size_t cost = 0;
    bool is_read = false;
    if (push->state == PUSH_FILLS)
        return ax_push_body_fill(&push->body, SLICE_BYTES, &cost, ret_done, err);
    if (ax_push_body_read(&push->body, SLICE_BYTES, &cost, &is_read, err) || !is_read)
        return err->code;
    if (find_source(thread, push, &plan, err) ||
        ax_push_body_fill_begin(&push->body, plan, ax_server_wall_us(), &push->arena, err))
        return err->code;
    push->state = PUSH_FILLS;
    return cost < SLICE_BYTES
               ? ax_push_body_fill(&push->body, SLICE_BYTES - cost, &cost, ret_done, err)
               : AX_OK;
}

static void step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    struct push *push = request->user;
    struct ax_err err = AX_ERR_INIT;
    bool is_done = false;
    if (ax_request_is_cancelled(request))
        (void)ax_fail(&err, AX_E_CANCELLED, "the client went away");
    else
        (void)(read_some(state, push, &is_done, &err) != AX_OK);
    if (err.code)
        answer_failure(state, request, push, &err);
    else if (is_done)
        send(state, push);
    else
        ax_request_resume(request, step);
}

/* ---- beginning ---- */

/* Lines, one a row; all else is JSON, whatever it is called. */
static bool has_lines(const struct ax_request *request)
{
    static const char *const types[] = { "application/x-ndjson", "application/ndjson",
                                         "application/jsonl", "application/x-jsonlines" };
    struct ax_str type = ax_request_header(request, "content-type");
    const char *end = type.len ? memchr(type.ptr, ';', type.len) : NULL;
    if (end)
        type.len = (size_t)(end - type.ptr);
    while (type.len && type.ptr[type.len - 1] == ' ')
        type.len--;
    for (size_t i = 0; i < AX_COUNT(types); i++) {
        if (ax_str_equals_nocase(type, ax_str_from(types[i])))
            return true;
    }
    return false;
}

/* The source that the query names, or an empty text. */
static enum ax_code read_query(struct ax_request *request, struct ax_str *ret_source,
                               struct ax_err *err)
{
    struct ax_str query = request->query;
    struct ax_str name, value;
    bool is_taken = true;
    while (is_taken) {
        if (ax_uri_take_parameter(&query, &request->arena, &name, &value, &is_taken, err))
            return err->code;
        if (is_taken && ax_str_is(name, "source"))
            *ret_source = value;
    }
    return AX_OK;
}

void ax_push(struct ax_call *call)
{
    assert(call);
    struct ax_request *request = call->request;
    struct ax_str source = AX_STR("");
    struct ax_err err = AX_ERR_INIT;
    struct push *push = ax_try_alloc(1, sizeof(*push));
    if (!push) {
        ax_server_thread_answer_error(call->thread, request, 503, "no memory for the request",
                                      NULL);
        return;
    }
    *push = (struct push){ .user = &push_user, .request = request };
    ax_arena_init(&push->arena, ARENA_FIRST_BYTES, request->arena.max);
    push->arena.budget = request->arena.budget;
    request->user = push;
    if (read_query(request, &source, &err)) {
        answer_failure(call->thread, request, push, &err);
        return;
    }
    ax_push_body_init(&push->body, request->body, has_lines(request), source, &request->arena);
    step(NULL, call->thread, request);
}
