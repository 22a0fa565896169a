/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table, and matching against it.
 *
 * A pattern is compared with the path character by character, so most of the table is refused at
 * its first differing byte, and the endpoints that matter stand first. That is simpler than a tree
 * and, for two dozen patterns, not slower than the rest of routing.
 */
#include "server/router.h"

#include "base/clock.h"
#include "server/api/endpoints.h"
#include "server/cold_wait.h"
#include "server/prediction.h"
#include "server/request_user.h"
#include "server/server.h"
#include "server/server_thread.h"

#include <assert.h>

/* Of a body, from which on it is looked at whether the request is to be refused without it. */
#define HEAD_BODY_BYTES_MIN ((uint64_t)64 << 10)

/*
 * To add an endpoint: write its function, declare it in api/endpoints.h, add a line here, and
 * describe it in docs/protocols/ and in api/openapi.json.
 */
const struct ax_endpoint ax_endpoints[] = {
    { AX_HTTP_POST, "/v2/models/{m}/infer", ax_oip_infer, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/v2/models/{m}/versions/{v}/infer", ax_oip_infer, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/v1/models/{m}/predict", ax_predict, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/v1/predict", ax_predict_many, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/v1/models/{m}:predict", ax_kserve_predict, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/v1/models/{m}/versions/{v}:predict", ax_kserve_predict, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/push", ax_push, 0 },
    { AX_HTTP_POST, "/invocations", ax_mlflow_invocations, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/v1/models/{m}/invocations", ax_mlflow_invocations, AX_ENDPOINT_SCORES },
    { AX_HTTP_POST, "/get-online-features", ax_feast_online_features, 0 },
    { AX_HTTP_POST, "/write-to-online-store", ax_feast_online_write, 0 },
    { AX_HTTP_POST, "/materialize", ax_feast_materialize, AX_ENDPOINT_CONTROLS },
    { AX_HTTP_POST, "/materialize-incremental", ax_feast_materialize_incremental,
      AX_ENDPOINT_CONTROLS },
    { AX_HTTP_GET, "/v2/health/live", ax_oip_live, 0 },
    { AX_HTTP_GET, "/v2/health/ready", ax_oip_ready, 0 },
    { AX_HTTP_GET, "/v2", ax_oip_server, 0 },
    { AX_HTTP_GET, "/v2/models", ax_oip_models, 0 },
    { AX_HTTP_GET, "/v2/models/stats", ax_statistics_all, 0 },
    { AX_HTTP_GET, "/v2/models/{m}/stats", ax_statistics, 0 },
    { AX_HTTP_GET, "/v2/models/{m}/versions/{v}/stats", ax_statistics, 0 },
    { AX_HTTP_GET, "/v2/models/{m}", ax_oip_model, AX_ENDPOINT_WARMS },
    { AX_HTTP_GET, "/v2/models/{m}/versions/{v}", ax_oip_model, AX_ENDPOINT_WARMS },
    { AX_HTTP_GET, "/v2/models/{m}/ready", ax_oip_model_ready, 0 },
    { AX_HTTP_GET, "/v2/models/{m}/versions/{v}/ready", ax_oip_model_ready, 0 },
    { AX_HTTP_GET, "/v2/models/{m}/config", ax_oip_config, AX_ENDPOINT_WARMS },
    { AX_HTTP_GET, "/v2/models/{m}/versions/{v}/config", ax_oip_config, AX_ENDPOINT_WARMS },
    { AX_HTTP_POST, "/v2/repository/index", ax_oip_index, 0 },
    { AX_HTTP_POST, "/v2/repository/{r}/index", ax_oip_index, 0 },
    { AX_HTTP_POST, "/v2/repository/models/{m}/load", ax_oip_load,
      AX_ENDPOINT_CONTROLS | AX_ENDPOINT_NAMES },
    { AX_HTTP_POST, "/v2/repository/models/{m}/unload", ax_oip_unload,
      AX_ENDPOINT_CONTROLS | AX_ENDPOINT_NAMES },
    { AX_HTTP_POST, "/v2/repository/{r}/models/{m}/load", ax_oip_load,
      AX_ENDPOINT_CONTROLS | AX_ENDPOINT_NAMES },
    { AX_HTTP_POST, "/v2/repository/{r}/models/{m}/unload", ax_oip_unload,
      AX_ENDPOINT_CONTROLS | AX_ENDPOINT_NAMES },
    { AX_HTTP_GET, "/v2/logging", ax_log_settings, 0 },
    { AX_HTTP_POST, "/v2/logging", ax_log_settings_change, AX_ENDPOINT_CONTROLS },
    { AX_HTTP_GET, "/v2/trace/setting", ax_trace_settings, 0 },
    { AX_HTTP_POST, "/v2/trace/setting", ax_trace_settings_change, AX_ENDPOINT_CONTROLS },
    { AX_HTTP_GET, "/v2/models/{m}/trace/setting", ax_trace_settings, 0 },
    { AX_HTTP_POST, "/v2/models/{m}/trace/setting", ax_trace_settings_change,
      AX_ENDPOINT_CONTROLS },
    { AX_HTTP_GET, "/v2/systemsharedmemory/status", ax_shared_memory_status, 0 },
    { AX_HTTP_GET, "/v2/systemsharedmemory/region/{r}/status", ax_shared_memory_none, 0 },
    { AX_HTTP_POST, "/v2/systemsharedmemory/region/{r}/register", ax_shared_memory_register, 0 },
    { AX_HTTP_POST, "/v2/systemsharedmemory/region/{r}/unregister", ax_shared_memory_unregister,
      0 },
    { AX_HTTP_POST, "/v2/systemsharedmemory/unregister", ax_shared_memory_unregister, 0 },
    { AX_HTTP_GET, "/v2/cudasharedmemory/status", ax_shared_memory_status, 0 },
    { AX_HTTP_GET, "/v2/cudasharedmemory/region/{r}/status", ax_shared_memory_none, 0 },
    { AX_HTTP_POST, "/v2/cudasharedmemory/region/{r}/register", ax_shared_memory_register, 0 },
    { AX_HTTP_POST, "/v2/cudasharedmemory/region/{r}/unregister", ax_shared_memory_unregister, 0 },
    { AX_HTTP_POST, "/v2/cudasharedmemory/unregister", ax_shared_memory_unregister, 0 },
    { AX_HTTP_GET, "/", ax_kserve_live, 0 },
    { AX_HTTP_GET, "/v1/features", ax_feature_metadata, 0 },
    { AX_HTTP_GET, "/v1/features/{s}", ax_feature_values, 0 },
    { AX_HTTP_GET, "/v1/models", ax_oip_models, 0 },
    { AX_HTTP_GET, "/v1/models/{m}", ax_kserve_model, 0 },
    { AX_HTTP_GET, "/v1/models/{m}/versions/{v}", ax_kserve_model, 0 },
    { AX_HTTP_GET, "/ping", ax_mlflow_ping, 0 },
    { AX_HTTP_GET, "/health", ax_health, 0 },
    { AX_HTTP_GET, "/version", ax_mlflow_version, 0 },
    { AX_HTTP_GET, "/metrics", ax_metrics, 0 },
    { AX_HTTP_GET, "/openapi.json", ax_openapi, 0 },
    { 0 },
};

/* Take one segment of the path, but for the literal that the pattern has behind it: "{m}:predict".
 * Names may hold ':' themselves, so it is the segment's end that counts. */
static bool take_segment(struct ax_str path, const char *behind, size_t *at, struct ax_str *ret)
{
    size_t begin = *at;
    size_t literal = strcspn(behind, "/");
    size_t end = begin;
    while (end < path.len && path.ptr[end] != '/')
        end++;
    if (end - begin < literal)
        return false;
    *at = end - literal;
    *ret = (struct ax_str){ path.ptr + begin, *at - begin };
    return true;
}

bool ax_endpoint_matches(const struct ax_endpoint *endpoint, struct ax_str path,
                         struct ax_call *call)
{
    assert(endpoint && call);
    size_t at = 0;
    for (const char *p = endpoint->pattern; *p; p++) {
        if (*p != '{') {
            if (at == path.len || path.ptr[at++] != *p)
                return false;
            continue;
        }
        struct ax_str ignored = { NULL, 0 };
        struct ax_str *to = p[1] == 'm'   ? &call->model
                            : p[1] == 'v' ? &call->version
                            : p[1] == 's' ? &call->service
                                          : &ignored;
        bool may_be_empty = p[1] == 'm' && endpoint->flags & AX_ENDPOINT_NAMES;
        if (!take_segment(path, p + 3, &at, to) || (!to->len && !may_be_empty))
            return false;
        p += 2;
    }
    return at == path.len;
}

static const char *method_text(enum ax_http_method method)
{
    return method == AX_HTTP_GET ? "GET, HEAD" : "POST";
}

static void answer_not_allowed(struct ax_server_thread *thread, struct ax_request *request,
                               unsigned allowed)
{
    char allow[64];
    bool get = allowed & 1u << AX_HTTP_GET;
    bool post = allowed & 1u << AX_HTTP_POST;
    (void)snprintf(allow, sizeof(allow), "Allow: %s%s%s\r\n", get ? method_text(AX_HTTP_GET) : "",
                   get && post ? ", " : "", post ? method_text(AX_HTTP_POST) : "");
    ax_server_thread_answer_error(thread, request, 405, "method not allowed", allow);
}

/* The endpoint of a request, and the call of it; NULL: there is none, and *ret_allowed has the
 * methods that the path does take. */
static const struct ax_endpoint *router_find(struct ax_server_thread *thread,
                                             struct ax_request *request, struct ax_call *ret_call,
                                             unsigned *ret_allowed)
{
    enum ax_http_method method = request->method == AX_HTTP_HEAD ? AX_HTTP_GET : request->method;
    *ret_allowed = 0;
    for (const struct ax_endpoint *endpoint = ax_endpoints; endpoint->pattern; endpoint++) {
        struct ax_call call = { .thread = thread, .request = request };
        if (!ax_endpoint_matches(endpoint, request->path, &call))
            continue;
        if (endpoint->method == method) {
            *ret_call = call;
            return endpoint;
        }
        *ret_allowed |= 1u << endpoint->method;
    }
    return NULL;
}

/* Who may change the server: this host, until there are users with rights. */
static bool router_allows(const struct ax_endpoint *endpoint, const struct ax_call *call)
{
    return !(endpoint->flags & AX_ENDPOINT_CONTROLS) ||
           ax_server_config(call->thread->server)->allow_remote_control ||
           ax_request_is_local(call->request);
}

static void answer_restricted(struct ax_call *call)
{
    ax_server_thread_answer_error(
        call->thread, call->request, 403,
        "This API is restricted: what changes the server is taken on a loopback or unix address "
        "only, unless it was started with --allow-remote-control",
        NULL);
}

/* A request for what a version tells, which is loaded for it; in the request's arena. */
struct router_wait {
    const struct ax_request_user *user; /* first */
    struct ax_server_thread *thread;
    struct ax_request *request;
    struct ax_cold_wait cold;
};

/* What was asked about is in memory, or cannot be: either is answered, as the catalog tells. */
static void router_go_on(struct ax_server_thread *thread, struct ax_request *request,
                         struct ax_cold_wait *cold)
{
    (void)cold;
    struct ax_call call;
    unsigned allowed;
    request->user = NULL;
    router_find(thread, request, &call, &allowed)->run(&call);
}

static void wait_release(void *user)
{
    struct router_wait *wait = user;
    ax_cold_withdraw(wait->thread, &wait->cold);
}

static void wait_cancelled(void *user)
{
    struct router_wait *wait = user;
    ax_server_thread_answer_error(wait->thread, wait->request, 503, "the client went away", NULL);
}

static const struct ax_request_user wait_user = {
    .cancelled = wait_cancelled,
    .release = wait_release,
};

/* Have the version loaded first, if there is need. */
static bool router_waits(const struct ax_endpoint *endpoint, const struct ax_call *call)
{
    struct ax_server_thread *thread = call->thread;
    if (!(endpoint->flags & AX_ENDPOINT_WARMS) ||
        !ax_cold_is_there(thread, call->model, call->version))
        return false;
    struct router_wait *wait = ax_arena_zalloc(&call->request->arena, 1, sizeof(*wait));
    if (!wait)
        return false; /* It is not ready, then. */
    wait->user = &wait_user;
    wait->thread = thread;
    wait->request = call->request;
    wait->cold = (struct ax_cold_wait){ .model = call->model,
                                        .version = call->version,
                                        .until_ns = ax_cold_until_ns(thread),
                                        .told = router_go_on };
    call->request->user = wait;
    ax_cold_ask(thread, call->request, &wait->cold);
    return true;
}

static void router_run(const struct ax_endpoint *endpoint, struct ax_call *call)
{
    if (!router_allows(endpoint, call))
        answer_restricted(call);
    else if (!router_waits(endpoint, call))
        endpoint->run(call);
}

void ax_router_run(struct ax_server_thread *thread, struct ax_request *request)
{
    assert(thread && request);
    struct ax_call call;
    unsigned allowed;
    const struct ax_endpoint *endpoint = router_find(thread, request, &call, &allowed);
    if (endpoint)
        router_run(endpoint, &call);
    else if (allowed)
        answer_not_allowed(thread, request, allowed);
    else
        ax_server_thread_answer_error(thread, request, 404, "no such path", NULL);
}

/* Only of large bodies: of others little is saved, and they are many. */
static bool router_asks_head(const struct ax_request *request)
{
    uint64_t bytes;
    struct ax_str length = ax_request_header(request, "content-length");
    return length.ptr && ax_str_to_u64(length, &bytes) && bytes >= HEAD_BODY_BYTES_MIN;
}

bool ax_router_head(struct ax_server_thread *thread, struct ax_request *request)
{
    assert(thread && request);
    struct ax_call call;
    unsigned allowed;
    if (!router_asks_head(request))
        return true;
    const struct ax_endpoint *endpoint = router_find(thread, request, &call, &allowed);
    if (!endpoint || !(endpoint->flags & AX_ENDPOINT_SCORES))
        return true;
    call.is_head = true;
    endpoint->run(&call);
    return !call.is_refused;
}

void ax_router_incomplete(struct ax_server_thread *thread, struct ax_request *request,
                          enum ax_code code)
{
    assert(thread && request && code);
    struct ax_call call;
    unsigned allowed;
    const struct ax_endpoint *endpoint = router_find(thread, request, &call, &allowed);
    if (!endpoint || !(endpoint->flags & AX_ENDPOINT_SCORES))
        return;
    ax_prediction_count_refused(&call, code);
}
