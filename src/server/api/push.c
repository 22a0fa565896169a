/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /push: rows of a source, which are history and online values from then on.
 *
 * The body becomes columns in steps of the request's thread. Then they are a batch for the writer
 * of the online store (store_write.h), which journals and applies it. See docs/protocols/push.md.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "base/metric.h"
#include "feature/expectation_result.h"
#include "net/uri.h"
#include "server/api/endpoints.h"
#include "server/api/feast_answer.h"
#include "server/api/push_body.h"
#include "server/api/store_write.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"
#include "server/serving_features.h"

#include <assert.h>

#define SLICE_BYTES ((size_t)16 << 10)

struct push {
    struct ax_store_write base; /* first; has views when the columns are being filled */
    struct ax_push_body body;
    size_t source; /* its number in the definitions, */
    bool is_gone;  /* which do not have it */
};

/* ---- answering ---- */

/* What is wrong with the rows is 422, as Feast's servers and their kind have it. Definitions that
 * changed meanwhile are in force soon: coming again helps. */
static int status_of(const struct push *push, enum ax_code code)
{
    if (code == AX_E_INVALID || code == AX_E_UNSUPPORTED || (push->is_gone && push->body.is_feast))
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
    ax_feast_put_error(out, push->is_gone ? "PushSourceNotFoundException" : "FeastError", err);
    ax_server_thread_answer(thread, request, status);
}

/* Feast's answer has no body. */
static void answer_done(struct ax_server_thread *thread, struct ax_request *request,
                        const struct push *push)
{
    const struct ax_online_batch *batch = &push->base.batch;
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    if (!push->body.is_feast) {
        (void)ax_buf_append_char(out, '{');
        ax_json_put_member_u64(out, "rows", push->body.row_count);
        ax_json_put_member_u64(out, "written", batch->written);
        ax_json_put_member_u64(out, "stale", batch->stale);
        ax_json_put_member_u64(out, "refused", batch->refused);
        if (push->body.dropped_count)
            ax_json_put_member_u64(out, "dropped", push->body.dropped_count);
        if (batch->err.code)
            ax_json_put_member(out, "reason", ax_str_from(batch->err.msg));
        (void)ax_buf_append_char(out, '}');
    }
    ax_server_thread_answer_as(thread, request, 200,
                               push->body.is_feast ? "text/plain" : "application/json");
}

/* ---- what was expected ---- */

static const struct ax_metric_family unexpected_family = {
    .name = "ax_push_unexpected_total",
    .help = "Times that a pushed row was not as its source expects, by what is done about it.",
    .type = AX_METRIC_COUNTER,
    .labels = "source,do",
};

static void count_unexpected(const struct push *push, const size_t counts[AX_EXPECT_FAIL + 1])
{
    for (size_t i = 0; i <= AX_EXPECT_FAIL; i++) {
        struct ax_err ignored = AX_ERR_INIT; /* without room for series nothing is counted */
        ax_metric metric = 0;
        const struct ax_str labels[] = {
            push->body.plan->source->name,
            ax_expectation_action_name((enum ax_expectation_action)i),
        };
        if (counts[i] && !ax_metric_register(&unexpected_family, labels, &metric, &ignored))
            ax_metric_add(metric, counts[i]);
    }
}

/* ---- the batch ---- */

static void answer(struct ax_server_thread *thread, struct ax_request *request,
                   struct ax_store_write *base)
{
    struct push *push = container_of(base, struct push, base);
    /* Rows that were journalled are taken in, even if the table has no room for what follows. */
    if (base->batch.err.code && !base->batch.refused) {
        answer_failure(thread, request, push, &base->batch.err);
        return;
    }
    count_unexpected(push, base->batch.unexpected);
    push->body.row_count -= base->batch.dropped;
    push->body.dropped_count += base->batch.dropped;
    answer_done(thread, request, push);
}

static void send(struct ax_server_thread *thread, struct ax_request *request, struct push *push)
{
    struct ax_err err = AX_ERR_INIT;
    count_unexpected(push, push->body.unexpected);
    if (push->body.row_count == 0) {
        answer_done(thread, request, push);
        return;
    }
    int64_t latest_us =
        ax_source_rows_latest_us(push->base.views->source_plans[push->source], &push->body.rows);
    const struct ax_online_batch batch = {
        .kind = AX_ONLINE_ROWS,
        .number = push->source,
        .rows = &push->body.rows,
        .taken_us = ax_server_taken_us(thread->server, latest_us),
    };
    if (ax_store_write_send(&push->base, thread, request, &batch, &err))
        answer_failure(thread, request, push, &err);
}

/* ---- reading ---- */

/* The plan of the source that was named. */
static enum ax_code find_source(struct ax_server_thread *thread, struct push *push,
                                const struct ax_source_plan **ret_plan, struct ax_err *err)
{
    const struct ax_source *source;
    struct ax_serving_features *features = ax_server_features(thread->server);
    if (ax_server_check_features(thread->server, err))
        return err->code;
    if (!features)
        return ax_fail(err, AX_E_NOT_FOUND, "no definitions of features are in force; apply some");
    struct ax_online_views *views = features->online;
    const struct ax_definitions *definitions = views->given.definitions;
    push->is_gone = ax_definitions_find_source(definitions, push->body.source, &source, err);
    if (push->is_gone)
        return err->code;
    push->source = (size_t)(source - definitions->sources);
    *ret_plan = ax_online_views_journalled(views, push->source);
    if (!source->push)
        return ax_fail(err, AX_E_INVALID, "source '%.*s' is not pushed; its 'push' is not true",
                       AX_STR_ARG(source->name));
    push->base.views = ax_online_views_ref(views);
    return AX_OK;
}

static enum ax_code read_some(struct ax_server_thread *thread, struct push *push, bool *ret_done,
                              struct ax_err *err)
{
    const struct ax_source_plan *plan = NULL;
    size_t cost = 0;
    bool is_read = false;
    if (push->base.views)
        return ax_push_body_fill(&push->body, SLICE_BYTES, &cost, ret_done, err);
    if (ax_push_body_read(&push->body, SLICE_BYTES, &cost, &is_read, err) || !is_read)
        return err->code;
    if (find_source(thread, push, &plan, err) ||
        ax_push_body_fill_begin(&push->body, plan, ax_server_wall_us(), &push->base.arena, err))
        return err->code;
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
        send(state, request, push);
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
        if (!is_taken)
            break;
        if (!ax_str_is(name, "source"))
            return ax_fail(err, AX_E_INVALID, "the query has '%.*s'; it takes 'source' alone",
                           AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)));
        if (ret_source->len)
            return ax_fail(err, AX_E_INVALID, "'source' is given twice");
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
    *push = (struct push){ 0 };
    ax_store_write_init(&push->base, request, answer);
    if (read_query(request, &source, &err)) {
        answer_failure(call->thread, request, push, &err);
        return;
    }
    ax_push_body_init(&push->body, request->body, has_lines(request), source, &request->arena);
    step(NULL, call->thread, request);
}
