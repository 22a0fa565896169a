/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The round of an I/O thread, and the drain. (Accepting is in acceptor.c.)
 *
 * A round has a millisecond before wake_end, in three parts: for sockets that became ready, for
 * connections that had to stop before, and for steps. Who comes new is therefore served before
 * those that have much to do, and each part gets on however much there is for the others, since at
 * least one turn is taken in each. While wake_end is behind, a connection has no more than one
 * request at work, so that what waits there is bounded by the number of connections.
 *
 * Drain: everything that waits in the accept queue is accepted, then the listeners are left. A
 * connection without a request gets GRACE_NS for another one, since a client that keeps its
 * connection open may be sending at this very moment; that answer says "Connection: close". The
 * thread ends when no connection and no request is left, or when the drain timeout cuts it.
 */
#include "net/worker.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_KEPT 256
/* When the parts of a round are over: sockets that are ready, connections that had to stop, steps.
 */
#define READY_NS ((uint64_t)AX_NS_PER_MS / 2)
#define AGAIN_NS ((uint64_t)AX_NS_PER_MS * 3 / 4)
#define STEPS_NS ((uint64_t)AX_NS_PER_MS)
/* Work between two looks at the clock. */
#define LOOK_BYTES ((size_t)4 << 10)
/* Read a round, of sockets that are ready; and as much of those that had to wait. */
#define READ_BYTES ((size_t)512 << 10)
/* Written a round, before all have to write less. */
#define WRITE_BYTES ((size_t)1 << 20)
#define LINGER_NS   (2 * (uint64_t)AX_NS_PER_S)
#define GRACE_NS    (500 * (uint64_t)AX_NS_PER_MS)
#define PROBE_NS    (10 * (uint64_t)AX_NS_PER_MS)
#define PAUSE_NS    (100 * (uint64_t)AX_NS_PER_MS)

static const struct ax_metric_family family_connections = { "ax_http_connections",
                                                            "Connections that are open.",
                                                            AX_METRIC_GAUGE, NULL };
static const struct ax_metric_family family_connections_total = { "ax_http_connections_total",
                                                                  "Connections accepted.",
                                                                  AX_METRIC_COUNTER, NULL };
static const struct ax_metric_family family_refused = {
    "ax_http_refused_total", "Connections refused at once, by the limit that they met.",
    AX_METRIC_COUNTER, "reason"
};
static const struct ax_metric_family family_limits = {
    "ax_http_limits_total", "Requests refused before they were handed over, by the limit they met.",
    AX_METRIC_COUNTER, "reason"
};
static const struct ax_metric_family family_holds = {
    "ax_http_holds_total", "Times that no more was read from a connection, by the limit it met.",
    AX_METRIC_COUNTER, "reason"
};
static const struct ax_metric_family family_pauses = {
    "ax_http_accept_pauses_total",
    "Times that an I/O thread stopped accepting, since no descriptor was left.", AX_METRIC_COUNTER,
    NULL
};
static const struct ax_metric_family family_requests = {
    "ax_http_requests_total", "Answers given, net's own refusals included.", AX_METRIC_COUNTER,
    "code"
};
static const struct ax_metric_family family_timeouts = { "ax_http_timeouts_total",
                                                         "Connections whose client was too slow.",
                                                         AX_METRIC_COUNTER, "kind" };
static const struct ax_metric_family family_received = { "ax_http_received_bytes_total",
                                                         "Bytes read from clients.",
                                                         AX_METRIC_COUNTER, NULL };
static const struct ax_metric_family family_sent = { "ax_http_sent_bytes_total",
                                                     "Bytes written to clients.", AX_METRIC_COUNTER,
                                                     NULL };
static const struct ax_metric_family family_dropped = { "ax_http_dropped_total",
                                                        "Answers whose client was gone.",
                                                        AX_METRIC_COUNTER, NULL };

static const struct ax_metric_family family_waits = {
    "ax_http_waits_total",
    "Times that an I/O thread had nothing to do, by how it was when something came.",
    AX_METRIC_COUNTER, "kind"
};
static const struct ax_metric_family family_unreadable = {
    "ax_http_unreadable_total", "Requests that ended or were refused before their head was read.",
    AX_METRIC_COUNTER, NULL
};
static const struct ax_metric_family family_compressed = { "ax_http_compressed_total",
                                                           "Bodies that came, or left, compressed.",
                                                           AX_METRIC_COUNTER, "kind" };
static const struct ax_metric_family family_plain = {
    "ax_http_plain_bytes_total", "Bytes that those bodies have when they are not compressed.",
    AX_METRIC_COUNTER, "kind"
};

