/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of one source that begin at the same mark are read together. A view begins anew when it, or
 * what it is made from, is another version than when it was materialised: the store has then
 * nothing of it, also when what was changed was changed back.
 *
 * Which views are done of a run is known by the run's number in their records. A run with a
 * beginning (`from`) leaves no record, since it says nothing about what is earlier.
 */
#include "pipeline/materialize_views.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "feature/online/online_apply.h"
#include "feature/online/online_history.h"
#include "pipeline/lineage.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_INIT    ((size_t)64 << 10)
#define ARENA_BYTES_MAX     ((size_t)4 << 30)
#define NOTICE_BYTES_MAX    ((size_t)16 << 10)
#define ARGUMENTS_BYTES_MAX ((size_t)4 << 20)
#define RUN_US_MAX          (24 * INT64_C(3600000000)) /* that goes on; its `to` is as old */

/* A view that is to be done. */
struct item {
    const struct ax_view *view;
    char digest[AX_SHA256_TEXT_SIZE];
    struct ax_str since; /* its mark */
    bool is_left;        /* it is not done yet */
    bool is_cleared;
    struct ax_materialize_result result;
};

struct run {
    const struct ax_materialize_config *config;
    char state[PATH_MAX]; /* absolute: sources are read in the folder of their data */
    struct ax_arena arena;
    struct ax_source_journals *journals;
    struct ax_offline *offline;
    struct ax_materialize_stream *stream; /* NULL: a dry run */
    struct item *items;
    size_t item_count;
    struct ax_online_history_writer *history; /* of the source under way */
    int64_t history_from_us, history_to_us;
    bool has_history; /* of that source, and it is new */
    size_t events;    /* in it */
    uint64_t number;
    int64_t to_us;
    uint64_t began_ns;   /* of the view under way */
    struct ax_err first; /* what failed first */
    struct ax_err *err;
};

const char *ax_materialize_outcome_name(enum ax_materialize_outcome outcome)
{
    static const char *const names[] = {
        [AX_MATERIALIZE_DONE] = "done",
        [AX_MATERIALIZE_DONE_BEFORE] = "done before",
        [AX_MATERIALIZE_WINDOWED] = "windows: not with --from",
        [AX_MATERIALIZE_NAMELESS] = "windows: rows without event_id",
        [AX_MATERIALIZE_OFFLINE] = "not online",
        [AX_MATERIALIZE_FAILED] = "failed",
    };
    return names[outcome];
}

/* ---- which views ---- */

static bool is_asked(const struct run *run, const struct ax_view *view)
{
    const struct ax_materialize_config *config = run->config;
    for (size_t i = 0; i < config->name_count; i++)
        if (ax_str_equals(config->names[i], view->name))
            return true;
    return !config->name_count && view->online;
}

static enum ax_code check_names(const struct run *run)
{
    const struct ax_definitions *definitions = &run->config->applied->definitions;
    const struct ax_view *view;
    for (size_t i = 0; i < run->config->name_count; i++)
        if (ax_definitions_find_view(definitions, run->config->names[i], &view, run->err))
            return run->err->code;
    return AX_OK;
}

static void add_version(const struct ax_registry_catalogue *catalogue, struct ax_sha256 *sha,
                        enum ax_registry_kind kind, struct ax_str name)
{
    const struct ax_registry_object *object = ax_registry_find(catalogue, kind, name);
    uint64_t version = object ? object->version : 0;
    ax_sha256_add(sha, &version, sizeof(version));
}

enum ax_code ax_materialize_digest(const struct ax_registry_catalogue *catalogue,
                                   const struct ax_materialize_names *names, struct ax_arena *arena,
                                   char ret_digest[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    assert(catalogue && names && arena && ret_digest && err);
    char meaning[AX_SHA256_TEXT_SIZE];
    struct ax_sha256 sha;
    const struct ax_registry_object *object =
        ax_registry_find(catalogue, AX_REGISTRY_VIEW, names->view);
    assert(object);
    if (ax_lineage_digest(catalogue, object, arena, meaning, err))
        return err->code;
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, meaning, sizeof(meaning));
    add_version(catalogue, &sha, AX_REGISTRY_VIEW, names->view);
    add_version(catalogue, &sha, AX_REGISTRY_SOURCE, names->source);
    add_version(catalogue, &sha, AX_REGISTRY_ENTITY, names->entity);
    ax_sha256_text(&sha, ret_digest);
    return AX_OK;
}

