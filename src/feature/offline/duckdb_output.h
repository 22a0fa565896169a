/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result: rows, what was joined to them, and the service's expressions, as one file.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_OUTPUT_H
#define AX_FEATURE_OFFLINE_DUCKDB_OUTPUT_H

#include "feature/offline/duckdb_rows.h"

/* Whether the columns of the rows, the inputs and `moment` (or empty: no such column) have names
 * that differ, without regard to case. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_history_output_check(const struct ax_service *service,
                                                 const struct ax_history_rows *rows,
                                                 struct ax_str moment, struct ax_err *err);

/* Write ax_rows (unless they are taken) and the tables ax_s<role> of all roles to `out` (absolute).
 * Expected: INVALID (the ending), DENIED, LIMIT (the disk is full), TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_history_output_write(struct ax_offline *offline,
                                                 const struct ax_service *service,
                                                 const struct ax_history_rows *rows,
                                                 struct ax_str moment, const char *out,
                                                 char ret_digest[65], struct ax_err *err);

#endif
