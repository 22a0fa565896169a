/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handler does with a request: look at it, answer it, go on later, be told by another
 * thread.
 */
#include "net/http.h"

#include "base/alloc.h"

#include "net/coded_answer.h"
#include "net/worker.h"

#include <assert.h>
#include <stdlib.h>

static struct ax_exchange *exchange_of(struct ax_request *request)
{
    assert(request);
    struct ax_exchange *exchange = container_of(request, struct ax_exchange, request);
    assert(exchange->state == AX_EXCHANGE_HANDED);
    return exchange;
}

struct ax_str ax_request_header(const struct ax_request *request, const char *name)
{
    assert(request && name);
    struct ax_str wanted = ax_str_from(name);
    for (size_t i = 0; i < request->header_count; i++)
        if (ax_str_equals(request->headers[i].name, wanted))
            return request->headers[i].value;
    return (struct ax_str){ NULL, 0 };
}

bool ax_request_has_second(const struct ax_request *request, const char *name)
{
    assert(request && name);
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += ax_str_is(request->headers[i].name, name);
    return count > 1;
}

bool ax_request_is_cancelled(const struct ax_request *request)
{
    assert(request);
    return !container_of_const(request, struct ax_exchange, request)->connection;
}

bool ax_request_is_local(const struct ax_request *request)
{
    assert(request);
    const struct ax_exchange *exchange = container_of_const(request, struct ax_exchange, request);
    return exchange->connection && ax_connection_is_local(exchange->connection);
}

static void gone_step(void *context, void *state, struct ax_request *request)
{
    request->worker->handler->cancelled(context, state, request);
}

void ax_exchange_tell_gone(struct ax_exchange *exchange)
{
    assert(exchange && exchange->state == AX_EXCHANGE_HANDED && !exchange->connection);
    struct ax_http_worker *worker = exchange->request.worker;
    if (worker->handler->cancelled && !exchange->step)
        ax_worker_queue(worker, exchange, gone_step);
}

/* The handler goes on with a request before it could be told that its client is gone. */
static void exchange_stop_telling(struct ax_exchange *exchange)
{
    if (exchange->step == gone_step)
        ax_worker_unqueue(exchange->request.worker, exchange);
}

/* False without memory for the answer. */
static bool exchange_print(struct ax_exchange *exchange, const struct ax_answer *answer)
{
    struct ax_http_worker *worker = exchange->request.worker;
    struct ax_connection *connection = exchange->connection;
    if (worker->is_draining && ax_connection_is_last(connection, exchange))
        exchange->closes = true;
    if (exchange->closes && connection->input == AX_INPUT_OPEN)
        connection->input = AX_INPUT_DISCARDED;
    return ax_exchange_print(exchange, &worker->outputs, answer);
}

/* The answer is printed, or could not be. */
static void exchange_answered(struct ax_exchange *exchange, bool is_printed)
{
    struct ax_http_worker *worker = exchange->request.worker;
    if (is_printed) {
        exchange->state = AX_EXCHANGE_ANSWERED;
        ax_connection_answered(exchange->connection);
        return;
    }
    ax_metric_add(worker->metrics->dropped, 1);
    /* The client must not wait for an answer that there was no memory for. */
    struct ax_connection *connection = exchange->connection;
    exchange->state = AX_EXCHANGE_HANDED; /* not to be dropped by closing, too */
    if (connection)
        ax_connection_close(connection);
    ax_exchange_give_back(&worker->exchanges, exchange);
}

/* Compress the answer on. */
static void coded_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct ax_exchange *exchange = container_of(request, struct ax_exchange, request);
    struct ax_http_worker *worker = request->worker;
    struct ax_answer answer;
    if (ax_coded_answer_step(exchange, &answer))
        exchange_answered(exchange, exchange_print(exchange, &answer));
    else
        ax_worker_queue(worker, exchange, coded_step);
}

void ax_request_answer(struct ax_request *request, const struct ax_answer *answer)
{
    struct ax_exchange *exchange = exchange_of(request);
    exchange_stop_telling(exchange);
    assert(answer && answer->status >= 200 && answer->status <= 599 && !exchange->step);
    struct ax_http_worker *worker = request->worker;
    ax_metric_add(worker->metrics->requests[answer->status / 100], 1);
    bool is_coded = exchange->connection && ax_coded_answer_begin(exchange, answer);
    bool is_printed = exchange->connection && !is_coded && exchange_print(exchange, answer);
    if (answer->body_buf)
        ax_buf_reset(answer->body_buf);
    if (worker->handler->release)
        worker->handler->release(worker->handler->context, worker->state, request);
    if (!is_coded) {
        exchange_answered(exchange, is_printed);
        return;
    }
    exchange->state = AX_EXCHANGE_CODED;
    ax_worker_queue(worker, exchange, coded_step);
}

void ax_request_resume(struct ax_request *request,
                       void (*step)(void *context, void *state, struct ax_request *request))
{
    struct ax_exchange *exchange = exchange_of(request);
    exchange_stop_telling(exchange);
    assert(step && !exchange->step);
    ax_worker_queue(request->worker, exchange, step);
}

struct request_message {
    struct ax_loop_message base;
    struct ax_http_worker *worker;
    uint64_t request_id;
    void (*deliver)(void *context, void *state, struct ax_request *request, void *message);
    void *message;
};

static void request_message_run(struct ax_loop_message *base)
{
    struct request_message *message = container_of(base, struct request_message, base);
    struct ax_http_worker *worker = message->worker;
    struct ax_exchange *exchange = ax_exchange_find(&worker->exchanges, message->request_id);
    bool is_there = exchange && exchange->state == AX_EXCHANGE_HANDED;
    ax_worker_wake(worker);
    message->deliver(worker->handler->context, worker->state, is_there ? &exchange->request : NULL,
                     message->message);
    free(message);
}

void ax_request_post(struct ax_http_worker *worker, uint64_t request_id,
                     void (*deliver)(void *context, void *state, struct ax_request *request,
                                     void *message),
                     void *message)
{
    assert(worker && deliver);
    struct request_message *wrapped = ax_xalloc(sizeof(*wrapped));
    *wrapped = (struct request_message){ .base.run = request_message_run,
                                         .worker = worker,
                                         .request_id = request_id,
                                         .deliver = deliver,
                                         .message = message };
    ax_loop_send(&worker->loop, &wrapped->base);
}
