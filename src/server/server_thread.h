/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server keeps for each I/O thread, and how answers leave it.
 *
 * During a wake-up `catalog` is the published one; outside it is NULL. Answers are printed into
 * `answer`, which keeps its memory, so that a thread in steady use does not allocate.
 */
#ifndef AX_SERVER_SERVER_THREAD_H
#define AX_SERVER_SERVER_THREAD_H

#include "base/epoch.h"
#include "net/http.h"
#include "server/catalog.h"
#include "server/scoring.h"
#include "server/served_log.h"

/* Most bytes of an answer, and what of its buffer is kept for the next one. */
#define AX_SERVER_ANSWER_MAX  ((size_t)1 << 30)
#define AX_SERVER_ANSWER_KEEP ((size_t)1 << 20)
/* What the scores in the answers of a wake-up may take, about, as long as they are printed at once;
 * the others are printed in slices. */
#define AX_SERVER_PRINT_BYTES ((size_t)128 << 10)

struct ax_server;

struct ax_server_thread {
    struct ax_server *server;
    struct ax_epoch_reader *reader;
    const struct ax_catalog *catalog;
    struct ax_buf answer;
    size_t print_left; /* of AX_SERVER_PRINT_BYTES, in this wake-up */
    struct ax_scoring scoring;
    struct ax_served_sampler *sampler; /* NULL: what is served is not logged */
    char retry_after[40];              /* a header line */
};

/* The slots of struct ax_http_handler; `context` is the struct ax_server. */
enum ax_code ax_server_thread_begin(void *context, struct ax_http_worker *http, void **ret_state,
                                    struct ax_err *err);
void ax_server_thread_end(void *context, void *state);
void ax_server_thread_wake_begin(void *context, void *state);
bool ax_server_thread_wake_end(void *context, void *state);
void ax_server_thread_request(void *context, void *state, struct ax_request *request);
bool ax_server_thread_head(void *context, void *state, struct ax_request *request);
void ax_server_thread_incomplete(void *context, void *state, struct ax_request *request,
                                 enum ax_code code);
void ax_server_thread_cancelled(void *context, void *state, struct ax_request *request);
void ax_server_thread_release(void *context, void *state, struct ax_request *request);

/* Whether all can be asked for that should be: models, and windows of features. */
bool ax_server_thread_is_ready(const struct ax_server_thread *thread);

/* By which what is served now is logged; NULL: it is not. While windows are filled it is not, since
 * what they lack then would be told as wrong. */
struct ax_served_sampler *ax_server_thread_sampler(const struct ax_server_thread *thread);

/* An empty buffer to print an answer into. */
struct ax_buf *ax_server_thread_answer_begin(struct ax_server_thread *thread);

/* Answer with what was printed, as application/json; a buffer that failed is a 500. */
void ax_server_thread_answer(struct ax_server_thread *thread, struct ax_request *request,
                             int status);

/* The same with another content type. */
void ax_server_thread_answer_as(struct ax_server_thread *thread, struct ax_request *request,
                                int status, const char *content_type);

/* Answer {"error":"text"}; 503 and 504 also tell when to come again. `extra_headers` as in
 * net/http.h. */
void ax_server_thread_answer_error(struct ax_server_thread *thread, struct ax_request *request,
                                   int status, const char *text, const char *extra_headers);

#endif
