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

#include "server/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/fleet_metrics.h"
#include "server/popularity.h"

#include <assert.h>

#define PUBLISH_NS    ((uint64_t)20 * AX_NS_PER_MS)
#define DRAIN_LOOK_NS ((uint64_t)5 * AX_NS_PER_MS)
#define LOADS_MAX     64

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
    { .type = AX_OPTION_BOOL,
      .name = "preload_hourly",
      .default_text = "true",
      .offset = offsetof(struct ax_fleet_config, preload_hourly),
      .description = "Load models that are asked in the coming hour ten minutes ahead, where the "
                     "hours of the week foretell it." },
    { .type = AX_OPTION_TIME,
      .name = "load_wait",
      .default_text = "10s",
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
      .max = AX_FLEET_ORDERS_MAX / 2,
      .unit = "requests",
      .description = "Most requests that wait so; over it 503." },
    { .type = AX_OPTION_TIME,
      .name = "load_timeout",
      .default_text = "600s",
      .offset = offsetof(struct ax_fleet_config, load_timeout_ns),
      .min = 1,
      .max = 86400,
      .unit = "s",
      .description =
          "When an order to load a model is answered at the latest; what it began may go "
          "on." },
    { .type = AX_OPTION_SIZE,
      .name = "load_orders_max",
      .default_text = "8",
      .offset = offsetof(struct ax_fleet_config, load_orders_max),
      .min = 1,
      .max = 1024,
      .unit = "loads",
      .description =
          "Most loads with a body that wait to be read and kept, each with its body; over "
          "it 503." },
    { 0 },
};

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

static void fleet_publish_if_due(struct ax_fleet *fleet)
{
    bool completes = fleet_completes(fleet);
    if (!fleet->touched_count && !completes)
        return;
    uint64_t due_ns = fleet->published_ns + PUBLISH_NS;
    bool is_urgent =
        completes || !fleet->published_ns || fleet->needs_room || ax_fleet_is_awaited(fleet);
    if (!is_urgent && ax_clock_ns() < due_ns) {
        ax_fleet_wake_by(fleet, due_ns);
        return;
    }
    fleet_publish(fleet);
    ax_fleet_tell_memory(fleet);
    if (completes && fleet->config->complete)
        fleet->config->complete(fleet->config->context, ax_snapshot_get(fleet->snapshot));
}

/* Free what nobody holds any more. The catalogs that had it are gone when it was published. */
static void fleet_reap(struct ax_fleet *fleet)
{
    size_t kept = 0;
    for (size_t i = 0; i < fleet->draining_count; i++) {
        struct ax_fleet_draining *at = &fleet->draining[i];
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
    if (kept < fleet->draining_count) {
        fleet->has_more_room = true;
        ax_fleet_wake_by(fleet, 0);
    }
    fleet->draining_count = kept;
    if (kept)
        ax_fleet_wake_by(fleet, ax_clock_ns() + DRAIN_LOOK_NS);
    if (fleet->touched_count)
        ax_fleet_wake_by(fleet, fleet->published_ns + PUBLISH_NS);
}

/* ---- the thread ---- */

static void fleet_round(struct ax_fleet *fleet)
{
    ax_inbox_receive(&fleet->inbox, fleet);
    ax_fleet_popularity_look(fleet);
    ax_fleet_look_at_loads(fleet);
    ax_fleet_trim(fleet);
    fleet->needs_room = false;
    ax_fleet_forgive_short(fleet);
    ax_fleet_begin_loads(fleet);
    ax_fleet_tell_images(fleet); /* before what was loaded is seen */
    fleet_publish_if_due(fleet);
    ax_fleet_tell_waiting(fleet);
    fleet_reap(fleet);
    ax_fleet_metrics_waiting(atomic_load(&fleet->want_count));
}

static void fleet_run(void *arg)
{
    struct ax_fleet *fleet = arg;
    while (!fleet->is_stopping) {
        fleet->wake_ns = UINT64_MAX;
        fleet_round(fleet);
        if (!fleet->is_stopping)
            ax_inbox_wait(&fleet->inbox, fleet->wake_ns);
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

static void fleet_release(struct ax_fleet *fleet)
{
    for (size_t i = 0; i < fleet->model_count; i++)
        ax_fleet_model_free(fleet->models[i]);
    ax_overrides_free(fleet->overrides);
    free(fleet->models);
    free(fleet->pending);
    free(fleet->draining);
    ax_popularity_free(fleet->popularity);
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
    ax_fleet_state_begin(fleet);
    ax_fleet_popularity_begin(fleet);
    if (ax_fleet_metrics_register(err) || fleet_check_policy(config, &fleet->settings, err) ||
        ax_fleet_list_all(fleet, err) || ax_fleet_open_overrides(fleet, err) ||
        ax_inbox_init(&fleet->inbox, err)) {
        fleet_release(fleet);
        return err->code;
    }
    ax_fleet_open_images(fleet);
    if (config->begin)
        config->begin(config->context, fleet);
    if (ax_fleet_loaders_init(&fleet->loaders, config->load_threads, err) ||
        ax_thread_start(&fleet->thread, "fleet", fleet_run, fleet, err)) {
        (void)ax_fleet_loaders_stop(&fleet->loaders, UINT64_MAX);
        ax_inbox_done(&fleet->inbox);
        fleet_release(fleet);
        return err->code;
    }
    *ret_fleet = fleet;
    return AX_OK;
}

bool ax_fleet_stop(struct ax_fleet *fleet, uint64_t until_ns)
{
    if (!fleet)
        return true;
    if (atomic_load(&fleet->is_stopped))
        return !fleet->has_loads_left;
    ax_fleet_order_stop(fleet);
    ax_thread_join(&fleet->thread);
    atomic_store(&fleet->is_stopped, true);
    fleet->has_loads_left = !ax_fleet_loaders_stop(&fleet->loaders, until_ns);
    ax_fleet_popularity_end(fleet);
    ax_fleet_cancel_all(fleet);
    return !fleet->has_loads_left;
}

void ax_fleet_free(struct ax_fleet *fleet)
{
    if (!fleet)
        return;
    bool have_ended = ax_fleet_stop(fleet, UINT64_MAX);
    assert(have_ended);
    ax_fleet_cancel_all(fleet); /* What came between the mark and now. */
    for (size_t i = 0; i < fleet->draining_count; i++) {
        fleet->draining[i].version->draining_count--;
        ax_served_unref(fleet->draining[i].served);
    }
    ax_inbox_done(&fleet->inbox);
    fleet_release(fleet);
}
