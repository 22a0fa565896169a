/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler's slots, and printing answers.
 *
 * The catalog is read once a wake-up. Scoring runs at its end, still inside the read section, so
 * requests that are answered in their own wake-up need no reference on their version.
 */
#include "server/server_thread.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "server/feature_store.h"
#include "server/request_user.h"
#include "server/router.h"
#include "server/server.h"

#include <assert.h>

enum ax_code ax_server_thread_begin(void *context, struct ax_http_worker *http, void **ret_state,
                                    struct ax_err *err)
{
    (void)http;
    struct ax_server *server = context;
    struct ax_epoch_reader *reader = ax_epoch_register(ax_server_epoch(server));
    if (!reader)
        return ax_fail(err, AX_E_LIMIT, "more than %d threads", AX_EPOCH_READERS_MAX);
    struct ax_server_thread *thread = ax_xalloc(sizeof(*thread));
    thread->server = server;
    thread->reader = reader;
    ax_scoring_init(&thread->scoring, ax_server_config(server)->admission);
    ax_buf_init(&thread->answer, AX_SERVER_ANSWER_MAX);
    if (ax_server_served_log(server))
        thread->sampler = ax_served_log_sampler(ax_server_served_log(server));
    *ret_state = thread;
    return AX_OK;
}

void ax_server_thread_end(void *context, void *state)
{
    (void)context;
    struct ax_server_thread *thread = state;
    ax_epoch_unregister(thread->reader);
    ax_scoring_done(&thread->scoring);
    ax_buf_done(&thread->answer);
    free(thread);
}

void ax_server_thread_wake_begin(void *context, void *state)
{
    struct ax_server_thread *thread = state;
    ax_epoch_enter(ax_server_epoch(context), thread->reader);
    thread->catalog = ax_snapshot_get(ax_server_snapshot(context));
    thread->print_left = AX_SERVER_PRINT_BYTES;
}

bool ax_server_thread_wake_end(void *context, void *state)
{
    (void)context;
    struct ax_server_thread *thread = state;
    bool more = ax_scoring_run(thread);
    thread->catalog = NULL;
    ax_epoch_leave(thread->reader);
    return more;
}

void ax_server_thread_request(void *context, void *state, struct ax_request *request)
{
    (void)context;
    ax_router_run(state, request);
}

bool ax_server_thread_head(void *context, void *state, struct ax_request *request)
{
    (void)context;
    return ax_router_head(state, request);
}

void ax_server_thread_incomplete(void *context, void *state, struct ax_request *request,
                                 enum ax_code code)
{
    (void)context;
    ax_router_incomplete(state, request, code);
}

void ax_server_thread_cancelled(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    const struct ax_request_user *user = ax_request_user_of(request->user);
    if (user && user->cancelled)
        user->cancelled(request->user);
}

void ax_server_thread_release(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    const struct ax_request_user *user = ax_request_user_of(request->user);
    if (user)
        user->release(request->user);
}

struct ax_buf *ax_server_thread_answer_begin(struct ax_server_thread *thread)
{
    assert(thread);
    if (thread->answer.cap > AX_SERVER_ANSWER_KEEP)
        ax_buf_clear(&thread->answer, AX_SERVER_ANSWER_KEEP);
    ax_buf_reset(&thread->answer);
    return &thread->answer;
}

/* When to come again, for who was refused at this moment: when what waits now is scored, and a
 * second later at least. */
static const char *thread_retry_after(struct ax_server_thread *thread, int status)
{
    if (status != 503 && status != 504)
        return NULL;
    uint64_t seconds = ax_scoring_backlog_ns(&thread->scoring) / AX_NS_PER_S + 1;
    if (seconds == 1)
        return "Retry-After: 1\r\n";
    (void)snprintf(thread->retry_after, sizeof(thread->retry_after), "Retry-After: %llu\r\n",
                   (unsigned long long)AX_MIN(seconds, (uint64_t)3600));
    return thread->retry_after;
}

void ax_server_thread_answer_as(struct ax_server_thread *thread, struct ax_request *request,
                                int status, const char *content_type)
{
    assert(thread && request && content_type);
    struct ax_err err = AX_ERR_INIT;
    if (ax_buf_check(&thread->answer, "the answer", &err)) {
        ax_server_thread_answer_error(thread, request, 500, err.msg, NULL);
        return;
    }
    struct ax_answer answer = { .status = status,
                                .content_type = content_type,
                                .extra_headers = thread_retry_after(thread, status),
                                .body = ax_buf_str(&thread->answer) };
    ax_request_answer(request, &answer);
}

bool ax_server_thread_is_ready(const struct ax_server_thread *thread)
{
    assert(thread);
    return ax_catalog_is_ready(thread->catalog) &&
           ax_feature_store_is_ready(ax_server_feature_store(thread->server));
}

struct ax_served_sampler *ax_server_thread_sampler(const struct ax_server_thread *thread)
{
    assert(thread);
    bool is_logged =
        thread->sampler && ax_feature_store_is_ready(ax_server_feature_store(thread->server));
    return is_logged ? thread->sampler : NULL;
}

void ax_server_thread_answer(struct ax_server_thread *thread, struct ax_request *request,
                             int status)
{
    ax_server_thread_answer_as(thread, request, status, "application/json");
}

void ax_server_thread_answer_error(struct ax_server_thread *thread, struct ax_request *request,
                                   int status, const char *text, const char *extra_headers)
{
    assert(thread && request && text);
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    (void)ax_buf_append_str(out, AX_STR("{\"error\":"));
    ax_json_put_str(out, ax_str_from(text));
    (void)ax_buf_append_char(out, '}');
    struct ax_answer answer = { .status = status,
                                .content_type = "application/json",
                                .extra_headers = extra_headers ? extra_headers
                                                               : thread_retry_after(thread, status),
                                .body = ax_buf_str(out) };
    ax_request_answer(request, &answer);
}
