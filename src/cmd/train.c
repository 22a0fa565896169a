/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex train FILE` or `auspex train FOLDER`: history in, model version out.
 *
 * Progress goes to standard error: on a terminal one line that moves, elsewhere a line every tenth
 * of the rounds. The result goes to standard output, as text or as JSON. `auspex train --worker
 * FOLDER` is the child that pipeline/trainer starts; nobody else calls it.
 */
#include "cmd/cmd.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/command_line.h"
#include "cmd/deprecations.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "pipeline/training.h"

#include <unistd.h>

#define BAR_WIDTH 30

struct train_config {
    struct ax_registry_config registry;
    char *models;
    char *model;
    char *data;
    size_t version;
    size_t threads;
    size_t memory_bytes_max;
    bool record;
    bool snapshot;
    bool quiet;
    bool json;
};

static const struct ax_option train_options[] = {
    { AX_OPTION_TEXT, "models", "models", offsetof(struct train_config, models), 0, 0, "DIR",
      "Where the version is written, as DIR/<model>/<version>/." },
    { AX_OPTION_TEXT, "model", NULL, offsetof(struct train_config, model), 0, 0, "NAME",
      "The model to train, when there are several." },
    { AX_OPTION_TEXT, "data", NULL, offsetof(struct train_config, data), 0, 0, "DIR",
      "Where relative paths of query and sources start; by default the folder of FILE, or "
      "FOLDER." },
    { AX_OPTION_SIZE, "version", "0", offsetof(struct train_config, version), 0, INT64_MAX,
      "number", "The version to write; 0 is the highest that is there, plus one." },
    { AX_OPTION_SIZE, "threads", "0", offsetof(struct train_config, threads), 0, 1024, "threads",
      "Threads of query and training, unless the file says a number; 0 is one a core." },
    { AX_OPTION_SIZE, "memory_max", "0", offsetof(struct train_config, memory_bytes_max), 0,
      INT64_MAX, "bytes",
      "Memory of the query before it spills to disk; 0 is 80 % of the machine." },
    { AX_OPTION_BOOL, "record", "false", offsetof(struct train_config, record), 0, 0, NULL,
      "Train nothing: record that the version in FOLDER was made with the service in force." },
    { AX_OPTION_BOOL, "snapshot", "false", offsetof(struct train_config, snapshot), 0, 0, NULL,
      "Keep the history of a model with a service as a dataset; `auspex data show` tells of it." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct train_config, quiet), 0, 0, NULL,
      "Show no progress." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct train_config, json), 0, 0, NULL,
      "Print the result as JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_train_options[] = { train_options, ax_registry_options, NULL };

struct progress {
    bool is_terminal;
    bool quiet;
    bool open_line;
    struct ax_progress history; /* its steps and rows */
};

static void show_stage(void *arg, const char *what)
{
    struct progress *progress = arg;
    ax_progress_end(&progress->history);
    if (progress->quiet)
        return;
    (void)fprintf(stderr, "%strain: %s\n", progress->open_line ? "\n" : "", what);
    progress->open_line = false;
}

static void show_history(void *arg, const char *what, size_t rows_done, size_t rows)
{
    struct progress *progress = arg;
    ax_progress_step(&progress->history, what, rows_done, rows);
}

/* Also when no progress is shown. */
static void show_warning(void *arg, const char *text)
{
    struct progress *progress = arg;
    ax_progress_end(&progress->history);
    (void)fprintf(stderr, "%strain: warning: %s\n", progress->open_line ? "\n" : "", text);
    progress->open_line = false;
}

static void show_round(void *arg, size_t round, size_t rounds, const char *metric, double value)
{
    struct progress *progress = arg;
    if (progress->quiet)
        return;
    if (!progress->is_terminal) {
        if (round % AX_MAX(rounds / 10, (size_t)1) == 0)
            (void)fprintf(stderr, "train: round %zu of %zu, %s %.5f\n", round, rounds, metric,
                          value);
        return;
    }
    int done = (int)(round * BAR_WIDTH / rounds);
    (void)fprintf(stderr, "\r[%.*s%*s] round %zu of %zu, %s %.5f ", done,
                  "##############################", BAR_WIDTH - done, "", round, rounds, metric,
                  value);
    progress->open_line = true;
}

/* Of a model with a service: which one, the digest of the history, whether it is recorded. */
static void put_service_json(struct ax_buf *out, const struct ax_training_report *report,
                             const struct ax_service *service)
{
    ax_json_put_key(out, "service");
    (void)ax_buf_append_char(out, '{');
    ax_json_put_key(out, "name");
    ax_json_put_str(out, service->name);
    ax_json_put_key(out, "version");
    if (report->service.version)
        ax_json_put_u64(out, report->service.version);
    else
        (void)ax_buf_append_str(out, AX_STR("null"));
    ax_json_put_key(out, "digest");
    ax_json_put_str(out, ax_str_from(report->service.digest));
    ax_json_put_key(out, "recorded");
    ax_json_put_bool(out, report->is_recorded);
    (void)ax_buf_append_char(out, '}');
    ax_json_put_key(out, "history");
    ax_buf_printf(out, "{\"rows\":%zu,\"digest\":\"%s\",", report->history.rows,
                  report->history.digest);
    if (report->history.snapshot[0])
        ax_buf_printf(out, "\"snapshot\":\"%s\",", report->history.snapshot);
    ax_buf_printf(out, "\"seconds\":%.3f}", report->seconds_history);
}

static void print_json(const struct ax_training_report *report, const struct ax_train_spec *spec)
{
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    (void)ax_buf_append_char(&out, '{');
    ax_json_put_key(&out, "model");
    ax_json_put_str(&out, spec->name);
    ax_json_put_key(&out, "version");
    ax_json_put_u64(&out, report->version);
    ax_json_put_key(&out, "path");
    ax_json_put_str(&out, ax_str_from(report->path));
    ax_json_put_key(&out, "digest");
    ax_json_put_str(&out, ax_str_from(report->digest));
    if (spec->service)
        put_service_json(&out, report, spec->service);
    else
        ax_json_put_member(&out, "content", ax_str_from(report->content));
    ax_buf_printf(&out,
                  ",\"rows\":{\"read\":%zu,\"unlabelled\":%zu,\"train\":%zu,\"stop\":%zu,"
                  "\"test\":%zu},\"rounds\":{\"run\":%zu,\"kept\":%zu},\"metrics\":",
                  report->rows_read, report->rows_unlabelled, report->rows[0], report->rows[1],
                  report->rows[2], report->rounds_run, report->rounds_kept);
    (void)ax_buf_append_str(&out, ax_buf_str(&report->metrics));
    ax_buf_printf(&out, ",\"seconds\":{\"query\":%.3f,\"train\":%.3f,\"evaluate\":%.3f}}\n",
                  report->seconds_query, report->seconds_train, report->seconds_evaluate);
    (void)fwrite(ax_buf_str(&out).ptr, 1, out.len, stdout);
    ax_buf_done(&out);
}

static void print_service(const struct ax_training_report *report, const struct ax_service *service)
{
    (void)printf("  service  %.*s", AX_STR_ARG(service->name));
    if (report->is_recorded)
        (void)printf(" version %llu\n", (unsigned long long)report->service.version);
    else
        (void)printf(", which is not in force as it is here: not recorded\n");
    (void)printf("  history  %zu rows, digest %s\n", report->history.rows, report->history.digest);
    if (report->history.snapshot[0])
        (void)printf("  snapshot %s\n", report->history.snapshot);
}

static void print_text(const struct ax_training_report *report, const struct ax_train_spec *spec)
{
    (void)printf("%s\n", report->path);
    if (spec->service)
        print_service(report, spec->service);
    (void)printf("  rows     %zu read, %zu without a label left out; %zu to train, %zu to stop, "
                 "%zu to test\n",
                 report->rows_read, report->rows_unlabelled, report->rows[0], report->rows[1],
                 report->rows[2]);
    if (!spec->service)
        (void)printf("  content  %s\n", report->content);
    (void)printf("  rounds   %zu run, %zu kept\n", report->rounds_run, report->rounds_kept);
    (void)printf("  metrics  %.*s\n", AX_STR_ARG(ax_buf_str(&report->metrics)));
    (void)printf("  digest   %s\n", report->digest);
    (void)printf("  seconds  ");
    if (spec->service)
        (void)printf("history %.1f, ", report->seconds_history);
    (void)printf("query %.1f, train %.1f, evaluate %.1f\n", report->seconds_query,
                 report->seconds_train, report->seconds_evaluate);
}

static enum ax_code train(const char *path, const struct train_config *config,
                          struct progress *progress, struct ax_err *err)
{
    struct ax_train_file file;
    const struct ax_train_spec *spec = NULL;
    struct ax_training_report report;
    struct ax_training_options options = {
        .models_folder = config->models,
        .data_folder = config->data,
        .state_folder = config->registry.state,
        .version = config->version,
        .snapshot = config->snapshot,
        .now_us = ax_clock_wall_us(),
        .threads = config->threads ? config->threads : ax_thread_core_count(),
        .memory_bytes_max = config->memory_bytes_max,
        .progress = show_round,
        .stage = show_stage,
        .history = show_history,
        .warn = show_warning,
        .arg = progress,
        .cancelled = ax_interrupt_catch(),
    };
    if (ax_train_file_read(path, &file, err))
        return err->code;
    if (!ax_train_file_spec(&file, ax_str_from(config->model), &spec, err) && spec->service)
        ax_deprecations_warn("train", spec->service);
    else if (!err->code && config->snapshot)
        (void)ax_fail(err, AX_E_INVALID, "--snapshot keeps what a service gives; '%.*s' has none",
                      AX_STR_ARG(spec->name));
    if (!err->code && !ax_training_run(&file, spec, &options, &report, err)) {
        if (config->json)
            print_json(&report, spec);
        else
            print_text(&report, spec);
        ax_training_report_done(&report);
    }
    ax_train_file_done(&file);
    return err->code;
}

static enum ax_code record(const char *folder, const struct train_config *config,
                           struct ax_err *err)
{
    struct ax_trained_version version;
    if (ax_training_folder_record(folder, config->registry.state, ax_clock_wall_us(), &version,
                                  err))
        return err->code;
    (void)printf("recorded: %s version %llu, service %s version %llu\n", version.model,
                 (unsigned long long)version.number, version.service,
                 (unsigned long long)version.service_version);
    return AX_OK;
}

int ax_cmd_train(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return ax_trainer_worker(argv[2]);
    struct train_config config = { 0 };
    struct ax_option_group groups[] = { { train_options, &config },
                                        { ax_registry_options, &config.registry },
                                        { 0 } };
    struct ax_command_line line = {
        .name = "train",
        .usage = "[OPTION]... FILE|FOLDER",
        .about = "Train a model on the rows of a SQL query and write a model version.\n"
                 "FILE names query, label, split and parameters; in a FOLDER of definitions the\n"
                 "model may take its inputs from a service. See docs/training.md.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status)) {
        struct ax_err err = AX_ERR_INIT;
        struct progress progress = { .is_terminal = isatty(STDERR_FILENO) == 1,
                                     .quiet = config.quiet };
        ax_progress_init(&progress.history, "history", config.quiet);
        const char *path = line.args.texts[0];
        if (config.record ? record(path, &config, &err) : train(path, &config, &progress, &err)) {
            ax_progress_end(&progress.history);
            if (progress.open_line)
                (void)fputc('\n', stderr);
            ax_command_line_complain(&line, "%s", err.msg);
            status = ax_exit_from_code(err.code);
        }
    }
    ax_command_line_done(&line);
    return status;
}
