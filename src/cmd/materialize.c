/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex materialize`: bring the latest values of views from their sources to the online store.
 *
 * The work is that of the state directory's owner, and what it says goes through `print`, `notice`
 * and `progress`, whoever that is.
 */
#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/json.h"
#include "base/state_lock.h"
#include "base/thread.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "pipeline/materialize_views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_BYTES_MAX ((size_t)1 << 20)
#define QUEUE_MAX      ((size_t)64)
#define RATE_MAX       INT64_C(1000000000)
/* Of the store, when no server has it. */
#define DISK_BYTES_MAX    ((uint64_t)1 << 36)
#define JOURNAL_BYTES_MAX ((uint64_t)1 << 36)

struct materialize_config {
    struct ax_registry_config registry;
    struct ax_option_list view;
    char *from;
    char *to;
    bool incremental;
    bool dry_run;
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
    { AX_OPTION_BOOL, "dry_run", "false", offsetof(struct materialize_config, dry_run), 0, 0, NULL,
      "Read, and tell what there is, but write nothing." },
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
                                                               materialize_options, NULL };

/* ---- the work, whoever does it ---- */

struct materialize_work {
    const struct materialize_config *config;
    const char *state;
    struct ax_registry *registry;
    struct ax_applied_definitions *applied;
    struct ax_online_writer *writer; /* NULL: a dry run */
    struct ax_online_views *views;
    atomic_bool *cancelled;
    enum ax_code (*print)(void *arg, struct ax_str text, struct ax_err *err);
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    void (*notice)(void *arg, struct ax_str text);
    void *arg;
    struct ax_err unprinted;
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
        ax_buf_printf(out, "; %zu keys", result->latest);
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
        ax_json_put_member_u64(out, "keys", result->latest);
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
        (void)(work->print(work->arg, ax_buf_str(&line), &work->unprinted) != AX_OK);
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
    if (asked->has_from && config->incremental)
        return ax_fail(err, AX_E_INVALID,
                       "--from and --incremental contradict each other: where "
                       "to begin is told by one of them");
    return AX_OK;
}

static enum ax_code materialize_owned(struct materialize_work *work, struct ax_err *err)
{
    const struct materialize_config *config = work->config;
    struct ax_str *names = ax_xalloc((config->view.count + 1) * sizeof(*names));
    struct ax_materialize_config asked = {
        .state = work->state,
        .registry = work->registry,
        .applied = work->applied,
        .writer = work->writer,
        .views = work->views,
        .names = names,
        .name_count = config->view.count,
        .incremental = config->incremental,
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
    if (!read_times(config, &asked, err) && !ax_materialize_views(&asked, err) &&
        work->unprinted.code)
        *err = work->unprinted;
    free(names);
    return err->code;
}

/* ---- by this process ---- */

struct own {
    struct materialize_work work;
    struct ax_state_lock *lock;
    struct ax_epoch epoch;
    struct ax_progress progress;
};

static enum ax_code print(void *arg, struct ax_str text, struct ax_err *err)
{
    struct own *own = arg;
    ax_progress_end(&own->progress);
    if (fwrite(text.ptr, 1, text.len, stdout) != text.len || fflush(stdout))
        return ax_fail_errno(err, errno, "write to standard output");
    return AX_OK;
}

static void show(void *arg, const char *what, size_t rows_done, size_t rows)
{
    struct own *own = arg;
    ax_progress_part(&own->progress, what, rows_done, rows);
}

static void notice(void *arg, struct ax_str text)
{
    struct own *own = arg;
    ax_progress_end(&own->progress);
    (void)fprintf(stderr, "materialize: %.*s\n", AX_STR_ARG(text));
}

static size_t machine_bytes(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

static void release(void *owner)
{
    ax_applied_definitions_unref(owner);
}

/* What was applied, and the store that has it. */
static enum ax_code open_store(struct own *own, struct ax_err *err)
{
    struct materialize_work *work = &own->work;
    const struct ax_online_writer_config config = { .state = work->state,
                                                    .epoch = &own->epoch,
                                                    .memory_bytes_max = machine_bytes(),
                                                    .disk_bytes_max = DISK_BYTES_MAX,
                                                    .journal_bytes_max = JOURNAL_BYTES_MAX,
                                                    .queue_max = QUEUE_MAX };
    if (work->config->dry_run)
        return AX_OK;
    const struct ax_online_definitions given = {
        .definitions = &work->applied->definitions,
        .owner = ax_applied_definitions_ref(work->applied),
        .release = release,
    };
    if (!ax_online_writer_open(&config, &work->writer, err) &&
        !ax_online_writer_define(work->writer, &given, &work->views, err))
        return AX_OK;
    release(given.owner);
    return err->code;
}

static enum ax_code materialize(struct own *own, struct ax_err *err)
{
    struct materialize_work *work = &own->work;
    struct ax_materialize_config ignored;
    if (read_times(work->config, &ignored, err) ||
        ax_state_lock_take(work->state, "auspex materialize", &own->lock, err) ||
        ax_registry_open(work->state, AX_REGISTRY_WRITE, &work->registry, err) ||
        ax_applied_definitions_read(work->state, NULL, &work->applied, err) || open_store(own, err))
        return err->code;
    return materialize_owned(work, err);
}

static int run(const struct ax_command_line *line, const struct materialize_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct own own = { .work = { .config = config,
                                 .state = config->registry.state,
                                 .cancelled = ax_interrupt_catch(),
                                 .print = print,
                                 .progress = show,
                                 .notice = notice } };
    own.work.arg = &own;
    ax_epoch_init(&own.epoch);
    ax_progress_init(&own.progress, "materialize", config->quiet);
    (void)(materialize(&own, &err) != AX_OK);
    ax_progress_end(&own.progress);
    if (err.code)
        ax_command_line_complain(line, "%s", err.msg);
    ax_online_views_unref(own.work.views);
    ax_online_writer_close(own.work.writer);
    ax_applied_definitions_unref(own.work.applied);
    ax_registry_close(own.work.registry);
    ax_state_lock_free(own.lock);
    ax_epoch_done(&own.epoch);
    return (int)ax_exit_from_code(err.code);
}

int ax_cmd_materialize(int argc, char **argv)
{
    struct materialize_config config = { 0 };
    const struct ax_option_group groups[] = { { ax_registry_options, &config.registry },
                                              { materialize_options, &config },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "materialize",
        .usage = "[OPTION]...",
        .about = "Bring the latest values of the applied views from their sources to the online\n"
                 "store, from which a server answers by entity. See docs/features.md.",
        .groups = groups,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = run(&line, &config);
    ax_command_line_done(&line);
    return status;
}
