/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load generator: sends prepared HTTP/1.1 requests and measures the answers.
 *
 * Closed loop: each connection keeps `pipeline` requests in flight and sends the next one when an
 * answer came; latency counts from the moment of sending. It finds the capacity, and hides stalls:
 * a server that stops also stops the questions. Open loop (`rate` > 0): requests follow a schedule
 * that was fixed beforehand, and latency counts from the intended time, however late the request
 * could leave; see docs/internals/load-client.md.
 *
 * The connections are shared out among threads of the run's own, each with its loop; the caller
 * waits. Everything is bounded: the time, the connections, the requests in flight.
 */
#ifndef AX_NET_LOAD_H
#define AX_NET_LOAD_H

#include "base/err.h"
#include "base/histogram.h"
#include "base/str.h"
#include "net/load_schedule.h"
#include "net/target.h"

#define AX_LOAD_CONNECTIONS_MAX 4096
#define AX_LOAD_PIPELINE_MAX    1024
#define AX_LOAD_THREADS_MAX     64
#define AX_LOAD_STATUS_COUNT    1000
#define AX_LOAD_REFUSAL_SIZE    200
#define AX_LOAD_RECORDS_MAX     ((size_t)32 << 20) /* a thread; then the run ends: TOO_LARGE */

/* How far a run is. */
struct ax_load_progress {
    uint64_t elapsed_ns; /* since the warm-up began */
    uint64_t total_ns;   /* warm-up and measured part by time; the last answers may take longer */
    uint64_t answers;    /* those of the warm-up, too */
    uint64_t errors;     /* of them, the ones without 2xx */
};

/* What became of one request of the measured part. Written to files as it is. */
struct ax_load_record {
    uint64_t began_ns;   /* (intended) time, from the begin of the measured part */
    uint64_t latency_ns; /* 0 without an answer */
    uint64_t body_hash;  /* ax_hash of the answer's body; 0 without an answer */
    uint32_t request;    /* which one of config->requests */
    uint16_t status;     /* 0: broken or unanswered */
    uint16_t part;       /* the thread */
};

struct ax_load_config {
    const struct ax_target *target;
    const struct ax_str *requests; /* whole requests; at least one */
    size_t request_count;
    const uint32_t *order; /* (optional) which requests are sent, in turn; NULL: each in turn */
    size_t order_count;    /* at least 1, with `order` */
    size_t threads;        /* 1..AX_LOAD_THREADS_MAX, at most one a connection is used */
    size_t connections;    /* 1..AX_LOAD_CONNECTIONS_MAX */
    size_t pipeline;       /* most requests in flight a connection, 1..AX_LOAD_PIPELINE_MAX */
    uint64_t rate;         /* requests a second over all connections; 0: closed loop */
    enum ax_load_arrivals arrivals; /* of the open loop */
    uint64_t seed;                  /* of Poisson arrivals: the same one, the same times */
    uint64_t warmup_ns;             /* sent and answered like the rest, not measured */
    uint64_t duration_ns;           /* of the measured part */
    uint64_t requests_max;          /* end the measured part after so many; 0: by time alone; each
                                       thread has its share of them */
    uint64_t timeout_ns;            /* how long the last answers are waited for; also to connect */
    /* (optional) Called by the caller's thread some times a second. */
    void (*progress)(void *arg, const struct ax_load_progress *progress);
    void *progress_arg;
    /* (optional) Called by the caller's thread when a run is over that succeeded, once a part, with
     * all its records; the bodies of answers are then read and hashed. */
    void (*records)(void *arg, const struct ax_load_record *records, size_t count);
    void *records_arg;
};

/* What was measured. A request belongs to the measured part when its (intended) time does; each one
 * that was sent ends in exactly one of `answers`, `broken` and `unanswered`. */
struct ax_load_result {
    struct ax_histogram latency;  /* ns, of answers with status 2xx alone */
    struct ax_histogram refusals; /* the same, of answers with another status */
    struct ax_histogram slip;     /* ns from the intended time to the write, when a connection was
                                     free: the generator's own lateness; open loop only */
    uint64_t sent;
    uint64_t answers;
    uint64_t broken;     /* lost with a connection that broke */
    uint64_t unanswered; /* not answered within the timeout after the end */
    uint64_t unsent;     /* open loop: due in time, but nothing was free until the timeout */
    uint64_t waited;     /* open loop: no connection was free at the intended time */
    uint64_t reopened;   /* connections that had to be opened again, in the warm-up too */
    uint64_t bytes_out;  /* of the measured requests */
    uint64_t bytes_in;   /* read during the measured part */
    uint64_t elapsed_ns; /* from the begin of the measured part to its end or its last answer */
    uint64_t statuses[AX_LOAD_STATUS_COUNT]; /* answers by status */
    size_t refusal_len;                      /* how the body begins of one answer without 2xx, */
    char refusal[AX_LOAD_REFUSAL_SIZE];      /* for people: any bytes; 0: none was kept */
};

/* Run it. A malformed answer ends the run, as does a server that closes every connection without
 * answering. Expected: UNAVAILABLE, TIMEOUT, LIMIT (connecting), INVALID, UNSUPPORTED, TOO_LARGE
 * (what was answered). */
AX_MUST_USE enum ax_code ax_load_run(const struct ax_load_config *config,
                                     struct ax_load_result *ret_result, struct ax_err *err);

/* Answers with another status than 2xx, and requests that got none or were never sent. */
uint64_t ax_load_error_count(const struct ax_load_result *result);

/* True when the generator was too late to say anything about the server: the p99 of its slip is
 * over a tenth of the p99 that it measured. */
bool ax_load_is_void(const struct ax_load_result *result);

#endif
