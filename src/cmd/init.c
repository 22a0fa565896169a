/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex init [FOLDER]`: an example of feature definitions that runs, to be changed into one's
 * own.
 *
 * A folder that holds anything is left alone without --force, and with it only the example's own
 * files are written, each whole or not at all. What was written is read at once, as `auspex plan`
 * would, so that an example that does not fit this program is never left behind silently.
 */
#include "cmd/cmd.h"

#include "base/file.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/init_example.h"
#include "feature/definitions.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

struct init_config {
    bool force;
};

static const struct ax_option init_options[] = {
    { AX_OPTION_BOOL, "force", "false", offsetof(struct init_config, force), 0, 0, NULL,
      "Write the files also into a folder that is not empty; those of the same names are "
      "replaced." },
    { 0 },
};

const struct ax_option *const ax_cmd_init_options[] = { init_options, NULL };

/* Fine when the folder is not there yet. */
static enum ax_code check_empty(const char *folder, struct ax_err *err)
{
    DIR *open = opendir(folder);
    if (!open && errno == ENOENT)
        return AX_OK;
    if (!open)
        return ax_fail_errno(err, errno, "folder '%s'", folder);
    const struct dirent *entry;
    while (!err->code && (entry = readdir(open)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)ax_fail(err, AX_E_EXISTS,
                          "'%s' is not empty; name an empty folder, or write into it with --force",
                          folder);
    (void)closedir(open);
    return err->code;
}

/* Make the folder that is to hold `path`. */
static enum ax_code make_folder_of(const char *path, struct ax_err *err)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    if (!slash)
        return AX_OK;
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    return ax_file_make_folder(folder, err);
}

static enum ax_code write_example(const char *folder, struct ax_err *err)
{
    char path[4096];
    for (size_t i = 0; i < ax_init_file_count; i++) {
        int len = snprintf(path, sizeof(path), "%s/%s", folder, ax_init_files[i].path);
        if (len < 0 || (size_t)len >= sizeof(path))
            return ax_fail(err, AX_E_INVALID, "the path '%.60s…' is too long", folder);
        if (make_folder_of(path, err) || ax_file_replace(path, ax_init_files[i].text, err))
            return err->code;
        (void)printf("wrote %s\n", path);
    }
    return AX_OK;
}

/* The example itself, not what else lies in the folder. */
static enum ax_code check_example(const char *folder, struct ax_err *err)
{
    struct ax_definitions definitions;
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, ax_init_files[0].path);
    if (ax_definitions_read(path, &definitions, err))
        return err->code;
    ax_definitions_done(&definitions);
    return AX_OK;
}

static int init(const struct ax_command_line *line, const struct init_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    const char *folder = line->args.count ? line->args.texts[0] : ".";
    if ((!config->force && check_empty(folder, &err)) || ax_file_make_folder(folder, &err) ||
        write_example(folder, &err) || check_example(folder, &err)) {
        ax_command_line_complain(line, "%s", err.msg);
        return (int)ax_exit_from_code(err.code);
    }
    (void)printf("\nIts comments tell what to do with it. Next: auspex plan %s\n", folder);
    return AX_EXIT_OK;
}

int ax_cmd_init(int argc, char **argv)
{
    struct init_config config = { 0 };
    const struct ax_option_group groups[] = { { init_options, &config }, { 0 } };
    struct ax_command_line line = {
        .name = "init",
        .usage = "[OPTION]... [FOLDER]",
        .about = "Write an example of feature definitions, with data, into FOLDER (this one\n"
                 "without it), which has to be empty or not there yet.",
        .groups = groups,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = init(&line, &config);
    ax_command_line_done(&line);
    return status;
}
