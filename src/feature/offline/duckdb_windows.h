/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of one role: what the fields of its view come to at each row's moment.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_WINDOWS_H
#define AX_FEATURE_OFFLINE_DUCKDB_WINDOWS_H

#include "feature/offline/duckdb_role.h"

/* Make the table ax_s<role>, as ax_role_join does; the view is windowed. Expected: INVALID,
 * UNSUPPORTED (the source has no time), TOO_LARGE, LIMIT, CANCELLED. */
AX_MUST_USE enum ax_code ax_role_windows(struct ax_offline *offline, const struct ax_role_job *job,
                                         struct ax_err *err);

#endif
