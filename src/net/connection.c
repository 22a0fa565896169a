/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading, the ring of answers, writing, and the ways a connection ends.
 *
 * The socket is watched edge-triggered for everything from the beginning, so its interest is never
 * changed by a system call. The price is that we must remember what we left: a connection whose
 * turn was over, or that had to stop reading until answers left, is put on the worker's "again"
 * list and is read in the next round.
 *
 * Whatever is wrong with a request is the last answer of its connection: bytes behind it cannot be
 * trusted to begin a request. The answers before it leave first. Then our side is shut down and
 * what the client still sends is thrown away for a while (lingering): closing at once would make
 * the kernel send a reset, which can destroy the answer before the client has read it.
 */
#include "net/connection.h"

#include "base/alloc.h"
#include "base/clock.h"

#include "net/worker.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_A_ROUND   4                   /* of up to AX_RECEIVE_BYTES, or a body's own space */
#define READ_BYTES_MIN  ((size_t)4 << 10)   /* of who has no body to wait with, in any case */
#define WRITE_BYTES_MAX ((size_t)256 << 10) /* a round */
#define WRITE_BYTES_MIN ((size_t)16 << 10)  /* when others have written enough in this one */
#define WRITE_PARTS_MAX 64
/* Unsent answers; over it no further request is read. Less when those of all connections of the
 * thread are over the third. */
#define OUTPUT_BYTES_MAX ((size_t)1 << 20)
#define OUTPUT_BYTES_MIN ((size_t)16 << 10)
#define UNSENT_BYTES_MAX ((size_t)128 << 20)
#define CONNECTIONS_KEPT 256
/* A request with a larger body is handed over in a turn of its own. */
#define HANDED_BYTES_MAX ((size_t)16 << 10)
#define REQUEST_WORK     ((size_t)1 << 10) /* what a request costs beside its bytes, as bytes */
#define LINGER_EXTRA     ((size_t)1 << 20) /* thrown away beyond one body of the largest size */
#define CONTINUE         AX_STR("HTTP/1.1 100 Continue\r\n\r\n")
#define TLS_HANDSHAKE    0x16 /* first byte of a ClientHello's record */

static void connection_ready(struct ax_loop_source *source, uint32_t events);

static struct ax_connection *connection_new(struct ax_http_worker *worker)
{
    struct ax_connection *connection = worker->free_connections;
    if (!connection)
        return ax_xalloc(sizeof(*connection));
    worker->free_connections = connection->next;
    worker->free_connection_count--;
    *connection = (struct ax_connection){ 0 };
    return connection;
}

static void connection_mark_dirty(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    if (connection->is_dirty || connection->is_dead)
        return;
    connection->is_dirty = true;
    connection->next_dirty = worker->dirty;
    worker->dirty = connection;
}

static void connection_mark_again(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    if (connection->is_again || connection->is_dead)
        return;
    connection->is_again = true;
    connection->next_again = NULL;
    *(worker->again_last ? &worker->again_last->next_again : &worker->again) = connection;
    worker->again_last = connection;
}

void ax_connection_open(struct ax_http_worker *worker, int fd, struct ax_peer *peer)
{
    assert(worker && fd >= 0);
    struct ax_connection *connection = connection_new(worker);
    connection->source.ready = connection_ready;
    connection->worker = worker;
    connection->fd = fd;
    connection->peer = peer;
    connection->is_fresh = true;
    connection->is_writable = true;
    ax_http1_init(&connection->http1, &worker->exchanges);
    ax_buf_init(&connection->pending, AX_RECEIVE_BYTES);

    connection->next = worker->connections;
    if (connection->next)
        connection->next->previous = connection;
    worker->connections = connection;
    worker->connection_count++;
    ax_metric_gauge_add(worker->metrics->connections, 1);
    ax_metric_add(worker->metrics->connections_total, 1);

    struct ax_err err = AX_ERR_INIT;
    if (ax_loop_add(&worker->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                    &connection->source, &err)) {
        ax_metric_add(worker->metrics->refused_descriptors, 1);
        ax_connection_close(connection);
        return;
    }
    ax_timeout_arm(&worker->loop,
                   worker->is_draining ? &worker->grace_timeouts : &worker->idle_timeouts,
                   &connection->read_timeout);
}

