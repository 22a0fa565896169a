/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex predict --model DIR INPUT OUTPUT`: every row of a file through a model version.
 *
 * Progress and notes go to standard error. The summary goes to standard output, or to standard
 * error when the rows go there.
 */
#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "engine/image.h"
#include "pipeline/batch_predict.h"

#include <stdio.h>

struct predict_config {
    struct ax_image_config images;
    char *model;
    struct ax_option_list keep;
    int format;
    size_t threads;
    size_t memory_bytes_max;
    bool quiet;
    bool json;
};

enum { FORMAT_BY_NAME };

static const struct ax_option predict_options[] = {
    { AX_OPTION_TEXT, "model", NULL, offsetof(struct predict_config, model), 0, 0, "DIR",
      "A version's folder, or a model's, whose highest version is taken then." },
    { AX_OPTION_LIST, "keep", NULL, offsetof(struct predict_config, keep), 0, 0, "COLUMN",
      "An input column to put in front of the predictions; may be repeated; all is every one." },
    { AX_OPTION_CHOICE, "format", "auto", offsetof(struct predict_config, format), 0, 0,
      "auto|csv|jsonl|parquet",
      "How the output is written; auto goes by its name, and is csv for -." },
    { AX_OPTION_SIZE, "threads", "0", offsetof(struct predict_config, threads), 0, 1024, "threads",
      "Threads that read; 0 is one a core." },
    { AX_OPTION_SIZE, "memory_max", "1g", offsetof(struct predict_config, memory_bytes_max), 0,
      INT64_MAX, "bytes", "Most memory that reading may take; 0 is 80 % of the machine." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct predict_config, quiet), 0, 0, NULL,
      "Show no progress and no notes." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct predict_config, json), 0, 0, NULL,
      "Print the summary as JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_predict_options[] = { predict_options, ax_image_options,
                                                           NULL };

static void show_note(void *arg, const char *text)
{
    ax_progress_note(arg, text);
}

static void show_progress(void *arg, size_t rows, double share)
{
    ax_progress_show(arg, rows, share);
}

static void print_summary(const struct ax_batch_predict_report *report, bool json, FILE *out)
{
    double rate = (double)report->rows / (report->seconds > 0 ? report->seconds : 1e-9);
    if (!json) {
        (void)fprintf(out, "%zu rows by %s version %llu in %.1f s, %.0f a second\n", report->rows,
                      report->model, (unsigned long long)report->version, report->seconds, rate);
        return;
    }
    struct ax_buf text;
    ax_buf_init(&text, 4096);
    (void)ax_buf_append_str(&text, AX_STR("{\"model\":"));
    ax_json_put_str(&text, ax_str_from(report->model));
    ax_buf_printf(&text,
                  ",\"version\":%llu,\"rows\":%zu,\"seconds\":%.3f,\"rows_per_second\":%.0f}\n",
                  (unsigned long long)report->version, report->rows, report->seconds, rate);
    (void)fwrite(ax_buf_str(&text).ptr, 1, text.len, out);
    ax_buf_done(&text);
}

/* What the options mean; false when they do not fit together, which was told. */
static bool make_options(const struct ax_command_line *line, const struct predict_config *config,
                         struct ax_batch_predict_options *options)
{
    options->images = &config->images;
    options->model = config->model;
    options->input = line->args.texts[0];
    options->output = line->args.texts[1];
    options->keep = config->keep.texts;
    options->keep_count = config->keep.count;
    options->threads = config->threads ? config->threads : ax_thread_core_count();
    options->memory_bytes_max = config->memory_bytes_max;
    if (!config->model) {
        ax_command_line_complain(line, "--model DIR is missing");
        return false;
    }
    if (!ax_table_format_of(options->input, &options->input_format)) {
        ax_command_line_complain(line, "'%s' does not end in .csv, .jsonl or .parquet",
                                 options->input);
        return false;
    }
    if (config->format != FORMAT_BY_NAME) {
        options->output_format = (enum ax_table_format)(config->format - 1);
    } else if (strcmp(options->output, "-") == 0) {
        options->output_format = AX_TABLE_CSV;
    } else if (!ax_table_format_of(options->output, &options->output_format)) {
        ax_command_line_complain(
            line, "'%s' does not end in .csv, .jsonl or .parquet; say --format", options->output);
        return false;
    }
    return true;
}

static int predict(const struct ax_command_line *line, const struct predict_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_progress progress;
    struct ax_batch_predict_options options = { .progress = show_progress,
                                                .note = show_note,
                                                .arg = &progress,
                                                .cancelled = ax_interrupt_catch() };
    struct ax_batch_predict_report report;
    ax_progress_init(&progress, "predict", config->quiet);
    if (!make_options(line, config, &options))
        return AX_EXIT_USAGE;
    enum ax_code code = ax_batch_predict_run(&options, &report, &err);
    ax_progress_end(&progress);
    if (code) {
        ax_command_line_complain(line, "%s", err.msg);
        return (int)ax_exit_from_code(code);
    }
    bool to_stdout = strcmp(options.output, "-") != 0;
    if (!config->quiet || config->json)
        print_summary(&report, config->json, to_stdout ? stdout : stderr);
    return AX_EXIT_OK;
}

int ax_cmd_predict(int argc, char **argv)
{
    struct predict_config config = { 0 };
    const struct ax_option_group groups[] = { { predict_options, &config },
                                              { ax_image_options, &config.images },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "predict",
        .usage = "[OPTION]... --model DIR INPUT OUTPUT",
        .about = "Put every row of a CSV, JSON lines or Parquet file through a model version.\n"
                 "OUTPUT is a file, or - for standard output; see docs/batch-prediction.md.",
        .groups = groups,
        .arguments_min = 2,
        .arguments_max = 2,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = predict(&line, &config);
    ax_command_line_done(&line);
    return status;
}
