/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job at a time is under way for schedules, so a slow one never has others pile up behind it.
 *
 * Views are those of the definitions in force; when other ones are, failures of a view that is
 * still there are kept. A view that the registry knows nothing of after a run that went well (it
 * has nothing to record) counts as done by that run.
 */
#include "server/schedules.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/inbox.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/thread.h"
#include "feature/online/online_writer.h"
#include "pipeline/materialize_views.h"
#include "server/control_wire.h"
#include "server/feature_store.h"
#include "server/schedule.h"
#include "server/server.h"
#include "server/serving_features.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)64 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)
/* The wall clock may be set, which nobody tells. */
#define LOOK_NS ((uint64_t)60 * AX_NS_PER_S)

static const struct ax_metric_family due_family = {
    .name = "ax_schedule_due_timestamp_seconds",
    .help = "When a view with 'every' is materialised next; 0: at once.",
    .type = AX_METRIC_GAUGE,
    .labels = "view",
};
static const struct ax_metric_family failures_family = {
    .name = "ax_schedule_failures",
    .help = "Times that it failed to be materialised since it was done.",
    .type = AX_METRIC_GAUGE,
    .labels = "view",
};

struct scheduled {
    struct ax_schedule schedule; /* of a view of `applied`; last_us is what the registry says */
    struct ax_str entity;
    bool is_windowed; /* what it is made of is not in the store's file */
    int64_t ran_us;   /* when the last job for it began that went well; INT64_MIN: none did */
    bool is_running;
};

struct ax_schedules {
    struct ax_server *server;
    struct ax_control *control;
    struct ax_inbox inbox; /* to be woken by */
    struct ax_thread thread;
    atomic_bool is_stopping;

    pthread_mutex_t lock;                   /* of what follows; held while nothing is waited for */
    struct ax_applied_definitions *applied; /* a reference, or NULL */
    struct scheduled *views;
    size_t view_count;
    bool is_running; /* a job is under way */
    int64_t began_us;
};

/* ---- which views ---- */

static const struct scheduled *find_before(const struct ax_schedules *s, const struct ax_view *view)
{
    for (size_t i = 0; i < s->view_count; i++)
        if (ax_str_equals(s->views[i].schedule.view, view->name))
            return &s->views[i];
    return NULL;
}

static void add_view(const struct ax_schedules *s, const struct ax_view *view,
                     struct scheduled *ret_view)
{
    const struct scheduled *before = find_before(s, view);
    *ret_view = before ? *before : (struct scheduled){ .ran_us = INT64_MIN };
    ret_view->entity = view->entity->name;
    ret_view->is_windowed = view->windowed;
    ret_view->schedule.view = view->name;
    ret_view->schedule.source = view->source->name;
    ret_view->schedule.every_us = view->every_us;
    ret_view->schedule.last_us = INT64_MIN;
    /* Others may be in force by now that it was not done by. */
    ret_view->ran_us = INT64_MIN;
}

/* Locked. */
static void take_definitions(struct ax_schedules *s, struct ax_applied_definitions *applied)
{
    const struct ax_definitions *definitions = &applied->definitions;
    struct scheduled *views = ax_xalloc((definitions->view_count + 1) * sizeof(*views));
    size_t count = 0;
    for (size_t i = 0; i < definitions->view_count; i++)
        if (definitions->views[i].every_us)
            add_view(s, &definitions->views[i], &views[count++]);
    free(s->views);
    ax_applied_definitions_unref(s->applied);
    s->views = views;
    s->view_count = count;
    s->applied = ax_applied_definitions_ref(applied);
}

static void look_at_definitions(struct ax_schedules *s)
{
    struct ax_serving_features *features = ax_server_features_ref(s->server);
    (void)pthread_mutex_lock(&s->lock);
    if (features && features->applied != s->applied)
        take_definitions(s, features->applied);
    (void)pthread_mutex_unlock(&s->lock);
    ax_serving_features_unref(features);
}

/* ---- what was done ---- */

/* Nobody but this thread changes the list. */
static enum ax_code read_last(struct ax_schedules *s, struct ax_registry *registry,
                              struct ax_arena *arena, int64_t *last_us, struct ax_err *err)
{
    int64_t made_us =
        ax_online_writer_made_us(ax_feature_store_writer(ax_server_feature_store(s->server)));
    for (size_t i = 0; i < s->view_count; i++) {
        const struct scheduled *view = &s->views[i];
        const struct ax_materialize_names names = { view->schedule.view, view->schedule.source,
                                                    view->entity };
        if (ax_materialize_last_us(registry, &s->applied->catalogue, &names,
                                   view->is_windowed ? 0 : made_us, arena, &last_us[i], err))
            return err->code;
    }
    return AX_OK;
}

