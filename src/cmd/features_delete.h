/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features delete`: keys of an entity go, with all that is told of them.
 */
#ifndef AX_CMD_FEATURES_DELETE_H
#define AX_CMD_FEATURES_DELETE_H

#include "cmd/command_line.h"
#include "server/feature_store.h"

struct ax_features_delete_config {
    char *entity;
    struct ax_option_list key;
    char *keys;
    bool dry_run;
};

extern const struct ax_option ax_features_delete_options[];

/* Do it with what is applied in the state directory `state` and return the exit status; failures
 * are told. `typed` is the command line, and `store` what the store is opened with when no server
 * runs. */
int ax_features_delete(const struct ax_command_line *line,
                       const struct ax_features_delete_config *config,
                       const struct ax_feature_store_config *store, const char *state,
                       struct ax_str typed, bool json);

#endif