/* Tell of a request that ends before it was whole: the handler, when it can be told which one. */
static void connection_tell_incomplete(const struct ax_connection *connection,
                                       struct ax_exchange *exchange, enum ax_code code)
{
    struct ax_http_worker *worker = connection->worker;
    if (exchange->state == AX_EXCHANGE_EMPTY)
        return;
    if (!exchange->request.path.ptr) {
        ax_metric_add(worker->metrics->unreadable, 1);
        return;
    }
    if (!worker->handler->incomplete)
        return;
    ax_worker_wake(worker);
    worker->handler->incomplete(worker->handler->context, worker->state, &exchange->request, code);
}

/* The exchange that is being received, if any, ends without an answer; `code` is why. */
static void connection_drop_receiving(struct ax_connection *connection, enum ax_code code)
{
    struct ax_exchange *exchange = connection->http1.exchange;
    if (!exchange)
        return;
    connection->http1.exchange = NULL;
    if (!exchange->is_sink)
        connection_tell_incomplete(connection, exchange, code);
    ax_worker_unqueue(connection->worker, exchange);
    if (connection->ring_last == exchange) {
        /* It is the last of the ring; find the one before it. */
        struct ax_exchange *before = connection->ring_first;
        if (before == exchange) {
            connection->ring_first = connection->ring_last = NULL;
        } else {
            while (before->next != exchange)
                before = before->next;
            before->next = NULL;
            connection->ring_last = before;
        }
        connection->ring_count--;
    }
    ax_exchange_give_back(&connection->worker->exchanges, exchange);
}

static void connection_count_unsent(struct ax_connection *connection)
{
    connection->worker->unsent += connection->output.len - connection->unsent;
    connection->unsent = connection->output.len;
}

void ax_connection_close(struct ax_connection *connection)
{
    assert(connection);
    if (connection->is_dead)
        return;
    struct ax_http_worker *worker = connection->worker;
    connection_drop_receiving(connection, AX_E_CANCELLED);
    while (connection->ring_first) {
        struct ax_exchange *exchange = connection->ring_first;
        connection->ring_first = exchange->next;
        exchange->next = NULL;
        exchange->connection = NULL;
        if (exchange->state == AX_EXCHANGE_HANDED) {
            ax_exchange_tell_gone(exchange);
            continue;
        }
        if (exchange->state == AX_EXCHANGE_ANSWERED || exchange->state == AX_EXCHANGE_CODED)
            ax_metric_add(worker->metrics->dropped, 1);
        else
            connection_tell_incomplete(connection, exchange, AX_E_CANCELLED);
        ax_worker_unqueue(worker, exchange);
        ax_exchange_give_back(&worker->exchanges, exchange);
    }
    connection->ring_last = NULL;
    connection->ring_count = 0;
    ax_timeout_disarm(&connection->read_timeout);
    ax_timeout_disarm(&connection->write_timeout);
    ax_output_clear(&connection->output, &worker->outputs);
    connection_count_unsent(connection);
    ax_buf_done(&connection->pending);
    (void)close(connection->fd);
    connection->fd = -1;

    *(connection->previous ? &connection->previous->next : &worker->connections) = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    worker->connection_count--;
    ax_metric_gauge_add(worker->metrics->connections, -1);
    if (worker->peers)
        ax_peers_leave(worker->peers, connection->peer);

    connection->is_dead = true;
    connection->next_dead = worker->dead;
    worker->dead = connection;
}

/* Shut down our side and wait for the client to do the same. */
static void connection_linger(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    if (connection->input == AX_INPUT_ENDED || shutdown(connection->fd, SHUT_WR)) {
        ax_connection_close(connection);
        return;
    }
    connection->is_lingering = true;
    connection->input = AX_INPUT_DISCARDED;
    ax_timeout_arm(&worker->loop, &worker->linger_timeouts, &connection->read_timeout);
    if (connection->is_unread)
        connection_mark_again(connection);
}

static bool connection_is_idle(const struct ax_connection *connection)
{
    return !connection->ring_first && !connection->http1.exchange && !connection->output.len &&
           !connection->pending.len && !connection->is_closing;
}

bool ax_connection_is_owed(const struct ax_connection *connection)
{
    assert(connection);
    return !connection->is_lingering && !connection_is_idle(connection);
}

