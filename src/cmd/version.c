/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex version`: which release this is.
 *
 * The number comes from the build, so that there is one place to change it.
 */
#include "cmd/cmd.h"

#include <stdio.h>

#include "auspex_config.h"

int ax_cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("auspex %s\n", AX_VERSION);
    return 0;
}
