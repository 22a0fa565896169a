/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composition: options, listeners, loading, publishing, the end.
 *
 * The HTTP server starts first, with a catalog that is empty and not complete. Then the fleet,
 * which publishes models as they become ready. A version that cannot be loaded is listed with its
 * reason; it never takes the others down.
 */
#include "server/server.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/state_lock.h"
#include "base/thread.h"
#include "server/account_log.h"
#include "server/admission.h"
#include "server/catalog.h"
#include "server/catalog_walk.h"
#include "server/control.h"
#include "server/definitions_watch.h"
#include "server/feature_store.h"
#include "server/served_log.h"
#include "server/fleet.h"
#include "server/model_orders.h"
#include "server/repository.h"
#include "server/schedules.h"
#include "server/server_thread.h"
#include "server/serving_features.h"
#include "server/watch.h"

#include <assert.h>

/* For loads and jobs that run at the end: at most; and at least, which threads without one need to
 * go. */
#define WORK_WAIT_NS       ((uint64_t)2 * AX_NS_PER_S)
#define WORK_WAIT_LEAST_NS ((uint64_t)500 * AX_NS_PER_MS)

const struct ax_option ax_server_options[] = {
    { .type = AX_OPTION_TEXT,
      .name = "models",
      .default_text = "models",
      .offset = offsetof(struct ax_server_config, models),
      .description = "Folder of the models: DIR/<model>/<version>/ with one model file." },
    { .type = AX_OPTION_TEXT,
      .name = "default_model",
      .default_text = "",
      .offset = offsetof(struct ax_server_config, default_model),
      .description = "Model, or MODEL/VERSION, that answers requests whose path names none "
                     "(/invocations); empty: the only one there is." },
    { .type = AX_OPTION_SIZE,
      .name = "models_per_request_max",
      .default_text = "32",
      .offset = offsetof(struct ax_server_config, models_per_request_max),
      .min = 1,
      .max = 1024,
      .description = "Most models that one request may name (/v1/predict)." },
    { .type = AX_OPTION_SIZE,
      .name = "metric_versions_max",
      .default_text = "2000",
      .offset = offsetof(struct ax_server_config, metric_versions_max),
      .max = AX_ACCOUNT_VERSIONS_MAX,
      .unit = "versions",
      .description = "Most model versions with series of their own in /metrics; the others share "
                     "those of the model '_other'." },
    { .type = AX_OPTION_CHOICE,
      .name = "clock",
      .default_text = "wall",
      .offset = offsetof(struct ax_server_config, clock),
      .unit = "wall|replay",
      .description = "What 'now' is to features: the wall clock, or (to replay a past) the latest "
                     "time of the rows that were pushed." },
    { .type = AX_OPTION_CHOICE,
      .name = "log_level",
      .default_text = "info",
      .offset = offsetof(struct ax_server_config, log_level),
      .unit = "debug|info|warn|error",
      .description = "Least important log lines that are written." },
    { .type = AX_OPTION_CHOICE,
      .name = "log_format",
      .default_text = "logfmt",
      .offset = offsetof(struct ax_server_config, log_format),
      .unit = "logfmt|json",
      .description = "How a log line is written on stderr." },
    { .type = AX_OPTION_TEXT,
      .name = "server_name",
      .default_text = "auspex",
      .offset = offsetof(struct ax_server_config, server_name),
      .description = "Name that GET /v2 answers, for clients that expect another server's." },
    { .type = AX_OPTION_TEXT,
      .name = "server_version",
      .default_text = "",
      .offset = offsetof(struct ax_server_config, server_version),
      .description = "Version that GET /v2 answers; empty is that of the program." },
    { .type = AX_OPTION_BOOL,
      .name = "allow_remote_control",
      .default_text = "false",
      .offset = offsetof(struct ax_server_config, allow_remote_control),
      .description =
          "Take requests that change the server (loads and unloads, settings of the log and "
          "of tracing) on any address, not only on loopback and unix addresses." },
    { 0 },
};

