/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders, from their givers to their being told.
 *
 * An order that cannot be fulfilled at once is kept in one list. It is looked at in each round, and
 * it is over only when the catalog says so to everybody.
 */
#include "server/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>

#define WANTS_DRAIN_NS AX_NS_PER_S /* what loads in that time is answered before the end */

enum order_kind { ORDER_WANT, ORDER_LOAD, ORDER_UNLOAD, ORDER_RESCAN, ORDER_CHANGED, ORDER_STOP };

/* An order, from its giver until it is told. */
struct ax_fleet_order {
    struct ax_message message;
    enum order_kind kind;
    char *model_name, *version_text;  /* NULL: none */
    struct ax_override *override;     /* of a load, until the model has it */
    unsigned try_number;              /* of a load: what it tries; 0: nothing */
    uint64_t load_number;             /* of a load: fleet.load_count, when it began */
    uint64_t until_ns;                /* monotonic; 0: none */
    struct ax_fleet_waiter *waiter;   /* NULL: nobody is told */
    struct ax_fleet_model *model;     /* it waits for this one, which counts it */
    struct ax_fleet_version *version; /* of a want, which counts it */
    struct ax_fleet_order *next;      /* of those that wait */
    struct ax_err err;                /* it has failed so, and waits to be told */
};

static void order_receive(void *context, struct ax_message *message);

static struct ax_fleet_order *order_new(enum order_kind kind, const struct ax_str *model,
                                        const struct ax_str *version,
                                        struct ax_fleet_waiter *waiter)
{
    struct ax_fleet_order *order = ax_xalloc(sizeof(*order));
    order->message.receive = order_receive;
    order->kind = kind;
    order->model_name = model ? ax_xmemdup0(model->ptr, model->len) : NULL;
    order->version_text = version ? ax_xmemdup0(version->ptr, version->len) : NULL;
    order->waiter = waiter;
    return order;
}

static void order_free(struct ax_fleet_order *order)
{
    ax_override_discard(order->override);
    free(order->model_name);
    free(order->version_text);
    free(order);
}

/* A request that came too early for what it asked will come again: its version goes on waiting for
 * a loader. One that was taken back will not. */
static void order_end_want(struct ax_fleet *fleet, struct ax_fleet_version *version,
                           enum ax_code code)
{
    struct ax_fleet_model *model = version->model;
    version->wanting_count--;
    model->wanting_count--;
    version->is_foreseen |= version->is_pending && code == AX_E_TIMEOUT;
    ax_fleet_reconsider(fleet, version);
    /* Nor do its successors. */
    for (size_t i = 0; model->is_succeeded && i < model->version_count; i++)
        ax_fleet_reconsider(fleet, model->versions[i]);
}

static void order_tell(struct ax_fleet *fleet, struct ax_fleet_order *order,
                       const struct ax_err *err)
{
    if (order->version)
        order_end_want(fleet, order->version, err->code);
    if (order->model)
        order->model->order_count--;
    if (order->kind == ORDER_WANT)
        (void)atomic_fetch_sub(&fleet->want_count, 1);
    (void)atomic_fetch_sub(&fleet->order_count, 1);
    if (order->waiter)
        order->waiter->done(order->waiter, err);
    order_free(order);
}

static void order_cancel(struct ax_fleet *fleet, struct ax_fleet_order *order, const char *why)
{
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_CANCELLED, "%s", why);
    ax_fleet_end_try(fleet, ax_str_from(order->model_name ? order->model_name : ""),
                     order->try_number, &err);
    order_tell(fleet, order, &err);
}

static bool order_is_withdrawn(const struct ax_fleet_order *order)
{
    return order->waiter && atomic_load(&order->waiter->is_withdrawn);
}

static void order_wait(struct ax_fleet *fleet, struct ax_fleet_order *order,
                       struct ax_fleet_model *model)
{
    order->model = model;
    order->until_ns = order->waiter ? order->waiter->until_ns : 0;
    model->order_count++;
    order->next = fleet->waiting;
    fleet->waiting = order;
}

static enum ax_code fail_unknown(struct ax_err *err, const char *model)
{
    struct ax_str shown = ax_str_cut(ax_str_from(model), AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_fail(err, AX_E_NOT_FOUND, "Request for unknown model: '%.*s' is not found",
                   AX_STR_ARG(shown));
}

static void order_begin_want(struct ax_fleet *fleet, struct ax_fleet_order *order)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model = ax_fleet_find(fleet, ax_str_from(order->model_name));
    struct ax_fleet_version *version =
        model ? ax_fleet_model_version(model, ax_str_from(order->version_text)) : NULL;
    if (!version) {
        (void)fail_unknown(&err, order->model_name);
        order_tell(fleet, order, &err);
        return;
    }
    order->version = version;
    version->wanting_count++;
    model->wanting_count++;
    order_wait(fleet, order, model);
    ax_fleet_review(fleet, model);
}