enum ax_code ax_materialize_last_us(struct ax_registry *registry,
                                    const struct ax_registry_catalogue *catalogue,
                                    const struct ax_materialize_names *names, int64_t made_us,
                                    struct ax_arena *arena, int64_t *ret_us, struct ax_err *err)
{
    assert(registry && ret_us && err);
    const struct ax_registry_materialised *last = NULL;
    char digest[AX_SHA256_TEXT_SIZE];
    if (ax_materialize_digest(catalogue, names, arena, digest, err) ||
        ax_registry_materialised(registry, names->view, arena, &last, err))
        return err->code;
    bool is_so = last && strcmp(last->digest, digest) == 0 && last->done_at_us >= made_us;
    *ret_us = is_so ? AX_MIN(last->to_us, last->done_at_us) : INT64_MIN;
    return AX_OK;
}

static void set_outcome(struct item *item, enum ax_materialize_outcome outcome)
{
    item->is_left = false;
    item->result.outcome = outcome;
}

/* Whether it went with the file of a former store. What windows are made of stands elsewhere. */
static bool is_lost(const struct ax_registry_materialised *before, const struct ax_view *view,
                    const struct ax_online_writer *writer)
{
    return !view->windowed && before->done_at_us < ax_online_writer_made_us(writer);
}

