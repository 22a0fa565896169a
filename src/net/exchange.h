/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange: a request, and what net keeps about it until its answer has its place among the
 * others of its connection. And the table of a thread's exchanges.
 *
 * Life: taken from the table when the first byte of a request is there; filled by the parser; put
 * into its connection's ring when the headers are complete; handed to the handler when the body
 * is; answered; given back when the answer went to the connection's output, or at once when there
 * is no connection any more. Objects are reused with their buffers, so a request in steady state
 * allocates nothing.
 *
 * An id is a slot of the table and a count that no two uses of a slot share, so an id that is out
 * of date finds nothing.
 */
#ifndef AX_NET_EXCHANGE_H
#define AX_NET_EXCHANGE_H

#include "net/coding.h"
#include "net/http.h"
#include "net/output.h"

struct ax_connection;

enum ax_exchange_state {
    AX_EXCHANGE_EMPTY,  /* no byte of a request yet */
    AX_EXCHANGE_HEAD,   /* request line and headers are coming */
    AX_EXCHANGE_BODY,   /* headers are complete, the body is coming */
    AX_EXCHANGE_WHOLE,  /* complete; decompressed, if need be, and handed over now, or in a turn of
                           its own */
    AX_EXCHANGE_HANDED, /* the handler has it */
    AX_EXCHANGE_CODED,  /* answered; the answer is being compressed */
    AX_EXCHANGE_ANSWERED, /* the answer waits in `output` for those before it */
};

struct ax_exchange {
    struct ax_request request;
    enum ax_exchange_state state;
    struct ax_connection *connection; /* NULL: the client is gone */
    struct ax_exchange *next;         /* in the ring, or in the table's free list */

    /* The parser's. */
    char *head;      /* header_bytes_max bytes: target, names and values, one behind the other */
    size_t head_len; /* used */
    struct ax_http_header *headers; /* header_count_max of them */
    size_t head_counted;            /* bytes counted against the limit, trailers too */
    size_t header_counted;
    size_t chunk_count;
    size_t framing_received; /* bytes around the chunks: their lines and the trailers */
    size_t body_received;    /* bytes of it, as they came */
    enum ax_coding coding;   /* what they came in */
    struct ax_coder *coder;  /* decompresses them; NULL before the first, and for IDENTITY */
    bool coder_ended;        /* the compressed stream is complete */
    struct ax_buf body;
    size_t body_charged; /* bytes taken from the thread's budget */
    bool http_1_0;
    bool closes;         /* the client wants, or gets, no further answer on this connection */
    bool wants_continue; /* waits for "100 Continue" before it sends the body */
    bool is_sink;        /* no request: takes the rest of a body that was refused; in no ring */

    /* The answer's. */
    struct ax_output output;
    struct ax_coded_answer *coded; /* what is being compressed; in the request's arena */

    /* What is done with it in a turn of its own: the handler's (ax_request_resume), or net's. */
    void (*step)(void *context, void *state, struct ax_request *request);
    struct ax_exchange *previous_runnable, *next_runnable;
};

struct ax_exchange_table {
    struct ax_http_worker *worker;
    const struct ax_http_config *config;
    struct ax_output_pool *outputs;
    struct ax_budget requests; /* of exchanges in use */
    struct ax_budget budget;   /* of bodies, large blocks of arenas, and coders */
    struct ax_coder_pool coders;
    struct ax_exchange **slots; /* slots_max of them; idle objects stay in theirs */
    size_t slots_max;           /* as many as the server's requests may be, if a thread's may */
    size_t slot_count;          /* slots that were ever used */
    size_t used_count;          /* exchanges that are not free */
    struct ax_exchange *free;
    size_t free_count;
    uint16_t *vacant; /* slots whose object was given back to the system */
    size_t vacant_count;
    uint64_t serial;    /* rises with each use */
    uint64_t id_prefix; /* tells the threads of the process apart */
};

#define AX_EXCHANGES_MAX    ((size_t)65535) /* a thread; a slot has 16 bits in an id */
#define AX_HTTP_THREADS_MAX 256

/* `thread` is below AX_HTTP_THREADS_MAX. */
void ax_exchange_table_init(struct ax_exchange_table *table, struct ax_http_worker *worker,
                            size_t thread, const struct ax_http_config *config,
                            struct ax_output_pool *outputs);
/* Let the limits be those of several tables together; nothing is in use yet. Else they are its own.
 * The pools are borrowed. */
void ax_exchange_table_share(struct ax_exchange_table *table, struct ax_budget_pool *requests,
                             struct ax_budget_pool *bodies);
/* All exchanges have been given back. */
void ax_exchange_table_done(struct ax_exchange_table *table);

/* An empty exchange, or NULL when requests_max are in use, or AX_EXCHANGES_MAX of this thread. */
struct ax_exchange *ax_exchange_take(struct ax_exchange_table *table, uint64_t now_ns);

/* Make `sink`, which is empty, take the rest of the body that `exchange` has begun to receive. */
void ax_exchange_make_sink(struct ax_exchange *sink, const struct ax_exchange *exchange);

/* Its client is gone, and it waits for no step: let the handler know in one. */
void ax_exchange_tell_gone(struct ax_exchange *exchange);

/* It is in no ring any more; its id finds nothing from now on. */
void ax_exchange_give_back(struct ax_exchange_table *table, struct ax_exchange *exchange);

/* The exchange with this id, or NULL. */
struct ax_exchange *ax_exchange_find(const struct ax_exchange_table *table, uint64_t id);

/* The next exchange in use at or behind slot *at, which is moved behind it; NULL when none is. */
struct ax_exchange *ax_exchange_next(const struct ax_exchange_table *table, size_t *at);

/* Room for `more` bytes behind the body, and 16 behind those, charged to the budget. False when
 * the budget or the memory does not suffice. */
AX_MUST_USE bool ax_exchange_body_room(struct ax_exchange *exchange, struct ax_budget *budget,
                                       size_t more);

/* Print an answer's head and body into the exchange's output; `buf` and `body` as in struct
 * ax_answer. False without memory. */
AX_MUST_USE bool ax_exchange_print(struct ax_exchange *exchange, struct ax_output_pool *pool,
                                   const struct ax_answer *answer);

/* The same for an answer that belongs to no exchange: net's own {"error":"text"}, after which the
 * connection closes. */
AX_MUST_USE bool ax_answer_print_error(struct ax_output *output, struct ax_output_pool *pool,
                                       int status, const char *text, bool without_body);

#endif
