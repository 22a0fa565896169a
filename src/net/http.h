/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: listeners and I/O threads below, requests and answers above.
 *
 * A request is an object of its own. It is made when its headers are complete, lives in its loop's
 * request table under an id, owns an arena, and may be answered at once or in any later wake-up of
 * its loop. The connection keeps an ordered ring of the requests it waits for, so pipelined answers
 * leave in order, and all that one wake-up finished leaves in one write. When the client goes away
 * the request stays until it is answered; its answer is then dropped.
 *
 * Everything here but the functions that say otherwise is called on the request's own I/O thread.
 * Bodies that come in gzip or deflate are decompressed before the handler sees them, and answers
 * are compressed for clients that accept it: the handler knows of neither.
 *
 * Failures of HTTP itself (400, 405, 408, 413, 415, 417, 431) are answered here, with the body
 * {"error":"text"}; the handler never sees such requests.
 */
#ifndef AX_NET_HTTP_H
#define AX_NET_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"

struct ax_http_server;
struct ax_loop;
struct ax_http_worker; /* one I/O thread: its loop, its connections, its requests */

enum ax_http_method {
    AX_HTTP_GET,
    AX_HTTP_HEAD, /* handled as GET; the body is left out of the answer */
    AX_HTTP_POST,
    AX_HTTP_PUT,
    AX_HTTP_PATCH,
    AX_HTTP_DELETE,
    AX_HTTP_OPTIONS,
    AX_HTTP_OTHER,
};

struct ax_http_header {
    struct ax_str name; /* lower case */
    struct ax_str value;
};

/* Texts live in the request's arena or body buffer, until it is answered. */
struct ax_request {
    uint64_t id;                   /* unique within the process while it lives */
    struct ax_http_worker *worker; /* the I/O thread it belongs to */
    struct ax_arena arena;         /* dies with the request */
    enum ax_http_method method;
    struct ax_str target; /* as sent */
    struct ax_str path;   /* before '?', percent-decoded; may hold any byte but NUL */
    struct ax_str query;  /* behind '?', as sent */
    const struct ax_http_header *headers;
    size_t header_count;
    struct ax_str body; /* decompressed; followed by 16 readable zero bytes; aligned to 16 */
    uint64_t began_ns;  /* monotonic, when its first byte was read */
    void *user;         /* the handler's, NULL at first */
};

/* What is done with requests. `context` is the server's; the same functions run on all threads. */
struct ax_http_handler {
    void *context;

    /* (optional) A thread begins or ends; *ret_state is passed to the others. Expected: LIMIT. */
    enum ax_code (*thread_begin)(void *context, struct ax_http_worker *worker, void **ret_state,
                                 struct ax_err *err);
    void (*thread_end)(void *context, void *state);

    /* (optional) Bracket each wake-up: before the first request of it, and when all that it brought
     * was handed over. wake_end is where what came for the same model is scored as one batch. It
     * works for about a millisecond; true: there is more to do, in another wake-up at once. */
    void (*wake_begin)(void *context, void *state);
    bool (*wake_end)(void *context, void *state);

    /* A whole request. Answer it now, in wake_end, in a later step (ax_request_resume), or after a
     * message (ax_request_post). */
    void (*request)(void *context, void *state, struct ax_request *request);

    /* (optional) A request whose head is here before its body is, or before that is decompressed:
     * one that comes with its body at once goes to `request`, where refusing it is as cheap.
     * `body` is empty, `user` stays NULL, the arena may be used. True: go on. False: it is refused;
     * it was answered, or will be as by `request`, and neither `request` nor `incomplete` follows.
     * Its body is thrown away as it comes, and the connection lives on, unless the client waits
     * for 100 Continue. Within a wake-up, like `request`. */
    bool (*head)(void *context, void *state, struct ax_request *request);

    /* (optional) The client of a request is gone while it waits for something else than a step of
     * its own (which asks ax_request_is_cancelled): give up now what would be done for it, by
     * answering it, or later. Called once, in a step, never from inside another function of net. */
    void (*cancelled)(void *context, void *state, struct ax_request *request);

    /* (optional) A request whose target is known ended before it was handed over, and will not be:
     * refused by net, for what `code` says, or cut (CANCELLED). It may be looked at during the
     * call. Within a wake-up, like `request`. */
    void (*incomplete)(void *context, void *state, struct ax_request *request, enum ax_code code);

    /* (optional) Once when the request ends, answered or not: release what `user` holds. */
    void (*release)(void *context, void *state, struct ax_request *request);
};

