/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of one thread of the load generator.
 *
 * A loop around epoll: send what is due, wait, read what came. Each connection has a ring with one
 * entry a request in flight, in the order of sending, which is the order of the answers. Requests
 * are copied behind one another into the connection's output and leave in one write.
 *
 * The open loop needs times finer than epoll's milliseconds and than the scheduler's wake-up: it
 * sleeps (epoll_pwait2) until SPIN_NS before the next request is due and polls from there on. Above
 * some 10,000 requests a second it therefore never sleeps. What is due is not queued: the schedule
 * is a function of the request's number, so a request that finds no free connection simply stays
 * due, and its latency grows until one is.
 *
 * Not here: TLS, HTTP/2, think times.
 */
#include "net/load_worker.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "net/response.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPIN_NS      (100 * (uint64_t)AX_NS_PER_US)
#define SLEEP_NS_MAX (100 * (uint64_t)AX_NS_PER_MS) /* so that `stop` is seen */
#define READ_BYTES   ((size_t)64 << 10)
#define EVENTS_MAX   64
#define OUTPUT_BYTES ((size_t)1 << 30)
#define BODY_BYTES   ((size_t)256 << 20) /* of an answer that is hashed */

/* A request on its way. */
struct load_flight {
    uint64_t began_ns; /* intended (open loop) or real (closed loop) */
    uint32_t request;
    bool measured;
};

struct load_connection {
    int fd; /* -1: given up */
    bool wants_write;
    uint64_t answers; /* since it was opened */
    struct load_flight *flights;
    size_t flight_first;
    size_t flight_count;
    struct ax_buf out;
    struct ax_buf body; /* of the answer that is being read, when records are wanted */
    struct ax_response response;
};

struct ax_load_worker {
    const struct ax_load_config *config;
    struct ax_load_part part;
    struct ax_load_result result;
    struct load_connection *connections;
    size_t open_count;
    size_t in_flight;
    size_t next_connection; /* open loop: where the search for a free one begins */
    size_t next_request;    /* of config->order, if there is one */
    struct ax_buf records;  /* struct ax_load_record */
    int epoll_fd;
    char *input;

    uint64_t begin_ns;   /* of the warm-up */
    uint64_t measure_ns; /* of the measured part */
    uint64_t end_ns;
    bool sending;
    uint64_t give_up_ns; /* once !sending */

    struct ax_load_schedule schedule; /* open loop */
    bool is_full;          /* a due request found no free connection, and none was free since */
    uint64_t last_full_ns; /* when that last ended */

    /* For whoever shows the progress; written by this worker's thread alone. */
    _Atomic uint64_t answers;
    _Atomic uint64_t errors;
};

static uint64_t worker_due_at(const struct ax_load_worker *worker)
{
    return worker->begin_ns + (uint64_t)worker->schedule.due_ns;
}

/* When sending ends at the latest: what was due in time may still leave when it is late. */
static uint64_t worker_send_until(const struct ax_load_worker *worker)
{
    return worker->end_ns + (worker->config->rate ? worker->config->timeout_ns : 0);
}

static enum ax_code connection_open(struct ax_load_worker *worker,
                                    struct load_connection *connection, struct ax_err *err)
{
    int fd = -1;
    if (ax_target_connect(worker->config->target, worker->config->timeout_ns, &fd, err))
        return err->code;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        int cause = errno;
        (void)close(fd);
        return ax_fail_errno(err, cause, "watch a connection");
    }
    connection->fd = fd;
    connection->wants_write = false;
    connection->answers = 0;
    ax_buf_reset(&connection->out);
    ax_response_init(&connection->response);
    ax_buf_reset(&connection->body);
    connection->response.body = worker->config->records ? &connection->body : NULL;
    worker->open_count++;
    return AX_OK;
}

/* Keep what became of a request, if that is wanted; a failure sticks in the buffer. The connection
 * whose answer it was, or NULL. */
