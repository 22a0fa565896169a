/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latest row of each key of a source's plain views.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_LATEST_H
#define AX_FEATURE_OFFLINE_DUCKDB_LATEST_H

#include "feature/offline/duckdb_store.h"

/* As ax_offline_latest, in the data folder. */
AX_MUST_USE enum ax_code ax_source_latest(struct ax_offline *offline,
                                          const struct ax_offline_latest *request,
                                          struct ax_offline_latest_report *ret_report,
                                          struct ax_err *err);

#endif
