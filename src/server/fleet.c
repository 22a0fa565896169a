/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: orders and results in, decisions, catalogs out.
 *
 * Each round it receives what has come, and whatever an event changed is reviewed at once: what is
 * no target any more is retired, what is due waits for a loader. Then loaders get work, what was
 * touched is published, orders that are fulfilled are told, and what nobody holds any more is
 * freed. While nobody waits, publications are PUBLISH_NS apart, so that the thousand models of a
 * start are not as many publications.
 */
#include "server/fleet.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/image.h"
#include "server/fleet_load.h"
#include "server/fleet_model.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#define PUBLISH_NS        ((uint64_t)20 * AX_NS_PER_MS)
#define DRAIN_LOOK_NS     ((uint64_t)5 * AX_NS_PER_MS)
#define CONFLICT_WAIT_NS  ((uint64_t)100 * AX_NS_PER_MS) /* doubled with each one */
#define CONFLICTS_MAX     6
#define ORDERS_MAX        65536
#define LOADS_MAX         64
#define WAIT_DEFAULT_TEXT "10s"

const struct ax_option ax_fleet_options[] = {
    { .type = AX_OPTION_CHOICE,
      .name = "model_control",
      .default_text = "none",
      .offset = offsetof(struct ax_fleet_config, model_control),
      .unit = "none|explicit|watch",
      .description = "How models change while serving: not but for SIGHUP, by request too, or with "
                     "the folder, which is watched." },
    { .type = AX_OPTION_CHOICE,
      .name = "preload",
      .default_text = "all",
      .offset = offsetof(struct ax_fleet_config, preload),
      .unit = "all|popular|none",
      .description = "Which models are loaded before they are asked for; pinned ones always are." },
    { .type = AX_OPTION_TEXT,
      .name = "version_policy",
      .default_text = "latest:1",
      .offset = offsetof(struct ax_fleet_config, version_policy),
      .description = "Versions of a model that are served when its serving.yaml does not say: "
                     "latest:N, all or specific:N,N." },
    { .type = AX_OPTION_LIST,
      .name = "pinned",
      .default_text = "",
      .offset = offsetof(struct ax_fleet_config, pinned),
      .description = "Model that is loaded before others and stays in memory." },
    { .type = AX_OPTION_SIZE,
      .name = "load_threads",
      .default_text = "2",
      .offset = offsetof(struct ax_fleet_config, load_threads),
      .min = 1,
      .max = LOADS_MAX,
      .unit = "threads",
      .description = "Model versions that are loaded at the same time, and as many again while "
                     "requests wait for them." },
    { .type = AX_OPTION_SIZE,
      .name = "model_memory_max",
      .default_text = "0",
      .offset = offsetof(struct ax_fleet_config, model_memory_max),
      .min = 0,
      .max = (int64_t)1 << 48,
      .unit = "bytes",
      .description = "Memory that loaded versions may take; 0: no limit." },
    { .type = AX_OPTION_TIME,
      .name = "load_wait",
      .default_text = WAIT_DEFAULT_TEXT,
      .offset = offsetof(struct ax_fleet_config, load_wait_ns),
      .min = 0,
      .max = 3600,
      .unit = "s",
      .description = "How long a request waits for a model that is being loaded." },
    { .type = AX_OPTION_SIZE,
      .name = "load_waiters_max",
      .default_text = "1024",
      .offset = offsetof(struct ax_fleet_config, load_waiters_max),
      .min = 1,
      .max = ORDERS_MAX / 2,
      .unit = "requests",
      .description = "Most requests that wait so; over it 503." },
    { 0 },
};

enum order_kind { ORDER_WANT, ORDER_LOAD, ORDER_UNLOAD, ORDER_RESCAN, ORDER_CHANGED, ORDER_STOP };

/* An order, from its giver until it is told. */
struct order {
    struct ax_fleet_message message;
    enum order_kind kind;
    char *model_name, *version_text; /* NULL: none */
    struct ax_override *override;
    struct ax_fleet_waiter *waiter;   /* NULL: nobody is told */
    struct ax_fleet_model *model;     /* it waits for this one, which counts it */
    struct ax_fleet_version *version; /* of a want, which counts it */
    struct order *next;               /* of those that wait */
};