struct ax_server {
    struct ax_state_lock *state_lock; /* NULL: no state directory is its own */
    struct ax_control *control;       /* likewise, or it cannot listen there */
    struct ax_epoch epoch;            /* of the I/O threads' wake-ups */
    struct ax_snapshot snapshot;
    struct ax_fleet_config fleet_config;
    _Atomic(struct ax_fleet *) fleet;         /* NULL until it was started */
    _Atomic(struct ax_model_orders *) orders; /* likewise */
    _Atomic(struct ax_schedules *) schedules; /* likewise; or there is no control */
    pthread_mutex_t beginning;                /* held until the two are set */
    struct ax_watch *watch;                   /* NULL unless the folder is watched */
    struct ax_watch_listener listener;
    struct ax_definitions_watch *definitions;
    struct ax_definitions_watch_listener definitions_listener;
    struct ax_feature_store *feature_store;
    struct ax_served_log *served_log;      /* NULL: what is served is not logged */
    struct ax_snapshot features;           /* struct ax_serving_features, or NULL */
    const struct ax_server_config *config; /* borrowed */
    struct ax_http_handler handler;
    struct ax_http_server *http;
    size_t thread_count;
    int64_t start_us;
    uint64_t drain_timeout_ns;
    uint64_t drained_ns; /* when the end began, monotonic */
};

const struct ax_server_config *ax_server_config(const struct ax_server *server)
{
    return server->config;
}

const char *ax_server_state(const struct ax_server *server)
{
    const struct ax_image_config *images = server->config->repository->images;
    return images ? images->state : "";
}

struct ax_epoch *ax_server_epoch(struct ax_server *server)
{
    return &server->epoch;
}

struct ax_snapshot *ax_server_snapshot(struct ax_server *server)
{
    return &server->snapshot;
}

struct ax_definitions_watch *ax_server_definitions(struct ax_server *server)
{
    return server->definitions;
}

int64_t ax_server_now_us(const struct ax_server *server)
{
    if (server->config->clock == AX_SERVER_CLOCK_WALL)
        return ax_clock_wall_us();
    const struct ax_online_writer *writer = ax_feature_store_writer(server->feature_store);
    return writer ? ax_online_writer_taken_us(writer) : 0;
}

int64_t ax_server_wall_us(void)
{
    return ax_clock_wall_us();
}

int64_t ax_server_taken_us(const struct ax_server *server, int64_t latest_us)
{
    return server->config->clock == AX_SERVER_CLOCK_WALL ? ax_clock_wall_us() : latest_us;
}

struct ax_serving_features *ax_server_features(struct ax_server *server)
{
    return ax_snapshot_get(&server->features);
}

enum ax_code ax_server_check_features(struct ax_server *server, struct ax_err *err)
{
    assert(server && err);
    if (ax_server_features(server) || (!ax_definitions_watch_get(server->definitions) &&
                                       !ax_definitions_watch_has_failed(server->definitions)))
        return AX_OK;
    return ax_fail(err, AX_E_UNAVAILABLE,
                   "the definitions that are applied cannot be served: the log says why; when that "
                   "is mended they come into force by themselves");
}

struct ax_serving_features *ax_server_features_ref(struct ax_server *server)
{
    assert(server);
    struct ax_epoch_reader *reader = ax_epoch_register(&server->epoch);
    if (!reader)
        return NULL;
    ax_epoch_enter(&server->epoch, reader);
    struct ax_serving_features *features = ax_snapshot_get(&server->features);
    if (features)
        (void)ax_serving_features_ref(features);
    ax_epoch_leave(reader);
    ax_epoch_unregister(reader);
    return features;
}

enum ax_code ax_server_features_read(struct ax_server *server,
                                     struct ax_serving_features **ret_features, struct ax_err *err)
{
    assert(server && ret_features && err);
    struct ax_err unread = AX_ERR_INIT;
    *ret_features = ax_server_features_ref(server);
    if (*ret_features)
        return AX_OK;
    if (ax_definitions_watch_read(server->definitions, &unread) && unread.code != AX_E_NOT_FOUND)
        return ax_fail(err, AX_E_UNAVAILABLE, "the server has no features in force: %s",
                       unread.msg);
    *ret_features = ax_server_features_ref(server);
    return *ret_features
               ? AX_OK
               : ax_fail(err, AX_E_NOT_FOUND, "nothing was applied yet; auspex apply does it");
}

struct ax_feature_store *ax_server_feature_store(struct ax_server *server)
{
    return server->feature_store;
}