/* Locked. A moment ahead of the clock is one that was set back since. */
static void set_last(struct scheduled *view, int64_t last_us, int64_t now_us)
{
    struct ax_schedule *schedule = &view->schedule;
    schedule->last_us = AX_MAX(AX_MIN(last_us, now_us), AX_MIN(view->ran_us, now_us));
    schedule->failed_us = AX_MIN(schedule->failed_us, now_us);
    if (schedule->last_us > schedule->failed_us)
        schedule->failures = 0;
}

static void look_at_registry(struct ax_schedules *s, int64_t now_us)
{
    struct ax_registry *registry = NULL;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    if (!s->view_count)
        return;
    int64_t *last_us = ax_xalloc(s->view_count * sizeof(*last_us));
    ax_arena_init(&arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    bool is_read =
        !ax_registry_open(ax_server_state(s->server), AX_REGISTRY_READ, &registry, &err) &&
        !read_last(s, registry, &arena, last_us, &err);
    ax_registry_close(registry);
    ax_arena_done(&arena);
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; is_read && i < s->view_count; i++)
        set_last(&s->views[i], last_us[i], now_us);
    (void)pthread_mutex_unlock(&s->lock);
    free(last_us);
    if (!is_read)
        ax_log(AX_LOG_WARN, "what is materialised could not be read", AX_LOG_ERR(&err));
}

/* ---- jobs ---- */

/* Locked: what became of the views of the job. Returns how many they are. */
static size_t end_views(struct ax_schedules *s, const struct ax_err *err)
{
    int64_t now_us = ax_clock_wall_us();
    size_t count = 0;
    for (size_t i = 0; i < s->view_count; i++) {
        struct scheduled *view = &s->views[i];
        if (!view->is_running)
            continue;
        view->is_running = false;
        count++;
        if (!err->code) {
            view->ran_us = s->began_us;
            view->schedule.failures = 0;
            continue;
        }
        view->schedule.failures++;
        view->schedule.failed_us = now_us;
    }
    s->is_running = false;
    return count;
}

static void log_failure(size_t view_count, const struct ax_err *err)
{
    ax_log(AX_LOG_WARN, "views were not materialised when they were due",
           AX_LOG_U64("views", view_count), AX_LOG_ERR(err));
}

static void job_done(void *arg, const struct ax_err *err)
{
    struct ax_schedules *s = arg;
    if (atomic_load(&s->is_stopping))
        return;
    (void)pthread_mutex_lock(&s->lock);
    size_t count = end_views(s, err);
    (void)pthread_mutex_unlock(&s->lock);
    if (err->code)
        log_failure(count, err);
    ax_inbox_wake(&s->inbox);
}

/* Locked. */
static enum ax_code submit(struct ax_schedules *s, const size_t *picked, size_t count,
                           struct ax_err *err)
{
    struct ax_arena arena;
    struct ax_buf flag;
    ax_arena_init(&arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    ax_buf_init(&flag, AX_CONTROL_REQUEST_BYTES_MAX);
    struct ax_control_task task = { .request = { .command = "materialize",
                                                 .who = "schedule",
                                                 .typed = "materialize",
                                                 .folder = "/" },
                                    .done = job_done,
                                    .arg = s };
    char **argv = ax_xalloc((count + 2) * sizeof(*argv));
    argv[task.request.argc++] = NULL;
    for (size_t i = 0; i <= count && !err->code; i++) {
        ax_buf_reset(&flag);
        if (i < count)
            ax_buf_printf(&flag, "--view=%.*s", AX_STR_ARG(s->views[picked[i]].schedule.view));
        else
            ax_buf_printf(&flag, "--incremental=true");
        argv[task.request.argc++] = ax_arena_strdup(&arena, ax_buf_str(&flag));
        if (!argv[i + 1])
            (void)ax_arena_fail(&arena, "a request", err);
    }
    task.request.argv = argv;
    if (!err->code)
        (void)(ax_control_submit(s->control, &task, err) != AX_OK);
    free(argv);
    ax_buf_done(&flag);
    ax_arena_done(&arena);
    return err->code;
}

/* Begin what is due; when to look again. */
static uint64_t begin_due(struct ax_schedules *s, int64_t now_us)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_schedule *all = ax_xalloc((s->view_count + 1) * sizeof(*all));
    size_t *picked = ax_xalloc((s->view_count + 1) * sizeof(*picked));
    int64_t next_us = INT64_MAX;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->view_count; i++)
        all[i] = s->views[i].schedule;
    size_t count = s->is_running ? 0 : ax_schedule_pick(all, s->view_count, now_us, picked);
    for (size_t i = 0; i < count; i++)
        s->views[picked[i]].is_running = true;
    if (count) {
        s->is_running = true;
        s->began_us = now_us;
        if (submit(s, picked, count, &err))
            (void)end_views(s, &err);
    }
    for (size_t i = 0; !s->is_running && i < s->view_count; i++)
        next_us = AX_MIN(next_us, ax_schedule_due_us(&s->views[i].schedule));
    (void)pthread_mutex_unlock(&s->lock);
    free(picked);
    free(all);
    if (err.code && !atomic_load(&s->is_stopping))
        log_failure(count, &err);
    if (next_us >= now_us + (int64_t)(LOOK_NS / 1000))
        return LOOK_NS;
    return next_us > now_us ? (uint64_t)(next_us - now_us) * 1000 : 0;
}