/* A version that answers no more, until nobody holds it. */
struct draining {
    struct ax_served *served; /* one reference */
    struct ax_fleet_version *version;
    uint64_t began_ns;
};

struct ax_fleet {
    /* Any thread. */
    struct ax_fleet_inbox inbox;
    atomic_size_t order_count, want_count; /* those that were not told */
    atomic_bool is_stopped;

    const struct ax_fleet_config *config; /* borrowed */
    struct ax_model_settings settings;    /* of models that have none */
    struct ax_repository_config repository;
    struct ax_snapshot *snapshot;
    struct ax_thread thread;

    /* The control thread's. */
    bool is_stopping;
    bool is_complete;
    struct ax_fleet_loaders loaders;
    struct ax_fleet_model **models; /* by name, bytewise */
    size_t model_count, model_cap;
    struct ax_fleet_version **pending; /* they wait for a loader, first come first */
    size_t pending_count, pending_cap;
    struct order *waiting; /* the last one first */
    struct draining *draining;
    size_t draining_count, draining_cap;
    size_t touched_count;
    uint64_t published_ns;
    uint64_t wake_ns; /* when to look again, at the latest; found anew in each round */
};

/* ---- small things ---- */

static void fleet_wake_by(struct ax_fleet *fleet, uint64_t when_ns)
{
    fleet->wake_ns = AX_MIN(fleet->wake_ns, when_ns);
}

