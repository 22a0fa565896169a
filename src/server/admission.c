/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule, its options, its counters.
 *
 * Two limits of waiting, not one: a thread that has refused nothing for a second takes a burst, of
 * which the last ones wait AX_ADMISSION_BURST times as long as the limit says; the first refusal
 * makes it strict for another second. So a crowd of clients that each wait for their answer is
 * served on processors of its own, while under a load that does not end the queue is as long as the
 * limit says and the thread is never idle. What was read already is refused by the wider limit
 * alone: what it cost is spent, and would be spent for nothing. An estimator of the arrival rate,
 * or CoDel's control law, would need a clock and a tuning of their own, to find out what the
 * predicted waiting time says at once.
 */
#include "server/admission.h"

#include "base/compiler.h"
#include "server/model_settings.h"

#include <assert.h>

#define FIELD(name) offsetof(struct ax_admission_config, name)

const struct ax_option ax_admission_options[] = {
    { AX_OPTION_TIME, "queue_time_max_ms", "2", FIELD(queue_time_ns_max), 0, 3600000, "ms",
      "Time that a request may wait for others to be scored, as predicted; over it it is refused "
      "at once with 503. A burst may wait 32 times as long. 0: no limit." },
    { AX_OPTION_TIME, "request_timeout_ms", "0", FIELD(request_timeout_ns), 0, 3600000, "ms",
      "Deadline of prediction requests that name none and whose model has none, from their first "
      "byte; 0: none." },
    { AX_OPTION_SIZE, "priority_levels", "4", FIELD(priority_levels), 1, AX_PRIORITIES_MAX, NULL,
      "Levels of priority, 1 first; a request that names none has that of its model, or the middle "
      "one, or the higher of two in the middle." },
    { AX_OPTION_SIZE, "model_requests_max", "0", FIELD(model_requests_max), 0, 1 << 30, NULL,
      "Most requests of a model version that the server holds at one time, each thread its part; "
      "further ones are answered with 503. 0: no limit but requests_max." },
    { 0 },
};

static const struct ax_metric_family refused_family = {
    .name = "ax_refused_total",
    .help = "Prediction requests that were refused at this moment, by the reason.",
    .type = AX_METRIC_COUNTER,
    .labels = "reason",
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
};

/* Registered once a process; zero until then, which counts nothing. */
static ax_metric refused[AX_REFUSAL_COUNT];
static ax_metric late_starts;
static ax_metric backlog;

enum ax_code ax_admission_register(struct ax_err *err)
{
    for (size_t i = 0; i < AX_REFUSAL_COUNT; i++) {
        struct ax_str label = ax_str_from(refusals[i].label);
        if (ax_metric_register(&refused_family, &label, &refused[i], err))
            return err->code;
    }
    if (ax_metric_register(&late_starts_family, NULL, &late_starts, err) ||
        ax_metric_register(&backlog_family, NULL, &backlog, err))
        return err->code;
    return AX_OK;
}

enum ax_code ax_admission_refuse(enum ax_refusal refusal, struct ax_err *err)
{
    assert(refusal < AX_REFUSAL_COUNT && err);
    ax_metric_add(refused[refusal], 1);
    return ax_fail(err, refusals[refusal].code, "%s", refusals[refusal].text);
}

static bool admission_is_full(struct ax_admission *admission, const struct ax_admission_case *asked)
{
    uint64_t limit_ns = admission->config->queue_time_ns_max;
    bool is_strict = asked->now_ns < admission->strict_until_ns && !asked->is_read;
    if (limit_ns == 0 || asked->wait_ns <= limit_ns * (is_strict ? 1 : AX_ADMISSION_BURST))
        return false;
    admission->strict_until_ns = asked->now_ns + AX_ADMISSION_STRICT_NS;
    return true;
}

enum ax_code ax_admission_check(struct ax_admission *admission,
                                const struct ax_admission_case *asked, struct ax_err *err)
{
    assert(admission && admission->config && asked && err);
    if (admission_is_full(admission, asked))
        return ax_admission_refuse(AX_REFUSAL_QUEUE_TIME, err);
    if (asked->deadline_ns && asked->now_ns + asked->wait_ns + asked->own_ns >= asked->deadline_ns)
        return ax_admission_refuse(AX_REFUSAL_DEADLINE, err);
    return AX_OK;
}

enum ax_code ax_admission_count(const struct ax_admission *admission, size_t max,
                                ax_metric in_progress, struct ax_err *err)
{
    assert(admission && admission->config && err);
    if (max == 0)
        max = admission->config->model_requests_max;
    if (max == 0)
        return AX_OK;
    size_t part = (max + admission->thread_count - 1) / admission->thread_count;
    if (ax_metric_own(in_progress) <= (int64_t)part)
        return AX_OK;
    return ax_admission_refuse(AX_REFUSAL_MODEL_REQUESTS, err);
}

unsigned ax_admission_level(const struct ax_admission *admission, uint64_t priority,
                            unsigned model_priority)
{
    assert(admission && admission->config);
    size_t levels = admission->config->priority_levels;
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

void ax_admission_show_backlog(int64_t more_ns)
{
    ax_metric_gauge_add(backlog, more_ns);
}
