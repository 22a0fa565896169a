/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waiter is an allocation of its own, since the request may end before it is told. It goes to the
 * fleet with the order, from there by a message to the request's thread, and dies there; the
 * request is found by its id, or is gone. So whoever asks has at most one waiter with the fleet,
 * and that lives as long as the asker points at it.
 */
#include "server/cold_wait.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/fleet.h"
#include "server/server.h"

#include <assert.h>

struct ax_cold_waiter {
    struct ax_fleet_waiter base;
    struct ax_http_worker *worker;
    uint64_t request_id;
    struct ax_err err;
    struct ax_cold_wait *wait; /* the request's, while that is there */
};

/* `request` is NULL when it ended meanwhile. */
static void waiter_deliver(void *context, void *state, struct ax_request *request, void *message)
{
    (void)context;
    struct ax_cold_waiter *waiter = message;
    struct ax_cold_wait *wait = waiter->wait;
    if (request) {
        wait->waiter = NULL;
        wait->is_told = true;
        wait->err = waiter->err;
        wait->told(state, request, wait);
    }
    free(waiter);
}

/* On the control thread; or on the request's own, when the order could not be left. */
static void waiter_done(struct ax_fleet_waiter *base, const struct ax_err *err)
{
    struct ax_cold_waiter *waiter = container_of(base, struct ax_cold_waiter, base);
    waiter->err = *err;
    ax_request_post(waiter->worker, waiter->request_id, waiter_deliver, waiter);
}

bool ax_cold_is_there(const struct ax_server_thread *thread, struct ax_str model,
                      struct ax_str version)
{
    assert(thread && thread->catalog);
    /* Before that, what is loaded first is not decided by who comes first. */
    if (!thread->catalog->is_complete || !ax_server_fleet(thread->server))
        return false;
    const struct ax_catalog_version *found = ax_catalog_find(thread->catalog, model, version);
    if (!found || found->served)
        return false;
    const struct ax_catalog_model *its = ax_map_get(&thread->catalog->models, model);
    /* A version beside one that answers comes for those who name it. */
    bool is_named = version.len > 0 && its->is_wanted && found->is_target;
    return found->is_cold || (is_named && found->state != AX_VERSION_FAILED);
}

uint64_t ax_cold_until_ns(const struct ax_server_thread *thread)
{
    assert(thread);
    return ax_clock_ns() + ax_server_config(thread->server)->fleet->load_wait_ns;
}

void ax_cold_ask(struct ax_server_thread *thread, struct ax_request *request,
                 struct ax_cold_wait *wait)
{
    assert(thread && request && wait && wait->until_ns && wait->told && !wait->waiter);
    struct ax_cold_waiter *waiter = ax_xalloc(sizeof(*waiter));
    waiter->base.done = waiter_done;
    waiter->base.until_ns = wait->until_ns;
    waiter->worker = request->worker;
    waiter->request_id = request->id;
    waiter->wait = wait;
    wait->waiter = waiter;
    wait->is_told = false;
    ax_fleet_want(ax_server_fleet(thread->server), wait->model, wait->version, &waiter->base);
}

void ax_cold_withdraw(struct ax_server_thread *thread, struct ax_cold_wait *wait)
{
    assert(thread);
    if (!wait || !wait->waiter)
        return;
    ax_fleet_withdraw(ax_server_fleet(thread->server), &wait->waiter->base);
    wait->waiter = NULL;
}