/* Where a model of that name is among the models, or is to be. */
static size_t fleet_place(const struct ax_fleet *fleet, struct ax_str name)
{
    size_t low = 0, high = fleet->model_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ax_str_compare(ax_str_from(fleet->models[middle]->name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct ax_fleet_model *fleet_model(const struct ax_fleet *fleet, struct ax_str name)
{
    size_t at = fleet_place(fleet, name);
    return at < fleet->model_count && ax_str_is(name, fleet->models[at]->name) ? fleet->models[at]
                                                                               : NULL;
}

static struct ax_fleet_model *fleet_add_model(struct ax_fleet *fleet, const char *name)
{
    size_t at = fleet_place(fleet, ax_str_from(name));
    if (fleet->model_count == fleet->model_cap) {
        fleet->model_cap = AX_MAX(2 * fleet->model_cap, (size_t)16);
        fleet->models =
            ax_xrealloc(fleet->models, fleet->model_cap, sizeof(struct ax_fleet_model *));
    }
    memmove(&fleet->models[at + 1], &fleet->models[at],
            (fleet->model_count - at) * sizeof(struct ax_fleet_model *));
    fleet->models[at] = ax_fleet_model_new(name);
    fleet->model_count++;
    return fleet->models[at];
}

/* ---- review: what follows from what changed ---- */

static void fleet_retire(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    if (fleet->draining_count == fleet->draining_cap) {
        fleet->draining_cap = AX_MAX(2 * fleet->draining_cap, (size_t)16);
        fleet->draining =
            ax_xrealloc(fleet->draining, fleet->draining_cap, sizeof(*fleet->draining));
    }
    fleet->draining[fleet->draining_count++] =
        (struct draining){ version->loaded.served, version, ax_clock_ns() };
    version->draining_count++;
    version->loaded.served = NULL;
}

static bool model_is_pinned(const struct ax_fleet *fleet, const struct ax_fleet_model *model)
{
    bool pinned = model->settings.is_pinned;
    for (size_t i = 0; !pinned && i < fleet->config->pinned.count; i++)
        pinned = strcmp(fleet->config->pinned.texts[i], model->name) == 0;
    return pinned;
}

/* Whether a version that is due is to be loaded before a request asks for it. */
static bool fleet_preloads(const struct ax_fleet *fleet, const struct ax_fleet_version *version)
{
    const struct ax_fleet_model *model = version->model;
    if (fleet->config->preload == AX_PRELOAD_ALL || version->is_asked || version->wanting_count)
        return true;
    for (size_t i = 0; i < model->version_count; i++)
        if (model->versions[i]->loaded.served)
            return true; /* It is in use: what replaces it comes, too. */
    return model_is_pinned(fleet, model);
}

static void fleet_add_pending(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    if (fleet->pending_count == fleet->pending_cap) {
        fleet->pending_cap = AX_MAX(2 * fleet->pending_cap, (size_t)64);
        fleet->pending =
            ax_xrealloc(fleet->pending, fleet->pending_cap, sizeof(struct ax_fleet_version *));
    }
    fleet->pending[fleet->pending_count++] = version;
    version->is_pending = true;
}

static void fleet_review(struct ax_fleet *fleet, struct ax_fleet_model *model)
{
    model->is_touched = true;
    fleet->touched_count++;
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        if (ax_fleet_version_must_retire(version))
            fleet_retire(fleet, version);
    }
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        if (!version->load && !version->is_pending && ax_fleet_version_is_due(version) &&
            fleet_preloads(fleet, version))
            fleet_add_pending(fleet, version);
    }
}

static void fleet_list_model(struct ax_fleet *fleet, struct ax_fleet_model *model,
                             const struct ax_repository_model *listing)
{
    ax_fleet_model_list(model, listing);
    if (listing && model->err.code && !model->is_warned) {
        ax_log(AX_LOG_ERROR,
               listing->version_count ? "model settings refused" : "model without versions",
               AX_LOG_TEXT("model", model->name), AX_LOG_ERR(&model->err));
        model->is_warned = true;
    }
    fleet_review(fleet, model);
}

/* Listings are sorted as the models are; those that it lacks are gone. */
static void fleet_take_listing(struct ax_fleet *fleet, const struct ax_repository *listing)
{
    for (size_t i = 0; i < listing->model_count; i++) {
        const struct ax_repository_model *listed = &listing->models[i];
        struct ax_fleet_model *model = fleet_model(fleet, ax_str_from(listed->name));
        fleet_list_model(fleet, model ? model : fleet_add_model(fleet, listed->name), listed);
    }
    for (size_t i = 0; i < fleet->model_count; i++) {
        struct ax_fleet_model *model = fleet->models[i];
        if (model->is_listed && !ax_repository_model(listing, ax_str_from(model->name)))
            fleet_list_model(fleet, model, NULL);
    }
}

static enum ax_code fleet_rescan(struct ax_fleet *fleet, struct ax_err *err)
{
    struct ax_repository *listing;
    if (ax_repository_list(fleet->config->models, &fleet->repository, &listing, err))
        return err->code;
    fleet_take_listing(fleet, listing);
    ax_repository_free(listing);
    return AX_OK;
}

/* Look at one model's folder again. Its record may be made; *ret_model is NULL without one. */
static enum ax_code fleet_relist(struct ax_fleet *fleet, struct ax_str name,
                                 struct ax_fleet_model **ret_model, struct ax_err *err)
{
    struct ax_repository_model listing = { 0 };
    struct ax_fleet_model *model = fleet_model(fleet, name);
    *ret_model = model;
    if (ax_repository_list_model(fleet->config->models, name, &fleet->repository, &listing, err)) {
        if (err->code == AX_E_NOT_FOUND && model)
            fleet_list_model(fleet, model, NULL);
        return err->code;
    }
    *ret_model = model ? model : fleet_add_model(fleet, listing.name);
    fleet_list_model(fleet, *ret_model, &listing);
    ax_repository_model_done(&listing);
    return AX_OK;
}

/* ---- loads ---- */

static void fleet_receive_load(void *context, struct ax_fleet_message *message);

/* Which of those that wait comes next: one that requests wait for, a pinned one, the first. */
static bool version_is_before(const struct ax_fleet *fleet, const struct ax_fleet_version *a,
                              const struct ax_fleet_version *b)
{
    if (!a->wanting_count != !b->wanting_count)
        return a->wanting_count > 0;
    bool a_pinned = model_is_pinned(fleet, a->model);
    return a_pinned && !model_is_pinned(fleet, b->model);
}

/* Whether a load is not left to idle time: requests wait for it, or for the server's start. */
static bool fleet_hurries(const struct ax_fleet *fleet, const struct ax_fleet_version *version)
{
    return version->wanting_count > 0 || !fleet->is_complete;
}

static struct ax_fleet_version *fleet_next_pending(struct ax_fleet *fleet, uint64_t now_ns)
{
    size_t best = SIZE_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < fleet->pending_count; i++) {
        struct ax_fleet_version *version = fleet->pending[i];
        if (!ax_fleet_version_is_due(version)) {
            version->is_pending = false; /* Something came in between. */
            continue;
        }
        fleet->pending[kept++] = version;
        if (version->retry_ns > now_ns) {
            fleet_wake_by(fleet, version->retry_ns);
            continue;
        }
        if (ax_fleet_loaders_have_room(&fleet->loaders, fleet_hurries(fleet, version)) &&
            (best == SIZE_MAX || version_is_before(fleet, version, fleet->pending[best])))
            best = kept - 1;
    }
    fleet->pending_count = kept;
    if (best == SIZE_MAX)
        return NULL;
    struct ax_fleet_version *version = fleet->pending[best];
    memmove(&fleet->pending[best], &fleet->pending[best + 1],
            (kept - best - 1) * sizeof(struct ax_fleet_version *));
    fleet->pending_count--;
    version->is_pending = false;
    return version;
}

