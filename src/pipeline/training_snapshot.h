/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a training kept as a dataset snapshot, as `auspex data snapshot` would keep it of
 * the same rows: equal rows, equal digest. docs/internals/training-sets.md
 *
 *     ax_training_snapshot_open → ax_training_history_make → ax_training_snapshot_keep
 */
#ifndef AX_PIPELINE_TRAINING_SNAPSHOT_H
#define AX_PIPELINE_TRAINING_SNAPSHOT_H

#include "pipeline/dataset_store.h"
#include "pipeline/training_history.h"

struct ax_training_snapshot;

/* Digest the sources that the job will read. `job` is borrowed until the end, `state` is the state
 * directory. Expected: those of ax_dataset_store_open and ax_offline_files. */
AX_MUST_USE enum ax_code ax_training_snapshot_open(const struct ax_training_history_job *job,
                                                   const char *state,
                                                   struct ax_training_snapshot **ret_snapshot,
                                                   struct ax_err *err);
/* NULL is fine. */
void ax_training_snapshot_close(struct ax_training_snapshot *snapshot);

/* Keep what the job made; `definition_digest` is the service's. Expected: CONFLICT (a file changed
 * while it was read), and those of ax_dataset_store_keep. */
AX_MUST_USE enum ax_code ax_training_snapshot_keep(struct ax_training_snapshot *snapshot,
                                                   const char *definition_digest,
                                                   struct ax_dataset_kept *ret_kept,
                                                   struct ax_err *err);

#endif
