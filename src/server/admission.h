/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: which requests are refused because they came at the wrong moment, and the settings of
 * that; docs/internals/scheduling.md.
 *
 * A rule over predictions, which the scoring makes. The state is one I/O thread's.
 */
#ifndef AX_SERVER_ADMISSION_H
#define AX_SERVER_ADMISSION_H

#include "base/err.h"
#include "base/metric.h"
#include "base/option.h"

/* While nothing was refused of late, so many times queue_time_ns_max may wait: a burst. */
#define AX_ADMISSION_BURST 32
/* That long after the last refusal. */
#define AX_ADMISSION_STRICT_NS ((uint64_t)1000000000)

struct ax_admission_config {
    uint64_t queue_time_ns_max;  /* of a request behind others; 0: no limit */
    uint64_t request_timeout_ns; /* of requests that name none, nor does their model; 0: none */
    size_t priority_levels;      /* at most AX_PRIORITIES_MAX */
    size_t model_requests_max;   /* at one time, of a version; 0: no limit */
};
extern const struct ax_option ax_admission_options[];

/* Why a request is refused at this moment. */
enum ax_refusal {
    AX_REFUSAL_QUEUE_TIME,     /* too much waits */
    AX_REFUSAL_DEADLINE,       /* it could not be done in time */
    AX_REFUSAL_LATE,           /* its time was over when its turn came */
    AX_REFUSAL_MODEL_REQUESTS, /* too many of its version are there */
    AX_REFUSAL_COUNT,
};

struct ax_admission {
    const struct ax_admission_config *config;
    size_t thread_count;
    uint64_t strict_until_ns;
};

/* The series; before threads begin. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_admission_register(struct ax_err *err);

/* Fail with the refusal's text, and count it. */
enum ax_code ax_admission_refuse(enum ax_refusal refusal, struct ax_err *err);

/* What is asked: a request that would begin after `wait_ns` and take `own_ns`. */
struct ax_admission_case {
    uint64_t now_ns;
    uint64_t wait_ns;
    uint64_t own_ns;
    uint64_t deadline_ns; /* 0: none */
    bool is_read;         /* its body was read, which was most of the work where rows are cheap */
};

/* Expected: LIMIT, TIMEOUT. */
AX_MUST_USE enum ax_code ax_admission_check(struct ax_admission *admission,
                                            const struct ax_admission_case *asked,
                                            struct ax_err *err);

/* Whether this thread may take one more request of a version, which `in_progress` counts already.
 * Each thread takes its part of the limit. `max` of 0: the server's. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_admission_count(const struct ax_admission *admission, size_t max,
                                            ax_metric in_progress, struct ax_err *err);

/* The level, from 0, of a request that names `priority`, or 0, for a model with the default
 * `model_priority`, or 0: as Triton does, what is no level is the default. */
unsigned ax_admission_level(const struct ax_admission *admission, uint64_t priority,
                            unsigned model_priority);

/* A call of the engine began; whether a job of it was late then is counted and must not happen. */
void ax_admission_note_start(uint64_t began_ns, uint64_t deadline_ns);

/* The gauge of the backlog goes up, or down. */
void ax_admission_show_backlog(int64_t more_ns);

#endif
