/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule, its options, its counters.
 *
 * One limit of waiting for all: a crowd of clients that each wait for their answer stays below it,
 * a load that does not end comes to it and is refused from there on. Who needs his answer sooner
 * says so by a deadline, and the same prediction decides. Tighter limits by themselves were tried,
 * with bursts that are let through while nothing was refused of late: on processors that the server
 * shares with its clients no waiting time tells a burst from overload, and half of a crowd that
 * would have been served was refused. An estimator of the arrival rate, or CoDel's control law,
 * would need a clock and a tuning of their own, to find out what the predicted waiting time says at
 * once.
 */
#include "server/admission.h"

#include "base/compiler.h"
#include "data/signature.h"
#include "server/model_settings.h"

#include <assert.h>
#include <stdio.h>

#define FIELD(name) offsetof(struct ax_admission_config, name)

const struct ax_option ax_admission_options[] = {
    { AX_OPTION_TIME, "queue_time_max_ms", "100", FIELD(queue_time_ns_max), 0, 3600000, "ms",
      "Time that a request may wait for others to be scored, as predicted; over it it is refused "
      "at once with 503. 0: no limit." },
    { AX_OPTION_TIME, "request_timeout_ms", "0", FIELD(request_timeout_ns), 0, 3600000, "ms",
      "Deadline of prediction requests that name none and whose model has none, from their first "
      "byte; 0: none." },
    { AX_OPTION_SIZE, "priority_levels", "4", FIELD(priority_levels), 1, AX_PRIORITIES_MAX, NULL,
      "Levels of priority, 1 first; a request that names none has that of its model, or the middle "
      "one, or the higher of two in the middle." },
    { AX_OPTION_SIZE, "model_requests_max", "0", FIELD(model_requests_max), 0, 1 << 30, NULL,
      "Most requests of a model version that the server holds at one time; further ones are "
      "answered with 503. 0: no limit but requests_max." },
    { AX_OPTION_SIZE, "request_rows_max", "1048576", FIELD(request_rows_max), 1,
      AX_SIGNATURE_ROWS_MAX, NULL,
      "Most rows of a request, of any model; one with more is answered with 400." },
    { 0 },
};

static const struct ax_metric_family refused_family = {
    .name = "ax_refused_total",
    .help = "Prediction requests that were refused for a limit or their deadline, by the reason.",
    .type = AX_METRIC_COUNTER,
    .labels = "reason",
};

static const struct ax_metric_family queue_seconds_family = {
    .name = "ax_queue_duration_seconds",
    .help = "Between reading a prediction request and its answer, without its calls of the engine.",
    .type = AX_METRIC_HISTOGRAM,
    .labels = "priority",
};

static const struct ax_metric_family late_starts_family = {
    .name = "ax_late_starts_total",
    .help = "Requests in a call of the engine that began after their deadline; always 0.",
    .type = AX_METRIC_COUNTER,
};

static const struct ax_metric_family backlog_family = {
    .name = "ax_backlog_seconds",
    .help = "Predicted time of all that waits to be scored, over all threads.",
    .type = AX_METRIC_GAUGE_NS,
};

static const struct {
    const char *label;
    enum ax_code code;
    const char *text;
} refusals[AX_REFUSAL_COUNT] = {
    [AX_REFUSAL_QUEUE_TIME] = { "queue_time", AX_E_LIMIT, "Exceeds maximum queue size" },
    [AX_REFUSAL_DEADLINE] = { "deadline", AX_E_TIMEOUT, "Request timeout expired" },
    [AX_REFUSAL_LATE] = { "late", AX_E_TIMEOUT, "Request timeout expired" },
    [AX_REFUSAL_MODEL_REQUESTS] = { "model_requests", AX_E_LIMIT, "Exceeds maximum queue size" },
    [AX_REFUSAL_ROWS] = { "request_rows", AX_E_INVALID, "too many rows" },
};

/* Registered once a process; zero until then, which counts nothing. */
static ax_metric refused[AX_REFUSAL_COUNT];
static ax_metric late_starts;
static ax_metric backlog;
static ax_metric queue_seconds[AX_PRIORITIES_MAX]; /* by level */