enum ax_code ax_materialize_look_back(struct ax_registry *registry,
                                      const struct ax_definitions *definitions,
                                      const struct ax_online_writer *writer,
                                      bool *ret_are_materialised, size_t *ret_lost,
                                      struct ax_err *err)
{
    assert(registry && definitions && writer && ret_are_materialised && ret_lost && err);
    const struct ax_registry_materialised *before;
    struct ax_arena arena;
    size_t count = 0;
    ax_arena_init(&arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    for (size_t i = 0; i < definitions->view_count && !err->code; i++) {
        const struct ax_view *view = &definitions->views[i];
        ax_arena_reset(&arena);
        if (ax_registry_materialised(registry, view->name, &arena, &before, err))
            break;
        ret_are_materialised[i] = before != NULL;
        count += before && view->online && is_lost(before, view, writer);
    }
    ax_arena_done(&arena);
    if (!err->code)
        *ret_lost = count;
    return err->code;
}

static size_t number_of(const struct run *run, const struct ax_view *view)
{
    return (size_t)(view - run->config->applied->definitions.views);
}

/* Whether what files told windows of a source is there. */
static enum ax_code find_told(struct run *run, const struct ax_source *source, bool *ret_is_told)
{
    struct ax_online_history history;
    if (ax_online_history_find(run->state, source, &history, run->err))
        return run->err->code;
    *ret_is_told = history.folder[0] != '\0';
    return AX_OK;
}

/* What is known of a view from before. */
static enum ax_code look_up(struct run *run, struct item *item)
{
    const struct ax_registry_materialised *before = NULL;
    const struct ax_materialize_names names = { item->view->name, item->view->source->name,
                                                item->view->entity->name };
    if (ax_materialize_digest(&run->config->applied->catalogue, &names, &run->arena, item->digest,
                              run->err) ||
        ax_registry_materialised(run->config->registry, item->view->name, &run->arena, &before,
                                 run->err))
        return run->err->code;
    const struct ax_online_writer *writer = run->config->writer;
    if (!before || strcmp(before->digest, item->digest) != 0 ||
        (writer && is_lost(before, item->view, writer)))
        return AX_OK;
    bool is_told = true;
    if (item->view->windowed && find_told(run, item->view->source, &is_told))
        return run->err->code;
    if (run->number && before->run == run->number)
        set_outcome(item, AX_MATERIALIZE_DONE_BEFORE);
    else if (run->config->incremental && is_told)
        item->since = before->mark;
    return AX_OK;
}

static enum ax_code add_view(struct run *run, const struct ax_view *view)
{
    struct item *item = &run->items[run->item_count++];
    *item = (struct item){
        .view = view,
        .is_left = true,
        .result = { .view = view->name, .is_windowed = view->windowed, .to_us = run->to_us }
    };
    if (!view->online)
        set_outcome(item, AX_MATERIALIZE_OFFLINE);
    else if (view->windowed && !view->source->event_id_count)
        set_outcome(item, AX_MATERIALIZE_NAMELESS);
    else if (view->windowed && run->config->has_from)
        set_outcome(item, AX_MATERIALIZE_WINDOWED);
    else
        return look_up(run, item);
    return AX_OK;
}

/* By sources. */
static enum ax_code add_views(struct run *run)
{
    const struct ax_definitions *definitions = &run->config->applied->definitions;
    run->items = ax_xalloc((definitions->view_count + 1) * sizeof(*run->items));
    for (size_t s = 0; s < definitions->source_count; s++)
        for (size_t i = 0; i < definitions->view_count; i++) {
            const struct ax_view *view = &definitions->views[i];
            if (view->source == &definitions->sources[s] && is_asked(run, view) &&
                add_view(run, view))
                return run->err->code;
        }
    return AX_OK;
}

/* ---- the run ---- */

static void put_arguments(const struct ax_materialize_config *config, struct ax_buf *out)
{
    ax_buf_printf(out, "apply %llu%s", (unsigned long long)config->applied->apply,
                  config->incremental ? " incremental"
                  : config->rebuild   ? " rebuild"
                                      : "");
    if (config->has_to)
        ax_buf_printf(out, " to %lld", (long long)config->to_us);
    for (size_t i = 0; i < config->name_count; i++)
        ax_buf_printf(out, " %.*s", AX_STR_ARG(config->names[i]));
}

static bool is_recorded(const struct run *run)
{
    return run->stream && !run->config->has_from;
}

static enum ax_code begin_run(struct run *run)
{
    struct ax_buf arguments;
    int64_t now_us = ax_clock_wall_us();
    run->to_us = run->config->has_to ? AX_MIN(run->config->to_us, now_us) : now_us;
    if (run->config->has_to && run->config->to_us > now_us && run->config->notice)
        run->config->notice(run->config->arg, AX_STR("--to lies ahead of now, up to which rows are "
                                                     "taken: later ones would hide what is known"));
    if (!is_recorded(run))
        return AX_OK;
    ax_buf_init(&arguments, ARGUMENTS_BYTES_MAX);
    put_arguments(run->config, &arguments);
    const struct ax_registry_run asked = { .arguments = ax_buf_str(&arguments),
                                           .to_us = run->to_us,
                                           .began_at_us = now_us };
    if (!ax_buf_check(&arguments, "the list of views", run->err))
        (void)(ax_registry_begin_run(run->config->registry, &asked, now_us - RUN_US_MAX,
                                     &run->number, &run->to_us, run->err) != AX_OK);
    ax_buf_done(&arguments);
    return run->err->code;
}

/* ---- rows ---- */

static struct item *find_item(struct run *run, const struct ax_view *view)
{
    size_t i = 0;
    while (i < run->item_count && run->items[i].view != view)
        i++;
    assert(i < run->item_count);
    return &run->items[i];
}

/* What it has goes, if it is to be rebuilt and that was not done yet. */
static enum ax_code clear_view(const struct run *run, struct item *item, struct ax_err *err)
{
    const struct ax_materialize_config *config = run->config;
    if (!config->rebuild || !run->stream || item->is_cleared)
        return AX_OK;
    item->is_cleared = true;
    return ax_registry_forget_materialised(config->registry, item->view->name, err) ||
                   ax_online_writer_clear(config->writer, config->views, number_of(run, item->view),
                                          err)
               ? err->code
               : AX_OK;
}

static enum ax_code take_rows(void *arg, const struct ax_offline_latest_rows *rows,
                              struct ax_err *err)
{
    struct run *run = arg;
    struct item *item = find_item(run, rows->view);
    item->result.latest += rows->rows;
    if (!run->stream)
        return AX_OK;
    if (clear_view(run, item, err))
        return err->code;
    return ax_materialize_stream_write(run->stream, number_of(run, rows->view), rows, err);
}

/* ---- events ---- */

static enum ax_code begin_history(struct run *run, const struct ax_source *source,
                                  struct ax_err *err)
{
    return run->history ? AX_OK
                        : ax_online_history_begin(run->state, source, run->history_from_us,
                                                  run->history_to_us, &run->history, err);
}

static enum ax_code keep_events(struct run *run, const struct ax_offline_event_rows *rows,
                                struct ax_err *err)
{
    size_t count = rows->source->column_count;
    const struct ax_values **columns = ax_xalloc(count * sizeof(const struct ax_values *));
    for (size_t i = 0; i < count; i++)
        columns[i] = &rows->columns[i];
    (void)(ax_materialize_stream_wait(run->stream, rows->rows, err) ||
           ax_online_history_add(run->history, columns, rows->rows, err));
    free(columns);
    return err->code;
}

static enum ax_code take_events(void *arg, const struct ax_offline_event_rows *rows,
                                struct ax_err *err)
{
    struct run *run = arg;
    run->events += rows->rows;
    run->has_history = !rows->rows;
    if (!run->stream)
        return AX_OK;
    if (begin_history(run, rows->source, err))
        return err->code;
    return rows->rows ? keep_events(run, rows, err) : ax_online_history_end(run->history, err);
}

/* The windows of a view know what is new. */
static enum ax_code put_windows(struct run *run, struct item *item, struct ax_err *err)
{
    struct ax_online_counts counts = { 0 };
    if (!run->has_history)
        return AX_OK;
    item->result.latest = run->events;
    if (!run->stream)
        return AX_OK;
    (void)(ax_online_writer_history(run->config->writer, run->config->views,
                                    number_of(run, item->view), &counts, err) != AX_OK);
    item->result.counts =
        (struct ax_materialize_counts){ .written = counts.written, .refused = counts.refused };
    return err->code;
}

/* What windows of a source were told goes as far as that: the history is that of all its views, so
 * it does not end before. */
static enum ax_code keep_told(struct run *run, const struct ax_source *source, struct ax_err *err)
{
    struct ax_online_history history;
    if (ax_online_history_find(run->state, source, &history, err))
        return err->code;
    if (history.folder[0])
        run->history_to_us = AX_MAX(run->history_to_us, history.to_us);
    return AX_OK;
}

/* Events that the windows of the source reach at `to` and for as long before as they are read; when
 * all of them are rebuilt, what they were told before is nothing. */
static enum ax_code find_reach(struct run *run, const struct ax_source *source, struct ax_err *err)
{
    const struct ax_definitions *definitions = &run->config->applied->definitions;
    int64_t reach_us = 0;
    bool are_rebuilt = run->config->rebuild;
    run->history_to_us = run->to_us;
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        struct ax_view_windows made = { 0 };
        if (view->source != source || !view->windowed || !view->online)
            continue;
        are_rebuilt &= is_asked(run, view);
        if (ax_view_windows_make(view, NULL, &run->arena, &made, err))
            return err->code;
        reach_us = AX_MAX(reach_us, ax_window_spec_reach_us(made.spec));
        ax_view_windows_done(&made);
    }
    if (!are_rebuilt && keep_told(run, source, err))
        return err->code;
    if (__builtin_sub_overflow(run->to_us, reach_us + AX_ONLINE_WINDOWS_PAST_US,
                               &run->history_from_us))
        run->history_from_us = INT64_MIN;
    return AX_OK;
}