static void order_begin_load(struct ax_fleet *fleet, struct ax_fleet_order *order)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model;
    struct ax_str name = ax_str_from(order->model_name);
    order->try_number = ax_fleet_try(fleet, name, order->override);
    order->override = NULL;
    if (ax_fleet_list_one(fleet, name, &model, &err)) {
        ax_fleet_end_try(fleet, name, order->try_number, &err);
        order_tell(fleet, order, &err);
        return;
    }
    model->is_wanted = true;
    order->load_number = ++fleet->load_count;
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        ax_fleet_version_forgive(version);
        version->is_asked = version->is_in_policy && ax_fleet_version_is_due(version);
        if (ax_fleet_version_is_current(version))
            version->ready_number = order->load_number;
    }
    order_wait(fleet, order, model);
    uint64_t limit_ns = ax_clock_ns() + fleet->config->load_timeout_ns;
    if (!order->until_ns || limit_ns < order->until_ns)
        order->until_ns = limit_ns;
    ax_fleet_review(fleet, model);
}

static void order_begin_unload(struct ax_fleet *fleet, struct ax_fleet_order *order)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model = ax_fleet_find(fleet, ax_str_from(order->model_name));
    if (!model) {
        (void)fail_unknown(&err, order->model_name);
        order_tell(fleet, order, &err);
        return;
    }
    model->is_wanted = false;
    order_wait(fleet, order, model);
    ax_fleet_review(fleet, model);
}

static void order_rescan(struct ax_fleet *fleet)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_fleet_list_all(fleet, &err))
        ax_log(AX_LOG_ERROR, "folder of models not read again", AX_LOG_ERR(&err));
}

static void order_changed(struct ax_fleet *fleet, const char *name)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model;
    if (ax_fleet_list_one(fleet, ax_str_from(name), &model, &err) && err.code != AX_E_NOT_FOUND)
        ax_log(AX_LOG_ERROR, "folder of a model not read again", AX_LOG_TEXT("model", name),
               AX_LOG_ERR(&err));
}

static void order_receive(void *context, struct ax_message *message)
{
    struct ax_fleet *fleet = context;
    struct ax_fleet_order *order = container_of(message, struct ax_fleet_order, message);
    const struct ax_err fine = AX_ERR_INIT;
    if (fleet->is_stopping) {
        order_cancel(fleet, order, "the server stops");
        return;
    }
    /* A load of the folder and an unload were ordered, whoever is there to hear of it. */
    if (order_is_withdrawn(order) && (order->kind == ORDER_WANT || order->override)) {
        order_cancel(fleet, order, "who ordered it is gone");
        return;
    }
    switch (order->kind) {
    case ORDER_WANT:
        order_begin_want(fleet, order);
        return;
    case ORDER_LOAD:
        order_begin_load(fleet, order);
        return;
    case ORDER_UNLOAD:
        order_begin_unload(fleet, order);
        return;
    case ORDER_RESCAN:
        order_rescan(fleet);
        break;
    case ORDER_CHANGED:
        order_changed(fleet, order->model_name);
        break;
    case ORDER_STOP:
        fleet->is_stopping = true;
        break;
    }
    order_tell(fleet, order, &fine);
}

/* A request that names no version goes to whichever answers, or will: when the one that it waits
 * for does not come, that is another one. */
static void want_follow(struct ax_fleet *fleet, struct ax_fleet_order *order)
{
    struct ax_fleet_version *before = order->version;
    if (order->version_text[0] || before->loaded.served || ax_fleet_version_is_due(before))
        return;
    struct ax_fleet_version *now = ax_fleet_model_version(order->model, AX_STR(""));
    if (!now || now == before || !(now->loaded.served || ax_fleet_version_is_due(now)))
        return;
    before->wanting_count--;
    now->wanting_count++;
    order->version = now;
    if (now->loaded.served || now->load || now->is_pending)
        return;
    ax_fleet_review(fleet, order->model);
    ax_fleet_wake_by(fleet, 0);
}

/* Whether a want is over; then *err says how. */
static bool want_is_over(const struct ax_fleet_order *order, struct ax_err *err)
{
    const struct ax_fleet_version *version = order->version;
    if (version->loaded.served)
        return true;
    /* What is tried may be given up, and then another one comes. */
    if (ax_fleet_version_is_due(version) || version->model->is_trying)
        return false;
    if (version->err.code || version->model->err.code)
        (void)ax_fail(err, AX_E_UNAVAILABLE, "model '%s' version %s is not ready: %s",
                      version->model->name, version->text,
                      version->err.code ? version->err.msg : version->model->err.msg);
    else
        (void)ax_fail(err, AX_E_UNAVAILABLE, "model '%s' version %s is not wanted",
                      version->model->name, version->text);
    return true;
}