/* Arm what the client is given time for now. */
static void connection_update_timeout(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    if (connection->is_dead || connection->is_lingering)
        return;
    struct ax_timeout *timeout = &connection->read_timeout;
    const struct ax_exchange *receiving = connection->http1.exchange;
    struct ax_timeout_list *list = NULL;
    if (receiving && receiving->state == AX_EXCHANGE_HEAD)
        list = &worker->header_timeouts;
    else if (receiving && receiving->state == AX_EXCHANGE_BODY)
        list = &worker->body_timeouts;
    else if (connection_is_idle(connection))
        list = worker->is_draining ? &worker->grace_timeouts : &worker->idle_timeouts;
    else if (connection->has_ended && !connection->was_probed && connection->ring_first)
        list = &worker->probe_timeouts;

    bool again = list == &worker->body_timeouts && connection->has_new_body;
    connection->has_new_body = false;
    if (!list)
        ax_timeout_disarm(timeout);
    else if (list != timeout->list || again) {
        ax_timeout_arm(&worker->loop, list, timeout);
        connection->body_counted = receiving ? receiving->body_received : 0;
    }
}

/* Print the last answer; false without memory. */
static bool connection_say_refusal(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    const struct ax_refusal *refusal = &connection->refusal;
    ax_metric_add(worker->metrics->requests[refusal->status / 100], 1);
    return ax_answer_print_error(&connection->output, &worker->outputs, refusal->status,
                                 refusal->text, connection->refusal_without_body);
}

/* Move what may leave from the ring to the output. */
static void connection_advance(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    bool good = true;
    while (connection->ring_first && connection->ring_first->state == AX_EXCHANGE_ANSWERED) {
        struct ax_exchange *exchange = connection->ring_first;
        connection->ring_first = exchange->next;
        if (!connection->ring_first)
            connection->ring_last = NULL;
        connection->ring_count--;
        ax_worker_count_work(worker, exchange->output.len);
        good = good && ax_output_move(&connection->output, &exchange->output, &worker->outputs);
        connection->is_closing |= exchange->closes;
        ax_exchange_give_back(&worker->exchanges, exchange);
    }
    struct ax_exchange *first = connection->ring_first;
    if (first && first->wants_continue && first->state == AX_EXCHANGE_BODY) {
        first->wants_continue = false;
        connection->has_new_body = true; /* Its time begins now. */
        connection_update_timeout(connection);
        good = good && ax_output_append(&connection->output, &worker->outputs, CONTINUE);
    }
    if (!first && connection->refusal.status && !connection->is_closing) {
        if (!connection->refusal_was_said)
            good = good && connection_say_refusal(connection);
        connection->is_closing = true;
    }
    /* An answer that cannot be held cannot be given: the client must not wait for it. */
    if (!good)
        ax_connection_close(connection);
    else
        connection_mark_dirty(connection);
}

static enum ax_code code_of_refusal(const struct ax_refusal *refusal)
{
    if (refusal->code)
        return refusal->code;
    switch (refusal->status) {
    case 408:
        return AX_E_TIMEOUT;
    case 413:
        return AX_E_TOO_LARGE;
    case 415:
    case 417:
    case 501:
        return AX_E_UNSUPPORTED;
    case 503:
        return AX_E_LIMIT;
    default:
        return AX_E_INVALID;
    }
}

/* Refuse what is being received, and with it all that would follow. */
static void connection_refuse(struct ax_connection *connection, struct ax_refusal refusal)
{
    assert(refusal.status >= 400 && refusal.text);
    const struct ax_exchange *receiving = connection->http1.exchange;
    connection->refusal_without_body = receiving && receiving->request.method == AX_HTTP_HEAD;
    connection->refusal = refusal;
    connection->refusal_was_said = receiving && receiving->is_sink;
    if (!receiving || receiving->state == AX_EXCHANGE_EMPTY)
        ax_metric_add(connection->worker->metrics->unreadable, 1);
    if (refusal.limit)
        ax_metric_add(connection->worker->metrics->limits[refusal.limit], 1);
    connection_drop_receiving(connection, code_of_refusal(&refusal));
    if (connection->input == AX_INPUT_OPEN)
        connection->input = AX_INPUT_DISCARDED;
    ax_buf_done(&connection->pending);
    ax_timeout_disarm(&connection->read_timeout);
    connection_advance(connection);
}

/* The address is that of this connection, not of its listener: behind a listener for all addresses
 * it tells which one the client spoke to. */
bool ax_connection_is_local(const struct ax_connection *connection)
{
    assert(connection && connection->fd >= 0);
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } address;
    socklen_t len = sizeof(address);
    if (getsockname(connection->fd, &address.any, &len))
        return false;
    const struct in6_addr *v6 = &address.v6.sin6_addr;
    switch (address.any.sa_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(v6) ||
               (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
    default:
        return false;
    }
}