/* ---- views that are done ---- */

static enum ax_code record(struct run *run, const struct item *item, struct ax_str mark,
                           struct ax_err *err)
{
    struct ax_registry_materialised done = { .view = item->view->name,
                                             .run = run->number,
                                             .to_us = item->view->windowed ? run->history_to_us
                                                                           : run->to_us,
                                             .done_at_us = ax_clock_wall_us(),
                                             .mark = mark };
    memcpy(done.digest, item->digest, sizeof(done.digest));
    return ax_registry_put_materialised(run->config->registry, &done, err);
}

/* It lacks nothing any more, as the disk knows before the registry does. */
static enum ax_code complete_view(struct run *run, const struct item *item, struct ax_str mark,
                                  struct ax_err *err)
{
    struct ax_materialize_counts none;
    ax_online_writer_complete(run->config->writer, run->config->views, number_of(run, item->view));
    return ax_materialize_stream_end(run->stream, &none, err) || record(run, item, mark, err)
               ? err->code
               : AX_OK;
}

static enum ax_code end_view(void *arg, const struct ax_view *view, struct ax_str mark,
                             struct ax_err *err)
{
    struct run *run = arg;
    struct item *item = find_item(run, view);
    uint64_t now_ns = ax_clock_ns();
    if (clear_view(run, item, err))
        return err->code;
    if (view->windowed
            ? put_windows(run, item, err)
            : run->stream && ax_materialize_stream_end(run->stream, &item->result.counts, err))
        return err->code;
    if (is_recorded(run) && complete_view(run, item, mark, err))
        return err->code;
    set_outcome(item, AX_MATERIALIZE_DONE);
    item->result.seconds = (double)(now_ns - run->began_ns) / 1e9;
    run->began_ns = now_ns;
    return AX_OK;
}

