/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of served vectors: of some entities, what was served to calls of services.
 *
 * Each I/O thread has a sampler, which copies vectors into a ring of its own; the log's thread
 * takes them from there and writes files. Nothing of it holds a request up: a vector for which
 * there is no room is lost, and counted. See docs/internals/served-vectors.md.
 */
#ifndef AX_SERVER_SERVED_LOG_H
#define AX_SERVER_SERVED_LOG_H

#include "base/option.h"
#include "feature/service_vector.h"
#include "pipeline/served_form.h"

struct ax_served_log;
struct ax_served_sampler;

struct ax_served_log_config {
    size_t entities_per_million; /* 0: nothing is logged */
    size_t bytes_max;            /* of all files */
    size_t days_max;             /* of a file */
    uint64_t interval_ns;        /* vectors are in a file after this time */
};
extern const struct ax_option ax_served_log_options[];

/* Start the thread. `config` and `state`, a folder whose lock the process has, are borrowed;
 * `now_us` is the clock that the server goes by, any thread. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_served_log_new(const struct ax_served_log_config *config,
                                           const char *state, int64_t (*now_us)(void *context),
                                           void *context, struct ax_served_log **ret_log,
                                           struct ax_err *err);
/* Write what there is, and end; nobody samples any more. NULL is fine. */
void ax_served_log_free(struct ax_served_log *log);

/* Have all that was sampled before in files. Any thread; blocks. */
void ax_served_log_flush(struct ax_served_log *log);

/* A sampler for one thread, as long as the log. Any thread. */
struct ax_served_sampler *ax_served_log_sampler(struct ax_served_log *log);

/* Before the store is asked: which rows are seen for certain. */
void ax_served_sampler_begin(const struct ax_served_form *form,
                             uint64_t ret_seen[AX_SERVED_SOURCES_MAX]);
/* A vector is finished: keep those of its rows whose entities are sampled. Expected: those of
 * ax_service_vector_columns. */
AX_MUST_USE enum ax_code ax_served_sampler_take(struct ax_served_sampler *sampler,
                                                struct ax_served_form *form,
                                                struct ax_service_vector *vector,
                                                const uint64_t *seen, struct ax_err *err);

#endif
