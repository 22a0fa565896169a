/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex train FILE`: history in, model version out.
 *
 * Progress goes to standard error: on a terminal one line that moves, elsewhere a line every tenth
 * of the rounds. The result goes to standard output, as text or as JSON. `auspex train --worker
 * FOLDER` is the child that pipeline/trainer starts; nobody else calls it.
 */
#include "cmd/cmd.h"

#include "base/json.h"
#include "base/thread.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "pipeline/training.h"

#include <unistd.h>

#define BAR_WIDTH 30

struct train_config {
    char *models;
    char *model;
    char *data;
    size_t version;
    size_t threads;
    size_t memory_bytes_max;
    bool quiet;
    bool json;
};

static const struct ax_option train_options[] = {
    { AX_OPTION_TEXT, "models", "models", offsetof(struct train_config, models), 0, 0, "DIR",
      "Where the version is written, as DIR/<model>/<version>/." },
    { AX_OPTION_TEXT, "model", NULL, offsetof(struct train_config, model), 0, 0, "NAME",
      "The model to train, when the file defines several." },
    { AX_OPTION_TEXT, "data", NULL, offsetof(struct train_config, data), 0, 0, "DIR",
      "Where relative paths in the query start; by default the folder of the file." },
    { AX_OPTION_SIZE, "version", "0", offsetof(struct train_config, version), 0, INT64_MAX,
      "number", "The version to write; 0 is the highest that is there, plus one." },
    { AX_OPTION_SIZE, "threads", "0", offsetof(struct train_config, threads), 0, 1024, "threads",
      "Threads of query and training, unless the file says a number; 0 is one a core." },
    { AX_OPTION_SIZE, "memory_max", "0", offsetof(struct train_config, memory_bytes_max), 0,
      INT64_MAX, "bytes",
      "Memory of the query before it spills to disk; 0 is 80 % of the machine." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct train_config, quiet), 0, 0, NULL,
      "Show no progress." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct train_config, json), 0, 0, NULL,
      "Print the result as JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_train_options[] = { train_options, NULL };

struct progress {
    bool is_terminal;
    bool quiet;
    bool open_line;
};

static void show_stage(void *arg, const char *what)
{
    struct progress *progress = arg;
    if (progress->quiet)
        return;
    (void)fprintf(stderr, "%strain: %s\n", progress->open_line ? "\n" : "", what);
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

static void print_json(const struct ax_training_report *report, const char *model)
{
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    (void)ax_buf_append_char(&out, '{');
    ax_json_put_key(&out, "model");
    ax_json_put_str(&out, ax_str_from(model));
    ax_json_put_key(&out, "version");
    ax_json_put_u64(&out, report->version);
    ax_json_put_key(&out, "path");
    ax_json_put_str(&out, ax_str_from(report->path));
    ax_json_put_key(&out, "digest");
    ax_json_put_str(&out, ax_str_from(report->digest));
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

static void print_text(const struct ax_training_report *report)
{
    (void)printf("%s\n", report->path);
    (void)printf("  rows     %zu read, %zu without a label left out; %zu to train, %zu to stop, "
                 "%zu to test\n",
                 report->rows_read, report->rows_unlabelled, report->rows[0], report->rows[1],
                 report->rows[2]);
    (void)printf("  rounds   %zu run, %zu kept\n", report->rounds_run, report->rounds_kept);
    (void)printf("  metrics  %.*s\n", AX_STR_ARG(ax_buf_str(&report->metrics)));
    (void)printf("  digest   %s\n", report->digest);
    (void)printf("  seconds  query %.1f, train %.1f, evaluate %.1f\n", report->seconds_query,
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
        .version = config->version,
        .threads = config->threads ? config->threads : ax_thread_core_count(),
        .memory_bytes_max = config->memory_bytes_max,
        .progress = show_round,
        .stage = show_stage,
        .arg = progress,
        .cancelled = ax_interrupt_catch(),
    };
    if (ax_train_file_read(path, &file, err))
        return err->code;
    if (!ax_train_file_spec(&file, ax_str_from(config->model), &spec, err) &&
        !ax_training_run(&file, spec, &options, &report, err)) {
        char name[256];
        (void)snprintf(name, sizeof(name), "%.*s", AX_STR_ARG(spec->name));
        if (config->json)
            print_json(&report, name);
        else
            print_text(&report);
        ax_training_report_done(&report);
    }
    ax_train_file_done(&file);
    return err->code;
}

int ax_cmd_train(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return ax_trainer_worker(argv[2]);
    struct train_config config = { 0 };
    struct ax_option_group groups[] = { { train_options, &config }, { 0 } };
    struct ax_command_line line = {
        .name = "train",
        .usage = "[OPTION]... FILE",
        .about = "Train a model on the rows of a SQL query and write a model version.\n"
                 "FILE names query, label, split and parameters; see docs/training.md.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status)) {
        struct ax_err err = AX_ERR_INIT;
        struct progress progress = { .is_terminal = isatty(STDERR_FILENO) == 1,
                                     .quiet = config.quiet };
        if (train(line.args.texts[0], &config, &progress, &err)) {
            if (progress.open_line)
                (void)fputc('\n', stderr);
            ax_command_line_complain(&line, "%s", err.msg);
            status = ax_exit_from_code(err.code);
        }
    }
    ax_command_line_done(&line);
    return status;
}
