/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: a socket, a parser, the ring of requests that wait for answers, and the output.
 *
 * It is known to its worker and to its exchanges, never to the handler. Answers leave the ring in
 * the order of the requests. It is written to once a round, when everything that the round brought
 * has been done. Its memory outlives its end until the round is over.
 */
#ifndef AX_NET_CONNECTION_H
#define AX_NET_CONNECTION_H

#include "net/http1.h"
#include "net/loop.h"
#include "net/peers.h"

enum ax_connection_input {
    AX_INPUT_OPEN,      /* bytes are read and parsed */
    AX_INPUT_DISCARDED, /* no further request will be accepted: bytes are thrown away */
    AX_INPUT_ENDED,     /* the client has shut down its side */
};

struct ax_connection {
    struct ax_loop_source source;
    struct ax_http_worker *worker;
    struct ax_connection *previous, *next; /* all of the worker; or its free list */
    struct ax_connection *next_dirty, *next_again, *next_dead;
    bool is_dirty;     /* in the worker's list of those to be written to */
    bool is_again;     /* in the list of those to be read in the next round */
    bool is_dead;      /* closed, freed at the end of the round */
    bool is_fresh;     /* no byte was read yet */
    bool is_held;      /* a limit keeps what it sent from being read, and that was counted */
    bool is_writable;  /* the last write was not cut short */
    bool is_unread;    /* the socket may hold more than was read, and no event will tell */
    bool has_ended;    /* EPOLLRDHUP: read on until the end is seen */
    bool has_hung_up;  /* EPOLLHUP or EPOLLERR: the client will not read answers either */
    bool is_closing;   /* the last answer is in the output; then the connection ends */
    bool is_lingering; /* all is written and our side is shut down */
    int fd;
    struct ax_peer *peer; /* where it is counted; may be NULL */
    enum ax_connection_input input;
    struct ax_http1 http1;
    struct ax_refusal refusal; /* the last answer, when all others have left */
    bool refusal_without_body;
    bool refusal_was_said; /* it met a body whose request was answered early: nothing is said */
    bool was_probed;       /* its side is shut down, and it was asked whether it still reads */
    struct ax_exchange *ring_first, *ring_last;
    size_t ring_count;
    size_t whole_count;    /* of the ring, those that wait for a turn to be handed over */
    struct ax_buf pending; /* bytes that were read but must wait for the ring to empty */
    size_t unparsed;       /* bytes behind the request that is being handed over */
    struct ax_output output;
    size_t unsent;       /* of it, what is counted in the worker's */
    size_t discarded;    /* bytes thrown away */
    bool has_new_body;   /* a body began, or may begin, since the timeout was armed */
    size_t body_counted; /* bytes of the body when its timeout was armed */
    struct ax_timeout read_timeout;
    struct ax_timeout write_timeout;
};

/* Take over a new, non-blocking socket, which is closed when that is not possible. It was admitted
 * by the worker's peers, if it has any. */
void ax_connection_open(struct ax_http_worker *worker, int fd, struct ax_peer *peer);

/* End it at once: unanswered requests stay with the handler, cancelled. */
void ax_connection_close(struct ax_connection *connection);

/* Whether our end of it is a unix socket or a loopback address. */
bool ax_connection_is_local(const struct ax_connection *connection);

/* An exchange of this connection was answered: pass on what may leave. */
void ax_connection_answered(struct ax_connection *connection);

/* True when this exchange is the last that is known of, so that its answer may end the
 * connection. */
bool ax_connection_is_last(const struct ax_connection *connection,
                           const struct ax_exchange *exchange);

/* Whether something of a request was read whose answer has not left. */
bool ax_connection_is_owed(const struct ax_connection *connection);

/* The worker's turns: go on with what had to wait; write what there is; a drain has begun. */
void ax_connection_again(struct ax_connection *connection);
void ax_connection_flush(struct ax_connection *connection);
void ax_connection_drain(struct ax_connection *connection);

/* What the timeout lists of the worker call. */
void ax_connection_header_expired(struct ax_timeout *timeout);
void ax_connection_body_expired(struct ax_timeout *timeout);
void ax_connection_idle_expired(struct ax_timeout *timeout);
void ax_connection_grace_expired(struct ax_timeout *timeout);
void ax_connection_probe_expired(struct ax_timeout *timeout);
void ax_connection_write_expired(struct ax_timeout *timeout);
void ax_connection_linger_expired(struct ax_timeout *timeout);

#endif
