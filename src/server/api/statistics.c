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
#include "server/catalog_walk.h"
#include "server/sliced_answer.h"

#include <assert.h>
#include <stdlib.h>

static void put_count(struct ax_buf *out, const char *key, uint64_t count)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, count);
}

/* "queue":{"count":3,"ns":1200} */
static void put_duration(struct ax_buf *out, const char *key, uint64_t count, uint64_t ns)
{
    ax_json_put_key(out, key);
    (void)ax_buf_append_str(out, AX_STR("{\"count\":"));
    (void)ax_buf_append_u64(out, count);
    (void)ax_buf_append_str(out, AX_STR(",\"ns\":"));
    (void)ax_buf_append_u64(out, ns);
    (void)ax_buf_append_char(out, '}');
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

/* Its account, if it has one, ready or not. */
static const struct ax_account *known_account(const struct ax_catalog_version *version)
{
    return version->served ? version->served->account : version->account;
}

/* ---- of all versions ---- */

/* The accounts of versions, and then those that are none's: under "no_model", "gone" and "other".
 * All are held until it is over, so what they sum up to is exact. */
struct all_answer {
    struct ax_sliced_answer base;
    struct ax_account **accounts;
    size_t count;
    size_t at, dropped;
    bool is_printed;
};

static void put_shared(struct ax_buf *out, struct ax_account **accounts, size_t count)
{
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
}

/* True: all versions are printed. */
static bool put_accounts(struct all_answer *answer, struct ax_buf *out, size_t bytes)
{
    size_t begin = out->len;
    for (; answer->at < answer->count; answer->at++) {
        const struct ax_account *account = answer->accounts[answer->at];
        if (ax_account_is_shared(account))
            continue;
        if (out->len - begin >= bytes)
            return false;
        const struct ax_catalog_version *version =
            ax_catalog_find(answer->base.thread->catalog, ax_str_from(account->model),
                            ax_str_from(account->version));
        put_version(out, account->model, account->version, account,
                    version ? version->served : NULL);
    }
    return true;
}

static bool all_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    struct all_answer *answer = container_of(base, struct all_answer, base);
    if (answer->is_printed)
        return ax_account_list_drop(answer->accounts, answer->count, &answer->dropped);
    if (out->len == 0)
        (void)ax_buf_append_str(out, AX_STR("{\"model_stats\":["));
    if (!put_accounts(answer, out, bytes))
        return false;
    put_shared(out, answer->accounts, answer->count);
    answer->is_printed = true;
    return ax_account_list_drop(answer->accounts, answer->count, &answer->dropped);
}

static void all_done(struct ax_sliced_answer *base)
{
    struct all_answer *answer = container_of(base, struct all_answer, base);
    for (; answer->dropped < answer->count; answer->dropped++)
        ax_account_unref(answer->accounts[answer->dropped]);
    free(answer->accounts);
}

static const struct ax_sliced_form all_form = {
    .content_type = "application/json",
    .print = all_print,
    .done = all_done,
};

void ax_statistics_all(struct ax_call *call)
{
    assert(call);
    struct all_answer *answer = ax_sliced_answer_new(call, &all_form, sizeof(*answer));
    if (!answer)
        return;
    answer->accounts = ax_account_list(&answer->count);
    ax_sliced_answer_start(&answer->base);
}

/* ---- of a model ---- */

struct model_answer {
    struct ax_sliced_answer base;
    struct ax_catalog_walk walk;
    struct ax_str model, version; /* of the path; an empty version: all */
};

static bool is_asked_for(const struct ax_catalog_version *version, struct ax_str text)
{
    return (text.len == 0 || ax_str_is(text, version->text)) && known_account(version);
}

static bool model_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    struct model_answer *answer = container_of(base, struct model_answer, base);
    const struct ax_catalog_model *model;
    const struct ax_catalog_version *version;
    size_t begin = out->len;
    size_t passed_bytes = 0; /* of work, for versions that are not printed */
    if (out->len == 0)
        (void)ax_buf_append_str(out, AX_STR("{\"model_stats\":["));
    ax_catalog_walk_enter(&answer->walk, base->thread->catalog);
    while (out->len - begin + passed_bytes < bytes) {
        if (!ax_catalog_walk_next(&answer->walk, &model, &version) ||
            !ax_str_is(answer->model, model->name)) {
            (void)ax_buf_append_str(out, AX_STR("]}"));
            return true;
        }
        if (version && is_asked_for(version, answer->version))
            put_version(out, model->name, version->text, known_account(version), version->served);
        else
            passed_bytes += AX_SLICED_PASSED_BYTES;
    }
    return false;
}

static const struct ax_sliced_form model_form = {
    .content_type = "application/json",
    .print = model_print,
};

/* Of one version, or of all of a model. */
void ax_statistics(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    const struct ax_catalog *catalog = call->thread->catalog;
    const struct ax_catalog_model *model = ax_map_get(&catalog->models, call->model);
    bool found = false;
    for (size_t i = 0; model && !found && i < model->version_count; i++)
        found = is_asked_for(&model->versions[i], call->version);
    if (!found && ax_catalog_version(catalog, call->model, call->version, &served, &err)) {
        ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                      NULL);
        return;
    }
    struct model_answer *answer = ax_sliced_answer_new(call, &model_form, sizeof(*answer));
    if (!answer)
        return;
    ax_catalog_walk_seek(&answer->walk, call->model);
    answer->model = call->model;
    answer->version = call->version;
    ax_sliced_answer_start(&answer->base);
}
