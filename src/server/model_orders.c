/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order without parameters goes to the fleet at once. One with some goes by a thread that parses
 * the body, decodes files, and writes them with fsync, which takes as long as the disk wants. What
 * waits for that thread is bounded, since each order holds its body.
 */
#include "server/model_orders.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "server/load_request.h"

#include <assert.h>

/* A body up to here is looked through at once for parameters. */
#define SMALL_BODY_BYTES 1024

struct ax_model_orders {
    struct ax_fleet *fleet;
    bool are_taken;
    size_t waiting_max;
    struct ax_pool *pool;
};

enum ax_code ax_model_orders_new(struct ax_fleet *fleet, const struct ax_fleet_config *config,
                                 struct ax_model_orders **ret_orders, struct ax_err *err)
{
    assert(fleet && config && config->load_orders_max && ret_orders && err);
    struct ax_model_orders *orders = ax_xalloc(sizeof(*orders));
    orders->fleet = fleet;
    orders->are_taken = config->model_control == AX_MODEL_CONTROL_EXPLICIT;
    orders->waiting_max = config->load_orders_max;
    if (orders->are_taken && ax_pool_new("orders", 1, orders->waiting_max, &orders->pool, err)) {
        free(orders);
        return err->code;
    }
    *ret_orders = orders;
    return AX_OK;
}

void ax_model_orders_free(struct ax_model_orders *orders)
{
    if (!orders)
        return;
    ax_pool_free(orders->pool);
    free(orders);
}

static void order_tell(struct ax_model_order *order, const struct ax_err *err)
{
    free(order->model);
    order->model = NULL;
    order->done(order, err);
}

static void order_done(struct ax_fleet_waiter *waiter, const struct ax_err *err)
{
    order_tell(container_of(waiter, struct ax_model_order, waiter), err);
}

/* Texts are Triton's, which clients look for. */
static enum ax_code orders_check(const struct ax_model_orders *orders, struct ax_err *err)
{
    if (!orders->are_taken)
        return ax_fail(err, AX_E_INVALID,
                       "explicit model load / unload is not allowed if polling is enabled: start "
                       "the server with --model-control explicit");
    return AX_OK;
}

static void order_init(struct ax_model_order *order, struct ax_model_orders *orders,
                       struct ax_str model)
{
    order->orders = orders;
    order->model = ax_xmemdup0(model.len ? model.ptr : "", model.len);
    order->waiter = (struct ax_fleet_waiter){ .done = order_done };
}

static void arena_for(struct ax_arena *arena, struct ax_str body)
{
    /* Texts with escapes are copied; nothing else of a body is. */
    ax_arena_init(arena, 4096, 2 * body.len + (size_t)AX_OVERRIDE_FILES_MAX * 1024);
}

static enum ax_code order_stage(const struct ax_model_order *order,
                                struct ax_override **ret_override, struct ax_err *err)
{
    struct ax_arena arena;
    struct ax_load_request request;
    struct ax_str body = ax_buf_str(&order->body);
    struct ax_overrides *store = ax_fleet_overrides(order->orders->fleet);
    struct ax_override *override = NULL;
    arena_for(&arena, body);
    if (!ax_load_request_parse(body, &arena, &request, err) && request.config.len) {
        struct ax_override_draft draft = { .model = ax_str_from(order->model),
                                           .config = request.config,
                                           .files = request.files,
                                           .file_count = request.file_count };
        if (store)
            (void)(ax_overrides_stage(store, &draft, &override, err) != AX_OK);
        else
            (void)ax_fail(err, AX_E_UNAVAILABLE,
                          "the folder of state cannot keep what the load brings (see the log)");
    }
    ax_arena_done(&arena);
    if (!err->code)
        *ret_override = override;
    return err->code;
}

static void order_run(void *arg)
{
    struct ax_model_order *order = arg;
    struct ax_err err = AX_ERR_INIT;
    struct ax_override *override;
    if (atomic_load(&order->waiter.is_withdrawn)) {
        (void)ax_fail(&err, AX_E_CANCELLED, "who ordered it is gone");
        order_tell(order, &err);
        return;
    }
    if (order_stage(order, &override, &err))
        order_tell(order, &err);
    else
        ax_fleet_load(order->orders->fleet, ax_str_from(order->model), override, &order->waiter);
}

/* Whether a body holds no parameters, seen at once. A large one may, and one that is malformed is
 * told so by the other thread. */
static bool is_plain(struct ax_str body)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_load_request request;
    if (body.len > SMALL_BODY_BYTES)
        return false;
    arena_for(&arena, body);
    bool is_plain = !ax_load_request_parse(body, &arena, &request, &ignored) && !request.config.len;
    ax_arena_done(&arena);
    return is_plain;
}

/* Have the other thread see to it. */
static enum ax_code orders_submit(struct ax_model_orders *orders, struct ax_model_order *order,
                                  struct ax_err *err)
{
    struct ax_err full = AX_ERR_INIT;
    if (ax_pool_submit(orders->pool, order_run, order, &full))
        return ax_fail(err, full.code, "%zu loads wait to be read and kept (load_orders_max)",
                       orders->waiting_max);
    return AX_OK;
}

void ax_model_orders_load(struct ax_model_orders *orders, struct ax_str model,
                          struct ax_model_order *order)
{
    assert(orders && order && order->done);
    struct ax_err err = AX_ERR_INIT;
    order_init(order, orders, model);
    bool goes_at_once = is_plain(ax_buf_str(&order->body));
    if (orders_check(orders, &err) || ax_repository_check_name(model, &err) ||
        (!goes_at_once && orders_submit(orders, order, &err)))
        order_tell(order, &err);
    else if (goes_at_once)
        ax_fleet_load(orders->fleet, model, NULL, &order->waiter);
}

void ax_model_orders_unload(struct ax_model_orders *orders, struct ax_str model,
                            bool unload_dependents, struct ax_model_order *order)
{
    assert(orders && order && order->done);
    struct ax_err err = AX_ERR_INIT;
    order_init(order, orders, model);
    if (orders_check(orders, &err) || ax_repository_check_name(model, &err))
        order_tell(order, &err);
    else
        ax_fleet_unload(orders->fleet, model, unload_dependents, &order->waiter);
}

void ax_model_orders_withdraw(struct ax_model_orders *orders, struct ax_model_order *order)
{
    assert(orders && order);
    ax_fleet_withdraw(orders->fleet, &order->waiter);
}
