/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features history`. What is being made lies in a hidden folder beside the output, which is
 * locked while the process lives, so that two that write one file do not meet in it. Of a folder
 * that a killed one left, the parts that are done are used, and the rest is removed.
 */
#include "cmd/features_history.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/deprecations.h"
#include "cmd/exit_code.h"
#include "cmd/expression_place.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "feature/offline/offline.h"
#include "pipeline/history_work.h"

#include <stdio.h>
#include <stdlib.h>

#define SQL_BYTES_MAX ((size_t)8 << 20)

const struct ax_option ax_features_history_options[] = {
    { AX_OPTION_TEXT, "rows", NULL, offsetof(struct ax_features_history_config, rows), 0, 0, "FILE",
      "Rows that `history` adds features to: .csv, .jsonl or .parquet." },
    { AX_OPTION_TEXT, "sql", NULL, offsetof(struct ax_features_history_config, sql), 0, 0, "FILE",
      "Or a file with one SELECT that gives the rows." },
    { AX_OPTION_TEXT, "service", NULL, offsetof(struct ax_features_history_config, service), 0, 0,
      "NAME", "The service whose inputs are wanted, or whose vectors `consistency` looks at." },
    { AX_OPTION_TEXT, "out", NULL, offsetof(struct ax_features_history_config, out), 0, 0, "FILE",
      "What is written: .parquet or .csv; by `consistency` the vectors that are not the same, if "
      "there are any." },
    { AX_OPTION_TEXT, "at", "at", offsetof(struct ax_features_history_config, at), 0, 0,
      "EXPRESSION",
      "Moment asked about: a column of the rows, or an expression over them, like "
      "sched_dep - 2h." },
    { AX_OPTION_BOOL, "as_known", "false", offsetof(struct ax_features_history_config, as_known), 0,
      0, NULL, "Count only what was known at that moment." },
    { AX_OPTION_TEXT, "definitions", ".", offsetof(struct ax_features_history_config, definitions),
      0, 0, "FOLDER", "Folder of the definitions (*.yaml)." },
    { AX_OPTION_TEXT, "data", NULL, offsetof(struct ax_features_history_config, data), 0, 0,
      "FOLDER",
      "Where relative paths of sources and SQL start; by default that of the "
      "definitions." },
    { AX_OPTION_SIZE, "threads", "0", offsetof(struct ax_features_history_config, threads), 0, 1024,
      "threads", "Threads of `history`, `check` and `consistency`; 0 is one a core." },
    { AX_OPTION_SIZE, "memory_max", "0",
      offsetof(struct ax_features_history_config, memory_bytes_max), 0, INT64_MAX, "bytes",
      "Memory of `history`, `check` and `consistency` before they spill to disk, at least "
      "64000000; 0 is 80 % of "
      "the machine." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct ax_features_history_config, quiet), 0, 0,
      NULL, "Show no progress of `history` and `consistency`." },
    { 0 },
};

/* ---- progress ---- */

static void show(void *arg, const char *what, size_t rows_done, size_t rows)
{
    ax_progress_step(arg, what, rows_done, rows);
}

static void tell(void *arg, struct ax_str text)
{
    ax_progress_end(arg);
    (void)fprintf(stderr, "history: %.*s\n", AX_STR_ARG(text));
}

/* ---- the work folder ---- */

/* ".NAME.work" beside the output. */
static enum ax_code open_work(struct ax_history_work *work, const char *out, struct ax_err *err)
{
    const char *slash = strrchr(out, '/');
    int folder = slash ? (int)(slash - out) + 1 : 0;
    size_t size = strlen(out) + sizeof(".work") + 2;
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%.*s.%s.work", folder, out, out + folder);
    if (ax_history_work_open(path, work, err) == AX_E_LIMIT)
        (void)ax_err_context(err, "another process is writing '%s'", out);
    free(path);
    return err->code;
}

/* Who interrupts may want to go on, and who makes room: parts that are done stay, and are told of.
 */
static void close_work(struct ax_history_work *work, enum ax_code ended)
{
    char *path = work->path ? ax_xstrdup(work->path) : NULL;
    if (ax_history_work_close(work, ended))
        (void)fprintf(stderr, "history: '%s' keeps what is done; the same command goes on\n", path);
    free(path);
}

/* ---- the command ---- */

struct history {
    const struct ax_features_history_config *config;
    const char *state;
    struct ax_definitions definitions;
    struct ax_source_journals *journals;
    struct ax_offline *offline;
    struct ax_offline_report report;
    struct ax_progress progress;
    struct ax_history_work work;
    struct ax_buf sql;
    size_t at_place; /* of a failure: byte of --at; SIZE_MAX: elsewhere */
};

static enum ax_code open_store(struct history *h, struct ax_err *err)
{
    const struct ax_features_history_config *config = h->config;
    struct ax_offline_config store = {
        .definitions = &h->definitions,
        .data_folder = config->data ? config->data : h->definitions.folder,
        .work_folder = h->work.path,
        .threads = config->threads ? config->threads : ax_thread_core_count(),
        .memory_bytes_max = config->memory_bytes_max,
        .journals = h->journals,
        .cancelled = ax_interrupt_catch(),
        .progress = show,
        .notice = tell,
        .arg = &h->progress,
        .keep_parts = true,
    };
    return ax_offline_open(&store, &h->offline, err);
}

static enum ax_code read_query(struct history *h, struct ax_err *err)
{
    if (ax_file_read(h->config->sql, &h->sql, err))
        return err->code;
    if (!h->sql.len)
        return ax_fail(err, AX_E_INVALID, "%s is empty; one SELECT is expected", h->config->sql);
    return AX_OK;
}

static enum ax_code history(struct history *h, struct ax_err *err)
{
    const struct ax_features_history_config *config = h->config;
    const struct ax_service *service = NULL;
    if (ax_definitions_read(config->definitions, &h->definitions, err) ||
        ax_definitions_find_service(&h->definitions, ax_str_from(config->service), &service, err) ||
        (config->sql && read_query(h, err)) || open_work(&h->work, config->out, err) ||
        ax_source_journals_open(h->state, &h->definitions, &h->journals, err) || open_store(h, err))
        return err->code;
    ax_deprecations_warn("history", service);
    struct ax_offline_rows rows = {
        .sql = ax_buf_str(&h->sql),
        .sql_path = config->sql,
        .path = config->rows,
        .at = ax_str_from(config->at),
        .as_known = config->as_known,
        .ret_at_place = &h->at_place,
    };
    return ax_offline_history(h->offline, service, &rows, config->out, &h->report, err);
}

static void print_report(const struct history *h, bool json)
{
    const struct ax_offline_report *report = &h->report;
    struct ax_buf text;
    if (!json) {
        (void)printf("%s\n  rows     %zu\n  inputs   %zu of service '%s'\n", h->config->out,
                     report->rows, report->inputs, h->config->service);
        if (report->dropped_rows)
            (void)printf("  dropped  %zu rows of sources\n", report->dropped_rows);
        (void)printf("  digest   %s\n  seconds  %.1f\n", report->digest, report->seconds);
        return;
    }
    ax_buf_init(&text, 65536);
    (void)ax_buf_append_str(&text, AX_STR("{\"out\":"));
    ax_json_put_str(&text, ax_str_from(h->config->out));
    ax_buf_printf(&text,
                  ",\"rows\":%zu,\"inputs\":%zu,\"dropped_rows\":%zu,\"digest\":\"%s\","
                  "\"top_k_too_many\":%zu,\"seconds\":%.3f}\n",
                  report->rows, report->inputs, report->dropped_rows, report->digest,
                  report->too_many, report->seconds);
    (void)fwrite(ax_buf_str(&text).ptr, 1, text.len, stdout);
    ax_buf_done(&text);
}

int ax_features_history(const struct ax_command_line *line,
                        const struct ax_features_history_config *config, const char *state,
                        bool json)
{
    struct ax_err err = AX_ERR_INIT;
    struct history h = {
        .config = config, .state = state, .work = { .lock = -1 }, .at_place = SIZE_MAX
    };
    if (!config->rows == !config->sql || !config->service || !config->out) {
        ax_command_line_complain(line, "usage: auspex features history [OPTION]... --service NAME "
                                       "--out FILE --rows FILE|--sql FILE");
        return AX_EXIT_USAGE;
    }
    ax_buf_init(&h.sql, SQL_BYTES_MAX);
    ax_progress_init(&h.progress, "history", config->quiet);
    enum ax_code code = history(&h, &err);
    ax_progress_end(&h.progress);
    if (code) {
        ax_command_line_complain(line, "%s", err.msg);
        if (h.at_place <= strlen(config->at) && ax_str_is_utf8(ax_str_from(config->at)))
            ax_expression_place_show(ax_str_from(config->at), h.at_place, stderr);
    } else {
        print_report(&h, json);
    }
    ax_offline_close(h.offline);
    ax_source_journals_close(h.journals);
    close_work(&h.work, code);
    ax_definitions_done(&h.definitions);
    ax_buf_done(&h.sql);
    return (int)ax_exit_from_code(err.code);
}
