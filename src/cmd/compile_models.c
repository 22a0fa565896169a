/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex compile DIR...`: make the images of model versions, so that the next load only maps them.
 *
 * What it does is what the server's first load does: the version is loaded, its image and what was
 * measured about its kernels are written when they are not there. So what compiles is what loads.
 * One that cannot be loaded is told and costs the others nothing; the exit status is that of the
 * first. Progress goes to standard error, a line for each version to standard output.
 */
#include "cmd/cmd.h"

#include "base/clock.h"
#include "base/json.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "engine/image.h"
#include "engine/version.h"
#include "pipeline/version_paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_WIDTH      30
#define ARGUMENTS_MAX  1000
#define LINE_BYTES_MAX ((size_t)1 << 16)

struct compile_config {
    struct ax_image_config images;
    bool quiet;
    bool json;
};

static const struct ax_option compile_options[] = {
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct compile_config, quiet), 0, 0, NULL,
      "Show no progress, and no versions but those that failed." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct compile_config, json), 0, 0, NULL,
      "Print a line of JSON for each version." },
    { 0 },
};

const struct ax_option *const ax_cmd_compile_options[] = { compile_options, ax_image_options,
                                                           NULL };

/* What became of a version: its image, or why it could not be loaded. */
struct outcome {
    enum ax_version_image image;
    struct ax_err err;
    double seconds;
};

static const char *outcome_word(const struct outcome *outcome)
{
    static const char *const words[] = { [AX_VERSION_IMAGE_NONE] = "none",
                                         [AX_VERSION_IMAGE_USED] = "there",
                                         [AX_VERSION_IMAGE_MADE] = "made" };
    return outcome->err.code ? "failed" : words[outcome->image];
}

static void show_progress(const struct compile_config *config, size_t done, size_t count)
{
    if (config->quiet || isatty(STDERR_FILENO) != 1)
        return;
    int width = (int)(count ? done * BAR_WIDTH / count : BAR_WIDTH);
    (void)fprintf(stderr, "\r[%.*s%*s] %zu of %zu versions ", width,
                  "##############################", BAR_WIDTH - width, "", done, count);
    if (done == count)
        (void)fputc('\n', stderr);
}

static void print_json(const struct ax_version_path *at, const struct outcome *outcome)
{
    struct ax_buf line;
    ax_buf_init(&line, LINE_BYTES_MAX);
    (void)ax_buf_append_str(&line, AX_STR("{\"model\":"));
    ax_json_put_str(&line, ax_str_from(at->model));
    (void)ax_buf_printf(&line, ",\"version\":%" PRIu64 ",\"path\":", at->number);
    ax_json_put_str(&line, ax_str_from(at->path));
    (void)ax_buf_printf(&line, ",\"image\":\"%s\",\"seconds\":%.6f", outcome_word(outcome),
                        outcome->seconds);
    if (outcome->err.code) {
        (void)ax_buf_append_str(&line, AX_STR(",\"error\":"));
        ax_json_put_str(&line, ax_str_from(outcome->err.msg));
    }
    (void)ax_buf_append_str(&line, AX_STR("}\n"));
    (void)fwrite(ax_buf_str(&line).ptr, 1, line.len, stdout);
    ax_buf_done(&line);
}

static void print_text(const struct ax_version_path *at, const struct outcome *outcome)
{
    (void)printf("%s version %" PRIu64 ": ", at->model, at->number);
    if (outcome->err.code)
        (void)printf("failed: %s\n", outcome->err.msg);
    else
        (void)printf("image %s, %.1f ms\n", outcome_word(outcome), outcome->seconds * 1e3);
}

/* An image that could be neither found nor made counts as a failure, since it was asked for. */
static struct outcome compile_version(const struct ax_version_path *at,
                                      struct ax_image_store *store)
{
    struct outcome outcome = { .err = AX_ERR_INIT };
    struct ax_version_options options = { .images = store, .tune = true };
    struct ax_version *version = NULL;
    uint64_t began_ns = ax_clock_ns();
    if (!ax_version_load(at->path, at->model, at->number, &options, &version, &outcome.err)) {
        outcome.image = version->image;
        if (version->image == AX_VERSION_IMAGE_NONE)
            outcome.err = version->image_note;
    }
    ax_version_unref(version);
    outcome.seconds = (double)(ax_clock_ns() - began_ns) / AX_NS_PER_S;
    return outcome;
}

static int compile_all(const struct compile_config *config, const struct ax_version_paths *paths,
                       struct ax_image_store *store)
{
    const atomic_bool *cancelled = ax_interrupt_catch();
    enum ax_code first = AX_OK;
    for (size_t i = 0; i < paths->count && !atomic_load(cancelled); i++) {
        show_progress(config, i, paths->count);
        struct outcome outcome = compile_version(&paths->items[i], store);
        first = first ? first : outcome.err.code;
        if (config->json)
            print_json(&paths->items[i], &outcome);
        else if (!config->quiet || outcome.err.code)
            print_text(&paths->items[i], &outcome);
    }
    if (atomic_load(cancelled))
        return AX_EXIT_INTERRUPTED;
    show_progress(config, paths->count, paths->count);
    return (int)ax_exit_from_code(first);
}

static int compile(const struct ax_command_line *line, const struct compile_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_version_paths paths = { 0 };
    struct ax_image_store *store = NULL;
    int status;
    if (!config->images.images) {
        ax_command_line_complain(line, "--images=false leaves nothing to do");
        return AX_EXIT_USAGE;
    }
    for (size_t i = 0; i < line->args.count && !err.code; i++)
        (void)(ax_version_paths_add(&paths, line->args.texts[i], &err) != AX_OK);
    if (!err.code && !ax_image_store_open(&config->images, true, &store, &err)) {
        status = compile_all(config, &paths, store);
    } else {
        ax_command_line_complain(line, "%s", err.msg);
        status = (int)ax_exit_from_code(err.code);
    }
    ax_image_store_free(store);
    ax_version_paths_done(&paths);
    return status;
}

int ax_cmd_compile(int argc, char **argv)
{
    struct compile_config config = { 0 };
    const struct ax_option_group groups[] = { { compile_options, &config },
                                              { ax_image_options, &config.images },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "compile",
        .usage = "[OPTION]... DIR...",
        .about = "Make the images of model versions, which later loads map.\n"
                 "DIR is a version's folder, a model's, or one of models.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS_MAX,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = compile(&line, &config);
    ax_command_line_done(&line);
    return status;
}