enum ax_code ax_http_metrics_register(struct ax_http_metrics *ret_metrics, struct ax_err *err)
{
    assert(ret_metrics && err);
    struct ax_http_metrics metrics = { 0 };
    const struct {
        const struct ax_metric_family *family;
        const char *label;
        ax_metric *metric;
    } all[] = {
        { &family_connections, NULL, &metrics.connections },
        { &family_connections_total, NULL, &metrics.connections_total },
        { &family_refused, "connections_max", &metrics.refused_connections_max },
        { &family_refused, "connections_per_peer_max", &metrics.refused_per_peer_max },
        { &family_refused, "descriptors", &metrics.refused_descriptors },
        { &family_limits, "body_bytes_max", &metrics.limits[AX_HTTP_LIMIT_BODY_BYTES] },
        { &family_limits, "chunk_count_max", &metrics.limits[AX_HTTP_LIMIT_CHUNK_COUNT] },
        { &family_limits, "header_bytes_max", &metrics.limits[AX_HTTP_LIMIT_HEADER_BYTES] },
        { &family_limits, "header_count_max", &metrics.limits[AX_HTTP_LIMIT_HEADER_COUNT] },
        { &family_limits, "requests_max", &metrics.limits[AX_HTTP_LIMIT_REQUESTS] },
        { &family_limits, "bodies_bytes_max", &metrics.limits[AX_HTTP_LIMIT_BODIES_BYTES] },
        { &family_limits, "request_bytes_max", &metrics.limits[AX_HTTP_LIMIT_REQUEST_BYTES] },
        { &family_holds, "pipeline_requests_max", &metrics.held_pipeline },
        { &family_holds, "output", &metrics.held_output },
        { &family_pauses, NULL, &metrics.accept_pauses },
        { &family_requests, "2xx", &metrics.requests[2] },
        { &family_requests, "3xx", &metrics.requests[3] },
        { &family_requests, "4xx", &metrics.requests[4] },
        { &family_requests, "5xx", &metrics.requests[5] },
        { &family_timeouts, "header", &metrics.timeout_header },
        { &family_timeouts, "body", &metrics.timeout_body },
        { &family_timeouts, "idle", &metrics.timeout_idle },
        { &family_timeouts, "write", &metrics.timeout_write },
        { &family_received, NULL, &metrics.received_bytes },
        { &family_sent, NULL, &metrics.sent_bytes },
        { &family_dropped, NULL, &metrics.dropped },
        { &family_compressed, "request", &metrics.compressed_requests },
        { &family_compressed, "answer", &metrics.compressed_answers },
        { &family_plain, "request", &metrics.inflated_bytes },
        { &family_plain, "answer", &metrics.deflated_bytes },
        { &family_unreadable, NULL, &metrics.unreadable },
        { &family_waits, "polled", &metrics.waits[AX_LOOP_POLLED] },
        { &family_waits, "slept", &metrics.waits[AX_LOOP_SLEPT] },
    };
    for (size_t i = 0; i < AX_COUNT(all); i++) {
        struct ax_str value = ax_str_from(all[i].label);
        enum ax_code code =
            ax_metric_register(all[i].family, all[i].label ? &value : NULL, all[i].metric, err);
        if (code)
            return code;
    }
    *ret_metrics = metrics;
    return AX_OK;
}

void ax_worker_wake(struct ax_http_worker *worker)
{
    assert(worker);
    if (worker->in_wake || worker->is_over)
        return;
    worker->in_wake = true;
    if (worker->handler->wake_begin)
        worker->handler->wake_begin(worker->handler->context, worker->state);
}

static void worker_sleep(struct ax_http_worker *worker)
{
    if (!worker->in_wake)
        return;
    worker->is_behind = worker->handler->wake_end &&
                        worker->handler->wake_end(worker->handler->context, worker->state);
    worker->in_wake = false;
}

static void worker_drain_received(struct ax_loop_message *message)
{
    struct ax_worker_drain *drain = container_of(message, struct ax_worker_drain, message);
    struct ax_http_worker *worker = drain->worker;
    worker->is_draining = true;
    ax_timeout_arm(&worker->loop, &worker->drain_timeouts, &worker->drain_timeout);
    ax_worker_leave_listeners(worker);
    for (struct ax_connection *connection = worker->connections; connection;
         connection = connection->next)
        ax_connection_drain(connection);
}

static void worker_drain_expired(struct ax_timeout *timeout)
{
    container_of(timeout, struct ax_http_worker, drain_timeout)->is_cut = true;
}

void ax_worker_drain(struct ax_http_worker *worker)
{
    assert(worker);
    if (!atomic_flag_test_and_set(&worker->drain.sent))
        ax_loop_send(&worker->loop, &worker->drain.message);
}

