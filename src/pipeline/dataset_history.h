/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A history as the rows of a dataset, and which files it was made from.
 */
#ifndef AX_PIPELINE_DATASET_HISTORY_H
#define AX_PIPELINE_DATASET_HISTORY_H

#include "feature/offline/offline.h"
#include "pipeline/dataset_make.h"
#include "pipeline/dataset_origin.h"

/* Write the history to `out`, and tell in `origins` where it came from. `work` is a folder on the
 * file system of `out`. Expected: those of ax_definitions_read and ax_offline_history, NOT_FOUND
 * (no such service), CONFLICT (a file changed while it was read). */
AX_MUST_USE enum ax_code ax_dataset_history_write(const struct ax_dataset_job *job,
                                                  const char *work, const char *out,
                                                  struct ax_dataset_origins *origins,
                                                  struct ax_err *err);

/* Digest what a history of the service is made from: each source once, and those that rows of one
 * refer to. `origins` has the rows already, and nothing else. Expected: those of ax_offline_files
 * and ax_dataset_origins_add_file. */
AX_MUST_USE enum ax_code ax_dataset_sources_add(struct ax_dataset_origins *origins,
                                                const struct ax_definitions *definitions,
                                                const struct ax_service *service,
                                                struct ax_offline *offline, atomic_bool *cancelled,
                                                struct ax_err *err);

/* The history is made: CONFLICT when a file changed since all was digested, or one came. Expected:
 * that of ax_dataset_origins_check, too, and those of ax_offline_files. */
AX_MUST_USE enum ax_code ax_dataset_sources_check(struct ax_dataset_origins *origins,
                                                  const struct ax_definitions *definitions,
                                                  const struct ax_service *service,
                                                  struct ax_offline *offline, struct ax_err *err);

#endif