bool ax_connection_is_last(const struct ax_connection *connection,
                           const struct ax_exchange *exchange)
{
    assert(connection && exchange);
    return connection->ring_last == exchange && !connection->http1.exchange &&
           !connection->pending.len && !connection->unparsed && !connection->is_unread;
}

void ax_connection_answered(struct ax_connection *connection)
{
    assert(connection);
    if (connection->ring_first && connection->ring_first->state == AX_EXCHANGE_ANSWERED)
        connection_advance(connection);
}

/* The handler may answer it before this returns. */
static void exchange_hand_over(struct ax_exchange *exchange)
{
    struct ax_http_worker *worker = exchange->request.worker;
    exchange->state = AX_EXCHANGE_HANDED;
    ax_worker_wake(worker);
    worker->handler->request(worker->handler->context, worker->state, &exchange->request);
}

static void hand_over_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct ax_exchange *exchange = container_of(request, struct ax_exchange, request);
    exchange->connection->whole_count--;
    exchange_hand_over(exchange);
}

/* A request is complete. What its body asks for may take long, and one wake-up may bring many of
 * them: such a request waits for a turn, and those behind it do, too. */
static void connection_take_request(struct ax_connection *connection)
{
    struct ax_exchange *exchange = connection->http1.exchange;
    connection->http1.exchange = NULL;
    if (exchange->is_sink) {
        ax_exchange_give_back(&connection->worker->exchanges, exchange);
        return;
    }
    if (exchange->closes)
        connection->input = AX_INPUT_DISCARDED;
    /* Whatever comes next gets its full time. */
    ax_timeout_disarm(&connection->read_timeout);
    if (!connection->whole_count && exchange->request.body.len <= HANDED_BYTES_MAX) {
        exchange_hand_over(exchange);
        return;
    }
    connection->whole_count++;
    ax_worker_queue(connection->worker, exchange, hand_over_step);
}

/* Decompress a slice of what came; then read on, or hand over. */
static void inflate_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct ax_exchange *exchange = container_of(request, struct ax_exchange, request);
    struct ax_connection *connection = exchange->connection;
    struct ax_http_worker *worker = connection->worker;
    size_t before = exchange->body.len;
    enum ax_http1_event event = ax_http1_inflate(&connection->http1);
    ax_metric_add(worker->metrics->inflated_bytes, exchange->body.len - before);
    if (event == AX_HTTP1_CODED) {
        ax_worker_queue(worker, exchange, inflate_step);
        return;
    }
    if (event == AX_HTTP1_REFUSED) {
        connection_refuse(connection, connection->http1.refusal);
        return;
    }
    if (event == AX_HTTP1_REQUEST) {
        ax_metric_add(worker->metrics->compressed_requests, 1);
        connection_take_request(connection);
    }
    /* There may be bytes that were not parsed, in the socket too. */
    connection_mark_again(connection);
}

static void connection_ring_add(struct ax_connection *connection, struct ax_exchange *exchange)
{
    exchange->connection = connection;
    *(connection->ring_last ? &connection->ring_last->next : &connection->ring_first) = exchange;
    connection->ring_last = exchange;
    connection->ring_count++;
}

static size_t connection_output_max(const struct ax_connection *connection)
{
    return connection->worker->unsent < UNSENT_BYTES_MAX ? OUTPUT_BYTES_MAX : OUTPUT_BYTES_MIN;
}

/* Whether another request may be begun; one that was begun is always read to its end, but not while
 * what came of it waits to be decompressed. Behind two of which the last takes many steps none is:
 * its answer grows as it does, and those of a whole pipeline would grow side by side, seen by no
 * limit. Behind one the socket is read, since else nobody knew whether it is the last. */
static bool connection_has_room(const struct ax_connection *connection)
{
    const struct ax_http_worker *worker = connection->worker;
    if (connection->http1.exchange)
        return !connection->http1.exchange->step;
    size_t requests_max = worker->is_behind ? 1 : worker->config->pipeline_requests_max;
    if (connection->ring_count > 1 && connection->ring_last->step)
        return false;
    return connection->ring_count < requests_max &&
           connection->output.len < connection_output_max(connection);
}