static void fleet_begin_load(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    struct ax_buf path;
    ax_buf_init(&path, PATH_MAX);
    (void)ax_buf_printf(&path, "%s/%s/%s", fleet->config->models, version->model->name,
                        version->text);
    if (ax_buf_check(&path, "the path", &version->err)) {
        ax_buf_done(&path);
        return;
    }
    const struct ax_fleet_load template = {
        .message.receive = fleet_receive_load,
        .inbox = &fleet->inbox,
        .version = version,
        .is_urgent = fleet_hurries(fleet, version),
        .job.number = version->number,
        .path = ax_xmemdup0(ax_buf_str(&path).ptr, ax_buf_str(&path).len),
        .model_name = ax_xstrdup(version->model->name),
        .settings = version->model->settings,
    };
    ax_buf_done(&path);
    version->load = ax_fleet_loaders_begin(&fleet->loaders, &template);
}

static void fleet_begin_loads(struct ax_fleet *fleet)
{
    uint64_t now_ns = ax_clock_ns();
    struct ax_fleet_version *version;
    while ((ax_fleet_loaders_have_room(&fleet->loaders, false) ||
            ax_fleet_loaders_have_room(&fleet->loaders, true)) &&
           (version = fleet_next_pending(fleet, now_ns))) {
        fleet_begin_load(fleet, version);
        fleet_review(fleet, version->model);
    }
}

static void fleet_log_loaded(const struct ax_fleet_load *load)
{
    static const char *const images[] = { [AX_VERSION_IMAGE_NONE] = "none",
                                          [AX_VERSION_IMAGE_USED] = "used",
                                          [AX_VERSION_IMAGE_MADE] = "made" };
    const struct ax_version *version = load->loaded.served->version;
    if (version->image_note.code)
        ax_log(AX_LOG_WARN, "model image passed over", AX_LOG_TEXT("model", version->model_name),
               AX_LOG_TEXT("version", version->text), AX_LOG_ERR(&version->image_note));
    ax_log(AX_LOG_INFO, "model version loaded", AX_LOG_TEXT("model", version->model_name),
           AX_LOG_TEXT("version", version->text), AX_LOG_TEXT("format", version->model->format),
           AX_LOG_U64("inputs", version->model->signature.input_count),
           AX_LOG_TEXT("image", images[version->image]),
           AX_LOG_F64("seconds", (double)load->loaded.load_ns / AX_NS_PER_S),
           AX_LOG_F64("warm_up_seconds", (double)load->loaded.warm_up_ns / AX_NS_PER_S));
}

/* What was read may be older or younger than what was listed: only another look tells. */
static void load_look_again(const struct ax_fleet_load *load)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_fingerprint now;
    if (!ax_fingerprint_read(load->path, &now, &ignored))
        load->version->fingerprint = now;
}

static void fleet_take_loaded(struct ax_fleet *fleet, const struct ax_fleet_load *load)
{
    struct ax_fleet_version *version = load->version;
    fleet_log_loaded(load);
    if (version->loaded.served)
        fleet_retire(fleet, version);
    version->loaded = load->loaded;
    version->was_ready = true;
    version->is_asked = false;
    version->conflict_count = 0;
    if (version->is_listed && !ax_fingerprint_equal(version->fingerprint, load->loaded.fingerprint))
        load_look_again(load);
}

