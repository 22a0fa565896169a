/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator.
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
 * Not here: several threads (start several processes), TLS, HTTP/2, think times.
 */
#include "net/load.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/response.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPIN_NS      (100 * (uint64_t)AX_NS_PER_US)
#define READ_BYTES   ((size_t)64 << 10)
#define EVENTS_MAX   64
#define OUTPUT_BYTES ((size_t)1 << 30)

/* A request on its way. */
struct load_flight {
    uint64_t began_ns; /* intended (open loop) or real (closed loop) */
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
    struct ax_response response;
};

struct load {
    const struct ax_load_config *config;
    struct ax_load_result *result;
    struct load_connection *connections;
    size_t open_count;
    size_t in_flight;
    size_t next_connection; /* open loop: where the search for a free one begins */
    size_t next_request;
    int epoll_fd;
    char *input;

    uint64_t begin_ns;   /* of the warm-up */
    uint64_t measure_ns; /* of the measured part */
    uint64_t end_ns;
    bool sending;
    uint64_t give_up_ns; /* once !sending */

    double due_ns;         /* open loop: of the next request, after begin_ns */
    uint64_t scheduled;    /* requests taken from the schedule */
    bool is_full;          /* a due request found no free connection, and none was free since */
    uint64_t last_full_ns; /* when that last ended */
    uint64_t random_state;
};

/* splitmix64 */
static uint64_t load_random(struct load *load)
{
    uint64_t x = load->random_state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Constant times are computed from the number, so that no rounding adds up. */
static void load_schedule_next(struct load *load)
{
    double gap_ns = 1e9 / (double)load->config->rate;
    load->scheduled++;
    if (load->config->schedule == AX_LOAD_CONSTANT) {
        load->due_ns = (double)load->scheduled * gap_ns;
        return;
    }
    double uniform = ((double)(load_random(load) >> 11) + 0.5) * 0x1p-53;
    load->due_ns += -log(uniform) * gap_ns;
}

static uint64_t load_due_at(const struct load *load)
{
    return load->begin_ns + (uint64_t)load->due_ns;
}

/* When sending ends at the latest: what was due in time may still leave when it is late. */
static uint64_t load_send_until(const struct load *load)
{
    return load->end_ns + (load->config->rate ? load->config->timeout_ns : 0);
}

static enum ax_code connection_open(struct load *load, struct load_connection *connection,
                                    struct ax_err *err)
{
    int fd = -1;
    if (ax_target_connect(load->config->target, load->config->timeout_ns, &fd, err))
        return err->code;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        int cause = errno;
        (void)close(fd);
        return ax_fail_errno(err, cause, "watch a connection");
    }
    connection->fd = fd;
    connection->wants_write = false;
    connection->answers = 0;
    ax_buf_reset(&connection->out);
    ax_response_init(&connection->response);
    load->open_count++;
    return AX_OK;
}

/* Close it and count what it owed. */
static void connection_close(struct load *load, struct load_connection *connection)
{
    for (size_t i = 0; i < connection->flight_count; i++) {
        size_t at = (connection->flight_first + i) % load->config->pipeline;
        load->result->broken += connection->flights[at].measured;
    }
    load->in_flight -= connection->flight_count;
    connection->flight_count = 0;
    (void)close(connection->fd);
    connection->fd = -1;
    load->open_count--;
}

/* Open it again, unless it never answered or the server takes no more: then it stays closed, and
 * with the last one the run ends. */
static enum ax_code connection_replace(struct load *load, struct load_connection *connection,
                                       struct ax_err *err)
{
    bool worth_it = connection->answers > 0 && load->sending;
    connection_close(load, connection);
    struct ax_err refused = AX_ERR_INIT;
    if (worth_it && connection_open(load, connection, &refused) == AX_OK)
        load->result->reopened++;
    if (load->open_count == 0 && load->sending)
        return ax_fail(err, AX_E_UNAVAILABLE, "every connection was closed%s%s",
                       refused.code ? "; the last one: " : " before it answered", refused.msg);
    return AX_OK;
}

