/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex plan`: what `auspex apply` would do. It changes nothing and takes no lock.
 *
 * Its exit status is for scripts: 0 nothing to do, 2 something, 1 it could not be told. So failures
 * have one status here, whatever they are.
 */
#include "cmd/cmd.h"

#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/planning.h"

enum plan_status { PLAN_NOTHING = 0, PLAN_FAILURE = 1, PLAN_CHANGES = 2 };

struct plan_config {
    struct ax_registry_config registry;
    bool check;
    bool json;
};

static const struct ax_option plan_options[] = {
    { AX_OPTION_BOOL, "check", "false", offsetof(struct plan_config, check), 0, 0, NULL,
      "Open the files of sources that are new or changed and compare them with their columns." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct plan_config, json), 0, 0, NULL,
      "Print one JSON object." },
    { 0 },
};

const struct ax_option *const ax_cmd_plan_options[] = { ax_registry_options, plan_options, NULL };

static int plan(const struct ax_command_line *line, const struct plan_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_planning planning;
    enum plan_status status = PLAN_FAILURE;
    const char *folder = line->args.count ? line->args.texts[0] : ".";
    if (ax_planning_read(&planning, folder, &err) ||
        ax_planning_compare(&planning, config->registry.state, AX_REGISTRY_READ, &err) ||
        (config->check && ax_planning_check(&planning, config->registry.state, false, &err)) ||
        (config->json ? ax_planning_print_json(&planning, AX_PLANNING_PLANNED, 0,
                                               &ax_text_output_standard, &err)
                      : ax_planning_print_text(&planning, &ax_text_output_standard, &err)))
        ax_command_line_complain(line, "%s", err.msg);
    else
        status = ax_plan_is_empty(&planning.plan) ? PLAN_NOTHING : PLAN_CHANGES;
    ax_planning_done(&planning);
    return (int)status;
}

int ax_cmd_plan(int argc, char **argv)
{
    struct plan_config config = { 0 };
    const struct ax_option_group groups[] = { { ax_registry_options, &config.registry },
                                              { plan_options, &config },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "plan",
        .usage = "[OPTION]... [FOLDER]",
        .about = "Tell what auspex apply would do with the definitions (*.yaml) of FOLDER, or of\n"
                 "this folder: what is added, changed and dropped, which models break, and how\n"
                 "many bytes an entity takes online. Exit status: 0 nothing to do, 2 changes,\n"
                 "1 failure. See docs/features.md.",
        .groups = groups,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = plan(&line, &config);
    else if (status != AX_EXIT_OK)
        status = PLAN_FAILURE;
    ax_command_line_done(&line);
    return status;
}