/* Files that change while they are read have not settled; nor is it an error before some tries. */
static void load_take_failure(const struct ax_fleet_load *load)
{
    struct ax_fleet_version *version = load->version;
    if (load->err.code == AX_E_CONFLICT && ++version->conflict_count < CONFLICTS_MAX) {
        version->retry_ns = ax_clock_ns() + (CONFLICT_WAIT_NS << (version->conflict_count - 1));
        load_look_again(load);
        return;
    }
    version->err = load->err;
    version->is_asked = false;
    ax_log(AX_LOG_ERROR,
           version->loaded.served ? "model version not replaced" : "model version failed",
           AX_LOG_TEXT("model", version->model->name), AX_LOG_TEXT("version", version->text),
           AX_LOG_ERR(&version->err));
}

static void fleet_receive_load(void *context, struct ax_fleet_message *message)
{
    struct ax_fleet *fleet = context;
    struct ax_fleet_load *load = container_of(message, struct ax_fleet_load, message);
    struct ax_fleet_version *version = load->version;
    version->load = NULL;
    if (load->err.code)
        load_take_failure(load);
    else
        fleet_take_loaded(fleet, load);
    ax_fleet_loaders_end(&fleet->loaders, load);
    /* What is not wanted any more is retired at once. */
    fleet_review(fleet, version->model);
}

static void fleet_note_warming(struct ax_fleet *fleet)
{
    for (struct ax_fleet_load *load = fleet->loaders.running; load; load = load->next) {
        if (load->was_warming || !ax_fleet_load_is_warming(load))
            continue;
        load->was_warming = true;
        load->version->model->is_touched = true;
        fleet->touched_count++;
    }
}

/* ---- publishing ---- */

static void fleet_publish(struct ax_fleet *fleet)
{
    struct ax_catalog *catalog = ax_catalog_new();
    size_t kept = 0;
    catalog->is_complete = fleet->is_complete;
    for (size_t i = 0; i < fleet->model_count; i++) {
        struct ax_fleet_model *model = fleet->models[i];
        ax_fleet_model_sweep(model);
        if (ax_fleet_model_is_over(model)) {
            ax_log(AX_LOG_INFO, "model gone", AX_LOG_TEXT("model", model->name));
            ax_fleet_model_free(model);
            continue;
        }
        fleet->models[kept++] = model;
        if (model->is_touched) {
            ax_catalog_model_unref(model->published);
            model->published = ax_fleet_model_catalog(model);
            model->is_touched = false;
        }
        ax_catalog_put(catalog, ax_catalog_model_ref(model->published));
    }
    fleet->model_count = kept;
    fleet->touched_count = 0;
    ax_catalog_free(ax_snapshot_publish(fleet->snapshot, catalog));
    fleet->published_ns = ax_clock_ns();
}

/* Complete: nothing that should be ready at start is on its way any more. */
static bool fleet_completes(struct ax_fleet *fleet)
{
    if (fleet->is_complete || fleet->loaders.running || fleet->pending_count)
        return false;
    fleet->is_complete = true;
    return true;
}

/* Whether an order waits to see published what was touched. */
static bool fleet_is_awaited(const struct ax_fleet *fleet)
{
    const struct order *order = fleet->waiting;
    while (order && !order->model->is_touched)
        order = order->next;
    return order != NULL;
}

static void fleet_publish_if_due(struct ax_fleet *fleet)
{
    bool completes = fleet_completes(fleet);
    if (!fleet->touched_count && !completes)
        return;
    uint64_t due_ns = fleet->published_ns + PUBLISH_NS;
    bool is_urgent = completes || !fleet->published_ns || fleet_is_awaited(fleet);
    if (!is_urgent && ax_clock_ns() < due_ns) {
        fleet_wake_by(fleet, due_ns);
        return;
    }
    fleet_publish(fleet);
    if (completes && fleet->config->complete)
        fleet->config->complete(fleet->config->context, ax_snapshot_get(fleet->snapshot));
}