struct ax_control *ax_server_control(struct ax_server *server)
{
    return server->control;
}

struct ax_schedules *ax_server_schedules(struct ax_server *server)
{
    return atomic_load_explicit(&server->schedules, memory_order_acquire);
}

struct ax_served_log *ax_server_served_log(struct ax_server *server)
{
    return server->served_log;
}

size_t ax_server_thread_count(const struct ax_server *server)
{
    return server->thread_count;
}

struct ax_str ax_server_default_model(const struct ax_server *server)
{
    return ax_str_from(server->config->default_model);
}

size_t ax_server_models_per_request_max(const struct ax_server *server)
{
    return server->config->models_per_request_max;
}

struct ax_fleet *ax_server_fleet(const struct ax_server *server)
{
    return atomic_load_explicit(&server->fleet, memory_order_acquire);
}

struct ax_model_orders *ax_server_orders(const struct ax_server *server)
{
    return atomic_load_explicit(&server->orders, memory_order_acquire);
}

int64_t ax_server_start_us(const struct ax_server *server)
{
    return server->start_us;
}

/* A name that is mistyped would answer each request with 404. */
static void check_default_model(const struct ax_server *server, const struct ax_catalog *catalog)
{
    struct ax_str name = ax_server_default_model(server);
    struct ax_str model;
    struct ax_str version;
    ax_catalog_split_name(name, &model, &version);
    if (name.len > 0 && !ax_catalog_find(catalog, model, version))
        ax_log(AX_LOG_WARN, "the default model is not there", AX_LOG_STR("default_model", name));
}

static void log_ready(const struct ax_server *server, const struct ax_catalog *catalog)
{
    struct ax_buf listeners;
    ax_buf_init(&listeners, 4096);
    for (size_t i = 0; i < ax_http_server_listener_count(server->http); i++)
        (void)ax_buf_printf(&listeners, "%s%s", i ? " " : "",
                            ax_http_server_listener(server->http, i));
    ax_log(AX_LOG_INFO, "ready", AX_LOG_STR("listen", ax_buf_str(&listeners)),
           AX_LOG_U64("models", catalog->models.count),
           AX_LOG_U64("threads", server->thread_count));
    ax_buf_done(&listeners);
}

/* Requests find it as soon as they find a catalog of its making. */
static void server_begin(void *context, struct ax_fleet *fleet)
{
    struct ax_server *server = context;
    atomic_store_explicit(&server->fleet, fleet, memory_order_release);
}

/* On the fleet's control thread, once. Whoever reads that the server is ready may give orders. */
static void server_complete(void *context, const struct ax_catalog *catalog)
{
    struct ax_server *server = context;
    (void)pthread_mutex_lock(&server->beginning);
    (void)pthread_mutex_unlock(&server->beginning);
    check_default_model(server, catalog);
    log_ready(server, catalog);
}

/* Log that the service a version was trained with is not in force as it was then, if so. */
static void log_misfit(const struct ax_applied_definitions *applied,
                       const struct ax_version *version)
{
    const struct ax_version_service *needed = &version->service;
    if (ax_applied_fits(applied, needed))
        return;
    const struct ax_applied_service *found =
        applied ? ax_applied_service(applied, needed->name) : NULL;
    ax_log(AX_LOG_WARN, "the service of a model version is not in force as it was in training",
           AX_LOG_TEXT("model", version->model_name), AX_LOG_TEXT("version", version->text),
           AX_LOG_STR("service", needed->name), AX_LOG_U64("service_version", needed->number),
           AX_LOG_U64("in_force", found ? found->version : 0));
}

/* On the fleet's control thread. */
static void server_loaded(void *context, const struct ax_version *version)
{
    const struct ax_server *server = context;
    struct ax_applied_definitions *applied = ax_definitions_watch_ref(server->definitions);
    log_misfit(applied, version);
    ax_applied_definitions_unref(applied);
}

struct features_publishing {
    struct ax_server *server;
    struct ax_applied_definitions *applied;
};