/* ---- sources ---- */

/* A failure is told by the views of the group that were not done before it. */
static void end_group(struct run *run, struct item **group, size_t count,
                      const struct ax_offline_latest_report *report, const struct ax_err *failed)
{
    const char *why = NULL;
    if (failed->code && !run->first.code)
        run->first = *failed;
    if (failed->code)
        why = ax_arena_strdup(&run->arena, ax_str_from(failed->msg));
    for (size_t i = 0; i < count; i++) {
        if (group[i]->is_left) {
            set_outcome(group[i], AX_MATERIALIZE_FAILED);
            group[i]->result.why = why ? ax_str_from(why) : AX_STR("");
        } else if (!failed->code) {
            group[i]->result.read = report->rows;
            group[i]->result.rejected = report->dropped_rows;
        }
    }
}

static void pass_over(void *arg AX_UNUSED, const struct ax_expectation_result *result AX_UNUSED)
{
}

/* Rows of a source that was read, or failed by what is expected of it, for which it is read again.
 * What it was read for is done: a failure is a notice. */
static void keep_failed(struct run *run, const struct ax_source *source)
{
    const struct ax_materialize_config *config = run->config;
    struct ax_offline_expect_report report;
    struct ax_err err = AX_ERR_INIT;
    char folder[PATH_MAX];
    const struct ax_offline_expect request = { .now_us = run->to_us,
                                               .failed_folder = folder,
                                               .result = pass_over };
    struct ax_buf text;
    int len = snprintf(folder, sizeof(folder), "%s/failed", run->state);
    if (len < 0 || (size_t)len >= sizeof(folder))
        (void)ax_fail(&err, AX_E_INVALID, "the path of the state directory is too long");
    if (err.code || ax_file_make_private_folder(folder, &err) ||
        ax_offline_expect(run->offline, source, &request, &report, &err))
        report = (struct ax_offline_expect_report){ 0 };
    ax_buf_init(&text, NOTICE_BYTES_MAX);
    if (err.code)
        ax_buf_printf(&text, "rows of source '%.*s' that do not hold were not kept: %s",
                      AX_STR_ARG(source->name), err.msg);
    else if (report.failing_rows)
        ax_buf_printf(&text, "%zu of %zu rows of source '%.*s' are in %s/%.*s.failed.parquet",
                      report.failing_rows, report.rows, AX_STR_ARG(source->name), folder,
                      AX_STR_ARG(source->name));
    if (text.len && !text.failed && config->notice)
        config->notice(config->arg, ax_buf_str(&text));
    ax_buf_done(&text);
}

static bool is_among(const struct ax_view *const *views, size_t count, const struct ax_view *view)
{
    size_t i = 0;
    while (i < count && views[i] != view)
        i++;
    return i < count;
}

/* The history of a source is that of all its views: windows of those that it was not read for know
 * it, too, as they would after a start. */
static enum ax_code put_others(struct run *run, const struct ax_source *source,
                               const struct ax_view *const *views, size_t count, struct ax_err *err)
{
    const struct ax_definitions *definitions = &run->config->applied->definitions;
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        struct ax_online_counts counts = { 0 };
        bool is_other = view->source == source && view->windowed && view->online &&
                        !is_among(views, count, view);
        if (is_other &&
            ax_online_writer_history(run->config->writer, run->config->views, i, &counts, err))
            return err->code;
    }
    return AX_OK;
}