static void connection_watch_write(struct load *load, struct load_connection *connection, bool on)
{
    if (connection->wants_write == on)
        return;
    struct epoll_event event = { .events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = connection };
    int status = epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    assert(status == 0);
    (void)status;
    connection->wants_write = on;
}

/* Write what is there; the rest waits for EPOLLOUT. A broken connection is noticed by reading. */
static void connection_flush(struct load *load, struct load_connection *connection)
{
    while (connection->out.len) {
        ssize_t n = send(connection->fd, connection->out.ptr, connection->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            connection_watch_write(load, connection, errno == EAGAIN);
            return;
        }
        ax_buf_consume(&connection->out, (size_t)n);
    }
    connection_watch_write(load, connection, false);
}

static bool connection_is_free(const struct load *load, const struct load_connection *connection)
{
    return connection->fd >= 0 && connection->flight_count < load->config->pipeline;
}

/* Put the next request behind the connection's output. */
static enum ax_code connection_add(struct load *load, struct load_connection *connection,
                                   uint64_t began_ns, struct ax_err *err)
{
    struct ax_str request = load->config->requests[load->next_request];
    if (ax_buf_append_str(&connection->out, request))
        return ax_buf_check(&connection->out, "requests in flight", err);
    load->next_request = (load->next_request + 1) % load->config->request_count;
    bool measured = began_ns >= load->measure_ns;
    size_t at = (connection->flight_first + connection->flight_count) % load->config->pipeline;
    connection->flights[at] = (struct load_flight){ began_ns, measured };
    connection->flight_count++;
    load->in_flight++;
    load->result->sent += measured;
    load->result->bytes_out += measured ? request.len : 0;
    return AX_OK;
}

static void load_stop_sending(struct load *load, uint64_t now)
{
    load->sending = false;
    load->give_up_ns = now + load->config->timeout_ns;
}

static bool load_may_send(const struct load *load)
{
    uint64_t most = load->config->requests_max;
    bool scheduled = load->config->rate == 0 || load_due_at(load) < load->end_ns;
    return load->sending && scheduled && (most == 0 || load->result->sent < most);
}

/* Closed loop: fill the connection up. */
static enum ax_code connection_fill(struct load *load, struct load_connection *connection,
                                    struct ax_err *err)
{
    uint64_t now = ax_clock_ns();
    while (now < load->end_ns && load_may_send(load) && connection_is_free(load, connection))
        if (connection_add(load, connection, now, err))
            return err->code;
    connection_flush(load, connection);
    return AX_OK;
}

/* Open loop: the next free connection in turn, or NULL. */
static struct load_connection *load_find_free(struct load *load)
{
    for (size_t i = 0; i < load->config->connections; i++) {
        size_t at = (load->next_connection + i) % load->config->connections;
        if (connection_is_free(load, &load->connections[at])) {
            load->next_connection = (at + 1) % load->config->connections;
            return &load->connections[at];
        }
    }
    return NULL;
}

/* Open loop: send what is due. */
static enum ax_code load_send_due(struct load *load, uint64_t now, struct ax_err *err)
{
    if (load->is_full)
        load->last_full_ns = now;
    load->is_full = false;
    while (load_may_send(load) && load_due_at(load) <= now) {
        struct load_connection *connection = load_find_free(load);
        if (!connection) {
            load->is_full = true;
            return AX_OK;
        }
        uint64_t due = load_due_at(load);
        if (connection_add(load, connection, due, err))
            return err->code;
        if (due >= load->measure_ns && due <= load->last_full_ns)
            load->result->waited++;
        else if (due >= load->measure_ns)
            ax_histogram_add(&load->result->slip, ax_clock_ns() - due);
        connection_flush(load, connection);
        load_schedule_next(load);
    }
    return AX_OK;
}

