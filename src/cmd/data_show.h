/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `auspex data` prints of dataset snapshots: a list, or one of them.
 */
#ifndef AX_CMD_DATA_SHOW_H
#define AX_CMD_DATA_SHOW_H

#include "cmd/command_line.h"
#include "pipeline/dataset_store.h"

/* All snapshots, the oldest first: a table, or a line of JSON each. A folder that is no snapshot is
 * complained about and passed over; then the answer is its failure. Expected: those of
 * ax_dataset_read. */
AX_MUST_USE enum ax_code ax_data_list(const struct ax_command_line *line, const char *state,
                                      bool json, struct ax_buf *out, struct ax_err *err);

/* One snapshot: its manifest for people, or as one line of JSON. Expected: TOO_LARGE. */
AX_MUST_USE enum ax_code ax_data_show(const struct ax_dataset_manifest *manifest, bool json,
                                      struct ax_buf *out, struct ax_err *err);

#endif
