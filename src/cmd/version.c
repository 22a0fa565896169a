/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex version`: which release this is.
 *
 * The number comes from the build, so that there is one place to change it.
 */
#include "cmd/cmd.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"

#include <stdio.h>

#include "auspex_config.h"

int ax_cmd_version(int argc, char **argv)
{
    const struct ax_option_group groups[] = { { 0 } };
    struct ax_command_line line = {
        .name = "version",
        .usage = "[--help]",
        .about = "Print the version.",
        .groups = groups,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        printf("auspex %s\n", AX_VERSION);
    ax_command_line_done(&line);
    return status;
}