/* The item and those behind it of its source that begin at the same mark. */
static void do_group(struct run *run, size_t first)
{
    struct ax_err failed = AX_ERR_INIT;
    struct ax_offline_latest_report report = { 0 };
    const struct item *leader = &run->items[first];
    struct item **group = ax_xalloc(run->item_count * sizeof(*group));
    const struct ax_view **views = ax_xalloc(run->item_count * sizeof(const struct ax_view *));
    size_t count = 0;
    for (size_t i = first; i < run->item_count; i++) {
        struct item *item = &run->items[i];
        if (!item->is_left || item->view->source != leader->view->source ||
            !ax_str_equals(item->since, leader->since))
            continue;
        views[count] = item->view;
        group[count++] = item;
    }
    (void)(find_reach(run, leader->view->source, &failed) != AX_OK);
    const struct ax_offline_latest request = {
        .views = views,
        .view_count = count,
        .from_us = run->config->has_from ? run->config->from_us : INT64_MIN,
        .to_us = run->to_us,
        .since = leader->since,
        .rows = take_rows,
        .events_from_us = run->history_from_us,
        .events_to_us = run->history_to_us,
        .events = take_events,
        .done = end_view,
        .arg = run,
    };
    run->began_ns = ax_clock_ns();
    run->has_history = false;
    run->events = 0;
    if (!failed.code && !ax_offline_latest(run->offline, &request, &report, &failed) &&
        run->has_history && run->stream)
        (void)(put_others(run, leader->view->source, views, count, &failed) != AX_OK);
    ax_online_history_free(run->history);
    run->history = NULL;
    bool is_looked_at = failed.code ? failed.code == AX_E_INVALID : report.rows > 0;
    if (run->config->keep_failed && leader->view->source->expectation_count && is_looked_at)
        keep_failed(run, leader->view->source);
    end_group(run, group, count, &report, &failed);
    free(group);
    free(views);
}

static enum ax_code do_all(struct run *run)
{
    for (size_t i = 0; i < run->item_count; i++) {
        if (run->items[i].is_left)
            do_group(run, i);
        if (run->config->result)
            run->config->result(run->config->arg, &run->items[i].result);
        if (run->first.code == AX_E_CANCELLED)
            break;
    }
    /* One that was broken off goes on; after a failure the next one begins anew, as new rows may
     * have come for the other views. */
    if (is_recorded(run) && run->first.code != AX_E_CANCELLED)
        (void)(ax_registry_end_run(run->config->registry, run->err) != AX_OK);
    if (run->first.code)
        *run->err = run->first;
    return run->err->code;
}

/* ---- opening ---- */

static enum ax_code open_offline(struct run *run, const char *work)
{
    const struct ax_materialize_config *config = run->config;
    const struct ax_offline_config offline = {
        .definitions = &config->applied->definitions,
        .data_folder = config->applied->definitions.folder,
        .work_folder = work,
        .threads = config->threads,
        .memory_bytes_max = config->memory_bytes_max,
        .journals = run->journals,
        .cancelled = config->cancelled,
        .progress = config->progress,
        .notice = config->notice,
        .arg = config->arg,
    };
    return ax_file_remove_tree(work, run->err) || ax_offline_open(&offline, &run->offline, run->err)
               ? run->err->code
               : AX_OK;
}

static void open_stream(struct run *run)
{
    const struct ax_materialize_config *config = run->config;
    if (!config->writer)
        return;
    const struct ax_materialize_stream_config stream = {
        .writer = config->writer,
        .views = config->views,
        .rows_per_s_max = config->rows_per_s_max,
        .cancelled = config->cancelled,
    };
    run->stream = ax_materialize_stream_new(&stream);
}

enum ax_code ax_materialize_views(const struct ax_materialize_config *config, struct ax_err *err)
{
    assert(config && config->state && config->registry && config->applied && config->threads &&
           !config->writer == !config->views && err);
    assert(config->has_from + config->incremental + config->rebuild <= 1);
    struct ax_err ignored = AX_ERR_INIT;
    struct run run = { .config = config, .err = err };
    char work[PATH_MAX];
    if (!realpath(config->state, run.state))
        return ax_fail_errno(err, errno, "the state directory '%s'", config->state);
    int len = snprintf(work, sizeof(work), "%s/materialize.work", config->state);
    if (len < 0 || (size_t)len >= sizeof(work))
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    ax_arena_init(&run.arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    open_stream(&run);
    (void)(check_names(&run) || begin_run(&run) || add_views(&run) ||
           ax_source_journals_open(config->state, &config->applied->definitions, &run.journals,
                                   err) ||
           open_offline(&run, work) || do_all(&run));
    ax_offline_close(run.offline);
    ax_source_journals_close(run.journals);
    ax_materialize_stream_free(run.stream);
    (void)(ax_file_remove_tree(work, &ignored) != AX_OK);
    free(run.items);
    ax_arena_done(&run.arena);
    return err->code;
}