/* Options of the server: listen, threads, timeouts, limits; docs/configuration.md. */
struct ax_http_config {
    struct ax_option_list listen; /* ADDR:PORT, [ADDR]:PORT or unix:PATH */
    size_t threads;               /* 0: one a core */
    size_t body_bytes_max;        /* as it came, and decompressed */
    size_t compress_bytes_min;    /* smaller answers are not compressed; 0: none is */
    size_t header_bytes_max;
    size_t header_count_max;
    size_t chunk_count_max;
    size_t connections_max;          /* of all threads; over it new ones get 503 and are closed */
    size_t connections_per_peer_max; /* the same of one address, net/peers.h; 0: no limit */
    size_t pipeline_requests_max;    /* a connection: reading stops until answers left */
    size_t requests_max;             /* of all threads, those of clients that left too: 503 */
    size_t bodies_bytes_max;         /* of all threads: bodies, and work on them; over it 503 */
    size_t request_bytes_max;        /* most a request's arena may hold */
    uint64_t header_timeout_ns;      /* from the first byte to the end of the headers: 408 */
    uint64_t body_timeout_ns;        /* with less of the body than body_rate_min: 408 */
    size_t body_rate_min;            /* bytes a second; 0: a byte in body_timeout_ns */
    uint64_t idle_timeout_ns;        /* keep-alive without a request: closed */
    uint64_t write_timeout_ns;       /* without progress of the client's reading: closed */
    uint64_t drain_timeout_ns;       /* SIGTERM to exit at the latest */
    uint64_t busy_poll_ns;           /* asked for events before sleeping; 0: sleeps at once */
};
extern const struct ax_option ax_http_options[];

/* Bind all listeners (an exclusive probe first, so that a port in use is refused) and start the
 * threads. The handler is borrowed until free. Expected: INVALID (address), UNAVAILABLE (in use),
 * DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_http_server_start(const struct ax_http_config *config,
                                              const struct ax_http_handler *handler,
                                              struct ax_http_server **ret_server,
                                              struct ax_err *err);

/* Begin the graceful end: accept what already waits, refuse more, answer all that was received
 * (answers carry Connection: close), then the threads end. Any thread; async-signal-unsafe. */
void ax_http_server_drain(struct ax_http_server *server);

/* Wait until all threads have ended; after the drain timeout they are made to. ax_request_post may
 * still be called: threads of the caller that do so are ended between this and join_free. */
void ax_http_server_join(struct ax_http_server *server);

/* Behind join: connections that the drain timeout ended before they had all their answers. */
size_t ax_http_server_cut_count(const struct ax_http_server *server);

/* Join, if that was not done before; then free. Messages that nobody received are delivered
 * without request and with a NULL state. NULL is fine. */
void ax_http_server_join_free(struct ax_http_server *server);

/* What was bound, with the port the kernel chose: "127.0.0.1:8000", "unix:/run/ax.sock". */
size_t ax_http_server_listener_count(const struct ax_http_server *server);
const char *ax_http_server_listener(const struct ax_http_server *server, size_t index);

/* The value of a header, or an empty text with a NULL pointer. `name` in lower case. */
struct ax_str ax_request_header(const struct ax_request *request, const char *name);
/* Whether it came more than once. */
bool ax_request_has_second(const struct ax_request *request, const char *name);

/* An answer's headers and body. Everything is copied or taken during the call. */
struct ax_answer {
    int status;
    const char *content_type;  /* NULL without a body */
    const char *extra_headers; /* NULL, or whole lines, each ending in \r\n */
    struct ax_str body;        /* copied */
    struct ax_buf *body_buf; /* if not NULL: its contents are the body and are taken, not copied */
};

/* Answer: the request may be gone when this returns. Exactly once a request. */
void ax_request_answer(struct ax_request *request, const struct ax_answer *answer);

/* Go on with this request in the next round of the loop, after other connections had their turn:
 * `step(state, request)` is called once. For work in slices of at most 1 ms. */
void ax_request_resume(struct ax_request *request,
                       void (*step)(void *context, void *state, struct ax_request *request));

/* From any thread: have `deliver(context, state, request, message)` called on the worker's own
 * thread with the request of this id, or with NULL when it is gone (then `deliver` only frees the
 * message). Never blocks for long; messages arrive in order. */
void ax_request_post(struct ax_http_worker *worker, uint64_t request_id,
                     void (*deliver)(void *context, void *state, struct ax_request *request,
                                     void *message),
                     void *message);

/* The loop of a worker, for what answers on it. */
struct ax_loop *ax_http_worker_loop(struct ax_http_worker *worker) AX_RETURNS_NONNULL;

/* True when the request came by a unix socket or to a loopback address, so that it was sent on this
 * host. False when its client is gone. Asks the kernel: not for every request. */
bool ax_request_is_local(const struct ax_request *request);

/* True when the client is gone or the connection broke, so that work for it may be dropped. */
bool ax_request_is_cancelled(const struct ax_request *request);

#endif
