/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread's part of a load run: its connections, its loop, what it measured. load.h shares a run
 * out among such parts and adds them up.
 *
 * A worker is made and freed by the thread that leads the run and used by its own thread between;
 * only `stop` and the counts of the progress are touched by both at once.
 */
#ifndef AX_NET_LOAD_WORKER_H
#define AX_NET_LOAD_WORKER_H

#include "net/load.h"

#include <stdatomic.h>

/* What one thread does of the run that `config` describes. */
struct ax_load_part {
    const struct ax_load_config *config;
    size_t number; /* below `count` */
    size_t count;  /* of all parts */
    size_t connections;
    uint64_t requests_max; /* UINT64_MAX: by time alone */
    atomic_bool *stop;     /* when true, the loop ends soon, with what it has */
};

struct ax_load_worker;

/* Open the connections, one after another. Expected: UNAVAILABLE, TIMEOUT, LIMIT. */
AX_MUST_USE enum ax_code ax_load_worker_new(const struct ax_load_part *part,
                                            struct ax_load_worker **ret_worker, struct ax_err *err);
void ax_load_worker_free(struct ax_load_worker *worker);

/* The whole loop; the warm-up begins at `begin_ns`, which is not in the future. Expected:
 * UNAVAILABLE, INVALID, UNSUPPORTED, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_load_worker_run(struct ax_load_worker *worker, uint64_t begin_ns,
                                            struct ax_err *err);

/* What was measured; valid after a run that succeeded. */
const struct ax_load_result *ax_load_worker_result(const struct ax_load_worker *worker);

/* Its records, where the run wants them; likewise. */
const struct ax_load_record *ax_load_worker_records(const struct ax_load_worker *worker,
                                                    size_t *ret_count);

/* Answers so far, those of the warm-up among them, and how many of them were not 2xx; from any
 * thread. */
void ax_load_worker_progress(const struct ax_load_worker *worker, uint64_t *ret_answers,
                             uint64_t *ret_errors);

#endif