static void schedules_run(void *arg)
{
    struct ax_schedules *s = arg;
    while (!atomic_load(&s->is_stopping)) {
        int64_t now_us = ax_clock_wall_us();
        look_at_definitions(s);
        look_at_registry(s, now_us);
        uint64_t wait_ns = begin_due(s, now_us);
        ax_inbox_wait(&s->inbox, ax_clock_ns() + wait_ns);
    }
}

/* ---- metrics ---- */

static void print_views(const struct ax_schedules *s, const struct ax_metric_family *family,
                        struct ax_buf *out)
{
    struct ax_buf labels;
    ax_buf_init(&labels, (size_t)64 << 10);
    for (size_t i = 0; i < s->view_count; i++) {
        const struct ax_schedule *schedule = &s->views[i].schedule;
        ax_buf_reset(&labels);
        ax_metric_print_labels(&labels, family->labels, &schedule->view);
        ax_metric_print_name(out, family->name, ax_buf_str(&labels), AX_STR(""));
        if (family == &due_family)
            ax_buf_printf(out, "%.6f\n",
                          (double)AX_MAX(ax_schedule_due_us(schedule), INT64_C(0)) / 1e6);
        else
            ax_buf_printf(out, "%u\n", schedule->failures);
    }
    ax_buf_done(&labels);
}

void ax_schedules_print(struct ax_schedules *s, struct ax_buf *out)
{
    assert(out);
    static const struct ax_metric_family *const families[] = { &due_family, &failures_family };
    for (size_t i = 0; i < AX_COUNT(families); i++) {
        ax_metric_print_head(out, families[i]);
        if (!s)
            continue;
        (void)pthread_mutex_lock(&s->lock);
        print_views(s, families[i], out);
        (void)pthread_mutex_unlock(&s->lock);
    }
}

/* ---- life ---- */

enum ax_code ax_schedules_new(struct ax_server *server, struct ax_control *control,
                              struct ax_schedules **ret_schedules, struct ax_err *err)
{
    assert(server && control && ret_schedules && err);
    struct ax_schedules *s = ax_xalloc(sizeof(*s));
    *s = (struct ax_schedules){ .server = server, .control = control };
    (void)pthread_mutex_init(&s->lock, NULL);
    if (!ax_inbox_init(&s->inbox, err)) {
        if (!ax_thread_start(&s->thread, "schedules", schedules_run, s, err)) {
            *ret_schedules = s;
            return AX_OK;
        }
        ax_inbox_done(&s->inbox);
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    return err->code;
}

void ax_schedules_wake(struct ax_schedules *s)
{
    if (s)
        ax_inbox_wake(&s->inbox);
}

void ax_schedules_stop(struct ax_schedules *s)
{
    if (!s)
        return;
    atomic_store(&s->is_stopping, true);
    ax_inbox_wake(&s->inbox);
}

void ax_schedules_join(struct ax_schedules *s)
{
    ax_schedules_stop(s);
    if (s)
        ax_thread_join(&s->thread);
}

void ax_schedules_free(struct ax_schedules *s)
{
    if (!s)
        return;
    ax_inbox_done(&s->inbox);
    ax_applied_definitions_unref(s->applied);
    free(s->views);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}
