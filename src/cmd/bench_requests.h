/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the requests that `auspex bench` sends, made before the run.
 *
 * All of them lie behind one another in one buffer; while requests are added it moves, so their
 * texts are valid only from ax_bench_requests_finish on.
 */
#ifndef AX_CMD_BENCH_REQUESTS_H
#define AX_CMD_BENCH_REQUESTS_H

#include "base/buf.h"
#include "base/option.h"
#include "net/target.h"

struct ax_bench_requests {
    struct ax_str *texts; /* whole requests, once finished */
    size_t count;
    struct ax_buf bytes;
    size_t *lens;
    double *weights; /* of a mix that names them; else NULL */
    size_t cap;      /* of lens and weights */
};

/* What a request has besides its body. Everything is borrowed. */
struct ax_bench_head {
    const char *host;
    const char *path;
    const char *method;                   /* NULL: POST with a body, GET without one */
    const struct ax_option_list *headers; /* "Name: value" each */
    const char *content_type;
    size_t json_len; /* over 0: Inference-Header-Content-Length */
};

void ax_bench_requests_init(struct ax_bench_requests *requests);
void ax_bench_requests_done(struct ax_bench_requests *requests);

/* Are these headers, one line each? Expected: INVALID (names --header or --content-type). */
AX_MUST_USE enum ax_code ax_bench_head_check(const struct ax_bench_head *head, struct ax_err *err);

/* Append the bytes of one request; a body whose pointer is NULL makes it a GET. */
void ax_bench_head_print(const struct ax_bench_head *head, struct ax_str body, struct ax_buf *out);

/* Add a request. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_bench_requests_add(struct ax_bench_requests *requests,
                                               const struct ax_bench_head *head, struct ax_str body,
                                               struct ax_err *err);

/* Add one for each line of a file that is not empty. Expected: NOT_FOUND, DENIED, INVALID (no
 * line), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_bench_requests_add_lines(struct ax_bench_requests *requests,
                                                     const struct ax_bench_head *head,
                                                     const char *path, struct ax_err *err);

/* Add those of a mix: a file whose lines are [WEIGHT ]METHOD PATH[ BODY], where all have a weight
 * or none. The head's path and method are not used. Expected: as for lines; INVALID names the line.
 */
AX_MUST_USE enum ax_code ax_bench_requests_add_mix(struct ax_bench_requests *requests,
                                                   const struct ax_bench_head *head,
                                                   const char *path, struct ax_err *err);

/* `count` numbers of requests, each drawn by its weight; freed by the caller. NULL when there are
 * no weights. */
uint32_t *ax_bench_requests_draw(const struct ax_bench_requests *requests, size_t count,
                                 uint64_t seed);

/* No more are added: fill in `texts`. */
void ax_bench_requests_finish(struct ax_bench_requests *requests);

#endif
