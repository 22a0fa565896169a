/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex apply`: make the definitions of a folder those that are in force.
 *
 * The folder is read before anybody is asked for the state directory, so a mistake in it keeps
 * nobody out. What is planned by the owner, which is this process or a server, is applied in one
 * transaction. Being killed at any moment leaves what was in force before or what is after. A
 * server reads the folder again, and has what was applied in force before it says so.
 */
#include "cmd/cmd.h"

#include "auspex_config.h"
#include "base/clock.h"
#include "cmd/command_line.h"
#include "cmd/control_client.h"
#include "cmd/exit_code.h"
#include "cmd/jobs.h"
#include "cmd/planning.h"
#include "server/definitions_watch.h"
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define COMMAND_BYTES_MAX ((size_t)4096)
#define NAME_BYTES_MAX    ((size_t)1 << 10)
#define OUTCOME_BYTES_MAX ((size_t)256)

struct apply_config {
    struct ax_registry_config registry;
    bool force;
    bool check;
    bool json;
};

static const struct ax_option apply_options[] = {
    { AX_OPTION_BOOL, "force", "false", offsetof(struct apply_config, force), 0, 0, NULL,
      "Apply also what breaks an applied model, or drops another project." },
    { AX_OPTION_BOOL, "check", "true", offsetof(struct apply_config, check), 0, 0, NULL,
      "Open the files of sources that are new or changed and compare them with their columns." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct apply_config, json), 0, 0, NULL,
      "Print the plan as one JSON object when it is done, as plan --json does, with `applied`: the "
      "number of the last apply, or null when nothing was done." },
    { 0 },
};

const struct ax_option *const ax_cmd_apply_options[] = { ax_registry_options, apply_options, NULL };

/* ---- the work, whoever does it ---- */

struct apply_work {
    const struct apply_config *config;
    const char *state;
    struct ax_planning planning;
    struct ax_registry_change change;
    struct ax_text_output *output;
};

static bool is_cancelled(const struct apply_work *work)
{
    return work->planning.cancelled && atomic_load(work->planning.cancelled);
}

/* What is planned, unless it takes force. */
static enum ax_code do_plan(struct apply_work *work, uint64_t *ret_apply, struct ax_err *err)
{
    const struct apply_config *config = work->config;
    struct ax_planning *planning = &work->planning;
    if (planning->plan.changes_project && !config->force)
        return ax_fail(err, AX_E_CONFLICT,
                       "nothing was applied: '%s' has the definitions of another project, as told "
                       "above, which would be dropped; give this one its own --state, or --force",
                       work->state);
    if (planning->plan.break_count && !config->force)
        return ax_fail(err, AX_E_CONFLICT,
                       "nothing was applied: it would break what applied models need, as told "
                       "above; --force applies it all the same");
    if (config->check && ax_planning_check(planning, work->state, true, err))
        return ax_err_context(err, "nothing was applied (--check=false opens no file)");
    if (is_cancelled(work))
        return ax_fail(err, AX_E_CANCELLED, "nothing was applied: cancelled");
    work->change.applied_at_us = ax_clock_wall_us();
    return ax_plan_apply(&planning->plan, planning->registry, &work->change, &planning->arena,
                         ret_apply, err);
}

/* As JSON the plan is told when it is known what became of it. */
static void print_outcome(const struct apply_work *work, uint64_t number, struct ax_err *err)
{
    const struct ax_planning *planning = &work->planning;
    struct ax_err unprinted = AX_ERR_INIT;
    if (work->config->json) {
        enum ax_planning_outcome outcome = err->code ? AX_PLANNING_REFUSED : AX_PLANNING_APPLIED;
        if (ax_planning_print_json(planning, outcome, number, work->output, &unprinted) &&
            !err->code)
            *err = unprinted;
        return;
    }
    if (err->code)
        return;
    struct ax_buf text;
    unsigned long long told = number;
    ax_buf_init(&text, OUTCOME_BYTES_MAX);
    if (ax_plan_is_empty(&planning->plan))
        ax_buf_printf(&text, "nothing to apply\n");
    else if (number == planning->applied.apply)
        ax_buf_printf(&text, "described otherwise: %zu; apply %llu stays in force\n",
                      planning->plan.counts[AX_PLAN_DESCRIBE], told);
    else
        ax_buf_printf(&text, "applied: %llu\n", told);
    if (work->output->print(work->output, ax_buf_str(&text), err))
        (void)ax_err_context(err, "it is applied, but could not be told");
    ax_buf_done(&text);
}

/* For the owner of the state directory, with definitions that were read. The plan as text is told
 * before anything is done. */
static enum ax_code apply_owned(struct apply_work *work, struct ax_err *err)
{
    uint64_t number = 0;
    if (ax_planning_compare(&work->planning, work->state, AX_REGISTRY_WRITE, err) ||
        (!work->config->json && ax_planning_print_text(&work->planning, work->output, err)))
        return err->code;
    (void)(do_plan(work, &number, err) != AX_OK);
    print_outcome(work, number, err);
    return err->code;
}

/* The definitions, their files as they were read, and where their relative paths start, whoever
 * reads them later. */
static enum ax_code read_folder(struct apply_work *work, const char *path, char folder[PATH_MAX],
                                struct ax_err *err)
{
    if (ax_planning_read(&work->planning, path, err))
        return err->code;
    const struct ax_definitions *definitions = &work->planning.definitions;
    if (!realpath(definitions->folder, folder))
        return ax_fail_errno(err, errno, "find '%s'", definitions->folder);
    work->change.files_folder = ax_str_from(folder);
    work->change.files = definitions->files;
    work->change.file_count = definitions->file_count;
    return AX_OK;
}

static void set_change(struct apply_work *work, const struct ax_option_args *args,
                       struct ax_str who, struct ax_str command)
{
    work->change = (struct ax_registry_change){
        .who = who,
        .command = command,
        .folder = ax_str_from(args->count ? args->texts[0] : "."),
        .program = AX_STR(AX_VERSION),
        .forced = work->config->force,
    };
}

/* ---- as a job of a server ---- */

static enum ax_code run_job(struct ax_control_job *job, const struct ax_control_request *request,
                            struct apply_work *work, struct ax_err *err)
{
    struct ax_server *server = ax_control_job_server(job);
    char path[PATH_MAX], folder[PATH_MAX];
    if (ax_job_path(request, work->change.folder.ptr, path, err))
        return err->code;
    work->state = ax_server_state(server);
    if (!read_folder(work, path, folder, err)) {
        work->planning.cancelled = ax_control_job_cancelled(job);
        (void)(apply_owned(work, err) != AX_OK);
    }
    ax_planning_done(&work->planning);
    if (!err->code && ax_definitions_watch_read(ax_server_definitions(server), err))
        (void)ax_err_context(err, "it is applied, but not in force in the server");
    return err->code;
}

enum ax_code ax_job_apply(struct ax_control_job *job, const struct ax_control_request *request,
                          struct ax_err *err)
{
    assert(job && request && err);
    struct apply_config config = { 0 };
    const struct ax_option_group groups[] = { { apply_options, &config }, { 0 } };
    struct ax_option_args args;
    struct ax_job_output output;
    ax_job_output_init(&output, job);
    if (!ax_job_options(job, request, groups, &args, err)) {
        struct apply_work work = { .config = &config, .output = &output.base };
        set_change(&work, &args, ax_str_from(request->who), ax_str_from(request->typed));
        (void)(run_job(job, request, &work, err) != AX_OK);
    }
    ax_option_done(groups);
    return err->code;
}

/* ---- the command ---- */

static enum ax_code apply_by_server(struct ax_control_owner *owner, struct apply_work *work,
                                    const struct ax_command_line *line, struct ax_err *err)
{
    struct apply_config config = *work->config;
    const struct ax_option_group groups[] = { { apply_options, &config }, { 0 } };
    const struct ax_control_work sent = {
        .command = line->name, .typed = work->change.command, .groups = groups, .args = &line->args
    };
    return ax_control_owner_run(owner, &sent, err);
}

static enum ax_code apply(struct apply_work *work, const struct ax_command_line *line,
                          struct ax_err *err)
{
    struct ax_control_owner owner;
    char folder[PATH_MAX];
    if (read_folder(work, work->change.folder.ptr, folder, err) ||
        ax_control_owner_find(work->state, "auspex apply", &owner, err))
        return err->code;
    if (owner.lock)
        (void)(apply_owned(work, err) != AX_OK);
    else
        (void)(apply_by_server(&owner, work, line, err) != AX_OK);
    ax_control_owner_done(&owner);
    return err->code;
}

static int run(const struct ax_command_line *line, const struct apply_config *config, int argc,
               char **argv)
{
    struct ax_err err = AX_ERR_INIT;
    struct apply_work work = { .config = config,
                               .state = config->registry.state,
                               .output = &ax_text_output_standard };
    struct ax_buf who, typed;
    ax_buf_init(&who, NAME_BYTES_MAX);
    ax_buf_init(&typed, COMMAND_BYTES_MAX);
    ax_control_put_who(&who);
    ax_control_put_typed(&typed, argc, argv);
    set_change(&work, &line->args, ax_buf_str(&who), ax_buf_str(&typed));
    enum ax_code code = apply(&work, line, &err);
    if (code)
        ax_command_line_complain(line, "%s", err.msg);
    ax_planning_done(&work.planning);
    ax_buf_done(&who);
    ax_buf_done(&typed);
    return (int)ax_exit_from_code(code);
}

int ax_cmd_apply(int argc, char **argv)
{
    struct apply_config config = { 0 };
    const struct ax_option_group groups[] = { { ax_registry_options, &config.registry },
                                              { apply_options, &config },
                                              { 0 } };
    struct ax_command_line line = {
        .name = "apply",
        .usage = "[OPTION]... [FOLDER]",
        .about =
            "Make the definitions (*.yaml) of FOLDER, or of this folder, those in force: all of\n"
            "it or nothing. What would break an applied model is refused without --force.\n"
            "auspex plan tells before what would be done. See docs/features.md.",
        .groups = groups,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = run(&line, &config, argc, argv);
    ax_command_line_done(&line);
    return status;
}
