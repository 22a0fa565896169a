/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one I/O thread with all that belongs to it. Private to net.
 *
 * A round of its loop: wait; read what is ready and hand whole requests over; deliver messages; let
 * requests take their next step; look at timeouts; end the wake-up (wake_end answers what was
 * gathered); write to each connection that has something to say, once; free what died, large memory
 * a part a round.
 *
 * What can take long is bounded a round, whoever asks for it, by time: requests are parsed and
 * handed over, and steps are taken, until their part of a millisecond is over, and what does not
 * fit waits, in order, while the loop does not. wake_end has a bound of its own. Being handed over
 * with a large body is a step, too.
 */
#ifndef AX_NET_WORKER_H
#define AX_NET_WORKER_H

#include "base/block.h"
#include "base/metric.h"
#include "base/thread.h"

#include "net/connection.h"
#include "net/exchange.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/peers.h"

#define AX_RECEIVE_BYTES ((size_t)64 << 10)

/* Registered once a process; the numbers are the same for all workers. */
struct ax_http_metrics {
    ax_metric compressed_requests, compressed_answers;
    ax_metric inflated_bytes, deflated_bytes; /* of plain bodies */
    ax_metric connections;
    ax_metric connections_total;
    ax_metric refused_connections_max, refused_per_peer_max, refused_descriptors;
    ax_metric limits[AX_HTTP_LIMIT_COUNT]; /* by enum ax_http_limit; [0] is unused */
    ax_metric held_pipeline, held_output;
    ax_metric accept_pauses;
    ax_metric requests[6]; /* by the first digit of the status; [0] is unused */
    ax_metric timeout_header, timeout_body, timeout_idle, timeout_write;
    ax_metric received_bytes, sent_bytes;
    ax_metric waits[AX_LOOP_SLEPT + 1]; /* by enum ax_loop_waited; those that passed are unused */
    ax_metric dropped;                  /* answers whose client was gone */
    ax_metric unreadable;               /* requests that ended before their target was known */
};

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_http_metrics_register(struct ax_http_metrics *ret_metrics,
                                                  struct ax_err *err);

/* One descriptor that is accepted from. */
struct ax_acceptor {
    struct ax_loop_source source;
    struct ax_http_worker *worker;
    struct ax_listener *listener;
    int fd;
    bool is_watched; /* by the loop; not in a pause */
};

/* A drain or a start that failed; sent once. */
struct ax_worker_drain {
    struct ax_loop_message message;
    struct ax_http_worker *worker;
    atomic_flag sent;
};

struct ax_http_worker {
    struct ax_loop loop;
    size_t index;
    const struct ax_http_config *config;
    const struct ax_http_handler *handler;
    void *state; /* the handler's */
    const struct ax_http_metrics *metrics;
    struct ax_thread thread;

    struct ax_acceptor *acceptors;
    size_t acceptor_count;
    int reserve_fd;         /* given up in a drain when descriptors are gone, to refuse politely */
    struct ax_peers *peers; /* the server's, set before ax_worker_listen; NULL: nobody counts */

    struct ax_connection *connections;
    size_t connection_count;
    struct ax_connection *free_connections;
    size_t free_connection_count;
    struct ax_connection *dirty, *dead;
    struct ax_connection *again, *again_last; /* in the order in which they had to stop */
    size_t read_left;  /* bytes that may still be read, before bodies have to wait */
    size_t write_left; /* bytes that may still be written, before all have to write less */
    size_t unsent;     /* bytes of answers that their clients did not take, of all connections */

    uint64_t part_ns;  /* from the beginning of the round, when this part of it is over */
    size_t work_bytes; /* done since the clock was looked at */
    bool is_late;      /* this part is over: connections that are not done wait for another turn */
    bool is_behind;    /* wake_end has more to do */

    struct ax_exchange_table exchanges;
    struct ax_output_pool outputs;
    struct ax_exchange *runnable_first, *runnable_last;

    struct ax_timeout_list header_timeouts, body_timeouts, idle_timeouts, write_timeouts;
    struct ax_timeout_list linger_timeouts, grace_timeouts, probe_timeouts, accept_timeouts;
    struct ax_timeout_list drain_timeouts;
    struct ax_timeout drain_timeout;
    struct ax_timeout accept_timeout; /* armed: accepting is paused */

    bool in_wake; /* between wake_begin and wake_end */
    bool is_draining;
    bool is_over;     /* the handler has forgotten this thread */
    bool is_cut;      /* the drain timeout is over */
    size_t cut_count; /* connections that it ended before they had all their answers */
    struct ax_worker_drain drain;
    char *received;              /* AX_RECEIVE_BYTES; what is read goes here first */
    struct ax_block_waste waste; /* large memory that was freed in rounds */
};

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_worker_init(struct ax_http_worker *worker, size_t index,
                                        const struct ax_http_config *config,
                                        const struct ax_http_handler *handler,
                                        const struct ax_http_metrics *metrics, struct ax_err *err);
void ax_worker_done(struct ax_http_worker *worker);

/* Watch the listeners, from the thread that makes the worker. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_worker_listen(struct ax_http_worker *worker,
                                          struct ax_listener **listeners, size_t count,
                                          struct ax_err *err);

/* Accept what waits in the queues, then accept no more: a drain has begun. */
void ax_worker_leave_listeners(struct ax_http_worker *worker);

/* What the timeout list calls: a pause is over. */
void ax_worker_accept_expired(struct ax_timeout *timeout);

/* One round, as above. For ax_worker_run, and for driving a worker without a thread of its own. */
void ax_worker_round(struct ax_http_worker *worker);

/* Go round until drained; the listeners have been left, no connection and no request remains. */
void ax_worker_run(struct ax_http_worker *worker);

/* Leave the listeners without having run. */
void ax_worker_abandon(struct ax_http_worker *worker);

/* From any thread; repeatable. */
void ax_worker_drain(struct ax_http_worker *worker);

/* Let `exchange` take this step when its turn comes; it has none yet. */
void ax_worker_queue(struct ax_http_worker *worker, struct ax_exchange *exchange,
                     void (*step)(void *context, void *state, struct ax_request *request));

/* Take its step away; without one nothing is done. */
void ax_worker_unqueue(struct ax_http_worker *worker, struct ax_exchange *exchange);

/* Work was done: bytes, or what costs as much. Looks at the clock when that was enough, so that a
 * lone small request does not. */
void ax_worker_count_work(struct ax_http_worker *worker, size_t bytes);

/* Begin the wake-up of the handler, if that was not done in this round. */
void ax_worker_wake(struct ax_http_worker *worker);

#endif