/* Nobody will see to a version that is due: it came to the folder behind the order, and memory is
 * short. What the order itself asked for has failed then. */
static void fail_left_out(const struct ax_fleet_version *version, struct ax_err *err)
{
    (void)ax_fail(err, AX_E_LIMIT,
                  "version %s takes about %zu bytes of memory, more than --model-memory-max leaves",
                  version->text, version->estimate.memory_bytes + version->estimate.image_bytes);
}

/* A load is over when each version that the policy wants was ready once since the order began,
 * whatever became of it then, or has failed, or is not on its way. */
static bool load_is_over(const struct ax_fleet_order *order, struct ax_err *err)
{
    const struct ax_fleet_model *model = order->model;
    size_t wanted_count = 0;
    struct ax_err first = model->err;
    for (size_t i = 0; i < model->version_count; i++) {
        const struct ax_fleet_version *version = model->versions[i];
        wanted_count += version->is_in_policy;
        if (!version->is_in_policy || version->ready_number >= order->load_number)
            continue;
        if (ax_fleet_version_is_coming(version))
            return false;
        if (version->err.code && !first.code)
            first = version->err;
        else if (version->is_left_out && ax_fleet_version_is_due(version) && !first.code)
            fail_left_out(version, &first);
    }
    if (!model->is_wanted)
        (void)ax_fail(err, AX_E_UNAVAILABLE, "it was unloaded meanwhile");
    else if (first.code)
        (void)ax_fail(err, first.code, "%s", first.msg);
    else if (wanted_count == 0)
        (void)ax_fail(err, AX_E_NOT_FOUND, "its policy wants none of the versions there");
    return true;
}

static bool order_is_over(const struct ax_fleet_order *order, struct ax_err *err)
{
    if (order->model->is_touched)
        return false; /* Only what was published counts. */
    if (order->try_number && order->try_number != order->model->try_number)
        return true; /* Another load of it came; ending the try says so. */
    if (order->kind == ORDER_WANT)
        return want_is_over(order, err);
    return order->kind == ORDER_UNLOAD || load_is_over(order, err);
}

/* When it is told at the latest. */
static uint64_t order_until_ns(const struct ax_fleet *fleet, const struct ax_fleet_order *order)
{
    uint64_t wants_end_ns = atomic_load(&fleet->wants_end_ns);
    uint64_t until_ns = order->until_ns ? order->until_ns : UINT64_MAX;
    return order->kind == ORDER_WANT && wants_end_ns ? AX_MIN(until_ns, wants_end_ns) : until_ns;
}

/* Whether it is to be told now; then *err says what. */
static bool order_ends(const struct ax_fleet *fleet, const struct ax_fleet_order *order,
                       uint64_t now_ns, struct ax_err *err)
{
    if (order_is_over(order, err))
        return true;
    if (order_is_withdrawn(order))
        (void)ax_fail(err, AX_E_CANCELLED, "who ordered it is gone");
    else if (order->until_ns && order->until_ns <= now_ns)
        (void)ax_fail(err, AX_E_TIMEOUT, "model '%s' was not loaded in time", order->model_name);
    else if (order_until_ns(fleet, order) <= now_ns)
        (void)ax_fail(err, AX_E_UNAVAILABLE, "model '%s' was not loaded before the server's end",
                      order->model_name);
    return err->code != AX_OK;
}

/* Whether another order waits for what this one tries. */
static bool order_shares_try(const struct ax_fleet *fleet, const struct ax_fleet_order *order)
{
    for (const struct ax_fleet_order *other = fleet->waiting; other; other = other->next)
        if (other != order && other->model == order->model &&
            other->try_number == order->try_number)
            return true;
    return false;
}

/* An order is over as *err says, and with it what it tries. One that fails leaves a try that others
 * share to them: whatever it failed for, they see. */
static void order_end_try(struct ax_fleet *fleet, struct ax_fleet_order *order, struct ax_err *err)
{
    if (!order->try_number || (err->code && order_shares_try(fleet, order)))
        return;
    ax_fleet_end_try(fleet, ax_str_from(order->model_name), order->try_number, err);
    order->try_number = 0;
}