enum ax_code ax_worker_init(struct ax_http_worker *worker, size_t index,
                            const struct ax_http_config *config,
                            const struct ax_http_handler *handler,
                            const struct ax_http_metrics *metrics, struct ax_err *err)
{
    assert(worker && config && handler && handler->request && metrics && err);
    *worker = (struct ax_http_worker){
        .index = index,
        .config = config,
        .handler = handler,
        .metrics = metrics,
        .reserve_fd = -1,
        .drain = { .message.run = worker_drain_received,
                   .worker = worker,
                   .sent = ATOMIC_FLAG_INIT },
    };
    enum ax_code code = ax_loop_init(&worker->loop, err);
    if (code)
        return code;
    struct ax_loop *loop = &worker->loop;
    loop->poll_ns = loop->poll_ns_max = config->busy_poll_ns;
    ax_loop_add_timeouts(loop, &worker->header_timeouts, config->header_timeout_ns,
                         ax_connection_header_expired);
    ax_loop_add_timeouts(loop, &worker->body_timeouts, config->body_timeout_ns,
                         ax_connection_body_expired);
    ax_loop_add_timeouts(loop, &worker->idle_timeouts, config->idle_timeout_ns,
                         ax_connection_idle_expired);
    ax_loop_add_timeouts(loop, &worker->write_timeouts, config->write_timeout_ns,
                         ax_connection_write_expired);
    ax_loop_add_timeouts(loop, &worker->linger_timeouts, LINGER_NS, ax_connection_linger_expired);
    ax_loop_add_timeouts(loop, &worker->grace_timeouts, GRACE_NS, ax_connection_grace_expired);
    ax_loop_add_timeouts(loop, &worker->probe_timeouts, PROBE_NS, ax_connection_probe_expired);
    ax_loop_add_timeouts(loop, &worker->accept_timeouts, PAUSE_NS, ax_worker_accept_expired);
    ax_loop_add_timeouts(loop, &worker->drain_timeouts, config->drain_timeout_ns,
                         worker_drain_expired);
    ax_exchange_table_init(&worker->exchanges, worker, index, config, &worker->outputs);
    worker->received = ax_xalloc(AX_RECEIVE_BYTES);
    worker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return AX_OK;
}

void ax_worker_queue(struct ax_http_worker *worker, struct ax_exchange *exchange,
                     void (*step)(void *context, void *state, struct ax_request *request))
{
    assert(worker && exchange && step && !exchange->step);
    exchange->step = step;
    exchange->previous_runnable = worker->runnable_last;
    *(worker->runnable_last ? &worker->runnable_last->next_runnable : &worker->runnable_first) =
        exchange;
    worker->runnable_last = exchange;
}

void ax_worker_unqueue(struct ax_http_worker *worker, struct ax_exchange *exchange)
{
    assert(worker && exchange);
    if (!exchange->step)
        return;
    struct ax_exchange *previous = exchange->previous_runnable;
    struct ax_exchange *next = exchange->next_runnable;
    *(previous ? &previous->next_runnable : &worker->runnable_first) = next;
    *(next ? &next->previous_runnable : &worker->runnable_last) = previous;
    exchange->step = NULL;
    exchange->previous_runnable = exchange->next_runnable = NULL;
}

void ax_worker_count_work(struct ax_http_worker *worker, size_t bytes)
{
    assert(worker);
    worker->work_bytes += bytes;
    if (worker->work_bytes < LOOK_BYTES)
        return;
    worker->work_bytes = 0;
    worker->is_late = ax_clock_ns() - worker->loop.now_ns >= worker->part_ns;
}

static void worker_begin_part(struct ax_http_worker *worker, uint64_t part_ns)
{
    worker->part_ns = part_ns;
    worker->work_bytes = 0;
    worker->is_late = false;
}

/* Let the requests that wait for another step take it in turn, each at most once, until the time
 * for it is over: however many long ones there are, a round stays short for the others. */
static void worker_step(struct ax_http_worker *worker)
{
    const struct ax_exchange *last = worker->runnable_last;
    uint64_t end_ns = worker->loop.now_ns + STEPS_NS;
    bool more = last;
    /* A step may end other requests, and `last` with them. */
    while (more && worker->runnable_first) {
        struct ax_exchange *exchange = worker->runnable_first;
        void (*step)(void *, void *, struct ax_request *) = exchange->step;
        ax_worker_unqueue(worker, exchange);
        more = exchange != last;
        ax_worker_wake(worker);
        step(worker->handler->context, worker->state, &exchange->request);
        more = more && ax_clock_ns() < end_ns;
    }
}