/* The head of a request is here and its body is not, or not as the handler shall see it. Whether
 * the handler wants it; if not, the request has its answer or will get it, and what comes of its
 * body goes to a sink. Without one, and when the client waits to be told to send the body or not
 * (some send it then, some do not), nobody can know where the next request begins: it is the last.
 */
static bool connection_ask_head(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    const struct ax_http_handler *handler = worker->handler;
    struct ax_http1 *http1 = &connection->http1;
    struct ax_exchange *exchange = http1->exchange;
    if (!handler->head)
        return true;
    enum ax_exchange_state before = exchange->state;
    bool closes_before = exchange->closes;
    struct ax_exchange *sink = NULL;
    if (before == AX_EXCHANGE_BODY && !closes_before && !exchange->wants_continue)
        sink = ax_exchange_take(&worker->exchanges, worker->loop.now_ns);
    if (sink)
        ax_exchange_make_sink(sink, exchange);
    bool closes = closes_before || (before == AX_EXCHANGE_BODY && !sink);
    exchange->closes = closes;
    exchange->state = AX_EXCHANGE_HANDED;
    http1->exchange = NULL;
    ax_worker_wake(worker);
    bool is_wanted = handler->head(handler->context, worker->state, &exchange->request);
    if (is_wanted) {
        exchange->state = before;
        exchange->closes = closes_before;
        http1->exchange = exchange;
    } else if (closes && connection->input == AX_INPUT_OPEN) {
        connection->input = AX_INPUT_DISCARDED;
    }
    if (!is_wanted && sink && !connection->is_dead && connection->input == AX_INPUT_OPEN)
        http1->exchange = sink;
    else if (sink)
        ax_exchange_give_back(&worker->exchanges, sink);
    return is_wanted;
}

/* A head has come, by `event` of the parser. False when that was all that is wanted. */
static bool connection_take_head(struct ax_connection *connection, enum ax_http1_event event)
{
    struct ax_exchange *exchange = connection->http1.exchange;
    connection_ring_add(connection, exchange);
    connection->has_new_body = true;
    if (exchange->body.len)
        exchange->wants_continue = false; /* It did not wait. */
    return (event != AX_HTTP1_MORE && event != AX_HTTP1_CODED) || connection_ask_head(connection);
}

/* What the parser made of a piece of the request that is being received. */
static void connection_parsed(struct ax_connection *connection, struct ax_exchange *exchange,
                              enum ax_http1_event event)
{
    if (event == AX_HTTP1_REFUSED)
        connection_refuse(connection, connection->http1.refusal);
    else if (event == AX_HTTP1_REQUEST)
        connection_take_request(connection);
    else if (event == AX_HTTP1_CODED)
        ax_worker_queue(connection->worker, exchange, inflate_step);
    else if (exchange->state == AX_EXCHANGE_BODY && exchange->body.len)
        exchange->wants_continue = false;
    else if (exchange->wants_continue)
        connection_advance(connection);
}

/* What protocol is this? The place where HTTP/2 and TLS will branch off; today they are told that
 * they are at the wrong port. (HTTP/2's "PRI" is left to the parser, which knows it.) */
static bool connection_is_other_protocol(struct ax_connection *connection, const char *ptr)
{
    bool is_tls = connection->is_fresh && (unsigned char)ptr[0] == TLS_HANDSHAKE;
    connection->is_fresh = false;
    if (is_tls)
        connection_refuse(
            connection,
            (struct ax_refusal){ .status = 400,
                                 .text = "this port speaks plain HTTP, not TLS: use http:" });
    return is_tls;
}

/* Parse what was received; stops when a request was refused or must wait, or the time is over. */
static size_t connection_parse(struct ax_connection *connection, const char *ptr, size_t len)
{
    struct ax_http_worker *worker = connection->worker;
    struct ax_http1 *http1 = &connection->http1;
    size_t at = 0;
    while (at < len && connection->input == AX_INPUT_OPEN && !connection->is_dead &&
           connection_has_room(connection) && !worker->is_late) {
        if (!http1->exchange)
            http1->exchange = ax_exchange_take(&worker->exchanges, worker->loop.now_ns);
        if (!http1->exchange) {
            connection_refuse(
                connection, (struct ax_refusal){ .status = 503,
                                                 .text = "too many requests at once (requests_max)",
                                                 .limit = AX_HTTP_LIMIT_REQUESTS });
            break;
        }
        struct ax_exchange *exchange = http1->exchange;
        bool had_head = exchange->state == AX_EXCHANGE_BODY;
        size_t used;
        enum ax_http1_event event = ax_http1_feed(http1, ptr + at, len - at, &used);
        at += used;
        connection->unparsed = len - at;
        bool has_head = exchange->state == AX_EXCHANGE_BODY || exchange->state == AX_EXCHANGE_WHOLE;
        if (!has_head || had_head || connection_take_head(connection, event))
            connection_parsed(connection, exchange, event);
        ax_worker_count_work(worker, used + REQUEST_WORK);
    }
    connection->unparsed = 0;
    /* Blank lines between requests begin none. */
    if (http1->exchange && http1->exchange->state == AX_EXCHANGE_EMPTY)
        connection_drop_receiving(connection, AX_OK);
    return at;
}

