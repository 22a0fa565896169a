/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server and its models are: metadata, configuration, lists.
 *
 * Everything is printed from the signature when it is asked for. Metadata shows shapes with the
 * batch dimension, the model configuration (Triton's ModelConfig, snake_case) shows dims without.
 */
#include "server/api/oip.h"

#include "base/json.h"
#include "server/admission.h"
#include "server/api/endpoints.h"
#include "server/catalog_walk.h"
#include "server/cold_wait.h"
#include "server/server.h"
#include "server/sliced_answer.h"

#include <assert.h>

#include "auspex_config.h"

/* What exists of the protocol's extensions: clients call what is listed. */
static const char *const extensions[] = {
    "binary_tensor_data",  "classification",   "logging",
    "model_configuration", "model_repository", "model_repository(unload_dependents)",
    "statistics",
};

static void put_member(struct ax_buf *out, const char *key, const char *text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, ax_str_from(text));
}

/* A comma, unless it is the first element. */
static void put_comma(struct ax_buf *out, size_t index)
{
    if (index > 0)
        (void)ax_buf_append_char(out, ',');
}

void ax_oip_server(struct ax_call *call)
{
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_char(out, '{');
    const struct ax_server_config *config = ax_server_config(call->thread->server);
    put_member(out, "name", config->server_name);
    put_member(out, "version", config->server_version[0] ? config->server_version : AX_VERSION);
    ax_json_put_key(out, "extensions");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < AX_COUNT(extensions); i++) {
        put_comma(out, i);
        ax_json_put_str(out, ax_str_from(extensions[i]));
    }
    (void)ax_buf_append_str(out, AX_STR("]}"));
    ax_server_thread_answer(call->thread, call->request, 200);
}

struct models_answer {
    struct ax_sliced_answer base;
    struct ax_catalog_walk walk;
    size_t printed;
};

static bool models_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    struct models_answer *answer = container_of(base, struct models_answer, base);
    const struct ax_catalog_model *model;
    size_t begin = out->len;
    if (out->len == 0)
        (void)ax_buf_append_str(out, AX_STR("{\"models\":["));
    ax_catalog_walk_enter(&answer->walk, base->thread->catalog);
    while (out->len - begin < bytes) {
        if (!ax_catalog_walk_next_model(&answer->walk, &model)) {
            (void)ax_buf_append_str(out, AX_STR("]}"));
            return true;
        }
        put_comma(out, answer->printed++);
        ax_json_put_str(out, ax_str_from(model->name));
    }
    return false;
}

static const struct ax_sliced_form models_form = {
    .content_type = "application/json",
    .print = models_print,
};

void ax_oip_models(struct ax_call *call)
{
    assert(call);
    struct models_answer *answer = ax_sliced_answer_new(call, &models_form, sizeof(*answer));
    if (answer)
        ax_sliced_answer_start(&answer->base);
}

/* Find what the path names, or answer the failure. */
static struct ax_served *find_served(struct ax_call *call)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    if (!ax_catalog_version(call->thread->catalog, call->model, call->version, &served, &err))
        return served;
    ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                  NULL);
    return NULL;
}

void ax_oip_model_ready(struct ax_call *call)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    const struct ax_catalog *catalog = call->thread->catalog;
    /* One that is cold answers when it is asked. Asking whether it would does not load it. */
    bool ready = !ax_catalog_version(catalog, call->model, call->version, &served, &err) ||
                 ax_cold_is_there(call->thread, call->model, call->version);
    if (err.code == AX_E_NOT_FOUND || !ax_map_get(&catalog->models, call->model)) {
        ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                      NULL);
        return;
    }
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_key(out, "name");
    ax_json_put_str(out, call->model);
    ax_json_put_key(out, "ready");
    ax_json_put_bool(out, ready);
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(call->thread, call->request, ready ? 200 : 503);
}

static void put_tensor(struct ax_buf *out, struct ax_str name, enum ax_datatype datatype,
                       size_t width)
{
    (void)ax_buf_append_str(out, AX_STR("{\"name\":"));
    ax_json_put_str(out, name);
    put_member(out, "datatype", ax_datatype_name(datatype));
    (void)ax_buf_append_str(out, AX_STR(",\"shape\":[-1"));
    if (width > 0) {
        (void)ax_buf_append_char(out, ',');
        (void)ax_buf_append_u64(out, width);
    }
    (void)ax_buf_append_str(out, AX_STR("]}"));
}

