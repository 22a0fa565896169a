/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The repository extension: what there is, and orders to load and unload.
 *
 * An order is answered when it is over, by a message from the control thread to the request's own.
 * When its client leaves, the order is taken back and the request ends at once; the order is freed
 * when its message comes. A long body is copied in slices, between which others have their turn,
 * and goes with the order.
 */
#include "server/api/oip.h"

#include "base/alloc.h"
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/catalog_walk.h"
#include "server/load_request.h"
#include "server/model_orders.h"
#include "server/request_user.h"
#include "server/server.h"
#include "server/sliced_answer.h"

#include <assert.h>

static void put_member(struct ax_buf *out, const char *key, const char *text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, ax_str_from(text));
}

/* ---- the index ---- */

/* Parsed in one go and into a tree, and never in need of more. */
#define INDEX_BODY_MAX 65536

/* The body of an index request: empty, or an object with an optional boolean `ready`. */
static enum ax_code read_index_request(struct ax_str body, bool *ret_ready_only, struct ax_err *err)
{
    *ret_ready_only = false;
    if (body.len == 0)
        return AX_OK;
    if (body.len > INDEX_BODY_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "the body has more than %d bytes", INDEX_BODY_MAX);
    struct ax_json_doc *doc;
    if (ax_json_parse(body, &doc, err))
        return err->code;
    const struct ax_json *root = ax_json_root(doc);
    const struct ax_json *ready = ax_json_get(root, "ready");
    enum ax_code code = AX_OK;
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        code = ax_fail(err, AX_E_INVALID, "the body must be an object");
    else if (ready && ax_json_kind(ready) != AX_JSON_KIND_BOOL)
        code = ax_fail(err, AX_E_INVALID, "Invalid value for 'ready': expected a boolean");
    *ret_ready_only = ax_json_is_true(ready);
    ax_json_free(doc);
    return code;
}

struct index_answer {
    struct ax_sliced_answer base;
    struct ax_catalog_walk walk;
    bool ready_only;
    bool is_begun; /* an entry was printed */
};

/* A line of the index: a version, or NULL, a model without any. */
static void put_index_entry(struct index_answer *answer, struct ax_buf *out,
                            const struct ax_catalog_model *model,
                            const struct ax_catalog_version *version)
{
    const char *reason = version ? version->reason : model->reason;
    if (answer->is_begun)
        (void)ax_buf_append_char(out, ',');
    answer->is_begun = true;
    (void)ax_buf_append_char(out, '{');
    put_member(out, "name", model->name);
    put_member(out, "version", version ? version->text : "");
    put_member(out, "state", ax_version_state_oip(version ? version->state : AX_VERSION_UNLOADED));
    put_member(out, "reason", reason ? reason : "");
    (void)ax_buf_append_char(out, '}');
}

static bool index_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    struct index_answer *answer = container_of(base, struct index_answer, base);
    const struct ax_catalog_model *model;
    const struct ax_catalog_version *version;
    size_t begin = out->len;
    size_t passed_bytes = 0;
    if (out->len == 0)
        (void)ax_buf_append_char(out, '[');
    ax_catalog_walk_enter(&answer->walk, base->thread->catalog);
    while (out->len - begin + passed_bytes < bytes) {
        if (!ax_catalog_walk_next(&answer->walk, &model, &version)) {
            (void)ax_buf_append_char(out, ']');
            return true;
        }
        if (!answer->ready_only || (version && version->state == AX_VERSION_READY))
            put_index_entry(answer, out, model, version);
        else
            passed_bytes += AX_SLICED_PASSED_BYTES;
    }
    return false;
}

static const struct ax_sliced_form index_form = {
    .content_type = "application/json",
    .print = index_print,
};

void ax_oip_index(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    bool ready_only;
    if (read_index_request(call->request->body, &ready_only, &err)) {
        ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                      NULL);
        return;
    }
    struct index_answer *answer = ax_sliced_answer_new(call, &index_form, sizeof(*answer));
    if (!answer)
        return;
    answer->ready_only = ready_only;
    ax_sliced_answer_start(&answer->base);
}

/* ---- orders ---- */

#define SLICE_BYTES ((size_t)256 << 10)

struct repository_order {
    const struct ax_request_user *user; /* first */
    struct ax_model_order order;
    struct ax_http_worker *worker;
    uint64_t request_id;
    char *model;
    bool is_load;
    struct ax_err err; /* when it is over */

    /* Of an order that was given; the request is there until it is answered. */
    struct ax_model_orders *orders;
    struct ax_server_thread *thread;
    struct ax_request *request;
};

static void repository_order_free(struct repository_order *order)
{
    ax_buf_done(&order->order.body);
    free(order->model);
    free(order);
}

/* {"name":"m","load":true}, as KServe answers; others look at the status alone. */
static void answer_done(struct ax_server_thread *thread, struct ax_request *request,
                        const struct repository_order *order)
{
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    (void)ax_buf_append_char(out, '{');
    put_member(out, "name", order->model);
    ax_json_put_key(out, order->is_load ? "load" : "unload");
    (void)ax_buf_append_str(out, AX_STR("true}"));
    ax_server_thread_answer(thread, request, 200);
}