/* On the thread of the store's writer. */
static enum ax_code publish_features(void *context, struct ax_online_views *views,
                                     struct ax_err *err)
{
    const struct features_publishing *publishing = context;
    struct ax_server *server = publishing->server;
    struct ax_applied_definitions *applied = publishing->applied;
    struct ax_online *store =
        ax_online_writer_store(ax_feature_store_writer(server->feature_store));
    struct ax_serving_features *features;
    if (ax_serving_features_new(applied, store, views, &features, err))
        return err->code;
    for (size_t i = 0; i < applied->definitions.service_count; i++) {
        const struct ax_serving_service *service = &features->services[i];
        if (!service->plan)
            ax_log(AX_LOG_WARN, "a service is not served by entity",
                   AX_LOG_STR("service", service->applied->service->name),
                   AX_LOG_ERR(&service->err));
    }
    ax_serving_features_unref(ax_snapshot_publish(&server->features, features));
    return AX_OK;
}

/* Serve by these definitions. What cannot be made leaves in force what was: its services are those
 * that versions need, or they are not, which each request finds out. */
static enum ax_code serve_features(struct ax_server *server, struct ax_applied_definitions *applied,
                                   struct ax_err *err)
{
    struct features_publishing publishing = { server, applied };
    struct ax_online_views *views = NULL;
    if (ax_feature_store_define(server->feature_store, applied, publish_features, &publishing,
                                &views, err))
        ax_log(AX_LOG_ERROR, "features cannot be served by what was applied",
               AX_LOG_U64("apply", applied->apply), AX_LOG_ERR(err));
    ax_online_views_unref(views);
    return err->code;
}

/* Tell which versions that are ready fitted before and do not any more. The thread is a reader of
 * the catalog for that time. */
static void tell_misfits(struct ax_server *server, const struct ax_applied_definitions *before,
                         const struct ax_applied_definitions *now)
{
    struct ax_epoch_reader *reader = ax_epoch_register(&server->epoch);
    const struct ax_catalog_model *model;
    const struct ax_catalog_version *version;
    struct ax_catalog_walk walk = { 0 };
    if (!reader)
        return;
    ax_epoch_enter(&server->epoch, reader);
    ax_catalog_walk_enter(&walk, ax_snapshot_get(&server->snapshot));
    while (ax_catalog_walk_next(&walk, &model, &version))
        if (version && version->served &&
            ax_applied_fits(before, &version->served->version->service))
            log_misfit(now, version->served->version);
    ax_epoch_leave(reader);
    ax_epoch_unregister(reader);
}

static enum ax_code server_definitions_changed(struct ax_definitions_watch_listener *listener,
                                               const struct ax_applied_definitions *before,
                                               struct ax_applied_definitions *now,
                                               struct ax_err *err)
{
    struct ax_server *server = container_of(listener, struct ax_server, definitions_listener);
    (void)(serve_features(server, now, err) != AX_OK);
    ax_schedules_wake(ax_server_schedules(server));
    tell_misfits(server, before, now);
    return err->code;
}

static void server_changed(struct ax_watch_listener *listener, struct ax_str model)
{
    const struct ax_server *server = container_of(listener, struct ax_server, listener);
    ax_fleet_changed(ax_server_fleet(server), model);
}

static void server_look_again(struct ax_watch_listener *listener)
{
    const struct ax_server *server = container_of(listener, struct ax_server, listener);
    ax_fleet_rescan(ax_server_fleet(server));
}

static void server_free(struct ax_server *server)
{
    ax_served_log_free(server->served_log);
    ax_feature_store_free(server->feature_store);
    ax_definitions_watch_free(server->definitions);
    ax_serving_features_unref(ax_snapshot_get(&server->features));
    ax_snapshot_done(&server->features);
    ax_catalog_free(ax_snapshot_get(&server->snapshot));
    ax_snapshot_done(&server->snapshot);
    ax_epoch_done(&server->epoch);
    (void)pthread_mutex_destroy(&server->beginning);
    ax_state_lock_free(server->state_lock);
    free(server);
}

/* Own the state directory, and listen there for commands, which are taken when all else runs. Where
 * there is none to be had, models are served all the same; where another process owns it, they are
 * not: of two who write there, both would be wrong. */
