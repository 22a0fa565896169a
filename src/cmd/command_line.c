/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command lines of the subcommands, and the printing of their options.
 */
#include "cmd/command_line.h"

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/exit_code.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HELP_BYTES_MAX ((size_t)1 << 20)

void ax_command_line_complain(const struct ax_command_line *line, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(stderr, "auspex %s: %s\n", line->name, text);
}

static void command_line_print_help(const struct ax_command_line *line)
{
    struct ax_buf out;
    ax_buf_init(&out, HELP_BYTES_MAX);
    (void)ax_buf_printf(&out, "usage: auspex %s %s\n\n%s\n", line->name, line->usage, line->about);
    if (line->with_file || (line->groups && line->groups->options))
        (void)ax_buf_append_str(&out, AX_STR("\n"));
    if (line->with_file)
        ax_option_print_help(ax_option_file_options, &out);
    for (const struct ax_option_group *group = line->groups; group->options; group++)
        ax_option_print_help(group->options, &out);
    assert(out.failed == AX_OK);
    (void)fwrite(out.ptr, 1, out.len, stdout);
    ax_buf_done(&out);
}

bool ax_command_line_load(struct ax_command_line *line, int argc, char **argv, int *ret_status)
{
    assert(line && line->groups && argc >= 1 && ret_status);
    struct ax_err err = AX_ERR_INIT;
    line->args = (struct ax_option_args){ .texts = ax_xalloc((size_t)argc * sizeof(char *)) };
    if (ax_option_load(line->groups, line->with_file, argc, argv, &line->args, &err)) {
        ax_command_line_complain(line, "%s", err.msg);
        *ret_status = AX_EXIT_USAGE;
        return false;
    }
    if (line->args.help) {
        command_line_print_help(line);
        *ret_status = AX_EXIT_OK;
        return false;
    }
    if (line->args.count < line->arguments_min || line->args.count > line->arguments_max) {
        ax_command_line_complain(line, "usage: auspex %s %s; --help tells more", line->name,
                                 line->usage);
        *ret_status = AX_EXIT_USAGE;
        return false;
    }
    return true;
}

void ax_command_line_done(struct ax_command_line *line)
{
    if (!line)
        return;
    free(line->args.texts);
    line->args = (struct ax_option_args){ 0 };
    ax_option_done(line->groups);
}

void ax_cmd_print_markdown(const struct ax_cmd *commands, size_t count, struct ax_buf *out)
{
    assert(commands && out);
    for (size_t i = 0; i < count; i++) {
        if (!commands[i].options)
            continue;
        (void)ax_buf_printf(out, "\n## auspex %s\n\n%s\n", commands[i].name, commands[i].summary);
        for (const struct ax_option *const *table = commands[i].options; *table; table++) {
            (void)ax_buf_append_char(out, '\n');
            ax_option_print_markdown(*table, out);
        }
    }
}