/* Connections that had to stop go on in turn, each at most once, until the time is over. */
static void worker_again(struct ax_http_worker *worker)
{
    const struct ax_connection *last = worker->again_last;
    bool more = last;
    worker->read_left = READ_BYTES;
    /* Those that die here stay in the list until they are buried. */
    while (more && !worker->is_late) {
        struct ax_connection *connection = worker->again;
        worker->again = connection->next_again;
        if (!worker->again)
            worker->again_last = NULL;
        more = connection != last;
        connection->is_again = false;
        if (!connection->is_dead)
            ax_connection_again(connection);
    }
}

static void worker_flush(struct ax_http_worker *worker)
{
    while (worker->dirty) {
        struct ax_connection *connection = worker->dirty;
        worker->dirty = connection->next_dirty;
        connection->is_dirty = false;
        if (!connection->is_dead)
            ax_connection_flush(connection);
    }
}

/* Forget the connections that died in this round, also where they wait for the next. */
static void worker_bury(struct ax_http_worker *worker)
{
    if (!worker->dead)
        return;
    struct ax_connection **link = &worker->again;
    worker->again_last = NULL;
    while (*link) {
        if ((*link)->is_dead) {
            *link = (*link)->next_again;
            continue;
        }
        worker->again_last = *link;
        link = &(*link)->next_again;
    }
    while (worker->dead) {
        struct ax_connection *connection = worker->dead;
        worker->dead = connection->next_dead;
        if (worker->free_connection_count >= CONNECTIONS_KEPT) {
            free(connection);
            continue;
        }
        connection->next = worker->free_connections;
        worker->free_connections = connection;
        worker->free_connection_count++;
    }
}

/* End what is left: the drain timeout is over, or nothing is. */
static void worker_cut(struct ax_http_worker *worker)
{
    for (const struct ax_connection *connection = worker->connections; connection;
         connection = connection->next)
        worker->cut_count += ax_connection_is_owed(connection);
    while (worker->connections)
        ax_connection_close(worker->connections);
    struct ax_exchange *exchange;
    size_t at = 0;
    while ((exchange = ax_exchange_next(&worker->exchanges, &at))) {
        assert(exchange->state == AX_EXCHANGE_HANDED);
        ax_worker_wake(worker);
        ax_worker_unqueue(worker, exchange);
        if (worker->handler->release)
            worker->handler->release(worker->handler->context, worker->state, &exchange->request);
        ax_exchange_give_back(&worker->exchanges, exchange);
    }
    assert(!worker->runnable_first);
    ax_loop_deliver(&worker->loop);
    worker_sleep(worker);
    worker_flush(worker);
    /* A write that failed may have ended a request, which the handler was told of. */
    worker_sleep(worker);
    worker_bury(worker);
}

static bool worker_is_finished(const struct ax_http_worker *worker)
{
    return worker->is_cut ||
           (worker->is_draining && !worker->connection_count && !worker->exchanges.used_count);
}

void ax_worker_round(struct ax_http_worker *worker)
{
    assert(worker);
    worker->read_left = READ_BYTES;
    worker->write_left = WRITE_BYTES;
    ax_block_waste_enter(&worker->waste);
    worker_begin_part(worker, READY_NS);
    bool has_work =
        worker->runnable_first || worker->again || worker->is_behind || worker->waste.first;
    ax_metric_add(worker->metrics->waits[ax_loop_wait(&worker->loop, /* block= */ !has_work)], 1);
    worker_begin_part(worker, AGAIN_NS);
    worker_again(worker);
    worker_step(worker);
    ax_loop_expire(&worker->loop);
    if (worker->is_behind)
        ax_worker_wake(worker);
    worker_sleep(worker);
    worker_flush(worker);
    /* A write that failed may have ended a request, which the handler was told of. */
    worker_sleep(worker);
    worker_bury(worker);
    ax_block_waste_release(&worker->waste);
    ax_block_waste_enter(NULL);
}

struct ax_loop *ax_http_worker_loop(struct ax_http_worker *worker)
{
    assert(worker);
    return &worker->loop;
}

void ax_worker_run(struct ax_http_worker *worker)
{
    assert(worker && worker->acceptor_count);
    while (!worker_is_finished(worker))
        ax_worker_round(worker);
    worker_cut(worker);
}

void ax_worker_done(struct ax_http_worker *worker)
{
    if (!worker)
        return;
    assert(!worker->connections);
    while (worker->free_connections) {
        struct ax_connection *connection = worker->free_connections;
        worker->free_connections = connection->next;
        free(connection);
    }
    ax_exchange_table_done(&worker->exchanges);
    ax_output_pool_done(&worker->outputs);
    ax_block_waste_done(&worker->waste);
    if (worker->reserve_fd >= 0)
        (void)close(worker->reserve_fd);
    free(worker->acceptors);
    free(worker->received);
    ax_loop_done(&worker->loop);
}
