/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join of one role: the fields of its view, as they were at each row's moment.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_JOIN_H
#define AX_FEATURE_OFFLINE_DUCKDB_JOIN_H

#include "feature/offline/duckdb_role.h"

/* Whether the table of the only role may have the rows' columns, too, so that nothing is to be laid
 * beside it: where the join carries them through its sorts anyway. */
bool ax_role_can_take_rows(const struct ax_service *service, bool as_known);

/* Make the table ax_s<role>: a row for each of ax_rows in the slice, with its number as n; field i
 * of the view is f<i>. They are in the order of the rows when the slice has all. The view is plain.
 * Expected: INVALID, TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_role_join(struct ax_offline *offline, const struct ax_role_job *job,
                                      struct ax_err *err);

#endif