/* Free what nobody holds any more. The catalogs that had it are gone when it was published. */
static void fleet_reap(struct ax_fleet *fleet)
{
    size_t kept = 0;
    for (size_t i = 0; i < fleet->draining_count; i++) {
        struct draining *at = &fleet->draining[i];
        struct ax_fleet_version *version = at->version;
        if (!ax_served_is_last(at->served)) {
            fleet->draining[kept++] = *at;
            continue;
        }
        ax_log(AX_LOG_INFO, "model version unloaded", AX_LOG_TEXT("model", version->model->name),
               AX_LOG_TEXT("version", version->text),
               AX_LOG_F64("seconds", (double)(ax_clock_ns() - at->began_ns) / AX_NS_PER_S));
        ax_served_unref(at->served);
        version->draining_count--;
        version->model->is_touched = true;
        fleet->touched_count++;
    }
    fleet->draining_count = kept;
    if (kept)
        fleet_wake_by(fleet, ax_clock_ns() + DRAIN_LOOK_NS);
    if (fleet->touched_count)
        fleet_wake_by(fleet, fleet->published_ns + PUBLISH_NS);
}

/* ---- orders ---- */

static void order_receive(void *context, struct ax_fleet_message *message);

static struct order *order_new(enum order_kind kind, const struct ax_str *model,
                               const struct ax_str *version, struct ax_fleet_waiter *waiter)
{
    struct order *order = ax_xalloc(sizeof(*order));
    order->message.receive = order_receive;
    order->kind = kind;
    order->model_name = model ? ax_xmemdup0(model->ptr, model->len) : NULL;
    order->version_text = version ? ax_xmemdup0(version->ptr, version->len) : NULL;
    order->waiter = waiter;
    return order;
}

static void order_free(struct order *order)
{
    free(order->model_name);
    free(order->version_text);
    free(order);
}

static void order_tell(struct ax_fleet *fleet, struct order *order, const struct ax_err *err)
{
    if (order->model)
        order->model->order_count--;
    if (order->version)
        order->version->wanting_count--;
    if (order->kind == ORDER_WANT)
        (void)atomic_fetch_sub(&fleet->want_count, 1);
    (void)atomic_fetch_sub(&fleet->order_count, 1);
    if (order->waiter)
        order->waiter->done(order->waiter, err);
    order_free(order);
}

static void order_cancel(struct ax_fleet *fleet, struct order *order)
{
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_CANCELLED, "the server stops");
    order_tell(fleet, order, &err);
}

static void order_wait(struct ax_fleet *fleet, struct order *order, struct ax_fleet_model *model)
{
    order->model = model;
    model->order_count++;
    order->next = fleet->waiting;
    fleet->waiting = order;
}

static enum ax_code fail_unknown(struct ax_err *err, const char *model)
{
    return ax_fail(err, AX_E_NOT_FOUND, "Request for unknown model: '%s' is not found", model);
}

static void order_begin_want(struct ax_fleet *fleet, struct order *order)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model = fleet_model(fleet, ax_str_from(order->model_name));
    struct ax_fleet_version *version =
        model ? ax_fleet_model_version(model, ax_str_from(order->version_text)) : NULL;
    if (!version) {
        (void)fail_unknown(&err, order->model_name);
        order_tell(fleet, order, &err);
        return;
    }
    order->version = version;
    version->wanting_count++;
    order_wait(fleet, order, model);
    fleet_review(fleet, model);
}

static void order_begin_load(struct ax_fleet *fleet, struct order *order)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model;
    if (order->override)
        (void)ax_fail(&err, AX_E_UNSUPPORTED, "loads with parameters are not supported yet");
    else
        (void)(fleet_relist(fleet, ax_str_from(order->model_name), &model, &err) != AX_OK);
    if (err.code) {
        order_tell(fleet, order, &err);
        return;
    }
    model->is_wanted = true;
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        ax_fleet_version_forgive(version);
        version->is_asked = version->is_target;
    }
    order_wait(fleet, order, model);
    fleet_review(fleet, model);
}

static void order_begin_unload(struct ax_fleet *fleet, struct order *order)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model = fleet_model(fleet, ax_str_from(order->model_name));
    if (!model) {
        (void)fail_unknown(&err, order->model_name);
        order_tell(fleet, order, &err);
        return;
    }
    model->is_wanted = false;
    order_wait(fleet, order, model);
    fleet_review(fleet, model);
}

static void order_rescan(struct ax_fleet *fleet)
{
    struct ax_err err = AX_ERR_INIT;
    if (fleet_rescan(fleet, &err))
        ax_log(AX_LOG_ERROR, "folder of models not read again", AX_LOG_ERR(&err));
}

