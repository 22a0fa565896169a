/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every subcommand does before its own work: take its options from file, environment and
 * flags, answer --help, and complain about arguments in one way.
 */
#ifndef AX_CMD_COMMAND_LINE_H
#define AX_CMD_COMMAND_LINE_H

#include "base/option.h"

struct ax_command_line {
    const char *name;                     /* of the subcommand */
    const char *usage;                    /* behind the name: "[OPTION]... URL" */
    const char *about;                    /* what it does; lines divided by \n, without the last */
    const struct ax_option_group *groups; /* the structs they fill were zeroed */
    bool with_file;                       /* --config FILE is accepted too */
    size_t arguments_min, arguments_max;
    struct ax_option_args args; /* filled in */
};

/* Load the options and arguments. False when the command is over: --help was printed, or a
 * complaint; *ret_status is then its exit status. Either way ax_command_line_done follows. */
AX_MUST_USE bool ax_command_line_load(struct ax_command_line *line, int argc, char **argv,
                                      int *ret_status);

/* Free the arguments and what the options own. */
void ax_command_line_done(struct ax_command_line *line);

/* Print "auspex NAME: MESSAGE" on stderr, for a failure at the edge. */
void ax_command_line_complain(const struct ax_command_line *line, const char *fmt, ...)
    AX_PRINTF(2, 3);

#endif