static void connection_received(struct ax_connection *connection, const char *ptr, size_t len)
{
    ax_metric_add(connection->worker->metrics->received_bytes, len);
    size_t used = 0;
    if (connection->input == AX_INPUT_OPEN && !connection_is_other_protocol(connection, ptr))
        used = connection_parse(connection, ptr, len);
    if (connection->is_dead || used == len)
        return;
    if (connection->input == AX_INPUT_OPEN) {
        /* Reading stops until answers have left, or for another turn. */
        if (ax_buf_append(&connection->pending, ptr + used, len - used))
            ax_connection_close(connection);
        else if (connection_has_room(connection))
            connection_mark_again(connection);
        return;
    }
    connection->discarded += len - used;
    if (connection->discarded > connection->worker->config->body_bytes_max + LINGER_EXTRA)
        ax_connection_close(connection);
}

/* The client sends no more. What it asked for is still answered, unless it has hung up. */
static void connection_input_ended(struct ax_connection *connection)
{
    enum ax_connection_input before = connection->input;
    connection->input = AX_INPUT_ENDED;
    const struct ax_exchange *receiving = connection->http1.exchange;
    if (connection->is_lingering || connection->has_hung_up ||
        (connection_is_idle(connection) && before == AX_INPUT_OPEN))
        ax_connection_close(connection);
    else if (receiving && before == AX_INPUT_OPEN)
        connection_refuse(connection,
                          (struct ax_refusal){ .status = 400,
                                               .text = "the request ended before it was complete",
                                               .code = AX_E_CANCELLED });
    else
        connection_mark_dirty(connection);
}

/* One recv. False when there is no more for now, or the connection's input is over. */
static bool connection_read_once(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    size_t room = worker->read_left ? AX_RECEIVE_BYTES : READ_BYTES_MIN;
    char *to = worker->received;
    if (connection->input == AX_INPUT_OPEN) {
        size_t body_room;
        char *body = ax_http1_body_space(&connection->http1, &body_room);
        if (body) {
            to = body;
            room = body_room;
        }
    }
    ssize_t len = recv(connection->fd, to, room, 0);
    if (len > 0) {
        worker->read_left -= AX_MIN(worker->read_left, (size_t)len);
        /* A short read has emptied the socket: the next byte, or the end, is a new edge. */
        connection->is_unread = (size_t)len == room || connection->has_ended;
        connection_received(connection, to, (size_t)len);
        return connection->is_unread;
    }
    if (len < 0 && errno == EINTR)
        return true;
    connection->is_unread = false;
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        if (connection->has_hung_up)
            ax_connection_close(connection);
        return false;
    }
    if (len == 0)
        connection_input_ended(connection);
    else
        ax_connection_close(connection);
    return false;
}

/* Count each time that a limit, and not want of time, keeps what the client sent from being read.
 */
static void connection_note_hold(struct ax_connection *connection)
{
    bool was_held = connection->is_held;
    connection->is_held = false;
    if ((!connection->pending.len && !connection->is_unread) || connection->http1.exchange ||
        connection->input != AX_INPUT_OPEN)
        return;
    const struct ax_http_metrics *metrics = connection->worker->metrics;
    bool is_full = connection->ring_count >= connection->worker->config->pipeline_requests_max;
    connection->is_held = is_full || connection->output.len >= connection_output_max(connection);
    if (connection->is_held && !was_held)
        ax_metric_add(is_full ? metrics->held_pipeline : metrics->held_output, 1);
}

static bool connection_may_read(const struct ax_connection *connection)
{
    if (connection->is_dead || connection->input == AX_INPUT_ENDED || connection->pending.len)
        return false;
    if (connection->input == AX_INPUT_DISCARDED)
        return true;
    return connection_has_room(connection);
}

