/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex models inspect DIR...`: what is inside model versions, as it would be served; and
 * `auspex models list`, which is models_list.c.
 *
 * Each version is loaded, from its image where there is one, and its kernels are measured where
 * that was not kept; nothing is written. What an engine tells of itself is JSON; it is printed as
 * it is, or as lines of names and values.
 */
#include "cmd/cmd.h"

#include "base/clock.h"
#include "base/json.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/models_list.h"
#include "engine/image.h"
#include "engine/version.h"
#include "pipeline/version_paths.h"

#include <inttypes.h>
#include <stdio.h>

#define ARGUMENTS_MAX  1000
#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define NAME_WIDTH     22

struct models_config {
    struct ax_image_config images;
    bool json;
    char *url;
};

static const struct ax_option models_options[] = {
    { AX_OPTION_BOOL, "json", "false", offsetof(struct models_config, json), 0, 0, NULL,
      "Print a line of JSON for each version." },
    { AX_OPTION_TEXT, "url", "http://127.0.0.1:8000", offsetof(struct models_config, url), 0, 0,
      "URL", "Server that `list` asks when no folder is given." },
    { 0 },
};

const struct ax_option *const ax_cmd_models_options[] = { models_options, ax_image_options, NULL };

static void put_text(struct ax_buf *out, const char *key, const char *text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, ax_str_from(text));
}

/* Why a version was not loaded from an image; NULL: it was. */
static const char *why_no_image(const struct ax_version *version, const char *why_no_store)
{
    if (version->image != AX_VERSION_IMAGE_NONE)
        return NULL;
    if (!version->model->engine->images)
        return "its engine keeps none";
    if (version->image_note.code)
        return version->image_note.msg;
    return why_no_store ? why_no_store : "none was made of this file with these options yet";
}

/* That the version was trained with. */
static void put_service(const struct ax_version_service *service, struct ax_buf *out)
{
    if (!service->name.len)
        return;
    ax_json_put_member(out, "service", service->name);
    if (service->number)
        ax_json_put_member_u64(out, "service_version", service->number);
    put_text(out, "service_digest", service->digest);
}

/* All that is known about a version, as a JSON object. */
static void describe(const struct ax_version *version, const char *why_no_store, struct ax_buf *out)
{
    static const char *const images[] = { [AX_VERSION_IMAGE_NONE] = "none",
                                          [AX_VERSION_IMAGE_USED] = "used",
                                          [AX_VERSION_IMAGE_MADE] = "made" };
    const struct ax_model *model = version->model;
    (void)ax_buf_append_char(out, '{');
    put_text(out, "model", version->model_name);
    ax_json_put_key(out, "version");
    ax_json_put_u64(out, version->number);
    put_text(out, "path", version->path);
    put_text(out, "engine", model->engine->name);
    put_text(out, "format", model->format);
    put_text(out, "iterations", model->iterations);
    put_text(out, "digest", version->digest);
    put_service(&version->service, out);
    put_text(out, "image", images[version->image]);
    const char *why = why_no_image(version, why_no_store);
    if (why)
        put_text(out, "why_no_image", why);
    ax_json_put_key(out, "load_seconds");
    ax_json_put_f64(out, (double)version->load_ns / AX_NS_PER_S);
    ax_json_put_key(out, "inside");
    if (model->engine->describe)
        model->engine->describe(model, out);
    else
        (void)ax_buf_append_str(out, AX_STR("{}"));
    (void)ax_buf_append_char(out, '}');
}

static void print_name(struct ax_str name)
{
    (void)printf("  %-*.*s", NAME_WIDTH, (int)name.len, name.ptr);
}

static void print_scalar(const struct ax_json *value)
{
    double number = 0;
    uint64_t count = 0;
    if (ax_json_to_u64(value, &count))
        (void)printf("%" PRIu64 "\n", count);
    else if (ax_json_to_f64(value, &number))
        (void)printf("%.4g\n", number);
    else
        (void)printf("%.*s\n", AX_STR_ARG(ax_json_str(value)));
}

/* One class of batch sizes: who answers, and what a row costs in each kernel. */
static void print_class(const struct ax_json *class)
{
    uint64_t rows = 0;
    double ns;
    struct ax_json_iter it = ax_json_iterate(ax_json_get(class, "row_ns"));
    const char *separator = "; ns a row: ";
    if (!ax_json_to_u64(ax_json_get(class, "rows"), &rows))
        return;
    (void)printf("  from %2" PRIu64 " %-14s%.*s", rows, rows == 1 ? "row" : "rows",
                 AX_STR_ARG(ax_json_str(ax_json_get(class, "kernel"))));
    for (const struct ax_json *time; (time = ax_json_next(&it));) {
        if (!ax_json_to_f64(time, &ns))
            continue;
        (void)printf("%s%.*s %.0f", separator, AX_STR_ARG(it.key), ns);
        separator = ", ";
    }
    (void)printf("\n");
}

static void print_members(const struct ax_json *object)
{
    struct ax_json_iter it = ax_json_iterate(object);
    for (const struct ax_json *value; (value = ax_json_next(&it));) {
        if (ax_json_kind(value) == AX_JSON_KIND_ARRAY) {
            struct ax_json_iter classes = ax_json_iterate(value);
            for (const struct ax_json *class; (class = ax_json_next(&classes));)
                print_class(class);
        } else if (ax_json_kind(value) != AX_JSON_KIND_OBJECT) {
            print_name(it.key);
            print_scalar(value);
        }
    }
}

static enum ax_code print_text(struct ax_str text, struct ax_err *err)
{
    struct ax_json_doc *doc;
    if (ax_json_parse(text, &doc, err))
        return err->code;
    print_members(ax_json_root(doc));
    print_members(ax_json_get(ax_json_root(doc), "inside"));
    ax_json_free(doc);
    return AX_OK;
}

static enum ax_code inspect_version(const struct models_config *config,
                                    const struct ax_version_path *at, struct ax_image_store *store,
                                    const char *why_no_store, struct ax_err *err)
{
    struct ax_version_options options = { .images = store, .tune = true, .read_only = true };
    struct ax_version *version;
    struct ax_buf text;
    if (ax_version_load(at->path, at->model, at->number, &options, &version, err))
        return ax_err_context(err, "'%s'", at->path);
    ax_buf_init(&text, TEXT_BYTES_MAX);
    describe(version, why_no_store, &text);
    if (!ax_buf_check(&text, "the description", err) && config->json)
        (void)printf("%.*s\n", AX_STR_ARG(ax_buf_str(&text)));
    else if (!err->code)
        (void)(print_text(ax_buf_str(&text), err) != AX_OK);
    ax_buf_done(&text);
    ax_version_unref(version);
    return err->code;
}

static int inspect(const struct ax_command_line *line, const struct models_config *config)
{
    struct ax_err err = AX_ERR_INIT, no_store = AX_ERR_INIT;
    struct ax_version_paths paths = { 0 };
    struct ax_image_store *store = NULL;
    enum ax_code first = AX_OK;
    for (size_t i = 1; i < line->args.count && !err.code; i++)
        (void)(ax_version_paths_add(&paths, line->args.texts[i], &err) != AX_OK);
    if (err.code) {
        ax_command_line_complain(line, "%s", err.msg);
        first = err.code;
    } else if (!config->images.images) {
        (void)ax_fail(&no_store, AX_E_INVALID, "images are switched off");
    } else {
        (void)(ax_image_store_open(&config->images, false, &store, &no_store) != AX_OK);
    }
    for (size_t i = 0; !err.code && i < paths.count; i++) {
        struct ax_err failure = AX_ERR_INIT;
        if (i && !config->json)
            (void)printf("\n");
        if (inspect_version(config, &paths.items[i], store, no_store.code ? no_store.msg : NULL,
                            &failure))
            ax_command_line_complain(line, "%s", failure.msg);
        first = first ? first : failure.code;
    }
    ax_image_store_free(store);
    ax_version_paths_done(&paths);
    return (int)ax_exit_from_code(first);
}

static int list(const struct ax_command_line *line, const struct models_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    enum ax_code code = line->args.count > 1
                            ? ax_models_list_folder(line->args.texts[1], config->json, &err)
                            : ax_models_list_server(config->url, config->json, &err);
    if (code)
        ax_command_line_complain(line, "%s", err.msg);
    return (int)ax_exit_from_code(code);
}

static int run_command(const struct ax_command_line *line, const struct models_config *config)
{
    const char *command = line->args.texts[0];
    bool is_list = strcmp(command, "list") == 0;
    if (!is_list && strcmp(command, "inspect") != 0)
        ax_command_line_complain(line, "no command '%s'; there are inspect and list", command);
    else if (is_list && line->args.count > 2)
        ax_command_line_complain(line, "list takes one folder at most");
    else if (!is_list && line->args.count < 2)
        ax_command_line_complain(line, "inspect needs a folder: auspex models inspect DIR...");
    else
        return is_list ? list(line, config) : inspect(line, config);
    return AX_EXIT_USAGE;
}

int ax_cmd_models(int argc, char **argv)
{
    struct models_config config = { 0 };
    const struct ax_option_group groups[] = { { models_options, &config },
                                              { ax_image_options, &config.images },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "models",
        .usage = "inspect [OPTION]... DIR... | list [OPTION]... [DIR]",
        .about = "inspect: tell what is inside model versions: shape, memory, image, and which\n"
                 "kernel answers batches of which size, with the times that were measured.\n"
                 "DIR is a version's folder, a model's, or one of models.\n"
                 "list: tell which versions a running server has, their state and why, and how\n"
                 "many requests they had; or, with DIR, which versions lie in a folder of models.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS_MAX,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = run_command(&line, &config);
    ax_command_line_done(&line);
    return status;
}
