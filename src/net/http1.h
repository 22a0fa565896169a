/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 bytes in, requests out: the only place that knows llhttp.
 *
 * The parser writes into an exchange that its owner gives it, and stops at the end of each request
 * and at whatever it refuses. It is strict: bare LF, folded headers, space before the colon, two
 * Content-Lengths, Content-Length with Transfer-Encoding and the like are refused, since two
 * readers of one connection must never differ about where a request ends. It never blocks,
 * allocates only the body, and accepts bytes in pieces of any size with the same result. A body
 * that comes compressed is decompressed as it comes, in slices for which its owner asks.
 */
#ifndef AX_NET_HTTP1_H
#define AX_NET_HTTP1_H

#include "net/exchange.h"

/* Limits that a request may meet before it is handed over; each is an option of this name. */
enum ax_http_limit {
    AX_HTTP_LIMIT_NONE,
    AX_HTTP_LIMIT_BODY_BYTES,
    AX_HTTP_LIMIT_CHUNK_COUNT,
    AX_HTTP_LIMIT_HEADER_BYTES,
    AX_HTTP_LIMIT_HEADER_COUNT,
    AX_HTTP_LIMIT_REQUESTS,
    AX_HTTP_LIMIT_BODIES_BYTES,
    AX_HTTP_LIMIT_REQUEST_BYTES,
    AX_HTTP_LIMIT_COUNT,
};

/* Why a request is refused: an HTTP status and words for its sender. */
struct ax_refusal {
    int status; /* 0: not refused */
    const char *text;
    enum ax_code code; /* what it is to the handler; AX_OK: as the status says */
    enum ax_http_limit limit;
};

struct ax_http1 {
    const struct ax_http_config *config;
    struct ax_exchange_table *table;
    struct ax_exchange *exchange; /* being filled; NULL between requests */
    struct ax_refusal refusal;
    bool paused;   /* at the end of a request */
    bool in_value; /* the header before was or is being given its value */
    bool is_chunked;
    uint64_t parser[16]; /* llhttp's own */
};

enum ax_http1_event {
    AX_HTTP1_MORE,    /* everything was used; more is needed */
    AX_HTTP1_REQUEST, /* the exchange is WHOLE; take it, and give another before the next bytes */
    AX_HTTP1_CODED,   /* feed no more: ax_http1_inflate has to be called until it says otherwise */
    AX_HTTP1_REFUSED, /* `refusal` says why; no more bytes may follow */
};

/* The table's limits, budget and coders are used; borrowed for the parser's life. Nothing is to be
 * released. */
void ax_http1_init(struct ax_http1 *http1, struct ax_exchange_table *table);

/* Parse; `exchange` was set. *ret_used tells how many of the bytes were used. */
enum ax_http1_event ax_http1_feed(struct ax_http1 *http1, const char *ptr, size_t len,
                                  size_t *ret_used);

/* Decompress on, for a slice of well below a millisecond; never returns what was not asked for by
 * AX_HTTP1_CODED before. */
enum ax_http1_event ax_http1_inflate(struct ax_http1 *http1);

/* Where the next bytes may be received into the body itself, with the room there in *ret_len; NULL
 * when they must come from elsewhere. What was received is then fed from there. */
char *ax_http1_body_space(struct ax_http1 *http1, size_t *ret_len);

#endif
