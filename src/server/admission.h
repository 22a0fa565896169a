/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: which requests are refused because they came at the wrong moment, and the settings of
 * that; docs/internals/scheduling.md.
 *
 * A rule over predictions, which the scoring makes; it has no state but its counters.
 */
#ifndef AX_SERVER_ADMISSION_H
#define AX_SERVER_ADMISSION_H

#include "base/err.h"
#include "base/metric.h"
#include "base/option.h"

#include <stdatomic.h>

struct ax_admission_config {
    uint64_t queue_time_ns_max;  /* of a request behind others; 0: no limit */
    uint64_t request_timeout_ns; /* of requests that name none, nor does their model; 0: none */
    size_t priority_levels;      /* at most AX_PRIORITIES_MAX */
    size_t model_requests_max;   /* at one time, of a version; 0: no limit */
    size_t request_rows_max;     /* of a request */
};
extern const struct ax_option ax_admission_options[];

/* Why a request is refused: at this moment, but for the last. */
enum ax_refusal {
    AX_REFUSAL_QUEUE_TIME,     /* too much waits */
    AX_REFUSAL_DEADLINE,       /* it could not be done in time */
    AX_REFUSAL_LATE,           /* its time was over when its turn came */
    AX_REFUSAL_MODEL_REQUESTS, /* too many of its version are there */
    AX_REFUSAL_ROWS,           /* it has too many */
    AX_REFUSAL_COUNT,
};

/* The series; before threads begin. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_admission_register(const struct ax_admission_config *config,
                                               struct ax_err *err);

/* Fail with the refusal's text, and count it. */
enum ax_code ax_admission_refuse(enum ax_refusal refusal, struct ax_err *err);

/* What is asked: a request that should begin after `wait_ns`, and that by a cautious estimate is
 * done after `done_ns`. */
struct ax_admission_case {
    uint64_t now_ns;
    uint64_t wait_ns;
    uint64_t done_ns;
    uint64_t deadline_ns; /* 0: none */
};

/* Expected: LIMIT, TIMEOUT. */
AX_MUST_USE enum ax_code ax_admission_check(const struct ax_admission_config *config,
                                            const struct ax_admission_case *asked,
                                            struct ax_err *err);

/* One more request of a version, of which all threads together may hold `max`; 0: as many as the
 * server's option says. Threads share the count's memory, so only those are counted that are
 * limited: *ret_entered is what has to be left when it ends, and untouched when nobody counts.
 * Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_admission_enter(const struct ax_admission_config *config, size_t max,
                                            _Atomic size_t *in_flight, _Atomic size_t **ret_entered,
                                            struct ax_err *err);
/* NULL is fine. */
void ax_admission_leave(_Atomic size_t *entered);

/* Whether a request may have so many rows. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_admission_check_rows(const struct ax_admission_config *config,
                                                 size_t rows, struct ax_err *err);

/* The level, from 0, of a request that names `priority`, or 0, for a model with the default
 * `model_priority`, or 0: as Triton does, what is no level is the default. */
unsigned ax_admission_level(const struct ax_admission_config *config, uint64_t priority,
                            unsigned model_priority);

/* A call of the engine began; whether a job of it was late then is counted and must not happen. */
void ax_admission_note_start(uint64_t began_ns, uint64_t deadline_ns);

/* A request of this level was scored and waited so long. */
void ax_admission_note_wait(unsigned level, uint64_t wait_ns);

/* The gauge of the backlog goes up, or down. */
void ax_admission_show_backlog(int64_t more_ns);

#endif
