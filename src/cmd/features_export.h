/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features export`: what is applied, as a repository of Feast.
 */
#ifndef AX_CMD_FEATURES_EXPORT_H
#define AX_CMD_FEATURES_EXPORT_H

#include "cmd/command_line.h"

struct ax_features_export_config {
    char *feast;
    char *server;
};

extern const struct ax_option ax_features_export_options[];

/* Do it with what is applied in the state directory `state` and return the exit status; failures
 * are told. */
int ax_features_export(const struct ax_command_line *line,
                       const struct ax_features_export_config *config, const char *state);

#endif
