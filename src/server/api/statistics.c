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

/* `served` is NULL when the version is not ready. */
static void put_version(struct ax_buf *out, const char *model, const char *version,
                        const struct ax_account *account, const struct ax_served *served)
{
    struct ax_account_reading reading;
    ax_account_read(account, &reading);
    if (out->len > 0 && out->ptr[out->len - 1] == '}')
        (void)ax_buf_append_char(out, ',');
    (void)ax_buf_append_char(out, '{');
    ax_json_put_key(out, "name");
    ax_json_put_str(out, ax_str_from(model));
    ax_json_put_key(out, "version");
    ax_json_put_str(out, ax_str_from(version));
    put_count(out, "last_inference", served ? last_inference_ms(served) : 0);
    put_count(out, "inference_count", reading.rows);
    put_count(out, "execution_count", reading.calls);
    put_inference_stats(out, &reading);
    (void)ax_buf_append_str(out, AX_STR(",\"response_stats\":{}"));
    put_batch_stats(out, account);
    (void)ax_buf_append_str(out, AX_STR(",\"memory_usage\":[]"));
    put_requests(out, &reading);
    if (ax_account_is_shared(account))
        (void)ax_buf_append_str(out, AX_STR(",\"shared\":true"));
    (void)ax_buf_append_char(out, '}');
}

/* Of a version that has an account, ready or not. */
static bool put_known(struct ax_buf *out, const struct ax_catalog_model *model,
                      const struct ax_catalog_version *version)
{
    const struct ax_account *account =
        version->served ? version->served->account : version->account;
    if (account)
        put_version(out, model->name, version->text, account, version->served);
    return account != NULL;
}

/* The accounts of versions, and then those that are none's: under "no_model", "gone" and "other".
 * All are held together, so what they sum up to is exact. */
static void put_accounts(struct ax_buf *out, const struct ax_catalog *catalog)
{
    size_t count;
    struct ax_account **accounts = ax_account_list(&count);
    (void)ax_buf_append_str(out, AX_STR("{\"model_stats\":["));
    for (size_t i = 0; i < count; i++) {
        const struct ax_account *account = accounts[i];
        if (ax_account_is_shared(account))
            continue;
        const struct ax_catalog_version *version =
            ax_catalog_find(catalog, ax_str_from(account->model), ax_str_from(account->version));
        put_version(out, account->model, account->version, account,
                    version ? version->served : NULL);
    }
    (void)ax_buf_append_char(out, ']');
    for (size_t i = 0; i < count && ax_account_is_shared(accounts[i]); i++) {
        struct ax_account_reading reading;
        ax_account_read(accounts[i], &reading);
        ax_json_put_key(out, accounts[i]->model[0] ? accounts[i]->model + 1 : "no_model");
        (void)ax_buf_append_char(out, '{');
        put_requests(out, &reading);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, '}');
    ax_account_list_free(accounts, count);
}

void ax_statistics_all(struct ax_call *call)
{
    assert(call);
    put_accounts(ax_server_thread_answer_begin(call->thread), call->thread->catalog);
    ax_server_thread_answer(call->thread, call->request, 200);
}

/* Of one version, or of all of a model. */
void ax_statistics(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    const struct ax_catalog *catalog = call->thread->catalog;
    const struct ax_catalog_model *model = ax_map_get(&catalog->models, call->model);
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    bool found = false;
    (void)ax_buf_append_str(out, AX_STR("{\"model_stats\":["));
    for (size_t i = 0; model && i < model->version_count; i++)
        if (call->version.len == 0 || ax_str_is(call->version, model->versions[i].text))
            found |= put_known(out, model, &model->versions[i]);
    (void)ax_buf_append_str(out, AX_STR("]}"));
    if (!found && ax_catalog_version(catalog, call->model, call->version, &served, &err))
        ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                      NULL);
    else
        ax_server_thread_answer(call->thread, call->request, 200);
}