/* When there is no time left, all wait for another turn. When enough was read in this round, bodies
 * do; others may be small requests, for which a little is enough. */
static bool connection_must_wait(const struct ax_connection *connection)
{
    const struct ax_http_worker *worker = connection->worker;
    const struct ax_exchange *receiving = connection->http1.exchange;
    return worker->is_late ||
           (!worker->read_left && receiving && receiving->state == AX_EXCHANGE_BODY);
}

static void connection_read(struct ax_connection *connection)
{
    int turns = READS_A_ROUND;
    while (turns && connection_may_read(connection) && !connection_must_wait(connection) &&
           connection_read_once(connection))
        turns -= connection->worker->read_left ? 1 : turns;
    if (connection->is_dead)
        return;
    /* When it stopped for want of room instead, connection_flush will go on. */
    if (!turns || (connection->is_unread && connection_must_wait(connection)))
        connection_mark_again(connection);
    connection_note_hold(connection);
    connection_update_timeout(connection);
}

/* Parse what had to wait; what still must is kept. */
static void connection_parse_pending(struct ax_connection *connection)
{
    struct ax_buf bytes = connection->pending;
    ax_buf_init(&connection->pending, AX_RECEIVE_BYTES);
    size_t used = connection_parse(connection, bytes.ptr, bytes.len);
    if (connection->is_dead || connection->input != AX_INPUT_OPEN || used == bytes.len) {
        ax_buf_done(&bytes);
        return;
    }
    ax_buf_consume(&bytes, used);
    connection->pending = bytes;
    if (connection_has_room(connection))
        connection_mark_again(connection);
}

void ax_connection_again(struct ax_connection *connection)
{
    assert(connection && !connection->is_dead);
    if (connection->output.len && connection->is_writable)
        connection_mark_dirty(connection);
    if (connection->pending.len)
        connection_parse_pending(connection);
    if (!connection->is_dead)
        connection_read(connection);
}

static void connection_ready(struct ax_loop_source *source, uint32_t events)
{
    struct ax_connection *connection = container_of(source, struct ax_connection, source);
    if (connection->is_dead)
        return;
    if (events & (EPOLLHUP | EPOLLERR))
        connection->has_hung_up = true;
    if (events & EPOLLOUT && !connection->is_writable) {
        connection->is_writable = true;
        connection_mark_dirty(connection);
    }
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        connection->has_ended = true;
        connection_mark_dirty(connection); /* to be probed, some time later */
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        connection->is_unread = true;
        /* Who waits for another turn has it in this round. */
        if (!connection->is_again)
            connection_read(connection);
    }
    /* Nobody is left to read the answers, and everything it sent was read. */
    if (!connection->is_dead && connection->has_hung_up &&
        (connection->input != AX_INPUT_OPEN || !connection_may_read(connection)))
        ax_connection_close(connection);
}

/* Write once: everything, what the socket takes, or what is a turn's share. False when that ended
 * the connection. */
static bool connection_write(struct ax_connection *connection)
{
    struct ax_http_worker *worker = connection->worker;
    if (connection->output.len && connection->is_writable) {
        struct iovec iov[WRITE_PARTS_MAX];
        struct msghdr message = { .msg_iov = iov };
        message.msg_iovlen =
            ax_output_gather(&connection->output, iov, WRITE_PARTS_MAX,
                             worker->write_left ? WRITE_BYTES_MAX : WRITE_BYTES_MIN);
        ssize_t len = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (len >= 0) {
            worker->write_left -= AX_MIN(worker->write_left, (size_t)len);
            ax_output_consume(&connection->output, &worker->outputs, (size_t)len);
            ax_metric_add(worker->metrics->sent_bytes, (uint64_t)len);
            ax_timeout_disarm(&connection->write_timeout);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            connection->is_writable = false;
        } else if (errno != EINTR) {
            ax_connection_close(connection);
            return false;
        }
    }
    connection_count_unsent(connection);
    if (!connection->output.len)
        ax_timeout_disarm(&connection->write_timeout);
    else if (!connection->write_timeout.list)
        ax_timeout_arm(&worker->loop, &worker->write_timeouts, &connection->write_timeout);
    if (connection->output.len && connection->is_writable)
        connection_mark_again(connection); /* which comes back here */
    return true;
}

