/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex apply`: make the definitions of a folder those that are in force.
 *
 * The folder is read before the state directory is locked, so a mistake in it keeps nobody out.
 * What is planned under the lock is applied in one transaction. Being killed at any moment leaves
 * what was in force before or what is after.
 */
#include "cmd/cmd.h"

#include "auspex_config.h"
#include "base/clock.h"
#include "base/state_lock.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/planning.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMAND_BYTES_MAX ((size_t)4096)
#define NAME_BYTES_MAX    ((size_t)1 << 10)

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

/* "ana@host"; a user without a name by number. */
static void put_who(struct ax_buf *out)
{
    char host[HOST_NAME_MAX + 1] = "";
    char buffer[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
        (void)ax_buf_append_str(out, ax_str_from(found->pw_name));
    else
        (void)ax_buf_append_u64(out, geteuid());
    if (gethostname(host, sizeof(host) - 1) == 0 && host[0])
        ax_buf_printf(out, "@%s", host);
}

/* The command as it was typed, as much of it as a line of the history should have. */
static void put_command(struct ax_buf *out, int argc, char **argv)
{
    (void)ax_buf_append_str(out, AX_STR("auspex"));
    for (int i = 0; i < argc; i++) {
        (void)ax_buf_append_char(out, ' ');
        (void)ax_buf_append_str(out, ax_str_from(argv[i]));
    }
}

/* What is planned, unless it takes force. */
static enum ax_code do_plan(struct ax_planning *planning, const struct apply_config *config,
                            struct ax_registry_change *change, uint64_t *ret_apply,
                            struct ax_err *err)
{
    if (planning->plan.changes_project && !config->force)
        return ax_fail(err, AX_E_CONFLICT,
                       "nothing was applied: '%s' has the definitions of another project, as told "
                       "above, which would be dropped; give this one its own --state, or --force",
                       config->registry.state);
    if (planning->plan.break_count && !config->force)
        return ax_fail(err, AX_E_CONFLICT,
                       "nothing was applied: it would break what applied models need, as told "
                       "above; --force applies it all the same");
    if (config->check && ax_planning_check(planning, config->registry.state, true, err))
        return ax_err_context(err, "nothing was applied (--check=false opens no file)");
    change->applied_at_us = ax_clock_wall_us();
    return ax_plan_apply(&planning->plan, planning->registry, change, &planning->arena, ret_apply,
                         err);
}

/* As JSON the plan is told when it is known what became of it. */
static void print_outcome(const struct ax_planning *planning, bool json, uint64_t number,
                          struct ax_err *err)
{
    struct ax_err unprinted = AX_ERR_INIT;
    if (json) {
        enum ax_planning_outcome outcome = err->code ? AX_PLANNING_REFUSED : AX_PLANNING_APPLIED;
        if (ax_planning_print_json(planning, outcome, number, &unprinted) && !err->code)
            *err = unprinted;
        return;
    }
    if (err->code)
        return;
    unsigned long long told = number;
    const size_t *counts = planning->plan.counts;
    if (ax_plan_is_empty(&planning->plan))
        (void)printf("nothing to apply\n");
    else if (number == planning->applied.apply)
        (void)printf("described otherwise: %zu; apply %llu stays in force\n",
                     counts[AX_PLAN_DESCRIBE], told);
    else
        (void)printf("applied: %llu\n", told);
    if (fflush(stdout))
        (void)ax_fail_errno(err, errno,
                            "it is applied, but could not be told: write to standard "
                            "output");
}

/* The plan as text is told before anything is done. */
static enum ax_code apply_locked(struct ax_planning *planning, const struct apply_config *config,
                                 struct ax_registry_change *change, struct ax_err *err)
{
    uint64_t number = 0;
    if (ax_planning_compare(planning, config->registry.state, AX_REGISTRY_WRITE, err) ||
        (!config->json && ax_planning_print_text(planning, err)))
        return err->code;
    (void)(do_plan(planning, config, change, &number, err) != AX_OK);
    print_outcome(planning, config->json, number, err);
    return err->code;
}

/* The files as they were read, and where their relative paths start, whoever reads them later. */
static enum ax_code take_files(const struct ax_definitions *definitions, char folder[PATH_MAX],
                               struct ax_registry_change *change, struct ax_err *err)
{
    if (!realpath(definitions->folder, folder))
        return ax_fail_errno(err, errno, "find '%s'", definitions->folder);
    change->files_folder = ax_str_from(folder);
    change->files = definitions->files;
    change->file_count = definitions->file_count;
    return AX_OK;
}

static enum ax_code apply(struct ax_planning *planning, const struct apply_config *config,
                          struct ax_registry_change *change, struct ax_err *err)
{
    struct ax_state_lock *lock;
    char folder[PATH_MAX];
    if (ax_planning_read(planning, planning->folder, err) ||
        take_files(&planning->definitions, folder, change, err) ||
        ax_state_lock_take(config->registry.state, "auspex apply", &lock, err))
        return err->code;
    (void)(apply_locked(planning, config, change, err) != AX_OK);
    ax_state_lock_free(lock);
    return err->code;
}

static int run(const struct ax_command_line *line, const struct apply_config *config, int argc,
               char **argv)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_planning planning = { .folder = line->args.count ? line->args.texts[0] : "." };
    struct ax_buf who, command;
    ax_buf_init(&who, NAME_BYTES_MAX);
    ax_buf_init(&command, COMMAND_BYTES_MAX);
    put_who(&who);
    put_command(&command, argc, argv);
    struct ax_registry_change change = { .who = ax_buf_str(&who),
                                         .command = ax_buf_str(&command),
                                         .folder = ax_str_from(planning.folder),
                                         .program = AX_STR(AX_VERSION),
                                         .forced = config->force };
    enum ax_code code = apply(&planning, config, &change, &err);
    if (code)
        ax_command_line_complain(line, "%s", err.msg);
    ax_planning_done(&planning);
    ax_buf_done(&who);
    ax_buf_done(&command);
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