/* A series a level, called by the priority that requests name. */
static enum ax_code register_levels(size_t levels, struct ax_err *err)
{
    for (size_t i = 0; i < levels; i++) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%zu", i + 1);
        struct ax_str label = ax_str_from(text);
        if (ax_metric_register(&queue_seconds_family, &label, &queue_seconds[i], err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_admission_register(const struct ax_admission_config *config, struct ax_err *err)
{
    assert(config && config->priority_levels <= AX_PRIORITIES_MAX && err);
    for (size_t i = 0; i < AX_REFUSAL_COUNT; i++) {
        struct ax_str label = ax_str_from(refusals[i].label);
        if (ax_metric_register(&refused_family, &label, &refused[i], err))
            return err->code;
    }
    if (ax_metric_register(&late_starts_family, NULL, &late_starts, err) ||
        ax_metric_register(&backlog_family, NULL, &backlog, err))
        return err->code;
    return register_levels(config->priority_levels, err);
}

enum ax_code ax_admission_refuse(enum ax_refusal refusal, struct ax_err *err)
{
    assert(refusal < AX_REFUSAL_COUNT && err);
    ax_metric_add(refused[refusal], 1);
    return ax_fail(err, refusals[refusal].code, "%s", refusals[refusal].text);
}

enum ax_code ax_admission_check(const struct ax_admission_config *config,
                                const struct ax_admission_case *asked, struct ax_err *err)
{
    assert(config && asked && err);
    if (config->queue_time_ns_max && asked->wait_ns > config->queue_time_ns_max)
        return ax_admission_refuse(AX_REFUSAL_QUEUE_TIME, err);
    if (asked->deadline_ns && asked->now_ns + asked->done_ns >= asked->deadline_ns)
        return ax_admission_refuse(AX_REFUSAL_DEADLINE, err);
    return AX_OK;
}

enum ax_code ax_admission_enter(const struct ax_admission_config *config, size_t max,
                                _Atomic size_t *in_flight, _Atomic size_t **ret_entered,
                                struct ax_err *err)
{
    assert(config && in_flight && ret_entered && err);
    if (max == 0)
        max = config->model_requests_max;
    if (max == 0)
        return AX_OK;
    if (atomic_fetch_add_explicit(in_flight, 1, memory_order_relaxed) < max) {
        *ret_entered = in_flight;
        return AX_OK;
    }
    (void)atomic_fetch_sub_explicit(in_flight, 1, memory_order_relaxed);
    return ax_admission_refuse(AX_REFUSAL_MODEL_REQUESTS, err);
}

void ax_admission_leave(_Atomic size_t *entered)
{
    if (entered)
        (void)atomic_fetch_sub_explicit(entered, 1, memory_order_relaxed);
}

enum ax_code ax_admission_check_rows(const struct ax_admission_config *config, size_t rows,
                                     struct ax_err *err)
{
    assert(config && err);
    if (rows <= config->request_rows_max)
        return AX_OK;
    ax_metric_add(refused[AX_REFUSAL_ROWS], 1);
    return ax_fail(err, AX_E_INVALID,
                   "inference request batch-size must be <= %zu (request_rows_max)",
                   config->request_rows_max);
}

unsigned ax_admission_level(const struct ax_admission_config *config, uint64_t priority,
                            unsigned model_priority)
{
    assert(config);
    size_t levels = config->priority_levels;
    if (priority >= 1 && priority <= levels)
        return (unsigned)priority - 1;
    if (model_priority >= 1 && model_priority <= levels)
        return model_priority - 1;
    return (unsigned)(levels - 1) / 2;
}

void ax_admission_note_start(uint64_t began_ns, uint64_t deadline_ns)
{
    if (deadline_ns && began_ns >= deadline_ns)
        ax_metric_add(late_starts, 1);
}

void ax_admission_note_wait(unsigned level, uint64_t wait_ns)
{
    assert(level < AX_PRIORITIES_MAX);
    ax_metric_observe_ns(queue_seconds[level], wait_ns);
}

void ax_admission_show_backlog(int64_t more_ns)
{
    ax_metric_gauge_add(backlog, more_ns);
}
