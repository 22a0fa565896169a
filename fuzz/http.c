/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz HTTP/1.1 from bytes to answers.
 *
 * The first byte says in what steps the rest is fed. First the parser alone: whatever the steps,
 * it must find the same requests and refuse at the same place, also when each body is thrown away
 * as that of a request which was refused by its head. Then a worker with a connection over a socket
 * pair, whose requests are answered at once, in wake_end and in steps, or refused by their heads:
 * everything that comes back must be answers, and when the client has gone nothing may be left.
 */
#include "net/http1.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/metric.h"

#include "net/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROUNDS_MAX  100000
#define WAITING_MAX 64

static struct ax_http_config config = {
    .body_bytes_max = 4096,
    .compress_bytes_min = 16,
    .header_bytes_max = 1024,
    .header_count_max = 8,
    .chunk_count_max = 16,
    .connections_max = 4,
    .pipeline_requests_max = 4,
    .requests_max = 8,
    .bodies_bytes_max = 300000,
    .request_bytes_max = 65536,
    .header_timeout_ns = UINT64_MAX / 4,
    .body_timeout_ns = UINT64_MAX / 4,
    .body_rate_min = 1,
    .idle_timeout_ns = UINT64_MAX / 4,
    .write_timeout_ns = UINT64_MAX / 4,
    .drain_timeout_ns = UINT64_MAX / 4,
};

struct outcome {
    uint64_t requests; /* a digest of all of them, in order */
    size_t count;      /* of them */
    int refused;       /* status, or 0 */
    bool closes;
    bool has_coded; /* a body that is compressed, and may be damaged, began */
};

static uint64_t digest_add(uint64_t digest, struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++)
        assert(text.ptr[i] || true); /* every byte can be read */
    return ax_hash_seeded(text, digest);
}

static void outcome_add(struct outcome *outcome, const struct ax_exchange *exchange)
{
    const struct ax_request *request = &exchange->request;
    assert(request->path.len && !memchr(request->path.ptr, '\0', request->path.len));
    assert(request->header_count <= config.header_count_max);
    assert(request->body.len <= config.body_bytes_max);
    for (size_t i = 0; i < 16; i++)
        assert(request->body.ptr[request->body.len + i] == 0);
    uint64_t digest = outcome->requests * 31 + (uint64_t)request->method;
    digest = digest_add(digest, request->path);
    digest = digest_add(digest, request->query);
    for (size_t i = 0; i < request->header_count; i++) {
        digest = digest_add(digest, request->headers[i].name);
        digest = digest_add(digest, request->headers[i].value);
    }
    outcome->requests = digest_add(digest, request->body);
    outcome->closes = exchange->closes;
}

/* Refuse what is being received by its head, as the connection does. */
static void refuse_by_head(struct ax_exchange_table *table, struct ax_http1 *http1)
{
    struct ax_exchange *sink = ax_exchange_take(table, 1);
    assert(sink);
    ax_exchange_make_sink(sink, http1->exchange);
    sink->closes = http1->exchange->closes; /* for the outcome */
    ax_exchange_give_back(table, http1->exchange);
    http1->exchange = sink;
}

static struct outcome parse_in_steps(const char *text, size_t len, size_t step, bool refuses)
{
    struct ax_output_pool outputs = { 0 };
    struct ax_exchange_table table;
    ax_exchange_table_init(&table, NULL, 0, &config, &outputs);
    struct ax_http1 http1;
    ax_http1_init(&http1, &table);
    struct outcome outcome = { 0 };
    for (size_t at = 0; at < len && !outcome.refused && !outcome.closes;) {
        if (!http1.exchange)
            http1.exchange = ax_exchange_take(&table, 1);
        size_t given = AX_MIN(step - at % step, len - at);
        size_t used = 0;
        enum ax_http1_event event = ax_http1_feed(&http1, text + at, given, &used);
        assert(used <= given);
        at += used;
        outcome.has_coded |= http1.exchange->coding != AX_CODING_IDENTITY;
        bool is_body = http1.exchange->state == AX_EXCHANGE_BODY && !http1.exchange->is_sink;
        if (refuses && is_body && event != AX_HTTP1_REFUSED) {
            refuse_by_head(&table, &http1);
            continue;
        }
        while (event == AX_HTTP1_CODED)
            event = ax_http1_inflate(&http1);
        if (event == AX_HTTP1_REQUEST) {
            outcome.count++;
            if (http1.exchange->is_sink)
                outcome.closes = http1.exchange->closes;
            else
                outcome_add(&outcome, http1.exchange);
            ax_exchange_give_back(&table, http1.exchange);
            http1.exchange = NULL;
        } else if (event == AX_HTTP1_REFUSED) {
            outcome.refused = http1.refusal.status;
            assert(outcome.refused >= 400 && http1.refusal.text);
        } else {
            assert(used == given);
        }
    }
    if (http1.exchange)
        ax_exchange_give_back(&table, http1.exchange);
    ax_exchange_table_done(&table);
    ax_output_pool_done(&outputs);
    return outcome;
}