static enum ax_code own_state(struct ax_server *server, struct ax_err *err)
{
    const char *state = ax_server_state(server);
    struct ax_err failure = AX_ERR_INIT;
    /* Where no folder can be, the fleet tells. */
    if (!state[0] || ax_file_make_private_folder(state, &failure))
        return AX_OK;
    if (ax_state_lock_take(state, "auspex serve", &server->state_lock, &failure) ==
        AX_E_UNAVAILABLE)
        return ax_fail(err, failure.code, "%s: give each its own --state", failure.msg);
    if (failure.code ||
        ax_control_new(state, server->config->commands, server, &server->control, &failure))
        ax_log(AX_LOG_WARN, "commands are not taken from the state directory",
               AX_LOG_ERR(&failure));
    return AX_OK;
}

/* The snapshot's counters stand on cache lines of their own; NULL without memory. */
static struct ax_server *server_new(const struct ax_server_config *config,
                                    const struct ax_http_config *http)
{
    struct ax_server *server = aligned_alloc(_Alignof(struct ax_server), sizeof(*server));
    if (!server)
        return NULL;
    *server = (struct ax_server){ 0 };
    server->config = config;
    server->start_us = ax_clock_wall_us();
    server->drain_timeout_ns = http->drain_timeout_ns;
    server->thread_count = http->threads ? http->threads : ax_thread_core_count();
    server->fleet_config = *config->fleet;
    server->fleet_config.models = config->models;
    server->fleet_config.repository = config->repository;
    server->fleet_config.begin = server_begin;
    server->fleet_config.loaded = server_loaded;
    server->fleet_config.complete = server_complete;
    server->fleet_config.context = server;
    server->handler = (struct ax_http_handler){
        .context = server,
        .thread_begin = ax_server_thread_begin,
        .thread_end = ax_server_thread_end,
        .wake_begin = ax_server_thread_wake_begin,
        .wake_end = ax_server_thread_wake_end,
        .request = ax_server_thread_request,
        .head = ax_server_thread_head,
        .incomplete = ax_server_thread_incomplete,
        .cancelled = ax_server_thread_cancelled,
        .release = ax_server_thread_release,
    };
    ax_epoch_init(&server->epoch);
    ax_snapshot_init(&server->snapshot, &server->epoch, ax_catalog_new());
    ax_snapshot_init(&server->features, &server->epoch, NULL);
    (void)pthread_mutex_init(&server->beginning, NULL);
    server->definitions_listener.changed = server_definitions_changed;
    return server;
}

/* When a vector was made: not before any row that it may have seen was taken in, though the wall
 * clock was set back. */
static int64_t served_us(void *context)
{
    const struct ax_server *server = context;
    const struct ax_online_writer *writer = ax_feature_store_writer(server->feature_store);
    return AX_MAX(ax_server_now_us(server), writer ? ax_online_writer_taken_us(writer) : 0);
}

/* What it keeps, and what of it is in force. */
static enum ax_code open_state(struct ax_server *server, struct ax_err *err)
{
    if (own_state(server, err))
        return err->code;
    server->feature_store = ax_feature_store_new(server->config->feature_store,
                                                 server->state_lock ? ax_server_state(server) : "",
                                                 &server->epoch, server);
    server->definitions = ax_definitions_watch_new(ax_server_state(server), &server->epoch);
    if (!server->definitions)
        return ax_fail(err, AX_E_LIMIT, "no memory for the server");
    const struct ax_served_log_config *log = server->config->served_log;
    return server->state_lock && log->entities_per_million
               ? ax_served_log_new(log, ax_server_state(server), served_us, server,
                                   &server->served_log, err)
               : AX_OK;
}

/* Jobs that others ask for, and those that have their time. */
static enum ax_code begin_jobs(struct ax_server *server, struct ax_err *err)
{
    struct ax_schedules *schedules;
    if (ax_control_start(server->control, err) ||
        ax_schedules_new(server, server->control, &schedules, err))
        return err->code;
    atomic_store_explicit(&server->schedules, schedules, memory_order_release);
    return AX_OK;
}

/* The fleet, and who gives it orders. The folder is watched before it is listed, so that a change
 * in between is told as any other is, once it has settled. */