static void connection_take_answer(struct load *load, struct load_connection *connection,
                                   uint64_t now)
{
    struct load_flight flight = connection->flights[connection->flight_first];
    connection->flight_first = (connection->flight_first + 1) % load->config->pipeline;
    connection->flight_count--;
    connection->answers++;
    load->in_flight--;
    if (!flight.measured)
        return;
    int status = connection->response.status;
    load->result->answers++;
    load->result->statuses[status]++;
    if (status / 100 == 2)
        ax_histogram_add(&load->result->latency, now - flight.began_ns);
    if (now - load->measure_ns > load->result->elapsed_ns)
        load->result->elapsed_ns = now - load->measure_ns;
}

/* The answers in `len` bytes of input; *ret_closes: the server said that it closes. */
static enum ax_code connection_parse(struct load *load, struct load_connection *connection,
                                     size_t len, bool *ret_closes, struct ax_err *err)
{
    uint64_t now = ax_clock_ns();
    bool closes = false;
    for (size_t at = 0; at < len && !closes;) {
        size_t used = 0;
        bool done = false;
        if (connection->flight_count == 0)
            return ax_fail(err, AX_E_INVALID, "answer: bytes that nobody asked for");
        if (ax_response_read(&connection->response, load->input + at, len - at, &used, &done, err))
            return err->code;
        at += used;
        if (done) {
            connection_take_answer(load, connection, now);
            closes = connection->response.closes;
        }
    }
    if (now >= load->measure_ns)
        load->result->bytes_in += len;
    *ret_closes = closes;
    return AX_OK;
}