void ax_fleet_tell_waiting(struct ax_fleet *fleet)
{
    uint64_t now_ns = ax_clock_ns();
    for (struct ax_fleet_order **link = &fleet->waiting; *link;) {
        struct ax_fleet_order *order = *link;
        struct ax_err err = order->err;
        if (order->kind == ORDER_WANT)
            want_follow(fleet, order);
        if (!err.code && !order_ends(fleet, order, now_ns, &err)) {
            ax_fleet_wake_by(fleet, order_until_ns(fleet, order));
            link = &order->next;
            continue;
        }
        bool was_touched = order->model->is_touched;
        order_end_try(fleet, order, &err);
        if (order->model->is_touched && !(err.code && was_touched)) {
            /* What was kept, or is again, is shown by the next catalog. */
            order->err = err;
            ax_fleet_wake_by(fleet, 0);
            link = &order->next;
            continue;
        }
        *link = order->next;
        order_tell(fleet, order, &err);
    }
}

/* Whether an order waits to see published what was touched. */
bool ax_fleet_is_awaited(const struct ax_fleet *fleet)
{
    const struct ax_fleet_order *order = fleet->waiting;
    while (order && !order->model->is_touched)
        order = order->next;
    return order != NULL;
}

/* On the thread that stops, which is the control thread from here: all that is left is told. */
void ax_fleet_cancel_all(struct ax_fleet *fleet)
{
    ax_inbox_receive(&fleet->inbox, fleet);
    while (fleet->waiting) {
        struct ax_fleet_order *order = fleet->waiting;
        fleet->waiting = order->next;
        order_cancel(fleet, order, "the server stops");
    }
}

/* ---- orders, on their givers' threads ---- */

/* Leave an order, or tell at once why it cannot be left. What nobody waits for is over as soon as
 * it is received, and must not be lost. */
static void order_give(struct ax_fleet *fleet, struct ax_fleet_order *order)
{
    struct ax_err err = AX_ERR_INIT;
    bool is_want = order->kind == ORDER_WANT;
    bool stays = is_want || order->kind == ORDER_LOAD || order->kind == ORDER_UNLOAD;
    size_t order_count = atomic_fetch_add(&fleet->order_count, 1);
    size_t want_count = is_want ? atomic_fetch_add(&fleet->want_count, 1) : 0;
    if (atomic_load(&fleet->is_stopped))
        (void)ax_fail(&err, AX_E_CANCELLED, "the server stops");
    else if (stays && order_count >= AX_FLEET_ORDERS_MAX)
        (void)ax_fail(&err, AX_E_LIMIT, "over %d orders wait", AX_FLEET_ORDERS_MAX);
    else if (want_count >= fleet->config->load_waiters_max)
        (void)ax_fail(&err, AX_E_LIMIT, "over %zu requests wait for models to be loaded",
                      fleet->config->load_waiters_max);
    if (err.code)
        order_tell(fleet, order, &err);
    else
        ax_inbox_send(&fleet->inbox, &order->message);
}

void ax_fleet_drain(struct ax_fleet *fleet)
{
    assert(fleet);
    atomic_store(&fleet->wants_end_ns, ax_clock_ns() + WANTS_DRAIN_NS);
    ax_inbox_wake(&fleet->inbox);
}

void ax_fleet_order_stop(struct ax_fleet *fleet)
{
    assert(fleet);
    order_give(fleet, order_new(ORDER_STOP, NULL, NULL, NULL));
}

void ax_fleet_want(struct ax_fleet *fleet, struct ax_str model, struct ax_str version,
                   struct ax_fleet_waiter *waiter)
{
    assert(fleet && waiter && waiter->done);
    order_give(fleet, order_new(ORDER_WANT, &model, &version, waiter));
}

void ax_fleet_load(struct ax_fleet *fleet, struct ax_str model, struct ax_override *override,
                   struct ax_fleet_waiter *waiter)
{
    assert(fleet);
    struct ax_fleet_order *order = order_new(ORDER_LOAD, &model, NULL, waiter);
    order->override = override;
    order_give(fleet, order);
}

void ax_fleet_unload(struct ax_fleet *fleet, struct ax_str model, bool unload_dependents,
                     struct ax_fleet_waiter *waiter)
{
    assert(fleet);
    (void)unload_dependents; /* Nothing depends on a model yet. */
    order_give(fleet, order_new(ORDER_UNLOAD, &model, NULL, waiter));
}

void ax_fleet_withdraw(struct ax_fleet *fleet, struct ax_fleet_waiter *waiter)
{
    assert(fleet && waiter);
    atomic_store(&waiter->is_withdrawn, true);
    ax_inbox_wake(&fleet->inbox);
}

void ax_fleet_rescan(struct ax_fleet *fleet)
{
    assert(fleet);
    order_give(fleet, order_new(ORDER_RESCAN, NULL, NULL, NULL));
}

void ax_fleet_changed(struct ax_fleet *fleet, struct ax_str model)
{
    assert(fleet);
    order_give(fleet, order_new(ORDER_CHANGED, &model, NULL, NULL));
}