static void worker_record(struct ax_load_worker *worker, const struct load_flight *flight,
                          const struct load_connection *answered, uint64_t now)
{
    if (!worker->config->records || !flight->measured)
        return;
    struct ax_load_record record = { .began_ns = flight->began_ns - worker->measure_ns,
                                     .request = flight->request,
                                     .part = (uint16_t)worker->part.number };
    if (answered) {
        record.latency_ns = now - flight->began_ns;
        record.body_hash = ax_hash(ax_buf_str(&answered->body));
        record.status = (uint16_t)answered->response.status;
    }
    (void)ax_buf_append(&worker->records, &record, sizeof(record));
}

/* What the connection owes is lost, or will not come: how many of it were measured. */
static uint64_t connection_forget(struct ax_load_worker *worker, struct load_connection *connection)
{
    uint64_t measured = 0;
    for (size_t i = 0; i < connection->flight_count; i++) {
        size_t at = (connection->flight_first + i) % worker->config->pipeline;
        measured += connection->flights[at].measured;
        worker_record(worker, &connection->flights[at], NULL, 0);
    }
    return measured;
}

/* Close it and count what it owed. */
static void connection_close(struct ax_load_worker *worker, struct load_connection *connection)
{
    worker->result.broken += connection_forget(worker, connection);
    worker->in_flight -= connection->flight_count;
    connection->flight_count = 0;
    (void)close(connection->fd);
    connection->fd = -1;
    worker->open_count--;
}

/* Open it again, unless it never answered or the server takes no more: then it stays closed, and
 * with the last one the run ends. */
static enum ax_code connection_replace(struct ax_load_worker *worker,
                                       struct load_connection *connection, struct ax_err *err)
{
    bool worth_it = connection->answers > 0 && worker->sending;
    connection_close(worker, connection);
    struct ax_err refused = AX_ERR_INIT;
    if (worth_it && connection_open(worker, connection, &refused) == AX_OK)
        worker->result.reopened++;
    if (worker->open_count == 0 && worker->sending)
        return ax_fail(err, AX_E_UNAVAILABLE, "every connection was closed%s%s",
                       refused.code ? "; the last one: " : " before it answered", refused.msg);
    return AX_OK;
}

static void connection_watch_write(struct ax_load_worker *worker,
                                   struct load_connection *connection, bool on)
{
    if (connection->wants_write == on)
        return;
    struct epoll_event event = { .events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = connection };
    int status = epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    assert(status == 0);
    (void)status;
    connection->wants_write = on;
}

/* Write what is there; the rest waits for EPOLLOUT. A broken connection is noticed by reading. */
static void connection_flush(struct ax_load_worker *worker, struct load_connection *connection)
{
    while (connection->out.len) {
        ssize_t n = send(connection->fd, connection->out.ptr, connection->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            connection_watch_write(worker, connection, errno == EAGAIN);
            return;
        }
        ax_buf_consume(&connection->out, (size_t)n);
    }
    connection_watch_write(worker, connection, false);
}

static bool connection_is_free(const struct ax_load_worker *worker,
                               const struct load_connection *connection)
{
    return connection->fd >= 0 && connection->flight_count < worker->config->pipeline;
}

/* After how many requests the first one's turn comes again. */
static size_t worker_turn(const struct ax_load_config *config)
{
    return config->order ? config->order_count : config->request_count;
}

/* Put the next request behind the connection's output. */
static enum ax_code connection_add(struct ax_load_worker *worker,
                                   struct load_connection *connection, uint64_t began_ns,
                                   struct ax_err *err)
{
    const struct ax_load_config *config = worker->config;
    size_t number = config->order ? config->order[worker->next_request] : worker->next_request;
    struct ax_str request = config->requests[number];
    if (ax_buf_append_str(&connection->out, request))
        return ax_buf_check(&connection->out, "requests in flight", err);
    worker->next_request = (worker->next_request + 1) % worker_turn(config);
    bool measured = began_ns >= worker->measure_ns;
    size_t at = (connection->flight_first + connection->flight_count) % worker->config->pipeline;
    connection->flights[at] = (struct load_flight){ began_ns, (uint32_t)number, measured };
    connection->flight_count++;
    worker->in_flight++;
    worker->result.sent += measured;
    worker->result.bytes_out += measured ? request.len : 0;
    return AX_OK;
}

static void worker_stop_sending(struct ax_load_worker *worker, uint64_t now)
{
    worker->sending = false;
    worker->give_up_ns = now + worker->config->timeout_ns;
}

