/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders to load and unload models, as any protocol takes them.
 *
 * What an order brings is read and put on disk by a thread of its own, never by an I/O thread; then
 * the order is the fleet's. Its giver is told once, when it is over.
 */
#ifndef AX_SERVER_MODEL_ORDERS_H
#define AX_SERVER_MODEL_ORDERS_H

#include "base/buf.h"
#include "server/fleet.h"

struct ax_model_orders;

/* Embedded in what its giver keeps, on the heap, until it is told. */
struct ax_model_order {
    struct ax_buf body; /* of a load, as load_request.h has it; the giver's, untouched until done */

    /* It is over; on the control thread, on that of the orders, or on the giver's own. Must not
     * block. */
    void (*done)(struct ax_model_order *order, const struct ax_err *err);

    /* The orders' own. */
    struct ax_fleet_waiter waiter;
    struct ax_model_orders *orders;
    char *model;
};

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_model_orders_new(struct ax_fleet *fleet,
                                             const struct ax_fleet_config *config,
                                             struct ax_model_orders **ret_orders,
                                             struct ax_err *err);
/* In front of the fleet's stop: waits for what is being read and written. NULL is fine. */
void ax_model_orders_free(struct ax_model_orders *orders);

/* Any thread, never block. Told INVALID when the server takes no orders (--model-control) or the
 * name or the body is wrong, LIMIT when too many wait, and as ax_fleet_load and ax_fleet_unload. */
void ax_model_orders_load(struct ax_model_orders *orders, struct ax_str model,
                          struct ax_model_order *order);
void ax_model_orders_unload(struct ax_model_orders *orders, struct ax_str model,
                            bool unload_dependents, struct ax_model_order *order);

/* Its giver is gone: as ax_fleet_withdraw, for an order that was given. */
void ax_model_orders_withdraw(struct ax_model_orders *orders, struct ax_model_order *order);

#endif
