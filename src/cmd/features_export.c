/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features export`. The Python is written anew each time, but only in the place of one that
 * was written so; feature_store.yaml is written once, since that is where settings of Feast go.
 */
#include "cmd/features_export.h"

#include "base/file.h"
#include "cmd/exit_code.h"
#include "feature/feast_repository.h"
#include "pipeline/applied_definitions.h"

#include <limits.h>
#include <stdio.h>

#define FILE_BYTES_MAX ((size_t)1 << 30)

const struct ax_option ax_features_export_options[] = {
    { AX_OPTION_TEXT, "feast", NULL, offsetof(struct ax_features_export_config, feast), 0, 0,
      "FOLDER", "Where `export` writes a repository of Feast." },
    { AX_OPTION_TEXT, "server", "http://127.0.0.1:8000",
      offsetof(struct ax_features_export_config, server), 0, 0, "URL",
      "Server that the repository asks: the `path` of its online store." },
    { 0 },
};

static enum ax_code path_of(const char *folder, const char *name, char path[PATH_MAX],
                            struct ax_err *err)
{
    int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    if (len < 0 || len >= PATH_MAX)
        return ax_fail(err, AX_E_INVALID, "the path '%.60s…' is too long", folder);
    return AX_OK;
}

/* What stands in the place of the Python, if anything, was written by this command. */
static enum ax_code check_ours(const char *path, struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, FILE_BYTES_MAX);
    if (ax_file_read(path, &text, err) == AX_E_NOT_FOUND)
        ax_err_clear(err);
    else if (!err->code && !ax_str_starts_with(ax_buf_str(&text), AX_STR(AX_FEAST_HEAD)))
        (void)ax_fail(err, AX_E_EXISTS, "'%s' was not written by this command; name another folder",
                      path);
    ax_buf_done(&text);
    return err->code;
}

static enum ax_code write_definitions(const struct ax_definitions *definitions, const char *folder,
                                      struct ax_buf *notes, struct ax_err *err)
{
    char path[PATH_MAX];
    struct ax_buf text;
    ax_buf_init(&text, FILE_BYTES_MAX);
    if (!ax_feast_put_definitions(definitions, &text, notes, err) &&
        !path_of(folder, "definitions.py", path, err) && !check_ours(path, err) &&
        !ax_file_make_folder(folder, err) && !ax_file_replace(path, ax_buf_str(&text), err))
        (void)printf("wrote %s\n", path);
    ax_buf_done(&text);
    return err->code;
}

static enum ax_code write_store(const struct ax_definitions *definitions, const char *folder,
                                const char *server, struct ax_err *err)
{
    char path[PATH_MAX];
    struct ax_buf text;
    ax_buf_init(&text, FILE_BYTES_MAX);
    if (path_of(folder, "feature_store.yaml", path, err)) {
        ;
    } else if (!ax_file_read(path, &text, err)) {
        (void)printf("kept %s\n", path);
    } else if (err->code == AX_E_NOT_FOUND) {
        ax_err_clear(err);
        if (!ax_feast_put_store(definitions, ax_str_from(server), &text, err) &&
            !ax_file_replace(path, ax_buf_str(&text), err))
            (void)printf("wrote %s\n", path);
    }
    ax_buf_done(&text);
    return err->code;
}

static enum ax_code read_applied(const char *state, struct ax_applied_definitions **ret,
                                 struct ax_err *err)
{
    if (ax_applied_definitions_read(state, NULL, ret, err) == AX_E_NOT_FOUND) {
        ax_err_clear(err);
        (void)ax_fail(err, AX_E_NOT_FOUND, "nothing was applied yet in '%s'; auspex apply does it",
                      state);
    }
    return err->code;
}

int ax_features_export(const struct ax_command_line *line,
                       const struct ax_features_export_config *config, const char *state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_applied_definitions *applied = NULL;
    struct ax_buf notes;
    if (!config->feast || !config->feast[0]) {
        ax_command_line_complain(line, "name the folder: features export --feast FOLDER");
        return AX_EXIT_USAGE;
    }
    if (!config->server[0]) {
        ax_command_line_complain(line, "name the server: --server URL");
        return AX_EXIT_USAGE;
    }
    ax_buf_init(&notes, FILE_BYTES_MAX);
    if (read_applied(state, &applied, &err) ||
        write_definitions(&applied->definitions, config->feast, &notes, &err) ||
        write_store(&applied->definitions, config->feast, config->server, &err)) {
        ax_command_line_complain(line, "%s", err.msg);
    } else {
        if (notes.len)
            (void)printf("\nWhat Feast does not have, or has otherwise:\n%.*s",
                         AX_STR_ARG(ax_buf_str(&notes)));
        (void)printf("\nNext: cd %s && feast apply\n", config->feast);
    }
    ax_buf_done(&notes);
    ax_applied_definitions_unref(applied);
    return (int)ax_exit_from_code(err.code);
}
