/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex data COMMAND`: dataset snapshots made, listed, shown, verified and deleted.
 */
#include "cmd/cmd.h"

#include "base/json.h"
#include "base/thread.h"
#include "cmd/command_line.h"
#include "cmd/data_show.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "pipeline/dataset_make.h"
#include "registry/registry.h"

#include <stdio.h>

#define OUT_BYTES_MAX ((size_t)1 << 30)

struct data_config {
    struct ax_registry_config registry;
    char *service;
    char *rows;
    char *sql;
    char *at;
    char *definitions;
    char *data;
    size_t threads;
    size_t memory_bytes_max;
    bool as_known;
    bool verify;
    bool quiet;
    bool json;
};

static const struct ax_option data_options[] = {
    { AX_OPTION_TEXT, "service", NULL, offsetof(struct data_config, service), 0, 0, "NAME",
      "Take a history: rows with the inputs of this service." },
    { AX_OPTION_TEXT, "rows", NULL, offsetof(struct data_config, rows), 0, 0, "FILE",
      "Of a history: its rows, .csv, .jsonl or .parquet." },
    { AX_OPTION_TEXT, "sql", NULL, offsetof(struct data_config, sql), 0, 0, "FILE",
      "Or a file with one SELECT that gives them." },
    { AX_OPTION_TEXT, "at", "at", offsetof(struct data_config, at), 0, 0, "COLUMN",
      "Of a history: the moment asked about, as `auspex features history` takes it." },
    { AX_OPTION_BOOL, "as_known", "false", offsetof(struct data_config, as_known), 0, 0, NULL,
      "Of a history: count only what was known at that moment." },
    { AX_OPTION_TEXT, "definitions", ".", offsetof(struct data_config, definitions), 0, 0, "FOLDER",
      "Of a history: folder of the definitions (*.yaml)." },
    { AX_OPTION_TEXT, "data", NULL, offsetof(struct data_config, data), 0, 0, "FOLDER",
      "Where relative paths of sources and SQL start; by default that of the definitions." },
    { AX_OPTION_BOOL, "verify", "false", offsetof(struct data_config, verify), 0, 0, NULL,
      "Let `show` read the rows again and compare them with the manifest." },
    { AX_OPTION_SIZE, "threads", "0", offsetof(struct data_config, threads), 0, 1024, "threads",
      "Threads; 0 is one a core. They change no digest." },
    { AX_OPTION_SIZE, "memory_max", "0", offsetof(struct data_config, memory_bytes_max), 0,
      INT64_MAX, "bytes", "Memory before it spills to disk; 0 is 80 % of the machine." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct data_config, quiet), 0, 0, NULL,
      "Show no progress." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct data_config, json), 0, 0, NULL,
      "Print lines of JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_data_options[] = { ax_registry_options, data_options, NULL };

struct data {
    const struct ax_command_line *line;
    const struct data_config *config;
    const char *name; /* the argument behind the command, or NULL */
    struct ax_buf out;
    struct ax_err err;
};

static size_t thread_count(const struct data_config *config)
{
    return config->threads ? config->threads : ax_thread_core_count();
}

/* ---- snapshot ---- */

static void show_progress(void *arg, const char *what, size_t rows_done, size_t rows)
{
    ax_progress_step(arg, what, rows_done, rows);
}

static void show_notice(void *arg, struct ax_str text)
{
    ax_progress_end(arg);
    (void)fprintf(stderr, "data: %.*s\n", AX_STR_ARG(text));
}

static void put_kept(struct data *d, const struct ax_dataset_kept *kept)
{
    if (!d->config->json) {
        ax_buf_printf(&d->out, "%s\n  rows     %llu in %zu columns%s\n  content  %s\n",
                      kept->digest, (unsigned long long)kept->rows, kept->columns,
                      kept->was_there ? "; the same snapshot was there already" : "",
                      kept->content);
        return;
    }
    ax_buf_printf(&d->out, "{\"digest\":\"%s\",\"content\":\"%s\",\"rows\":%llu,\"columns\":%zu,",
                  kept->digest, kept->content, (unsigned long long)kept->rows, kept->columns);
    ax_buf_printf(&d->out, "\"was_there\":%s}\n", kept->was_there ? "true" : "false");
}

static enum ax_code snapshot(struct data *d)
{
    const struct data_config *config = d->config;
    struct ax_dataset_kept kept;
    struct ax_progress progress;
    struct ax_dataset_history history = {
        .definitions = config->definitions,
        .data = config->data,
        .service = config->service,
        .rows = config->rows,
        .sql = config->sql,
        .at = config->at,
        .as_known = config->as_known,
    };
    struct ax_dataset_job job = {
        .state = config->registry.state,
        .path = d->name,
        .history = d->name ? NULL : &history,
        .threads = thread_count(config),
        .memory_bytes_max = config->memory_bytes_max,
        .cancelled = ax_interrupt_catch(),
        .progress = show_progress,
        .notice = show_notice,
        .arg = &progress,
    };
    ax_progress_init(&progress, "data", config->quiet);
    if (!ax_dataset_make(&job, &kept, &d->err))
        put_kept(d, &kept);
    ax_progress_end(&progress);
    return d->err.code;
}

/* ---- list, show, delete ---- */

static enum ax_code list(struct data *d)
{
    return ax_data_list(d->line, d->config->registry.state, d->config->json, &d->out, &d->err);
}

static enum ax_code verify(struct data *d, const struct ax_dataset_manifest *manifest)
{
    struct ax_sql *sql = NULL;
    atomic_bool *cancelled = ax_interrupt_catch();
    struct ax_sql_config config = {
        .threads = thread_count(d->config),
        .memory_bytes_max = d->config->memory_bytes_max,
        .cancelled = cancelled,
    };
    if (!ax_sql_open(&config, &sql, &d->err) &&
        !ax_dataset_verify(d->config->registry.state, manifest, sql, cancelled, &d->err) &&
        !d->config->json)
        ax_buf_printf(&d->out, "\nverified: bytes, digests, schema and statistics are those of the "
                               "manifest\n");
    ax_sql_close(sql);
    return d->err.code;
}

static enum ax_code show(struct data *d)
{
    const char *state = d->config->registry.state;
    struct ax_dataset_manifest manifest;
    char digest[AX_SHA256_TEXT_SIZE];
    if (ax_dataset_find(state, ax_str_from(d->name), digest, &d->err) ||
        ax_dataset_read(state, digest, &manifest, &d->err))
        return d->err.code;
    if (!ax_data_show(&manifest, d->config->json, &d->out, &d->err) && d->config->verify)
        (void)(verify(d, &manifest) != AX_OK);
    ax_dataset_manifest_done(&manifest);
    return d->err.code;
}

static enum ax_code remove_one(struct data *d)
{
    const char *state = d->config->registry.state;
    struct ax_dataset_store *store = NULL;
    char digest[AX_SHA256_TEXT_SIZE];
    if (!ax_dataset_find(state, ax_str_from(d->name), digest, &d->err) &&
        !ax_dataset_store_open(state, &store, &d->err) &&
        !ax_dataset_store_delete(store, digest, &d->err))
        ax_buf_printf(&d->out, d->config->json ? "{\"deleted\":\"%s\"}\n" : "%s is deleted\n",
                      digest);
    ax_dataset_store_close(store);
    return d->err.code;
}

/* ---- the command ---- */

static const struct command {
    const char *name;
    size_t arguments_min, arguments_max; /* behind the command itself */
    enum ax_code (*run)(struct data *data);
    const char *usage;
} commands[] = {
    { "snapshot", 0, 1, snapshot,
      "snapshot [OPTION]... FILE, or snapshot --service NAME --rows FILE|--sql FILE" },
    { "list", 0, 0, list, "list [OPTION]..." },
    { "show", 1, 1, show, "show [OPTION]... DIGEST" },
    { "delete", 1, 1, remove_one, "delete [OPTION]... DIGEST" },
};

/* A file, or a service with one kind of rows. */
static bool is_snapshot_whole(const struct data *d)
{
    const struct data_config *config = d->config;
    if (d->name)
        return !config->service && !config->rows && !config->sql;
    return config->service && !config->rows == !!config->sql;
}

static int run(struct data *d, const struct command *command)
{
    ax_buf_init(&d->out, OUT_BYTES_MAX);
    enum ax_code code = command->run(d);
    struct ax_str text = ax_buf_str(&d->out);
    if (!d->err.code && (ax_buf_check(&d->out, "the output", &d->err) ||
                         fwrite(text.ptr, 1, text.len, stdout) != text.len || fflush(stdout)))
        code = ax_fail(&d->err, AX_E_INTERNAL, "standard output cannot be written");
    if (d->err.code)
        ax_command_line_complain(d->line, "%s", d->err.msg);
    ax_buf_done(&d->out);
    return (int)ax_exit_from_code(code);
}

static int choose(const struct ax_command_line *line, const struct data_config *config)
{
    const char *name = line->args.texts[0];
    struct data data = {
        .line = line,
        .config = config,
        .name = line->args.count > 1 ? line->args.texts[1] : NULL,
        .err = AX_ERR_INIT,
    };
    for (size_t i = 0; i < AX_COUNT(commands); i++) {
        const struct command *command = &commands[i];
        size_t arguments = line->args.count - 1;
        if (strcmp(name, command->name) != 0)
            continue;
        if (arguments >= command->arguments_min && arguments <= command->arguments_max &&
            (command->run != snapshot || is_snapshot_whole(&data)))
            return run(&data, command);
        ax_command_line_complain(line, "usage: auspex data %s", command->usage);
        return AX_EXIT_USAGE;
    }
    ax_command_line_complain(line, "no command '%s'; there are snapshot, list, show and delete",
                             name);
    return AX_EXIT_USAGE;
}

int ax_cmd_data(int argc, char **argv)
{
    struct data_config config = { 0 };
    const struct ax_option_group groups[] = { { ax_registry_options, &config.registry },
                                              { data_options, &config },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "data",
        .usage = "snapshot FILE | snapshot --service NAME --rows FILE | list | show DIGEST |\n"
                 "       delete DIGEST",
        .about = "snapshot: keep the rows of a file, or a history (rows with the inputs of a\n"
                 "service as they were), under the digest of their content.\n"
                 "list: tell which snapshots there are.\n"
                 "show: tell what is in one, and what it was made from; with --verify read its\n"
                 "rows again. DIGEST is as many of its first digits as tell it from others.\n"
                 "delete: remove one. See docs/features.md.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = 2,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = choose(&line, &config);
    ax_command_line_done(&line);
    return status;
}
