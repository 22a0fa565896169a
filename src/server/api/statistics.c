/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statistics extension of the Open Inference Protocol: each version's account as JSON.
 *
 * The form is Triton's: rows are `inference_count`, calls of the engine `execution_count`, times
 * are nanoseconds. Beside it stands `requests`, what Triton has no word for: how many were
 * received, and what became of them. docs/protocols/open-inference.md has the meaning of each
 * number.
 */
#include "base/clock.h"
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/api/oip.h"
#include "server/server_thread.h"

#include <assert.h>
#include <inttypes.h>

static void put_count(struct ax_buf *out, const char *key, uint64_t count)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, count);
}

/* "queue":{"count":3,"ns":1200} */
static void put_duration(struct ax_buf *out, const char *key, uint64_t count, uint64_t ns)
{
    ax_json_put_key(out, key);
    (void)ax_buf_printf(out, "{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}", count, ns);
}

/* What became of the requests. */
static void put_requests(struct ax_buf *out, const struct ax_account_reading *reading)
{
    ax_json_put_key(out, "requests");
    (void)ax_buf_append_char(out, '{');
    put_count(out, "received", ax_account_received(reading));
    put_count(out, "success", reading->outcomes[AX_OUTCOME_SUCCESS]);
    put_count(out, "failed", reading->outcomes[AX_OUTCOME_FAILED]);
    put_count(out, "rejected", reading->outcomes[AX_OUTCOME_REJECTED]);
    put_count(out, "cancelled", reading->outcomes[AX_OUTCOME_CANCELLED]);
    ax_json_put_key(out, "in_progress");
    ax_json_put_i64(out, reading->in_progress);
    (void)ax_buf_append_char(out, '}');
}

static void put_inference_stats(struct ax_buf *out, const struct ax_account_reading *reading)
{
    const struct ax_account_spent *spent = &reading->spent;
    uint64_t success = reading->outcomes[AX_OUTCOME_SUCCESS];
    uint64_t fail = ax_account_received(reading) - success;
    ax_json_put_key(out, "inference_stats");
    (void)ax_buf_append_char(out, '{');
    put_duration(out, "success", success, spent->request_ns);
    put_duration(out, "fail", fail, reading->fail_ns);
    put_duration(out, "queue", success, spent->queue_ns);
    put_duration(out, "compute_input", success, spent->input_ns);
    put_duration(out, "compute_infer", success, spent->infer_ns);
    put_duration(out, "compute_output", success, spent->output_ns);
    put_duration(out, "cache_hit", 0, 0);
    put_duration(out, "cache_miss", 0, 0);
    (void)ax_buf_append_char(out, '}');
}

static void put_batch_stats(struct ax_buf *out, const struct ax_account *account)
{
    struct ax_account_class classes[AX_ACCOUNT_CLASSES];
    ax_account_read_classes(account, classes);
    ax_json_put_key(out, "batch_stats");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < AX_ACCOUNT_CLASSES; i++) {
        const struct ax_account_class *of = &classes[i];
        if (of->call_count == 0)
            continue;
        if (out->len > 0 && out->ptr[out->len - 1] == '}')
            (void)ax_buf_append_char(out, ',');
        (void)ax_buf_append_char(out, '{');
        put_count(out, "batch_size", ax_account_class_rows(i));
        put_duration(out, "compute_input", of->call_count, of->input_ns);
        put_duration(out, "compute_infer", of->call_count, of->infer_ns);
        put_duration(out, "compute_output", of->call_count, of->output_ns);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

/* Wall-clock milliseconds of the last success; 0: there was none. */
static uint64_t last_inference_ms(const struct ax_served *served)
{
    uint64_t last_ms = atomic_load_explicit(&served->last_ms, memory_order_relaxed);
    uint64_t now_ms = ax_clock_ns() / AX_NS_PER_MS;
    if (last_ms == 0)
        return 0;
    return (uint64_t)ax_clock_wall_us() / 1000 - (now_ms - AX_MIN(last_ms, now_ms));
}

static void put_version(struct ax_buf *out, const struct ax_served *served)
{
    struct ax_account_reading reading;
    ax_account_read(&served->account, &reading);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_key(out, "name");
    ax_json_put_str(out, ax_str_from(served->version->model_name));
    ax_json_put_key(out, "version");
    ax_json_put_str(out, ax_str_from(served->version->text));
    put_count(out, "last_inference", last_inference_ms(served));
    put_count(out, "inference_count", reading.rows);
    put_count(out, "execution_count", reading.calls);
    put_inference_stats(out, &reading);
    (void)ax_buf_append_str(out, AX_STR(",\"response_stats\":{}"));
    put_batch_stats(out, &served->account);
    (void)ax_buf_append_str(out, AX_STR(",\"memory_usage\":[]"));
    put_requests(out, &reading);
    (void)ax_buf_append_char(out, '}');
}

static void put_model(struct ax_buf *out, const struct ax_catalog_model *model, size_t *printed)
{
    for (size_t i = 0; i < model->version_count; i++) {
        if (!model->versions[i].served)
            continue;
        if ((*printed)++ > 0)
            (void)ax_buf_append_char(out, ',');
        put_version(out, model->versions[i].served);
    }
}

void ax_statistics_all(struct ax_call *call)
{
    assert(call);
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_str(out, AX_STR("{\"model_stats\":["));
    size_t printed = 0;
    size_t at = 0;
    struct ax_str name;
    void *model;
    while (ax_map_next(&call->thread->catalog->models, &at, &name, &model))
        put_model(out, model, &printed);
    (void)ax_buf_append_str(out, AX_STR("],\"no_model\":{"));
    struct ax_account_reading reading;
    ax_account_read(ax_account_no_model(), &reading);
    put_requests(out, &reading);
    (void)ax_buf_append_str(out, AX_STR("}}"));
    ax_server_thread_answer(call->thread, call->request, 200);
}

/* Of one version, or of all of a model. */
void ax_statistics(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    if (ax_catalog_version(call->thread->catalog, call->model, call->version, &served, &err)) {
        ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                      NULL);
        return;
    }
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    size_t printed = 0;
    (void)ax_buf_append_str(out, AX_STR("{\"model_stats\":["));
    if (call->version.len)
        put_version(out, served);
    else
        put_model(out, ax_map_get(&call->thread->catalog->models, call->model), &printed);
    (void)ax_buf_append_str(out, AX_STR("]}"));
    ax_server_thread_answer(call->thread, call->request, 200);
}