static enum ax_code server_begin_control(struct ax_server *server, struct ax_err *err)
{
    const struct ax_server_config *config = server->config;
    struct ax_fleet *fleet;
    struct ax_model_orders *orders;
    if (config->fleet->model_control == AX_MODEL_CONTROL_WATCH &&
        ax_watch_new(config->models, config->watch, &server->watch, err))
        return err->code;
    if (ax_definitions_watch_start(server->definitions, &server->definitions_listener, err))
        return err->code;
    if (ax_fleet_start(&server->fleet_config, &server->snapshot, &fleet, err)) {
        atomic_store_explicit(&server->fleet, NULL, memory_order_release);
        return err->code;
    }
    if (ax_model_orders_new(fleet, config->fleet, &orders, err))
        return err->code;
    atomic_store_explicit(&server->orders, orders, memory_order_release);
    if (server->control && begin_jobs(server, err))
        return err->code;
    if (!server->watch)
        return AX_OK;
    server->listener =
        (struct ax_watch_listener){ .changed = server_changed, .rescan = server_look_again };
    return ax_watch_start(server->watch, &server->listener, err);
}

enum ax_code ax_server_start(const struct ax_server_config *config,
                             const struct ax_http_config *http, struct ax_server **ret_server,
                             struct ax_err *err)
{
    assert(config && http && ret_server && err);
    struct ax_server *server = server_new(config, http);
    if (!server)
        return ax_fail(err, AX_E_LIMIT, "no memory for the server");
    ax_account_set_up(config->metric_versions_max);
    if (open_state(server, err) || ax_admission_register(config->admission, err) ||
        ax_http_server_start(http, &server->handler, &server->http, err)) {
        (void)!ax_control_free_until(server->control, UINT64_MAX);
        server_free(server);
        return err->code;
    }
    (void)pthread_mutex_lock(&server->beginning);
    enum ax_code code = server_begin_control(server, err);
    (void)pthread_mutex_unlock(&server->beginning);
    if (code) {
        ax_server_drain(server);
        (void)ax_server_join_free(server);
        return err->code;
    }
    *ret_server = server;
    return AX_OK;
}

void ax_server_rescan(struct ax_server *server)
{
    assert(server);
    ax_log(AX_LOG_INFO, "looking through the folder of models",
           AX_LOG_TEXT("folder", server->config->models));
    ax_fleet_rescan(ax_server_fleet(server));
    ax_definitions_watch_look_again(server->definitions);
}

void ax_server_drain(struct ax_server *server)
{
    assert(server);
    server->drained_ns = ax_clock_ns();
    ax_schedules_stop(ax_server_schedules(server));
    ax_control_stop(server->control);
    ax_http_server_drain(server->http);
    if (ax_server_fleet(server))
        ax_fleet_drain(ax_server_fleet(server));
}

/* How long loads and jobs that run are waited for: what they make is nobody's, or they were
 * cancelled. */
static uint64_t work_until_ns(const struct ax_server *server)
{
    uint64_t now_ns = ax_clock_ns();
    uint64_t until_ns =
        AX_MIN(server->drained_ns + server->drain_timeout_ns, now_ns + WORK_WAIT_NS);
    return AX_MAX(until_ns, now_ns + WORK_WAIT_LEAST_NS);
}

struct ax_server_end ax_server_join_free(struct ax_server *server)
{
    assert(server);
    ax_http_server_join(server->http);
    struct ax_server_end end = { .connections_cut = ax_http_server_cut_count(server->http) };
    ax_watch_stop_free(server->watch);
    ax_schedules_join(ax_server_schedules(server));
    /* A job may wait for definitions to be read. */
    bool has_jobs_left = !ax_control_free_until(server->control, work_until_ns(server));
    ax_definitions_watch_stop(server->definitions);
    if (!has_jobs_left)
        ax_schedules_free(ax_server_schedules(server));
    ax_model_orders_free(ax_server_orders(server));
    /* Those who wait for a model are told by messages, which the threads' loops still take. */
    end.has_work_left =
        !ax_fleet_stop(ax_server_fleet(server), work_until_ns(server)) || has_jobs_left;
    /* So are those who pushed, by the store's writer, which a job may use. */
    if (!has_jobs_left) {
        ax_feature_store_free(server->feature_store);
        server->feature_store = NULL;
        ax_http_server_join_free(server->http);
    }
    ax_served_log_free(server->served_log);
    server->served_log = NULL;
    ax_account_log_all();
    if (end.has_work_left)
        return end;
    ax_fleet_free(ax_server_fleet(server));
    server_free(server);
    return end;
}
