/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features history`: rows, and the inputs of a service as they were at each row's moment.
 */
#ifndef AX_CMD_FEATURES_HISTORY_H
#define AX_CMD_FEATURES_HISTORY_H

#include "cmd/command_line.h"

struct ax_features_history_config {
    char *rows;
    char *sql;
    char *service;
    char *out;
    char *at;
    char *definitions;
    char *data;
    size_t threads;
    size_t memory_bytes_max;
    bool as_known;
    bool quiet;
};

extern const struct ax_option ax_features_history_options[];

/* Do it and return the exit status; failures are told. */
int ax_features_history(const struct ax_command_line *line,
                        const struct ax_features_history_config *config, const char *state,
                        bool json);

#endif
