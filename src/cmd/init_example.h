/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The example that `auspex init` writes: definitions with comments, and small data for them.
 */
#ifndef AX_CMD_INIT_EXAMPLE_H
#define AX_CMD_INIT_EXAMPLE_H

#include "base/str.h"

struct ax_init_file {
    const char *path; /* relative to the folder */
    struct ax_str text;
};

extern const struct ax_init_file ax_init_files[];
extern const size_t ax_init_file_count;

#endif
