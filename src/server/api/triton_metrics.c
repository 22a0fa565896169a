/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is counted for these: they are printed from the accounts of versions, so they cannot
 * differ from the metrics under our own names. Prometheus wants the series of a family together,
 * and reading an account adds up cells of all threads, so each account is read once, into an array,
 * before the families are printed one by one.
 */
#include "server/api/triton_metrics.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"

#include <assert.h>

struct version_reading {
    const struct ax_account *account;
    struct ax_account_reading reading;
};

static const struct ax_metric_family failure_family = {
    .name = "nv_inference_request_failure",
    .help = "Requests that did not succeed.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version,reason",
};

static const struct ax_metric_family load_family = {
    .name = "nv_model_load_duration_secs",
    .help = "Seconds that loading took.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version",
};

static uint64_t read_success(const struct ax_account_reading *reading)
{
    return reading->outcomes[AX_OUTCOME_SUCCESS];
}

static uint64_t read_rows(const struct ax_account_reading *reading)
{
    return reading->rows;
}

static uint64_t read_calls(const struct ax_account_reading *reading)
{
    return reading->calls;
}

static uint64_t read_in_progress(const struct ax_account_reading *reading)
{
    return (uint64_t)AX_MAX(reading->in_progress, (int64_t)0);
}

static uint64_t read_request_us(const struct ax_account_reading *reading)
{
    return reading->spent.request_ns / AX_NS_PER_US;
}

static uint64_t read_queue_us(const struct ax_account_reading *reading)
{
    return reading->spent.queue_ns / AX_NS_PER_US;
}

static uint64_t read_input_us(const struct ax_account_reading *reading)
{
    return reading->spent.input_ns / AX_NS_PER_US;
}

static uint64_t read_infer_us(const struct ax_account_reading *reading)
{
    return reading->spent.infer_ns / AX_NS_PER_US;
}

static uint64_t read_output_us(const struct ax_account_reading *reading)
{
    return reading->spent.output_ns / AX_NS_PER_US;
}

#define LABELS "model,version"

static const struct {
    struct ax_metric_family family;
    uint64_t (*read)(const struct ax_account_reading *reading);
} version_metrics[] = {
    { { "nv_inference_request_success", "Requests that succeeded.", AX_METRIC_COUNTER, LABELS },
      read_success },
    { { "nv_inference_count", "Rows that were scored.", AX_METRIC_COUNTER, LABELS }, read_rows },
    { { "nv_inference_exec_count", "Calls of the engine.", AX_METRIC_COUNTER, LABELS },
      read_calls },
    { { "nv_inference_pending_request_count", "Requests that have not ended.", AX_METRIC_GAUGE,
        LABELS },
      read_in_progress },
    { { "nv_inference_request_duration_us", "Microseconds of requests that succeeded.",
        AX_METRIC_COUNTER, LABELS },
      read_request_us },
    { { "nv_inference_queue_duration_us", "Microseconds of these in wait of the engine.",
        AX_METRIC_COUNTER, LABELS },
      read_queue_us },
    { { "nv_inference_compute_input_duration_us", "Microseconds of these spent reading bodies.",
        AX_METRIC_COUNTER, LABELS },
      read_input_us },
    { { "nv_inference_compute_infer_duration_us", "Microseconds of these in the engine.",
        AX_METRIC_COUNTER, LABELS },
      read_infer_us },
    { { "nv_inference_compute_output_duration_us", "Microseconds of these spent on answers.",
        AX_METRIC_COUNTER, LABELS },
      read_output_us },
};

/* name{model="m",version="1",…} and a blank */
static void print_series(struct ax_buf *out, const struct ax_metric_family *family,
                         const struct ax_account *account, const char *reason)
{
    const struct ax_str values[] = { ax_str_from(account->model), ax_str_from(account->version),
                                     ax_str_from(reason) };
    (void)ax_buf_printf(out, "%s{", family->name);
    ax_metric_print_labels(out, family->labels, values);
    (void)ax_buf_append_str(out, AX_STR("} "));
}

static void print_value(struct ax_buf *out, uint64_t value)
{
    ax_json_put_u64(out, value);
    (void)ax_buf_append_char(out, '\n');
}

/* Triton's reasons: a failure of the model itself is BACKEND, any other one of the request OTHER.
 */
static void print_failures(struct ax_buf *out, const struct version_reading *at)
{
    const uint64_t *outcomes = at->reading.outcomes;
    uint64_t backend = at->reading.codes[AX_E_INTERNAL];
    const struct {
        const char *reason;
        uint64_t count;
    } reasons[] = {
        { "REJECTED", outcomes[AX_OUTCOME_REJECTED] },
        { "CANCELED", outcomes[AX_OUTCOME_CANCELLED] },
        { "BACKEND", backend },
        { "OTHER", outcomes[AX_OUTCOME_FAILED] - backend },
    };
    for (size_t i = 0; i < AX_COUNT(reasons); i++) {
        print_series(out, &failure_family, at->account, reasons[i].reason);
        print_value(out, reasons[i].count);
    }
}

static struct version_reading *read_all(struct ax_account **accounts, size_t account_count,
                                        size_t *ret_count)
{
    struct version_reading *all = ax_xalloc(account_count * sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < account_count; i++) {
        if (ax_account_is_shared(accounts[i]))
            continue;
        all[count].account = accounts[i];
        ax_account_read(accounts[i], &all[count++].reading);
    }
    *ret_count = count;
    return all;
}

/* How long what is loaded now took. */
static void print_loads(struct ax_buf *out, const struct ax_catalog *catalog)
{
    size_t at = 0;
    struct ax_str name;
    void *value;
    ax_metric_print_head(out, &load_family);
    while (ax_map_next(&catalog->models, &at, &name, &value)) {
        const struct ax_catalog_model *model = value;
        for (size_t i = 0; i < model->version_count; i++) {
            const struct ax_served *served = model->versions[i].served;
            if (!served || ax_account_is_shared(served->account))
                continue;
            print_series(out, &load_family, served->account, "");
            (void)ax_buf_printf(out, "%.6f\n", (double)served->version->load_ns / AX_NS_PER_S);
        }
    }
}

void ax_triton_metrics_print(const struct ax_catalog *catalog, struct ax_buf *out)
{
    assert(catalog && out);
    size_t count;
    size_t account_count;
    struct ax_account **accounts = ax_account_list(&account_count);
    struct version_reading *all = read_all(accounts, account_count, &count);
    for (size_t i = 0; i < AX_COUNT(version_metrics); i++) {
        ax_metric_print_head(out, &version_metrics[i].family);
        for (size_t k = 0; k < count; k++) {
            print_series(out, &version_metrics[i].family, all[k].account, "");
            print_value(out, version_metrics[i].read(&all[k].reading));
        }
    }
    ax_metric_print_head(out, &failure_family);
    for (size_t k = 0; k < count; k++)
        print_failures(out, &all[k]);
    print_loads(out, catalog);
    free(all);
    ax_account_list_free(accounts, account_count);
}
