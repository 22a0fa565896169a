/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of served vectors of a service as one file of rows: those of the definitions in force, in
 * the order in which they were made, with a number each.
 */
#ifndef AX_PIPELINE_CONSISTENCY_FILES_H
#define AX_PIPELINE_CONSISTENCY_FILES_H

#include "base/sql.h"
#include "pipeline/consistency.h"

#define AX_CONSISTENCY_NUMBER "row.number" /* from 0 on */

/* Write them to `path`, all columns as they are in the log. Expected: NOT_FOUND (nothing was
 * logged), and those of ax_sql_run. */
AX_MUST_USE enum ax_code ax_consistency_gather(const struct ax_consistency_config *config,
                                               struct ax_sql *sql, const char *path,
                                               size_t *ret_vectors, size_t *ret_others,
                                               struct ax_err *err);

#endif