static void order_changed(struct ax_fleet *fleet, const char *name)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_model *model;
    if (fleet_relist(fleet, ax_str_from(name), &model, &err) && err.code != AX_E_NOT_FOUND)
        ax_log(AX_LOG_ERROR, "folder of a model not read again", AX_LOG_TEXT("model", name),
               AX_LOG_ERR(&err));
}

static void order_receive(void *context, struct ax_fleet_message *message)
{
    struct ax_fleet *fleet = context;
    struct order *order = container_of(message, struct order, message);
    const struct ax_err fine = AX_ERR_INIT;
    if (fleet->is_stopping) {
        order_cancel(fleet, order);
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

/* Whether a want is over; then *err says how. */
static bool want_is_over(const struct order *order, struct ax_err *err)
{
    const struct ax_fleet_version *version = order->version;
    if (version->loaded.served)
        return true;
    if (ax_fleet_version_is_due(version))
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

/* A load is over when each target is ready or has failed. */
static bool load_is_over(const struct order *order, struct ax_err *err)
{
    const struct ax_fleet_model *model = order->model;
    size_t target_count = 0;
    const struct ax_err *first = model->err.code ? &model->err : NULL;
    for (size_t i = 0; i < model->version_count; i++) {
        const struct ax_fleet_version *version = model->versions[i];
        if (!version->is_target)
            continue;
        if (ax_fleet_version_is_due(version))
            return false;
        target_count++;
        if (version->err.code && !first)
            first = &version->err;
    }
    if (!model->is_wanted)
        (void)ax_fail(err, AX_E_UNAVAILABLE, "it was unloaded meanwhile");
    else if (first)
        (void)ax_fail(err, first->code, "%s", first->msg);
    else if (target_count == 0)
        (void)ax_fail(err, AX_E_NOT_FOUND, "its policy wants none of the versions there");
    return true;
}

static bool order_is_over(const struct order *order, struct ax_err *err)
{
    if (order->model->is_touched)
        return false; /* Only what was published counts. */
    if (order->kind == ORDER_WANT)
        return want_is_over(order, err);
    return order->kind == ORDER_UNLOAD || load_is_over(order, err);
}

static void fleet_tell_waiting(struct ax_fleet *fleet)
{
    uint64_t now_ns = ax_clock_ns();
    for (struct order **link = &fleet->waiting; *link;) {
        struct order *order = *link;
        uint64_t until_ns = order->waiter ? order->waiter->until_ns : 0;
        struct ax_err err = AX_ERR_INIT;
        bool is_over = order_is_over(order, &err);
        if (!is_over && until_ns && until_ns <= now_ns) {
            (void)ax_fail(&err, AX_E_TIMEOUT, "model '%s' was not loaded in time",
                          order->model_name);
            is_over = true;
        }
        if (is_over) {
            *link = order->next;
            order_tell(fleet, order, &err);
            continue;
        }
        if (until_ns)
            fleet_wake_by(fleet, until_ns);
        link = &order->next;
    }
}

/* ---- the thread ---- */

static void fleet_round(struct ax_fleet *fleet)
{
    ax_fleet_inbox_receive(&fleet->inbox, fleet);
    fleet_note_warming(fleet);
    fleet_begin_loads(fleet);
    fleet_publish_if_due(fleet);
    fleet_tell_waiting(fleet);
    fleet_reap(fleet);
}

static void fleet_run(void *arg)
{
    struct ax_fleet *fleet = arg;
    while (!fleet->is_stopping) {
        fleet->wake_ns = UINT64_MAX;
        fleet_round(fleet);
        if (!fleet->is_stopping)
            ax_fleet_inbox_wait(&fleet->inbox, fleet->wake_ns);
    }
}

static enum ax_code fleet_check_policy(const struct ax_fleet_config *config,
                                       struct ax_model_settings *settings, struct ax_err *err)
{
    ax_model_settings_init(settings);
    if (ax_version_policy_parse(ax_str_from(config->version_policy), &settings->policy, err))
        return ax_err_context(err, "version_policy");
    return AX_OK;
}

/* The store of images, or NULL, which is told when it is not as it should be. */
static struct ax_image_store *open_images(const struct ax_image_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    if (config && config->images && ax_image_store_open(config->state, true, &store, &err))
        ax_log(AX_LOG_WARN, "models are served without images", AX_LOG_ERR(&err));
    return store;
}

static void fleet_release(struct ax_fleet *fleet)
{
    for (size_t i = 0; i < fleet->model_count; i++)
        ax_fleet_model_free(fleet->models[i]);
    free(fleet->models);
    free(fleet->pending);
    free(fleet->draining);
    free(fleet);
}

enum ax_code ax_fleet_start(const struct ax_fleet_config *config, struct ax_snapshot *snapshot,
                            struct ax_fleet **ret_fleet, struct ax_err *err)
{
    assert(config && config->models && config->repository && snapshot && ret_fleet && err);
    struct ax_fleet *fleet = ax_xalloc(sizeof(*fleet));
    fleet->config = config;
    fleet->snapshot = snapshot;
    fleet->repository = *config->repository;
    fleet->repository.settings = &fleet->settings;
    if (fleet_check_policy(config, &fleet->settings, err) || fleet_rescan(fleet, err) ||
        ax_fleet_inbox_init(&fleet->inbox, err)) {
        fleet_release(fleet);
        return err->code;
    }
    fleet->loaders.tune = config->repository->images != NULL;
    fleet->loaders.images = open_images(config->repository->images);
    if (ax_fleet_loaders_init(&fleet->loaders, config->load_threads, err) ||
        ax_thread_start(&fleet->thread, "fleet", fleet_run, fleet, err)) {
        ax_fleet_loaders_stop(&fleet->loaders);
        ax_fleet_inbox_done(&fleet->inbox);
        fleet_release(fleet);
        return err->code;
    }
    *ret_fleet = fleet;
    return AX_OK;
}

/* On the thread that stops, which is the control thread from here: all that is left is told. */
static void fleet_cancel_all(struct ax_fleet *fleet)
{
    ax_fleet_inbox_receive(&fleet->inbox, fleet);
    while (fleet->waiting) {
        struct order *order = fleet->waiting;
        fleet->waiting = order->next;
        order_cancel(fleet, order);
    }
}

void ax_fleet_stop(struct ax_fleet *fleet)
{
    if (!fleet || atomic_load(&fleet->is_stopped))
        return;
    struct order *stop = order_new(ORDER_STOP, NULL, NULL, NULL);
    (void)atomic_fetch_add(&fleet->order_count, 1);
    ax_fleet_inbox_send(&fleet->inbox, &stop->message);
    ax_thread_join(&fleet->thread);
    atomic_store(&fleet->is_stopped, true);
    ax_fleet_loaders_stop(&fleet->loaders);
    fleet_cancel_all(fleet);
}

void ax_fleet_free(struct ax_fleet *fleet)
{
    if (!fleet)
        return;
    ax_fleet_stop(fleet);
    fleet_cancel_all(fleet); /* What came between the mark and now. */
    for (size_t i = 0; i < fleet->draining_count; i++) {
        fleet->draining[i].version->draining_count--;
        ax_served_unref(fleet->draining[i].served);
    }
    ax_fleet_inbox_done(&fleet->inbox);
    fleet_release(fleet);
}

/* ---- orders, on their givers' threads ---- */

/* Leave an order, or tell at once why it cannot be left. */
static void order_give(struct ax_fleet *fleet, struct order *order)
{
    struct ax_err err = AX_ERR_INIT;
    bool is_want = order->kind == ORDER_WANT;
    size_t order_count = atomic_fetch_add(&fleet->order_count, 1);
    size_t want_count = is_want ? atomic_fetch_add(&fleet->want_count, 1) : 0;
    if (atomic_load(&fleet->is_stopped))
        (void)ax_fail(&err, AX_E_CANCELLED, "the server stops");
    else if (order_count >= ORDERS_MAX)
        (void)ax_fail(&err, AX_E_LIMIT, "over %d orders wait", ORDERS_MAX);
    else if (want_count >= fleet->config->load_waiters_max)
        (void)ax_fail(&err, AX_E_LIMIT, "over %zu requests wait for models to be loaded",
                      fleet->config->load_waiters_max);
    if (err.code)
        order_tell(fleet, order, &err);
    else
        ax_fleet_inbox_send(&fleet->inbox, &order->message);
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
    struct order *order = order_new(ORDER_LOAD, &model, NULL, waiter);
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
