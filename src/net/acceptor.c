/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting, and refusing to.
 *
 * Accepting is bounded a round, so that a flood of connections does not keep those that are there
 * from being served. A connection over a limit is answered with 503, as far as it still reads: its
 * request is not waited for.
 *
 * When the process has no descriptor left, accept fails while the connection stays in the queue,
 * and the loop would spin over a listener that is always ready. So the listeners are left alone for
 * PAUSE_NS: who connects waits in their queues, and who is connected is served as before.
 *
 * In a drain there is no later: what waits in the queue is accepted until nothing is left, with one
 * descriptor that was held in reserve, if need be, to tell them that they are too late.
 */
#include "net/worker.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_ROUND 64

/* A connection that is not kept. What has come from it is read first, since closing over it would
 * make the kernel send a reset, which may overtake the answer. */
static void acceptor_refuse(struct ax_acceptor *acceptor, int fd, ax_metric metric,
                            const char *text)
{
    struct ax_http_worker *worker = acceptor->worker;
    struct ax_output output = { 0 };
    struct iovec iov[1];
    ax_metric_add(metric, 1);
    if (ax_answer_print_error(&output, &worker->outputs, 503, text, /* without_body= */ false) &&
        ax_output_gather(&output, iov, AX_COUNT(iov), output.len)) {
        (void)recv(fd, worker->received, AX_RECEIVE_BYTES, MSG_DONTWAIT);
        (void)send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(fd, SHUT_WR);
    }
    ax_output_clear(&output, &worker->outputs);
    (void)close(fd);
}

static void acceptor_keep(struct ax_acceptor *acceptor, int fd,
                          const struct sockaddr_storage *address)
{
    struct ax_http_worker *worker = acceptor->worker;
    const struct ax_http_metrics *metrics = worker->metrics;
    struct ax_peer *peer = NULL;
    switch (ax_peers_admit(worker->peers, address, &peer)) {
    case AX_PEERS_ADMITTED:
        ax_connection_open(worker, fd, peer);
        break;
    case AX_PEERS_FULL:
        acceptor_refuse(acceptor, fd, metrics->refused_connections_max,
                        "too many connections (connections_max)");
        break;
    case AX_PEERS_PEER_FULL:
        acceptor_refuse(acceptor, fd, metrics->refused_per_peer_max,
                        "too many connections from this address (connections_per_peer_max)");
        break;
    }
}

/* Take a connection out of the queue and end it, with the descriptor held for that; false when
 * none could be. */
static bool acceptor_refuse_late(struct ax_acceptor *acceptor)
{
    struct ax_http_worker *worker = acceptor->worker;
    if (worker->reserve_fd < 0)
        return false;
    (void)close(worker->reserve_fd);
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        acceptor_refuse(acceptor, fd, worker->metrics->refused_descriptors,
                        "no descriptor is left for this connection");
    worker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void worker_watch_listeners(struct ax_http_worker *worker)
{
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < worker->acceptor_count; i++) {
        struct ax_acceptor *acceptor = &worker->acceptors[i];
        /* Exclusive: one thread is woken for a connection to a socket that all of them watch. */
        if (!acceptor->is_watched)
            acceptor->is_watched = !ax_loop_add(&worker->loop, acceptor->fd,
                                                EPOLLIN | EPOLLEXCLUSIVE, &acceptor->source, &err);
        if (!acceptor->is_watched)
            ax_timeout_arm(&worker->loop, &worker->accept_timeouts, &worker->accept_timeout);
    }
}

static void acceptor_unwatch(struct ax_acceptor *acceptor)
{
    if (acceptor->is_watched)
        ax_loop_remove(&acceptor->worker->loop, acceptor->fd);
    acceptor->is_watched = false;
}

static void worker_pause_accepting(struct ax_http_worker *worker)
{
    ax_metric_add(worker->metrics->accept_pauses, 1);
    for (size_t i = 0; i < worker->acceptor_count; i++)
        acceptor_unwatch(&worker->acceptors[i]);
    ax_timeout_arm(&worker->loop, &worker->accept_timeouts, &worker->accept_timeout);
}

void ax_worker_accept_expired(struct ax_timeout *timeout)
{
    worker_watch_listeners(container_of(timeout, struct ax_http_worker, accept_timeout));
}

/* False when nothing waits any more, or nothing can be accepted. */
static bool acceptor_accept(struct ax_acceptor *acceptor)
{
    struct ax_http_worker *worker = acceptor->worker;
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    bool is_asked = ax_peers_tells_apart(worker->peers);
    int fd = accept4(acceptor->fd, is_asked ? (struct sockaddr *)&address : NULL,
                     is_asked ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        acceptor_keep(acceptor, fd, is_asked ? &address : NULL);
        return true;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        if (worker->is_draining)
            return acceptor_refuse_late(acceptor);
        worker_pause_accepting(worker);
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
        return true;
    default:
        return false;
    }
}

static void acceptor_ready(struct ax_loop_source *source, uint32_t events)
{
    (void)events;
    struct ax_acceptor *acceptor = container_of(source, struct ax_acceptor, source);
    /* The events of a round may name one that was left alone in it. */
    if (!acceptor->is_watched)
        return;
    for (int i = 0; i < ACCEPTS_A_ROUND; i++)
        if (!acceptor_accept(acceptor))
            return;
}

enum ax_code ax_worker_listen(struct ax_http_worker *worker, struct ax_listener **listeners,
                              size_t count, struct ax_err *err)
{
    assert(worker && worker->peers && listeners && count && err);
    worker->acceptors = ax_xalloc(count * sizeof(*worker->acceptors));
    for (size_t i = 0; i < count; i++) {
        struct ax_acceptor *acceptor = &worker->acceptors[i];
        *acceptor = (struct ax_acceptor){ .source.ready = acceptor_ready,
                                          .worker = worker,
                                          .listener = listeners[i],
                                          .fd = listeners[i]->fds[worker->index] };
        worker->acceptor_count++;
    }
    worker_watch_listeners(worker);
    if (!worker->accept_timeout.list)
        return AX_OK;
    return ax_fail(err, AX_E_LIMIT, "the kernel refused to watch a listening socket");
}

void ax_worker_leave_listeners(struct ax_http_worker *worker)
{
    assert(worker && worker->is_draining);
    ax_timeout_disarm(&worker->accept_timeout);
    for (size_t i = 0; i < worker->acceptor_count; i++) {
        struct ax_acceptor *acceptor = &worker->acceptors[i];
        /* As many as one queue can hold, so that a flood cannot keep this from ending. */
        for (int k = 0; k < AX_LISTENER_BACKLOG && acceptor_accept(acceptor); k++)
            ;
        acceptor_unwatch(acceptor);
        ax_listener_leave(acceptor->listener, worker->index);
    }
    worker->acceptor_count = 0;
}

void ax_worker_abandon(struct ax_http_worker *worker)
{
    assert(worker);
    for (size_t i = 0; i < worker->acceptor_count; i++)
        ax_listener_leave(worker->acceptors[i].listener, worker->index);
    worker->acceptor_count = 0;
}
