/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is counted for these: they are printed from what was read of the accounts, so they count
 * what the metrics under our own names do.
 */
#include "server/api/triton_metrics.h"

#include "base/clock.h"
#include "base/json.h"

static uint64_t read_success(const struct ax_version_line *line)
{
    return line->reading.outcomes[AX_OUTCOME_SUCCESS];
}

static uint64_t read_rows(const struct ax_version_line *line)
{
    return line->reading.rows;
}

static uint64_t read_calls(const struct ax_version_line *line)
{
    return line->reading.calls;
}

static uint64_t read_in_progress(const struct ax_version_line *line)
{
    return (uint64_t)AX_MAX(line->reading.in_progress, (int64_t)0);
}

static uint64_t read_request_us(const struct ax_version_line *line)
{
    return line->reading.spent.request_ns / AX_NS_PER_US;
}

static uint64_t read_queue_us(const struct ax_version_line *line)
{
    return line->reading.spent.queue_ns / AX_NS_PER_US;
}

static uint64_t read_input_us(const struct ax_version_line *line)
{
    return line->reading.spent.input_ns / AX_NS_PER_US;
}

static uint64_t read_infer_us(const struct ax_version_line *line)
{
    return line->reading.spent.infer_ns / AX_NS_PER_US;
}

static uint64_t read_output_us(const struct ax_version_line *line)
{
    return line->reading.spent.output_ns / AX_NS_PER_US;
}

/* Triton's reasons: a failure of the model itself is BACKEND, any other one of the request OTHER.
 */
static void print_failures(struct ax_buf *out, const struct ax_metric_family *family,
                           const struct ax_version_line *line)
{
    const uint64_t *outcomes = line->reading.outcomes;
    uint64_t backend = line->reading.codes[AX_E_INTERNAL];
    const struct {
        struct ax_str reason;
        uint64_t count;
    } reasons[] = {
        { AX_STR("reason=\"REJECTED\""), outcomes[AX_OUTCOME_REJECTED] },
        { AX_STR("reason=\"CANCELED\""), outcomes[AX_OUTCOME_CANCELLED] },
        { AX_STR("reason=\"BACKEND\""), backend },
        { AX_STR("reason=\"OTHER\""), outcomes[AX_OUTCOME_FAILED] - backend },
    };
    for (size_t i = 0; i < AX_COUNT(reasons); i++) {
        ax_version_line_print_name(out, family, line, reasons[i].reason);
        ax_json_put_u64(out, reasons[i].count);
        (void)ax_buf_append_char(out, '\n');
    }
}

/* How long what is loaded now took. */
static void print_load(struct ax_buf *out, const struct ax_metric_family *family,
                       const struct ax_version_line *line)
{
    ax_version_line_print_seconds(out, family, line, line->load_ns);
}

#define COUNTER(name, help) \
    .family = &(const struct ax_metric_family){ name, help, AX_METRIC_COUNTER, "model,version" }
#define GAUGE(name, help) \
    .family = &(const struct ax_metric_family){ name, help, AX_METRIC_GAUGE, "model,version" }

const struct ax_version_family ax_triton_metrics[AX_TRITON_METRICS] = {
    { COUNTER("nv_inference_request_success", "Requests that succeeded."), .read = read_success },
    { COUNTER("nv_inference_count", "Rows that were scored."), .read = read_rows },
    { COUNTER("nv_inference_exec_count", "Calls of the engine."), .read = read_calls },
    { GAUGE("nv_inference_pending_request_count", "Requests that have not ended."),
      .read = read_in_progress },
    { COUNTER("nv_inference_request_duration_us", "Microseconds of requests that succeeded."),
      .read = read_request_us },
    { COUNTER("nv_inference_queue_duration_us", "Microseconds of these in wait of the engine."),
      .read = read_queue_us },
    { COUNTER("nv_inference_compute_input_duration_us",
              "Microseconds of these spent reading bodies."),
      .read = read_input_us },
    { COUNTER("nv_inference_compute_infer_duration_us", "Microseconds of these in the engine."),
      .read = read_infer_us },
    { COUNTER("nv_inference_compute_output_duration_us", "Microseconds of these spent on answers."),
      .read = read_output_us },
    { COUNTER("nv_inference_request_failure", "Requests that did not succeed."),
      .print = print_failures },
    { GAUGE("nv_model_load_duration_secs", "Seconds that loading took."), .is_of_ready = true,
      .print = print_load },
};
