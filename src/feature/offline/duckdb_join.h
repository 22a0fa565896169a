/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join of one role: the fields of its view, as they were at each row's moment.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_JOIN_H
#define AX_FEATURE_OFFLINE_DUCKDB_JOIN_H

#include "feature/offline/duckdb_table.h"

/* Make the table ax_s<role>: a row for each of ax_rows, in their order; field i of the view is
 * f<i>. The view is plain. Expected: INVALID, TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_role_join(struct ax_offline *offline, const struct ax_service *service,
                                      size_t role, const struct ax_source_table *table,
                                      struct ax_err *err);

/* Append a value of the expression's type as it is stored: narrowed, null where it does not fit. */
void ax_expr_put_stored(struct ax_buf *out, struct ax_str value, struct ax_type type,
                        struct ax_storage storage);

/* Append a field's default, which is there and not null, as it is stored. */
void ax_field_put_default(struct ax_buf *out, const struct ax_field *field);

/* Whether ax_s<role> has each row once. Expected: INTERNAL. */
AX_MUST_USE enum ax_code ax_role_check_count(struct ax_offline *offline, size_t role,
                                             struct ax_err *err);

/* Append a stored value as expressions see it. What is stored here has no NaN and no -0 any more.
 */
void ax_storage_put_widened(struct ax_buf *out, const char *value, struct ax_storage storage);

#endif
