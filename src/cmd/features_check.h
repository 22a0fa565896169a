/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features check`: what is expected of sources, and whether it holds.
 */
#ifndef AX_CMD_FEATURES_CHECK_H
#define AX_CMD_FEATURES_CHECK_H

#include "cmd/command_line.h"

struct ax_features_check_config {
    char *source;
    char *failed;
    char *now;
};

extern const struct ax_option ax_features_check_options[];

/* What `history` has the same options for. */
struct ax_features_check_common {
    const char *definitions;
    const char *data; /* NULL: the definitions' folder */
    size_t threads;
    size_t memory_bytes_max;
    const char *state;
    bool json;
};

/* Do it and return the exit status; failures are told. */
int ax_features_check(const struct ax_command_line *line,
                      const struct ax_features_check_config *config,
                      const struct ax_features_check_common *common);

#endif
