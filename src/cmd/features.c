/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features COMMAND`: what is applied, looked at from all sides.
 *
 * The commands of the catalogue read the registry and change nothing, so they take no lock and may
 * run beside an apply. A command with options of its own is a function of its own file.
 */
#include "cmd/cmd.h"

#include "cmd/command_line.h"
#include "cmd/control_client.h"
#include "cmd/exit_code.h"
#include "cmd/features_catalogue.h"
#include "cmd/features_check.h"
#include "cmd/features_consistency.h"
#include "cmd/features_delete.h"
#include "cmd/features_export.h"
#include "cmd/features_history.h"
#include "feature/definition_keys.h"

#include <stdio.h>

#define ARENA_BYTES_INIT ((size_t)1 << 20)
#define ARENA_BYTES_MAX  ((size_t)4 << 30)
#define OUT_BYTES_MAX    ((size_t)1 << 30)
#define TYPED_BYTES_MAX  ((size_t)4096)
#define VERSION_MAX      ((int64_t)1 << 48)

struct features_config {
    struct ax_registry_config registry;
    struct ax_features_history_config history;
    struct ax_features_check_config check;
    struct ax_features_export_config export;
    struct ax_features_delete_config delete;
    struct ax_feature_store_config store;
    struct ax_features_consistency_config consistency;
    bool json;
    bool dot;
    bool markdown;
    int kind;
    size_t version;
};

static const struct ax_option features_options[] = {
    { AX_OPTION_CHOICE, "kind", "feature", offsetof(struct features_config, kind), 0, 0,
      AX_FEATURES_KINDS, "What `list` lists." },
    { AX_OPTION_SIZE, "version", "0", offsetof(struct features_config, version), 0, VERSION_MAX,
      NULL, "Version that `show` shows; 0: the one in force." },
    { AX_OPTION_BOOL, "dot", "false", offsetof(struct features_config, dot), 0, 0, NULL,
      "Print what `lineage` finds as a graph for Graphviz's dot." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct features_config, json), 0, 0, NULL,
      "Print lines of JSON." },
    { AX_OPTION_BOOL, "markdown", "false", offsetof(struct features_config, markdown), 0, 0, NULL,
      "Print what `schema` tells as tables of Markdown." },
    { 0 },
};

const struct ax_option *const ax_cmd_features_options[] = {
    ax_registry_options,
    features_options,
    ax_features_history_options,
    ax_features_check_options,
    ax_features_export_options,
    ax_features_delete_options,
    ax_feature_store_options,
    ax_features_consistency_options,
    NULL,
};

static enum ax_code load(const struct features_config *config,
                         struct ax_features_catalogue *catalogue, struct ax_err *err)
{
    if (ax_registry_open(config->registry.state, AX_REGISTRY_READ, &catalogue->registry, err)) {
        if (err->code == AX_E_NOT_FOUND) {
            ax_err_clear(err);
            (void)ax_fail(err, AX_E_NOT_FOUND,
                          "nothing was applied yet in '%s'; auspex apply does it",
                          config->registry.state);
        }
        return err->code;
    }
    if (ax_registry_read(catalogue->registry, catalogue->arena, &catalogue->objects, err))
        return err->code;
    return ax_plan_uses(catalogue->registry, &catalogue->objects, &catalogue->objects,
                        catalogue->arena, &catalogue->uses, &catalogue->use_count, err);
}

static enum ax_code print(const struct ax_command_line *line, const struct features_config *config,
                          const struct ax_features_catalogue *catalogue, struct ax_buf *out,
                          struct ax_err *err)
{
    const char *command = line->args.texts[0];
    struct ax_features_name name = { 0 };
    bool has_name = line->args.count > 1;
    if (has_name)
        name = ax_features_name_parse(ax_str_from(line->args.texts[1]));
    if (strcmp(command, "list") == 0)
        return ax_features_list(catalogue, config->kind, config->json, out, err);
    if (strcmp(command, "show") == 0)
        return ax_features_show(catalogue, &name, config->version, config->json, out, err);
    return ax_features_lineage(catalogue, has_name ? &name : NULL,
                               config->dot    ? AX_FEATURES_DOT
                               : config->json ? AX_FEATURES_JSON
                                              : AX_FEATURES_TEXT,
                               out, err);
}

static int run(const struct ax_command_line *line, const struct features_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_buf out;
    struct ax_features_catalogue catalogue = { .arena = &arena };
    ax_arena_init(&arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    ax_buf_init(&out, OUT_BYTES_MAX);
    if (load(config, &catalogue, &err) || print(line, config, &catalogue, &out, &err))
        ax_command_line_complain(line, "%s", err.msg);
    else if (fwrite(ax_buf_str(&out).ptr, 1, out.len, stdout) != out.len || fflush(stdout))
        (void)ax_fail(&err, AX_E_INTERNAL, "standard output was closed");
    ax_registry_close(catalogue.registry);
    ax_buf_done(&out);
    ax_arena_done(&arena);
    return (int)ax_exit_from_code(err.code);
}

/* The keys of definitions: as a JSON Schema, or as docs/feature-definitions.md has them. */
static int print_schema(const struct features_config *config)
{
    struct ax_buf out;
    ax_buf_init(&out, OUT_BYTES_MAX);
    if (config->markdown)
        ax_definition_put_markdown(&out);
    else
        ax_definition_put_schema(&out);
    size_t written = fwrite(ax_buf_str(&out).ptr, 1, out.len, stdout);
    bool whole = !out.failed && written == out.len && fflush(stdout) == 0;
    ax_buf_done(&out);
    return whole ? AX_EXIT_OK : AX_EXIT_FAILURE;
}

/* Whether the command is there and has the arguments that it needs. */
static bool check_command(const struct ax_command_line *line)
{
    static const struct {
        const char *name;
        size_t arguments_min, arguments_max; /* with the command itself */
        const char *usage;
    } commands[] = {
        { "list", 1, 1, "list [OPTION]..." },
        { "show", 2, 2, "show [OPTION]... [KIND:]NAME[.FEATURE]" },
        { "lineage", 1, 2, "lineage [OPTION]... [[KIND:]NAME[.FEATURE]]" },
        { "schema", 1, 1, "schema [OPTION]..." },
        { "check", 1, 2, "check [OPTION]... [FOLDER]" },
        { "export", 1, 1, "export [OPTION]... --feast FOLDER" },
        { "delete", 1, 1, "delete [OPTION]... --entity NAME --key COLUMN=VALUE|--keys FILE" },
        { "consistency", 1, 1, "consistency [OPTION]... --service NAME" },
        { "history", 1, 1, "history [OPTION]... --service NAME --out FILE --rows FILE|--sql FILE" },
    };
    const char *command = line->args.texts[0];
    for (size_t i = 0; i < AX_COUNT(commands); i++) {
        if (strcmp(command, commands[i].name) != 0)
            continue;
        if (line->args.count >= commands[i].arguments_min &&
            line->args.count <= commands[i].arguments_max)
            return true;
        ax_command_line_complain(line, "usage: auspex features %s", commands[i].usage);
        return false;
    }
    ax_command_line_complain(
        line,
        "no command '%s'; there are list, show, lineage, check, history, consistency, export, "
        "delete and schema",
        command);
    return false;
}

/* The folder is an argument, as that of plan and apply, or the option of history. */
static int check(const struct ax_command_line *line, const struct features_config *config)
{
    const struct ax_features_check_common common = {
        .definitions = line->args.count > 1 ? line->args.texts[1] : config->history.definitions,
        .data = config->history.data,
        .threads = config->history.threads,
        .memory_bytes_max = config->history.memory_bytes_max,
        .state = config->registry.state,
        .json = config->json,
    };
    return ax_features_check(line, &config->check, &common);
}

static int delete_keys(const struct ax_command_line *line, const struct features_config *config,
                       int argc, char **argv)
{
    struct ax_buf typed;
    ax_buf_init(&typed, TYPED_BYTES_MAX);
    ax_control_put_typed(&typed, argc, argv);
    int status = ax_features_delete(line, &config->delete, &config->store, config->registry.state,
                                    ax_buf_str(&typed), config->json);
    ax_buf_done(&typed);
    return status;
}

static int consistency(const struct ax_command_line *line, const struct features_config *config)
{
    const struct ax_features_consistency_common common = {
        .service = config->history.service,
        .out = config->history.out,
        .data = config->history.data,
        .threads = config->history.threads,
        .memory_bytes_max = config->history.memory_bytes_max,
        .state = config->registry.state,
        .json = config->json,
        .quiet = config->history.quiet,
    };
    return ax_features_consistency(line, &config->consistency, &common);
}

int ax_cmd_features(int argc, char **argv)
{
    struct features_config config = { 0 };
    const struct ax_option_group groups[] = { { ax_registry_options, &config.registry },
                                              { features_options, &config },
                                              { ax_features_history_options, &config.history },
                                              { ax_features_check_options, &config.check },
                                              { ax_features_export_options, &config.export },
                                              { ax_features_delete_options, &config.delete },
                                              { ax_feature_store_options, &config.store },
                                              { ax_features_consistency_options,
                                                &config.consistency },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "features",
        .usage = "list | show NAME | lineage [NAME] | check [FOLDER] | history | consistency | "
                 "export | delete | schema",
        .about = "list: tell which features are applied, or with --kind which other definitions\n"
                 "are, or which applies were done.\n"
                 "show: tell everything about a definition or one feature of it, as it is in\n"
                 "force or was in a former version.\n"
                 "lineage: tell where it comes from and what is made from it, down to files and\n"
                 "up to the versions of models. NAME is plane, plane.seats, view:plane or\n"
                 "file:data/planes.csv.\n"
                 "check: look at what is expected of sources, by the definitions in FOLDER.\n"
                 "history: add the inputs of a service to rows, as they were at each row's\n"
                 "moment.\n"
                 "consistency: compare what a server served of features with a history.\n"
                 "export: write a repository of Feast from what is applied, for clients of Feast\n"
                 "that ask a server of ours.\n"
                 "delete: have keys of an entity go, with their values, windows and pushed rows;\n"
                 "a server that runs does it, with its own limits of the store.\n"
                 "schema: print the JSON Schema of files of definitions, for editors. See\n"
                 "docs/features.md.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = 2,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status =
            !check_command(&line)                       ? AX_EXIT_USAGE
            : strcmp(line.args.texts[0], "schema") == 0 ? print_schema(&config)
            : strcmp(line.args.texts[0], "check") == 0  ? check(&line, &config)
            : strcmp(line.args.texts[0], "history") == 0
                ? ax_features_history(&line, &config.history, config.registry.state, config.json)
            : strcmp(line.args.texts[0], "consistency") == 0 ? consistency(&line, &config)
            : strcmp(line.args.texts[0], "export") == 0
                ? ax_features_export(&line, &config.export, config.registry.state)
            : strcmp(line.args.texts[0], "delete") == 0 ? delete_keys(&line, &config, argc, argv)
                                                        : run(&line, &config);
    ax_command_line_done(&line);
    return status;
}