static bool worker_may_send(const struct ax_load_worker *worker)
{
    bool scheduled = worker->config->rate == 0 || worker_due_at(worker) < worker->end_ns;
    return worker->sending && scheduled && worker->result.sent < worker->part.requests_max;
}

/* Closed loop: fill the connection up. */
static enum ax_code connection_fill(struct ax_load_worker *worker,
                                    struct load_connection *connection, struct ax_err *err)
{
    uint64_t now = ax_clock_ns();
    while (now < worker->end_ns && worker_may_send(worker) &&
           connection_is_free(worker, connection))
        if (connection_add(worker, connection, now, err))
            return err->code;
    connection_flush(worker, connection);
    return AX_OK;
}

/* Open loop: the next free connection in turn, or NULL. */
static struct load_connection *worker_find_free(struct ax_load_worker *worker)
{
    for (size_t i = 0; i < worker->part.connections; i++) {
        size_t at = (worker->next_connection + i) % worker->part.connections;
        if (connection_is_free(worker, &worker->connections[at])) {
            worker->next_connection = (at + 1) % worker->part.connections;
            return &worker->connections[at];
        }
    }
    return NULL;
}

/* Open loop: send what is due. */
static enum ax_code worker_send_due(struct ax_load_worker *worker, uint64_t now, struct ax_err *err)
{
    if (worker->is_full)
        worker->last_full_ns = now;
    worker->is_full = false;
    while (worker_may_send(worker) && worker_due_at(worker) <= now) {
        struct load_connection *connection = worker_find_free(worker);
        if (!connection) {
            worker->is_full = true;
            return AX_OK;
        }
        uint64_t due = worker_due_at(worker);
        if (connection_add(worker, connection, due, err))
            return err->code;
        if (due >= worker->measure_ns && due <= worker->last_full_ns)
            worker->result.waited++;
        else if (due >= worker->measure_ns)
            ax_histogram_add(&worker->result.slip, ax_clock_ns() - due);
        connection_flush(worker, connection);
        ax_load_schedule_next(&worker->schedule);
    }
    return AX_OK;
}

/* Only this thread writes it, so that reading and writing need not be one step. */
static void worker_count(_Atomic uint64_t *count)
{
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, before + 1, memory_order_relaxed);
}

static void connection_take_answer(struct ax_load_worker *worker,
                                   struct load_connection *connection, uint64_t now)
{
    struct load_flight flight = connection->flights[connection->flight_first];
    connection->flight_first = (connection->flight_first + 1) % worker->config->pipeline;
    connection->flight_count--;
    connection->answers++;
    worker->in_flight--;
    int status = connection->response.status;
    worker_count(&worker->answers);
    bool is_good = status / 100 == 2;
    if (!is_good)
        worker_count(&worker->errors);
    worker_record(worker, &flight, connection, now);
    ax_buf_reset(&connection->body);
    if (!flight.measured)
        return;
    worker->result.answers++;
    worker->result.statuses[status]++;
    ax_histogram_add(is_good ? &worker->result.latency : &worker->result.refusals,
                     now - flight.began_ns);
    if (now - worker->measure_ns > worker->result.elapsed_ns)
        worker->result.elapsed_ns = now - worker->measure_ns;
}

/* Keep what the first answer without 2xx says that came in one piece, as nearly all do. */
static void worker_keep_refusal(struct ax_load_worker *worker, struct ax_str answer)
{
    static const struct ax_str head_end = { "\r\n\r\n", 4 };
    const char *end = memmem(answer.ptr, answer.len, head_end.ptr, head_end.len);
    if (worker->result.refusal_len || !end)
        return;
    const char *body = end + head_end.len;
    struct ax_str text = { body, answer.len - (size_t)(body - answer.ptr) };
    text = ax_str_cut(text, sizeof(worker->result.refusal));
    memcpy(worker->result.refusal, text.ptr, text.len);
    worker->result.refusal_len = text.len;
}