void ax_connection_flush(struct ax_connection *connection)
{
    assert(connection && !connection->is_dead);
    if (!connection_write(connection))
        return;
    bool is_written = !connection->output.len;
    if (connection->is_closing) {
        if (is_written && !connection->is_lingering)
            connection_linger(connection);
        return;
    }
    if (connection->input == AX_INPUT_ENDED && is_written && !connection->ring_first &&
        !connection->pending.len) {
        ax_connection_close(connection);
        return;
    }
    /* There may be room again for what had to wait, in the socket too. */
    if (connection->pending.len ? connection_has_room(connection)
                                : connection->is_unread && connection_may_read(connection))
        connection_mark_again(connection);
    else
        connection_note_hold(connection);
    connection_update_timeout(connection);
}

void ax_connection_drain(struct ax_connection *connection)
{
    assert(connection);
    const struct ax_exchange *receiving = connection->http1.exchange;
    if (receiving && receiving->is_sink)
        connection_refuse(connection, (struct ax_refusal){ .status = 503, .text = "stopping" });
    else
        connection_update_timeout(connection);
}

static struct ax_connection *connection_of_read(struct ax_timeout *timeout)
{
    return container_of(timeout, struct ax_connection, read_timeout);
}

void ax_connection_header_expired(struct ax_timeout *timeout)
{
    struct ax_connection *connection = connection_of_read(timeout);
    ax_metric_add(connection->worker->metrics->timeout_header, 1);
    connection_refuse(
        connection, (struct ax_refusal){
                        .status = 408, .text = "the headers did not come within header_timeout" });
}

/* What must come of a body in a body_timeout. Only its own bytes count: those around chunks cost
 * their sender as little as they like. */
static size_t body_bytes_wanted(const struct ax_http_config *config)
{
    double seconds = (double)config->body_timeout_ns / (double)AX_NS_PER_S;
    return AX_MAX((size_t)((double)config->body_rate_min * seconds), (size_t)1);
}

void ax_connection_body_expired(struct ax_timeout *timeout)
{
    struct ax_connection *connection = connection_of_read(timeout);
    const struct ax_exchange *receiving = connection->http1.exchange;
    assert(receiving && receiving->state == AX_EXCHANGE_BODY);
    /* It may be us who did not read, or did not say yet that it may be sent. */
    bool is_ours = connection->is_unread || connection->pending.len || receiving->step ||
                   receiving->wants_continue;
    if (is_ours || receiving->body_received - connection->body_counted >=
                       body_bytes_wanted(connection->worker->config)) {
        connection_update_timeout(connection);
        return;
    }
    ax_metric_add(connection->worker->metrics->timeout_body, 1);
    connection_refuse(
        connection,
        (struct ax_refusal){
            .status = 408, .text = "the body came slower than body_rate_min during body_timeout" });
}

void ax_connection_idle_expired(struct ax_timeout *timeout)
{
    struct ax_connection *connection = connection_of_read(timeout);
    if (connection->is_again) {
        connection_update_timeout(connection); /* It may have asked, and we did not read. */
        return;
    }
    ax_metric_add(connection->worker->metrics->timeout_idle, 1);
    ax_connection_close(connection);
}

/* In a drain, a connection had its time for another request. A last look whether one came. */
void ax_connection_grace_expired(struct ax_timeout *timeout)
{
    struct ax_connection *connection = connection_of_read(timeout);
    connection_read(connection);
    if (!connection->is_dead && !connection->is_again && connection_is_idle(connection))
        ax_connection_close(connection);
}

/* A client that has shut down its side may wait for its answers, or be gone: TCP tells the two
 * apart only when something is sent. So one whose request still waits is sent what it has to
 * ignore; the kernel of one that is gone answers with a reset. */
void ax_connection_probe_expired(struct ax_timeout *timeout)
{
    struct ax_connection *connection = connection_of_read(timeout);
    const struct ax_exchange *first = connection->ring_first;
    connection->was_probed = true;
    if (connection->output.len || !first || first->http_1_0)
        return;
    if (ax_output_append(&connection->output, &connection->worker->outputs, CONTINUE))
        connection_mark_dirty(connection);
}

void ax_connection_write_expired(struct ax_timeout *timeout)
{
    struct ax_connection *connection = container_of(timeout, struct ax_connection, write_timeout);
    ax_metric_add(connection->worker->metrics->timeout_write, 1);
    ax_connection_close(connection);
}

void ax_connection_linger_expired(struct ax_timeout *timeout)
{
    ax_connection_close(connection_of_read(timeout));
}
