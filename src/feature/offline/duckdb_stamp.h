/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the files of a source are those that they were, told without opening them.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_STAMP_H
#define AX_FEATURE_OFFLINE_DUCKDB_STAMP_H

#include "feature/offline/duckdb_store.h"

/* As ax_offline_stamp, in the data folder. */
AX_MUST_USE enum ax_code ax_source_stamp(struct ax_offline *offline, const struct ax_source *source,
                                         char ret_stamp[AX_SHA256_TEXT_SIZE], struct ax_err *err);

/* The same of one file, by its absolute path. Expected: NOT_FOUND, DENIED. */
AX_MUST_USE enum ax_code ax_file_stamp(const char *path, char ret_stamp[AX_SHA256_TEXT_SIZE],
                                       struct ax_err *err);

#endif