/* The handler: how a request is answered depends on its path's length. */

static struct ax_request *waiting[WAITING_MAX];
static size_t waiting_count;

static void answer(struct ax_request *request)
{
    struct ax_answer answer = { .status = 200,
                                .content_type = "text/plain",
                                .body = request->body };
    ax_request_answer(request, &answer);
}

static void handler_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    size_t steps = (size_t)(uintptr_t)request->user;
    request->user = (void *)(uintptr_t)(steps - 1);
    if (steps > 1)
        ax_request_resume(request, handler_step);
    else
        answer(request);
}

static void handler_request(void *context, void *state, struct ax_request *request)
{
    switch (request->path.len % 4) {
    case 0:
        assert(waiting_count < WAITING_MAX);
        waiting[waiting_count++] = request;
        break;
    case 1:
        request->user = (void *)(uintptr_t)3;
        ax_request_resume(request, handler_step);
        break;
    default:
        answer(request);
        break;
    }
    (void)context;
    (void)state;
}

static bool handler_head(void *context, void *state, struct ax_request *request)
{
    if (request->path.len % 3)
        return true;
    handler_request(context, state, request);
    return false;
}

static void handler_cancelled(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    assert(ax_request_is_cancelled(request));
}

static bool handler_wake_end(void *context, void *state)
{
    (void)context;
    (void)state;
    while (waiting_count)
        answer(waiting[--waiting_count]);
    return false;
}

static const struct ax_http_handler handler = {
    .request = handler_request,
    .head = handler_head,
    .cancelled = handler_cancelled,
    .wake_end = handler_wake_end,
};

static struct ax_http_worker *the_worker(void)
{
    static struct ax_http_worker worker;
    static struct ax_http_metrics metrics;
    static bool is_made;
    if (!is_made) {
        struct ax_err err = AX_ERR_INIT;
        ax_metric_thread_attach();
        enum ax_code code = ax_http_metrics_register(&metrics, &err);
        assert(!code);
        code = ax_worker_init(&worker, 0, &config, &handler, &metrics, &err);
        assert(!code);
        is_made = true;
    }
    return &worker;
}

static void nothing_run(struct ax_loop_message *message)
{
    (void)message;
}

/* A round that does not wait. */
static void go_round(struct ax_http_worker *worker)
{
    struct ax_loop_message nothing = { .run = nothing_run };
    ax_loop_send(&worker->loop, &nothing);
    ax_worker_round(worker);
}

/* Read what came back; its beginning is that of an answer. */
static void client_read(int fd, bool *is_first)
{
    char bytes[4096];
    ssize_t len;
    while ((len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        assert(!*is_first || (len >= 9 && !memcmp(bytes, "HTTP/1.1 ", 9)));
        *is_first = false;
    }
}

static void serve_in_steps(const char *text, size_t len, size_t step, bool half_closes)
{
    struct ax_http_worker *worker = the_worker();
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
        return;
    ax_connection_open(worker, fds[0], NULL);
    bool is_first = true;
    for (size_t at = 0; at < len && worker->connection_count;) {
        ssize_t sent = send(fds[1], text + at, AX_MIN(step, len - at), MSG_NOSIGNAL);
        at += sent > 0 ? (size_t)sent : 0;
        go_round(worker);
        client_read(fds[1], &is_first);
    }
    if (half_closes) {
        (void)shutdown(fds[1], SHUT_WR);
        for (size_t i = 0; worker->connection_count; i++) {
            assert(i < ROUNDS_MAX);
            go_round(worker);
            client_read(fds[1], &is_first);
        }
    }
    (void)close(fds[1]);
    for (size_t i = 0; worker->connection_count || worker->exchanges.used_count; i++) {
        assert(i < ROUNDS_MAX);
        go_round(worker);
    }
    assert(!worker->exchanges.budget.used && !worker->again && !worker->dirty && !waiting_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    /* A copy of exactly this size, so that a read behind it is seen. */
    size_t len = size - 1;
    char *text = ax_xrealloc(NULL, len, 1);
    memcpy(text, data + 1, len);
    size_t step = 1u + data[0] % 127;
    struct outcome whole = parse_in_steps(text, len, len, false);
    struct outcome parts = parse_in_steps(text, len, step, false);
    struct outcome heads = parse_in_steps(text, len, step, true);
    /* Of two faults in one header, a limit and a bad byte, the first to be noticed counts. */
    assert(whole.requests == parts.requests && !whole.refused == !parts.refused &&
           whole.closes == parts.closes);
    /* Whatever becomes of a body, the next request begins where it does. */
    assert(parts.has_coded || heads.has_coded ||
           (parts.count == heads.count && !parts.refused == !heads.refused &&
            parts.closes == heads.closes));
    serve_in_steps(text, len, step, data[0] & 128);
    free(text);
    return 0;
}