/* What is wrong with the order itself is told as it is; what became of it with the words that
 * clients look for. */
static void answer_failed(struct ax_server_thread *thread, struct ax_request *request,
                          const struct repository_order *order)
{
    struct ax_err err = AX_ERR_INIT;
    const char *not_found = order->err.code == AX_E_NOT_FOUND && order->is_load
                                ? "failed to poll from model repository: "
                                : "";
    struct ax_str model = ax_str_cut(ax_str_from(order->model), AX_SIGNATURE_SHOWN_BYTES_MAX);
    (void)ax_fail(&err, order->err.code, "failed to %s '%.*s', %s%s",
                  order->is_load ? "load" : "unload", AX_STR_ARG(model), not_found, order->err.msg);
    ax_server_thread_answer_error(thread, request, ax_oip_status(err.code), err.msg, NULL);
}

static void repository_deliver(void *context, void *state, struct ax_request *request,
                               void *message)
{
    (void)context;
    struct repository_order *order = message;
    if (request && order->err.code)
        answer_failed(state, request, order);
    else if (request)
        answer_done(state, request, order);
    repository_order_free(order);
}

/* On the control thread, or on any other. */
static void repository_done(struct ax_model_order *base, const struct ax_err *err)
{
    struct repository_order *order = container_of(base, struct repository_order, order);
    order->err = *err;
    ax_request_post(order->worker, order->request_id, repository_deliver, order);
}

static struct ax_model_orders *find_orders(struct ax_server_thread *thread,
                                           struct ax_request *request)
{
    struct ax_model_orders *orders = ax_server_orders(thread->server);
    if (!orders)
        ax_server_thread_answer_error(thread, request, 503, "the server has only just begun", NULL);
    return orders;
}

static struct repository_order *repository_order_new(const struct ax_call *call, bool is_load)
{
    struct repository_order *order = ax_xalloc(sizeof(*order));
    order->order.done = repository_done;
    order->worker = call->request->worker;
    order->request_id = call->request->id;
    order->model = ax_xmemdup0(call->model.ptr, call->model.len);
    order->is_load = is_load;
    ax_buf_init(&order->order.body, AX_MAX(call->request->body.len, (size_t)1));
    return order;
}

/* Nobody reads it. */
static void answer_gone(struct ax_server_thread *thread, struct ax_request *request)
{
    ax_server_thread_answer_error(thread, request, 503, "the client went away", NULL);
}

/* The order is taken back, and freed when its message comes. */
static void repository_cancelled(void *user)
{
    struct repository_order *order = user;
    ax_model_orders_withdraw(order->orders, &order->order);
    answer_gone(order->thread, order->request);
}

static void repository_release(void *user)
{
    (void)user;
}

static const struct ax_request_user repository_user = { .cancelled = repository_cancelled,
                                                        .release = repository_release };

/* It is about to be given. */
static void repository_order_begin(struct repository_order *order, struct ax_model_orders *orders,
                                   struct ax_server_thread *thread, struct ax_request *request)
{
    order->user = &repository_user;
    order->orders = orders;
    order->thread = thread;
    order->request = request;
    request->user = order;
}

/* Take a slice of the body, and give the order when it was the last one. */
static void take_slice(void *context, void *state, struct ax_request *request, void *message)
{
    (void)context;
    struct repository_order *order = message;
    struct ax_server_thread *thread = state;
    struct ax_buf *body = &order->order.body;
    if (!request) {
        repository_order_free(order);
        return;
    }
    if (ax_request_is_cancelled(request)) {
        answer_gone(thread, request);
        repository_order_free(order);
        return;
    }
    size_t more = AX_MIN(SLICE_BYTES, request->body.len - body->len);
    if (ax_buf_append(body, request->body.ptr + body->len, more)) {
        (void)ax_fail(&order->err, AX_E_LIMIT, "no memory for the body");
        answer_failed(thread, request, order);
        repository_order_free(order);
        return;
    }
    if (body->len < request->body.len) {
        ax_request_post(order->worker, order->request_id, take_slice, order);
        return;
    }
    struct ax_model_orders *orders = find_orders(thread, request);
    if (!orders) {
        repository_order_free(order);
        return;
    }
    repository_order_begin(order, orders, thread, request);
    ax_model_orders_load(orders, ax_str_from(order->model), &order->order);
}

void ax_oip_load(struct ax_call *call)
{
    assert(call);
    take_slice(NULL, call->thread, call->request, repository_order_new(call, true));
}

void ax_oip_unload(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    bool unload_dependents = false;
    if (ax_unload_request_parse(call->request->body, &unload_dependents, &err)) {
        ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err.code), err.msg,
                                      NULL);
        return;
    }
    struct ax_model_orders *orders = find_orders(call->thread, call->request);
    if (!orders)
        return;
    struct repository_order *order = repository_order_new(call, false);
    repository_order_begin(order, orders, call->thread, call->request);
    ax_model_orders_unload(orders, call->model, unload_dependents, &order->order);
}
