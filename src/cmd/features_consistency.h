/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features consistency`: what a service served, beside what a history says.
 */
#ifndef AX_CMD_FEATURES_CONSISTENCY_H
#define AX_CMD_FEATURES_CONSISTENCY_H

#include "cmd/command_line.h"

struct ax_features_consistency_config {
    char *from;
    char *to;
};

extern const struct ax_option ax_features_consistency_options[];

/* What `history` has the same options for. */
struct ax_features_consistency_common {
    const char *service;
    const char *out;  /* NULL: nothing is kept */
    const char *data; /* NULL: the definitions' folder */
    size_t threads;
    size_t memory_bytes_max;
    const char *state;
    bool json;
    bool quiet;
};

/* Do it and return the exit status; failures are told. */
int ax_features_consistency(const struct ax_command_line *line,
                            const struct ax_features_consistency_config *config,
                            const struct ax_features_consistency_common *common);

#endif