static void put_inputs(struct ax_buf *out, const struct ax_signature *signature)
{
    ax_json_put_key(out, "inputs");
    (void)ax_buf_append_char(out, '[');
    if (signature->form == AX_FORM_TENSOR) {
        put_tensor(out, AX_STR("input"), ax_input_wire_datatype(&signature->inputs[0]),
                   signature->input_count);
    }
    for (size_t i = 0; signature->form == AX_FORM_COLUMNS && i < signature->input_count; i++) {
        put_comma(out, i);
        put_tensor(out, signature->inputs[i].name, ax_input_wire_datatype(&signature->inputs[i]),
                   1);
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_outputs(struct ax_buf *out, const struct ax_signature *signature)
{
    ax_json_put_key(out, "outputs");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        put_comma(out, i);
        put_tensor(out, output->name, output->datatype, output->width > 1 ? output->width : 0);
    }
    (void)ax_buf_append_char(out, ']');
}

/* "auspex_forest" */
static void put_platform(struct ax_buf *out, const struct ax_version *version)
{
    ax_json_put_key(out, "platform");
    (void)ax_buf_printf(out, "\"auspex_%s\"", version->model->engine->name);
}

/* What else is worth knowing of a version; `before` and `after` stand around each text. */
static void put_parameters(struct ax_buf *out, const struct ax_version *version, const char *before,
                           const char *after)
{
    const struct {
        const char *key, *text;
    } parameters[] = {
        { "format", version->model->format },
        { "iterations", version->model->iterations },
        { "digest", version->digest },
    };
    ax_json_put_key(out, "parameters");
    (void)ax_buf_append_char(out, '{');
    for (size_t i = 0; i < AX_COUNT(parameters); i++) {
        if (!parameters[i].text[0])
            continue;
        ax_json_put_key(out, parameters[i].key);
        (void)ax_buf_append_str(out, ax_str_from(before));
        ax_json_put_str(out, ax_str_from(parameters[i].text));
        (void)ax_buf_append_str(out, ax_str_from(after));
    }
    (void)ax_buf_append_char(out, '}');
}

void ax_oip_model(struct ax_call *call)
{
    struct ax_served *served = find_served(call);
    if (!served)
        return;
    const struct ax_version *version = served->version;
    const struct ax_catalog_model *model =
        ax_map_get(&call->thread->catalog->models, ax_str_from(version->model_name));
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_char(out, '{');
    put_member(out, "name", version->model_name);
    ax_json_put_key(out, "versions");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0, printed = 0; i < model->version_count; i++) {
        const struct ax_catalog_version *at = &model->versions[i];
        if (!at->served && !at->is_cold)
            continue;
        put_comma(out, printed++);
        ax_json_put_str(out, ax_str_from(at->text));
    }
    (void)ax_buf_append_char(out, ']');
    put_platform(out, version);
    put_inputs(out, version->signature);
    put_outputs(out, version->signature);
    put_parameters(out, version, "", "");
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(call->thread, call->request, 200);
}

/* Triton's form of a version policy. */
static void put_policy(struct ax_buf *out, const struct ax_version_policy *policy)
{
    ax_json_put_key(out, "version_policy");
    switch (policy->kind) {
    case AX_POLICY_LATEST:
        (void)ax_buf_printf(out, "{\"latest\":{\"num_versions\":%llu}}",
                            (unsigned long long)policy->latest_count);
        return;
    case AX_POLICY_ALL:
        (void)ax_buf_append_str(out, AX_STR("{\"all\":{}}"));
        return;
    case AX_POLICY_SPECIFIC:
        break;
    }
    (void)ax_buf_append_str(out, AX_STR("{\"specific\":{\"versions\":["));
    for (size_t i = 0; i < policy->number_count; i++) {
        put_comma(out, i);
        ax_json_put_u64(out, policy->numbers[i]);
    }
    (void)ax_buf_append_str(out, AX_STR("]}}"));
}

static void put_config_tensor(struct ax_buf *out, struct ax_str name, enum ax_datatype datatype,
                              size_t width)
{
    (void)ax_buf_append_str(out, AX_STR("{\"name\":"));
    ax_json_put_str(out, name);
    put_member(out, "data_type", ax_datatype_config_name(datatype));
    (void)ax_buf_append_str(out, AX_STR(",\"dims\":["));
    if (width > 0)
        (void)ax_buf_append_u64(out, width);
    (void)ax_buf_append_char(out, ']');
}

static void put_config_inputs(struct ax_buf *out, const struct ax_signature *signature)
{
    ax_json_put_key(out, "input");
    (void)ax_buf_append_char(out, '[');
    if (signature->form == AX_FORM_TENSOR) {
        put_config_tensor(out, AX_STR("input"), ax_input_wire_datatype(&signature->inputs[0]),
                          signature->input_count);
        (void)ax_buf_append_char(out, '}');
    }
    for (size_t i = 0; signature->form == AX_FORM_COLUMNS && i < signature->input_count; i++) {
        const struct ax_input *input = &signature->inputs[i];
        put_comma(out, i);
        put_config_tensor(out, input->name, ax_input_wire_datatype(input), 1);
        if (!input->required)
            (void)ax_buf_append_str(out, AX_STR(",\"optional\":true"));
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_config_outputs(struct ax_buf *out, const struct ax_signature *signature)
{
    ax_json_put_key(out, "output");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        put_comma(out, i);
        put_config_tensor(out, output->name, output->datatype,
                          output->width > 1 ? output->width : 0);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

void ax_oip_config(struct ax_call *call)
{
    struct ax_served *served = find_served(call);
    if (!served)
        return;
    const struct ax_version *version = served->version;
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    (void)ax_buf_append_char(out, '{');
    put_member(out, "name", version->model_name);
    put_platform(out, version);
    put_member(out, "backend", version->model->engine->name);
    put_policy(out, &served->settings.policy);
    ax_json_put_key(out, "max_batch_size");
    size_t request_rows_max = ax_server_config(call->thread->server)->admission->request_rows_max;
    (void)ax_buf_append_u64(out, AX_MIN(version->signature->rows_max, request_rows_max));
    put_config_inputs(out, version->signature);
    put_config_outputs(out, version->signature);
    (void)ax_buf_printf(out,
                        ",\"instance_group\":[{\"name\":\"io\",\"kind\":\"KIND_CPU\","
                        "\"count\":%zu}]",
                        ax_server_thread_count(call->thread->server));
    (void)ax_buf_append_str(out, AX_STR(",\"dynamic_batching\":{\"max_queue_delay_microseconds\":0}"
                                        ",\"model_transaction_policy\":{\"decoupled\":false}"));
    put_parameters(out, version, "{\"string_value\":", "}");
    (void)ax_buf_append_char(out, '}');
    ax_server_thread_answer(call->thread, call->request, 200);
}