/* The answers in `len` bytes of input; *ret_closes: the server said that it closes. */
static enum ax_code connection_parse(struct ax_load_worker *worker,
                                     struct load_connection *connection, size_t len,
                                     bool *ret_closes, struct ax_err *err)
{
    uint64_t now = ax_clock_ns();
    bool closes = false;
    bool is_whole = ax_response_is_between(&connection->response);
    size_t begin = 0;
    for (size_t at = 0; at < len && !closes;) {
        size_t used = 0;
        bool done = false;
        if (connection->flight_count == 0)
            return ax_fail(err, AX_E_INVALID, "answer: bytes that nobody asked for");
        if (ax_response_read(&connection->response, worker->input + at, len - at, &used, &done,
                             err))
            return err->code;
        at += used;
        if (!done)
            continue;
        connection_take_answer(worker, connection, now);
        closes = connection->response.closes;
        if (is_whole && connection->response.status / 100 != 2)
            worker_keep_refusal(worker, (struct ax_str){ worker->input + begin, at - begin });
        is_whole = true;
        begin = at;
    }
    if (now >= worker->measure_ns)
        worker->result.bytes_in += len;
    *ret_closes = closes;
    return AX_OK;
}

static enum ax_code connection_read(struct ax_load_worker *worker,
                                    struct load_connection *connection, struct ax_err *err)
{
    ssize_t n = recv(connection->fd, worker->input, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return AX_OK;
    bool closes = n <= 0;
    if (n > 0 && connection_parse(worker, connection, (size_t)n, &closes, err))
        return err->code;
    if (closes && connection_replace(worker, connection, err))
        return err->code;
    if (worker->config->rate == 0 && connection->fd >= 0)
        return connection_fill(worker, connection, err);
    return AX_OK;
}

/* How long the loop may sleep at `now`. Who waits for a free connection waits for an answer. */
static uint64_t worker_sleep_ns(const struct ax_load_worker *worker, uint64_t now)
{
    uint64_t until = worker->sending ? worker_send_until(worker) : worker->give_up_ns;
    if (worker->config->rate && worker_may_send(worker) && !worker->is_full)
        until = AX_MIN(until, worker_due_at(worker) - AX_MIN(worker_due_at(worker), SPIN_NS));
    return until > now ? AX_MIN(until - now, SLEEP_NS_MAX) : 0;
}

static enum ax_code worker_wait(struct ax_load_worker *worker, struct ax_err *err)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t sleep_ns = worker_sleep_ns(worker, ax_clock_ns());
    struct timespec timeout = { .tv_sec = (time_t)(sleep_ns / AX_NS_PER_S),
                                .tv_nsec = (long)(sleep_ns % AX_NS_PER_S) };
    int count = epoll_pwait2(worker->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        return ax_fail_errno(err, errno, "wait for answers");
    for (int i = 0; i < count; i++) {
        struct load_connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            connection_flush(worker, connection);
        if (events[i].events & ~(uint32_t)EPOLLOUT && connection_read(worker, connection, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code worker_loop(struct ax_load_worker *worker, struct ax_err *err)
{
    while (!atomic_load_explicit(worker->part.stop, memory_order_relaxed)) {
        uint64_t now = ax_clock_ns();
        if (worker->sending && (now >= worker_send_until(worker) || !worker_may_send(worker)))
            worker_stop_sending(worker, now);
        if (!worker->sending && (worker->in_flight == 0 || now >= worker->give_up_ns))
            return AX_OK;
        if (worker->config->rate && worker_send_due(worker, now, err))
            return err->code;
        if (worker_wait(worker, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code worker_begin(struct ax_load_worker *worker, uint64_t begin_ns,
                                 struct ax_err *err)
{
    const struct ax_load_config *config = worker->config;
    worker->begin_ns = begin_ns;
    worker->measure_ns = begin_ns + config->warmup_ns;
    worker->end_ns = worker->measure_ns + config->duration_ns;
    worker->sending = true;
    if (config->rate) {
        ax_load_schedule_init(&worker->schedule, config->arrivals, (double)config->rate,
                              config->seed, worker->part.number, worker->part.count);
        return AX_OK;
    }
    for (size_t i = 0; i < worker->part.connections; i++)
        if (connection_fill(worker, &worker->connections[i], err))
            return err->code;
    return AX_OK;
}

/* What is still in flight, and how long the measured part really was. */
static void worker_end(struct ax_load_worker *worker)
{
    struct ax_load_result *result = &worker->result;
    for (size_t i = 0; i < worker->part.connections; i++)
        result->unanswered += connection_forget(worker, &worker->connections[i]);
    if (result->sent >= worker->part.requests_max)
        return;
    if (result->elapsed_ns < worker->config->duration_ns)
        result->elapsed_ns = worker->config->duration_ns;
    for (; worker->config->rate && worker_due_at(worker) < worker->end_ns;
         ax_load_schedule_next(&worker->schedule))
        result->unsent += worker_due_at(worker) >= worker->measure_ns;
}

enum ax_code ax_load_worker_new(const struct ax_load_part *part, struct ax_load_worker **ret_worker,
                                struct ax_err *err)
{
    assert(part && part->config && part->connections && part->number < part->count);
    assert(part->stop && ret_worker && err);
    const struct ax_load_config *config = part->config;
    struct ax_load_worker *worker = ax_xalloc(sizeof(*worker));
    worker->config = config;
    worker->part = *part;
    worker->next_request = worker_turn(config) * part->number / part->count;
    ax_buf_init(&worker->records, AX_LOAD_RECORDS_MAX * sizeof(struct ax_load_record));
    worker->input = ax_xalloc(READ_BYTES);
    ax_histogram_reset(&worker->result.latency);
    ax_histogram_reset(&worker->result.refusals);
    ax_histogram_reset(&worker->result.slip);
    worker->connections = ax_xalloc(part->connections * sizeof(worker->connections[0]));
    for (size_t i = 0; i < part->connections; i++) {
        worker->connections[i].fd = -1;
        worker->connections[i].flights = ax_xalloc(config->pipeline * sizeof(struct load_flight));
        ax_buf_init(&worker->connections[i].out, OUTPUT_BYTES);
        ax_buf_init(&worker->connections[i].body, BODY_BYTES);
    }
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    enum ax_code code =
        worker->epoll_fd < 0 ? ax_fail_errno(err, errno, "open an epoll descriptor") : AX_OK;
    for (size_t i = 0; i < part->connections && code == AX_OK; i++)
        code = connection_open(worker, &worker->connections[i], err);
    if (code) {
        ax_load_worker_free(worker);
        return code;
    }
    *ret_worker = worker;
    return AX_OK;
}

void ax_load_worker_free(struct ax_load_worker *worker)
{
    if (!worker)
        return;
    for (size_t i = 0; i < worker->part.connections; i++) {
        struct load_connection *connection = &worker->connections[i];
        if (connection->fd >= 0)
            (void)close(connection->fd);
        free(connection->flights);
        ax_buf_done(&connection->out);
        ax_buf_done(&connection->body);
    }
    ax_buf_done(&worker->records);
    free(worker->connections);
    free(worker->input);
    if (worker->epoll_fd >= 0)
        (void)close(worker->epoll_fd);
    free(worker);
}

enum ax_code ax_load_worker_run(struct ax_load_worker *worker, uint64_t begin_ns,
                                struct ax_err *err)
{
    assert(worker && err);
    /* 50 us of slack are added to every sleep otherwise. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    if (worker_begin(worker, begin_ns, err) || worker_loop(worker, err))
        return err->code;
    worker_end(worker);
    return ax_buf_check(&worker->records, "records of requests", err);
}

const struct ax_load_record *ax_load_worker_records(const struct ax_load_worker *worker,
                                                    size_t *ret_count)
{
    assert(worker && ret_count);
    *ret_count = worker->records.len / sizeof(struct ax_load_record);
    return (const struct ax_load_record *)worker->records.ptr;
}

const struct ax_load_result *ax_load_worker_result(const struct ax_load_worker *worker)
{
    assert(worker);
    return &worker->result;
}

void ax_load_worker_progress(const struct ax_load_worker *worker, uint64_t *ret_answers,
                             uint64_t *ret_errors)
{
    assert(worker && ret_answers && ret_errors);
    *ret_answers = atomic_load_explicit(&worker->answers, memory_order_relaxed);
    *ret_errors = atomic_load_explicit(&worker->errors, memory_order_relaxed);
}
