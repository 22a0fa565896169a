/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows to enrich, as the table ax_rows in their order: call column j of the service, converted
 * to its declared type, is k<j>, any other column i as it came c<i>, and `a` is the moment in
 * microseconds.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_ROWS_H
#define AX_FEATURE_OFFLINE_DUCKDB_ROWS_H

#include "feature/offline/duckdb_relation.h"

struct ax_history_rows {
    struct ax_relation relation;
    const struct ax_relation_run *run; /* the only one */
    size_t *calls;                     /* call column j is column calls[j] of the rows */
    size_t count;
    bool are_taken; /* ax_s0, the table of the only role, has their columns, too */
};

/* Expected: NOT_FOUND, INVALID, TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_history_rows_load(struct ax_offline *offline,
                                              const struct ax_service *service,
                                              const struct ax_offline_rows *rows,
                                              struct ax_history_rows *ret_rows, struct ax_err *err);
/* The call column that a column of the rows is; -1: none. */
long ax_history_rows_call(const struct ax_history_rows *rows, const struct ax_service *service,
                          size_t column);
void ax_history_rows_done(struct ax_history_rows *rows);

#endif