static enum ax_code connection_read(struct load *load, struct load_connection *connection,
                                    struct ax_err *err)
{
    ssize_t n = recv(connection->fd, load->input, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return AX_OK;
    bool closes = n <= 0;
    if (n > 0 && connection_parse(load, connection, (size_t)n, &closes, err))
        return err->code;
    if (closes && connection_replace(load, connection, err))
        return err->code;
    if (load->config->rate == 0 && connection->fd >= 0)
        return connection_fill(load, connection, err);
    return AX_OK;
}

/* How long the loop may sleep at `now`. Who waits for a free connection waits for an answer. */
static uint64_t load_sleep_ns(const struct load *load, uint64_t now)
{
    uint64_t until = load->sending ? load_send_until(load) : load->give_up_ns;
    if (load->config->rate && load_may_send(load) && !load->is_full)
        until = AX_MIN(until, load_due_at(load) - AX_MIN(load_due_at(load), SPIN_NS));
    return until > now ? until - now : 0;
}

static enum ax_code load_wait(struct load *load, struct ax_err *err)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t sleep_ns = load_sleep_ns(load, ax_clock_ns());
    struct timespec timeout = { .tv_sec = (time_t)(sleep_ns / AX_NS_PER_S),
                                .tv_nsec = (long)(sleep_ns % AX_NS_PER_S) };
    int count = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        return ax_fail_errno(err, errno, "wait for answers");
    for (int i = 0; i < count; i++) {
        struct load_connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            connection_flush(load, connection);
        if (events[i].events & ~(uint32_t)EPOLLOUT && connection_read(load, connection, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code load_loop(struct load *load, struct ax_err *err)
{
    for (;;) {
        uint64_t now = ax_clock_ns();
        if (load->sending && (now >= load_send_until(load) || !load_may_send(load)))
            load_stop_sending(load, now);
        if (!load->sending && (load->in_flight == 0 || now >= load->give_up_ns))
            return AX_OK;
        if (load->config->rate && load_send_due(load, now, err))
            return err->code;
        if (load_wait(load, err))
            return err->code;
    }
}

static enum ax_code load_begin(struct load *load, struct ax_err *err)
{
    for (size_t i = 0; i < load->config->connections; i++)
        if (connection_open(load, &load->connections[i], err))
            return err->code;
    load->begin_ns = ax_clock_ns();
    load->measure_ns = load->begin_ns + load->config->warmup_ns;
    load->end_ns = load->measure_ns + load->config->duration_ns;
    load->sending = true;
    if (load->config->rate) {
        /* The first gap is drawn too, else every Poisson schedule would begin at once. */
        if (load->config->schedule == AX_LOAD_POISSON)
            load_schedule_next(load);
        return AX_OK;
    }
    for (size_t i = 0; i < load->config->connections; i++)
        if (connection_fill(load, &load->connections[i], err))
            return err->code;
    return AX_OK;
}

/* What is still in flight, and how long the measured part really was. */
static void load_end(struct load *load)
{
    struct ax_load_result *result = load->result;
    for (size_t i = 0; i < load->config->connections; i++) {
        const struct load_connection *connection = &load->connections[i];
        for (size_t k = 0; k < connection->flight_count; k++) {
            size_t at = (connection->flight_first + k) % load->config->pipeline;
            result->unanswered += connection->flights[at].measured;
        }
    }
    uint64_t most = load->config->requests_max;
    if (most && result->sent >= most)
        return;
    if (result->elapsed_ns < load->config->duration_ns)
        result->elapsed_ns = load->config->duration_ns;
    for (; load->config->rate && load_due_at(load) < load->end_ns; load_schedule_next(load))
        result->unsent += load_due_at(load) >= load->measure_ns;
}

static struct load_connection *load_connections_new(const struct ax_load_config *config)
{
    struct load_connection *connections =
        ax_xalloc(config->connections * sizeof(struct load_connection));
    for (size_t i = 0; i < config->connections; i++) {
        connections[i].fd = -1;
        connections[i].flights = ax_xalloc(config->pipeline * sizeof(struct load_flight));
        ax_buf_init(&connections[i].out, OUTPUT_BYTES);
    }
    return connections;
}

static void load_done(struct load *load)
{
    for (size_t i = 0; i < load->config->connections; i++) {
        struct load_connection *connection = &load->connections[i];
        if (connection->fd >= 0)
            (void)close(connection->fd);
        free(connection->flights);
        ax_buf_done(&connection->out);
    }
    free(load->connections);
    free(load->input);
    if (load->epoll_fd >= 0)
        (void)close(load->epoll_fd);
}

enum ax_code ax_load_run(const struct ax_load_config *config, struct ax_load_result *ret_result,
                         struct ax_err *err)
{
    assert(config && config->target && config->requests && config->request_count);
    assert(config->connections >= 1 && config->connections <= AX_LOAD_CONNECTIONS_MAX);
    assert(config->pipeline >= 1 && config->pipeline <= AX_LOAD_PIPELINE_MAX);
    assert(ret_result && err);

    /* 50 us of slack are added to every sleep otherwise. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    struct ax_load_result *result = ax_xalloc(sizeof(*result));
    ax_histogram_reset(&result->latency);
    ax_histogram_reset(&result->slip);
    struct load load = { .config = config,
                         .result = result,
                         .connections = load_connections_new(config),
                         .input = ax_xalloc(READ_BYTES),
                         .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                         .random_state = config->seed };
    enum ax_code code = load.epoll_fd < 0 ? ax_fail_errno(err, errno, "open an epoll descriptor")
                                          : load_begin(&load, err);
    if (code == AX_OK)
        code = load_loop(&load, err);
    if (code == AX_OK) {
        load_end(&load);
        *ret_result = *result;
    }
    load_done(&load);
    free(result);
    return code;
}

uint64_t ax_load_error_count(const struct ax_load_result *result)
{
    return result->sent + result->unsent - result->latency.count;
}

bool ax_load_is_void(const struct ax_load_result *result)
{
    uint64_t slip = ax_histogram_quantile(&result->slip, 0.99);
    return slip > ax_histogram_quantile(&result->latency, 0.99) / 10;
}
