/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex materialize`: bring the latest values of views from their sources to the online store.
 *
 * The work is that of the state directory's owner: a server, whose store is written to while it is
 * read, or this process, which opens it for as long.
 */
#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/command_line.h"
#include "cmd/control_client.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "cmd/jobs.h"
#include "pipeline/materialize_views.h"
#include "server/definitions_watch.h"
#include "server/feature_store.h"
#include "server/server.h"
#include "server/serving_features.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX  ((size_t)1 << 20)
#define TYPED_BYTES_MAX ((size_t)4096)
#define RATE_MAX        INT64_C(1000000000)

struct materialize_config {
    struct ax_option_list view;
    char *from;
    char *to;
    bool incremental;
    bool rebuild;
    bool dry_run;
    bool keep_failed;
    size_t rate;
    size_t threads;
    size_t memory_bytes_max;
    bool json;
    bool quiet;
};

static const struct ax_option materialize_options[] = {
    { AX_OPTION_LIST, "view", NULL, offsetof(struct materialize_config, view), 0, 0, "NAME",
      "A view to materialise; without it all that are online." },
    { AX_OPTION_TEXT, "from", NULL, offsetof(struct materialize_config, from), 0, 0, "TIME",
      "Leave out rows whose time is earlier, as 2013-10-01T00:00:00Z." },
    { AX_OPTION_TEXT, "to", NULL, offsetof(struct materialize_config, to), 0, 0, "TIME",
      "Leave out rows whose time is later; without it, those later than now." },
    { AX_OPTION_BOOL, "incremental", "false", offsetof(struct materialize_config, incremental), 0,
      0, NULL, "Read only what is new since a view was materialised last." },
    { AX_OPTION_BOOL, "rebuild", "false", offsetof(struct materialize_config, rebuild), 0, 0, NULL,
      "Take out what a view has, and write it anew." },
    { AX_OPTION_BOOL, "dry_run", "false", offsetof(struct materialize_config, dry_run), 0, 0, NULL,
      "Read, and tell what there is, but write nothing." },
    { AX_OPTION_BOOL, "keep_failed", "false", offsetof(struct materialize_config, keep_failed), 0,
      0, NULL,
      "Keep rows that are not as their source expects, as failed/SOURCE.failed.parquet in the "
      "state "
      "directory." },
    { AX_OPTION_SIZE, "rate", "0", offsetof(struct materialize_config, rate), 0, RATE_MAX, "rows",
      "Rows a second that are written at most; 0 is no limit." },
    { AX_OPTION_SIZE, "threads", "0", offsetof(struct materialize_config, threads), 0, 1024,
      "threads", "Threads that read; 0 is one a core." },
    { AX_OPTION_SIZE, "memory_max", "0", offsetof(struct materialize_config, memory_bytes_max), 0,
      INT64_MAX, "bytes",
      "Memory of reading before it spills to disk, at least 64000000; 0 is 80 % of the machine." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct materialize_config, json), 0, 0, NULL,
      "Print a line of JSON a view." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct materialize_config, quiet), 0, 0, NULL,
      "Show no progress." },
    { 0 },
};

const struct ax_option *const ax_cmd_materialize_options[] = { ax_registry_options,
                                                               materialize_options,
                                                               ax_feature_store_options, NULL };

/* ---- the work, whoever does it ---- */

struct materialize_work {
    const struct materialize_config *config;
    const char *state;
    struct ax_applied_definitions *applied;
    struct ax_online_writer *writer; /* NULL: a dry run */
    struct ax_online_views *views;
    atomic_bool *cancelled;
    struct ax_text_output *output;
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    void (*notice)(void *arg, struct ax_str text);
    void *arg;               /* of these two */
    struct ax_err unprinted; /* why a result could not be told */
};

static void put_text(struct ax_buf *out, const struct ax_materialize_result *result, bool is_dry)
{
    ax_buf_printf(out, "%.*s: ", AX_STR_ARG(result->view));
    if (result->outcome == AX_MATERIALIZE_FAILED) {
        ax_buf_printf(out, "failed: %.*s", AX_STR_ARG(result->why));
    } else if (result->outcome != AX_MATERIALIZE_DONE) {
        ax_buf_printf(out, "%s", ax_materialize_outcome_name(result->outcome));
    } else {
        const struct ax_materialize_counts *counts = &result->counts;
        ax_buf_printf(out, "%zu rows read", result->read);
        if (result->rejected)
            ax_buf_printf(out, ", %zu of them rejected", result->rejected);
        ax_buf_printf(out, "; %zu %s", result->latest, result->is_windowed ? "events" : "keys");
        if (!is_dry)
            ax_buf_printf(out, ": %llu written, %llu stale, %llu refused",
                          (unsigned long long)counts->written, (unsigned long long)counts->stale,
                          (unsigned long long)counts->refused);
        ax_buf_printf(out, "; %.1f s", result->seconds);
    }
    (void)ax_buf_append_char(out, '\n');
}

static void put_json(struct ax_buf *out, const struct ax_materialize_result *result)
{
    char time[AX_CALENDAR_TEXT_SIZE];
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "view", result->view);
    ax_json_put_member(out, "outcome", ax_str_from(ax_materialize_outcome_name(result->outcome)));
    if (result->outcome == AX_MATERIALIZE_FAILED)
        ax_json_put_member(out, "error", result->why);
    if (result->outcome == AX_MATERIALIZE_DONE) {
        ax_json_put_member(out, "to",
                           (struct ax_str){ time, ax_calendar_text(result->to_us, time) });
        ax_json_put_member_u64(out, "read", result->read);
        ax_json_put_member_u64(out, "rejected", result->rejected);
        ax_json_put_member_u64(out, result->is_windowed ? "events" : "keys", result->latest);
        ax_json_put_member_u64(out, "written", result->counts.written);
        ax_json_put_member_u64(out, "stale", result->counts.stale);
        ax_json_put_member_u64(out, "refused", result->counts.refused);
        ax_buf_printf(out, ",\"seconds\":%.3f", result->seconds);
    }
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

static void tell_result(void *arg, const struct ax_materialize_result *result)
{
    struct materialize_work *work = arg;
    struct ax_buf line;
    ax_buf_init(&line, LINE_BYTES_MAX);
    if (work->config->json)
        put_json(&line, result);
    else
        put_text(&line, result, !work->writer);
    if (!work->unprinted.code && !ax_buf_check(&line, "what is told of a view", &work->unprinted))
        (void)(work->output->print(work->output, ax_buf_str(&line), &work->unprinted) != AX_OK);
    ax_buf_done(&line);
}

static void tell_progress(void *arg, const char *what, size_t rows_done, size_t rows)
{
    struct materialize_work *work = arg;
    work->progress(work->arg, what, rows_done, rows);
}

static void tell_notice(void *arg, struct ax_str text)
{
    struct materialize_work *work = arg;
    work->notice(work->arg, text);
}

static enum ax_code read_time(const char *text, const char *option, bool *ret_is_there,
                              int64_t *ret_us, struct ax_err *err)
{
    bool is_naive;
    *ret_is_there = text != NULL;
    if (text && !ax_calendar_parse(ax_str_from(text), ret_us, &is_naive))
        return ax_fail(err, AX_E_INVALID, "'%s' is no time; --%s is one as 2013-10-01T00:00:00Z",
                       text, option);
    return AX_OK;
}

/* Checked before anything is opened. */
static enum ax_code read_times(const struct materialize_config *config,
                               struct ax_materialize_config *asked, struct ax_err *err)
{
    if (read_time(config->from, "from", &asked->has_from, &asked->from_us, err) ||
        read_time(config->to, "to", &asked->has_to, &asked->to_us, err))
        return err->code;
    if (asked->has_from + config->incremental + config->rebuild > 1)
        return ax_fail(err, AX_E_INVALID,
                       "--from, --incremental and --rebuild contradict each other: where to begin "
                       "is told by one of them");
    if (asked->has_from && asked->has_to && asked->from_us > asked->to_us)
        return ax_fail(err, AX_E_INVALID, "--from %s is later than --to %s", config->from,
                       config->to);
    if (asked->has_from && asked->from_us > ax_clock_wall_us())
        return ax_fail(err, AX_E_INVALID, "--from %s lies ahead of now, up to which rows are taken",
                       config->from);
    return AX_OK;
}

static enum ax_code materialize_owned(struct materialize_work *work, struct ax_err *err)
{
    const struct materialize_config *config = work->config;
    struct ax_str *names = ax_xalloc((config->view.count + 1) * sizeof(*names));
    struct ax_materialize_config asked = {
        .state = work->state,
        .applied = work->applied,
        .writer = work->writer,
        .views = work->views,
        .names = names,
        .name_count = config->view.count,
        .incremental = config->incremental,
        .rebuild = config->rebuild,
        .keep_failed = config->keep_failed,
        .rows_per_s_max = config->rate,
        .threads = config->threads ? config->threads : ax_thread_core_count(),
        .memory_bytes_max = config->memory_bytes_max,
        .cancelled = work->cancelled,
        .progress = tell_progress,
        .notice = tell_notice,
        .result = tell_result,
        .arg = work,
    };
    for (size_t i = 0; i < config->view.count; i++)
        names[i] = ax_str_from(config->view.texts[i]);
    if (!read_times(config, &asked, err) &&
        !ax_registry_open(work->state, AX_REGISTRY_WRITE, &asked.registry, err) &&
        !ax_materialize_views(&asked, err) && work->unprinted.code)
        *err = work->unprinted;
    ax_registry_close(asked.registry);
    free(names);
    return err->code;
}

/* ---- as a job of a server ---- */

static void show_job(void *arg, const char *what, size_t rows_done, size_t rows)
{
    ax_control_job_progress(arg, what, rows_done, rows);
}

static void note_job(void *arg, struct ax_str text)
{
    ax_control_job_note(arg, text);
}

static enum ax_code run_job(struct materialize_work *work, struct ax_server *server,
                            struct ax_err *err)
{
    struct ax_serving_features *features;
    if (ax_server_features_read(server, &features, err))
        return err->code;
    work->state = ax_server_state(server);
    work->applied = features->applied;
    if (!work->config->dry_run) {
        work->writer = ax_feature_store_writer(ax_server_feature_store(server));
        work->views = features->online;
    }
    (void)(materialize_owned(work, err) != AX_OK);
    ax_serving_features_unref(features);
    return err->code;
}

enum ax_code ax_job_materialize(struct ax_control_job *job,
                                const struct ax_control_request *request, struct ax_err *err)
{
    assert(job && request && err);
    struct materialize_config config = { 0 };
    const struct ax_option_group groups[] = { { materialize_options, &config }, { 0 } };
    struct ax_option_args args;
    struct ax_job_output output;
    ax_job_output_init(&output, job);
    if (!ax_job_options(job, request, groups, &args, err)) {
        struct materialize_work work = { .config = &config,
                                         .cancelled = ax_control_job_cancelled(job),
                                         .output = &output.base,
                                         .progress = show_job,
                                         .notice = note_job,
                                         .arg = job };
        (void)(run_job(&work, ax_control_job_server(job), err) != AX_OK);
    }
    ax_option_done(groups);
    return err->code;
}

/* ---- by this process ---- */

static void show(void *arg, const char *what, size_t rows_done, size_t rows)
{
    ax_progress_part(arg, what, rows_done, rows);
}

static void note(void *arg, struct ax_str text)
{
    ax_progress_end(arg);
    (void)fprintf(stderr, "materialize: %.*s\n", AX_STR_ARG(text));
}

/* Standard output, below a line of progress that is open. */
struct own_output {
    struct ax_text_output base;
    struct ax_progress *progress;
};

static enum ax_code print(struct ax_text_output *output, struct ax_str text, struct ax_err *err)
{
    ax_progress_end(container_of(output, struct own_output, base)->progress);
    return ax_text_output_standard.print(&ax_text_output_standard, text, err);
}

static enum ax_code materialize_here(struct materialize_work *work,
                                     const struct ax_feature_store_config *limits,
                                     struct ax_err *err)
{
    static struct ax_epoch epoch; /* in lines of the cache, which a stack need not have */
    ax_epoch_init(&epoch);
    struct ax_feature_store *store = ax_feature_store_new(limits, work->state, &epoch, NULL);
    if (!ax_applied_definitions_read(work->state, NULL, &work->applied, err) &&
        (work->config->dry_run ||
         !ax_feature_store_define(store, work->applied, NULL, NULL, &work->views, err))) {
        work->writer = ax_feature_store_writer(store);
        (void)(materialize_owned(work, err) != AX_OK);
    }
    ax_online_views_unref(work->views);
    ax_feature_store_free(store);
    ax_applied_definitions_unref(work->applied);
    ax_epoch_done(&epoch);
    return err->code;
}

/* ---- the command ---- */

struct options {
    struct ax_registry_config registry;
    struct materialize_config materialize;
    struct ax_feature_store_config store;
};

static enum ax_code materialize(const struct options *options, const struct ax_command_line *line,
                                struct ax_str typed, struct ax_err *err)
{
    struct materialize_config config = options->materialize;
    const struct ax_option_group groups[] = { { materialize_options, &config }, { 0 } };
    struct ax_control_owner owner;
    struct ax_progress progress;
    struct own_output output = { { print }, &progress };
    struct materialize_work work = { .config = &options->materialize,
                                     .state = options->registry.state,
                                     .cancelled = ax_interrupt_catch(),
                                     .output = &output.base,
                                     .progress = show,
                                     .notice = note,
                                     .arg = &progress };
    const struct ax_control_work sent = { .command = line->name,
                                          .typed = typed,
                                          .groups = groups,
                                          .args = &line->args,
                                          .progress = &progress,
                                          .cancelled = work.cancelled };
    if (ax_control_owner_find_existing(work.state, "auspex materialize", &owner, err))
        return err->code;
    ax_progress_init(&progress, "materialize", config.quiet);
    if (owner.lock)
        (void)(materialize_here(&work, &options->store, err) != AX_OK);
    else
        (void)(ax_control_owner_run(&owner, &sent, err) != AX_OK);
    ax_progress_end(&progress);
    ax_control_owner_done(&owner);
    return err->code;
}

int ax_cmd_materialize(int argc, char **argv)
{
    struct ax_err err = AX_ERR_INIT;
    struct options options = { 0 };
    const struct ax_option_group groups[] = { { ax_registry_options, &options.registry },
                                              { materialize_options, &options.materialize },
                                              { ax_feature_store_options, &options.store },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "materialize",
        .usage = "[OPTION]...",
        .about = "Bring the latest values of the applied views from their sources to the online\n"
                 "store, from which a server answers by entity. A server that runs does it, with\n"
                 "its own limits of the store. See docs/features.md.",
        .groups = groups,
    };
    struct ax_materialize_config asked = { 0 };
    struct ax_buf typed;
    int status = AX_EXIT_OK;
    ax_buf_init(&typed, TYPED_BYTES_MAX);
    if (ax_command_line_load(&line, argc, argv, &status)) {
        ax_control_put_typed(&typed, argc, argv);
        if (read_times(&options.materialize, &asked, &err))
            status = AX_EXIT_USAGE;
        else
            status = (int)ax_exit_from_code(materialize(&options, &line, ax_buf_str(&typed), &err));
        if (err.code)
            ax_command_line_complain(&line, "%s", err.msg);
    }
    ax_buf_done(&typed);
    ax_command_line_done(&line);
    return status;
}
