/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts: what a role came to, kept in the work folder, so that a history that was killed goes on.
 *
 * A part is the table ax_s<role> as one Parquet file in `parts/`, named by a digest of all that it
 * was made of: definitions, the rows' keys and moments, and path, size, inode and time of change of
 * each file of the source and of those that its expectations refer to. It appears whole or not at
 * all, and has in it what became of the expectations (offline->held), which is told each time. What
 * cannot be named so has no part: sources of SQL; neither has a role of whose top_k some are null,
 * which is told each time, too. See docs/internals/point-in-time.md. Nothing here is an error: a
 * part that cannot be kept or read is one that is not there.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_PARTS_H
#define AX_FEATURE_OFFLINE_DUCKDB_PARTS_H

#include "feature/offline/duckdb_store.h"

#include <limits.h>

/* Roles over fewer rows of the source and of the history together are made again. */
#define AX_ROLE_PART_ROWS_MIN ((size_t)1 << 16)

struct ax_role_part {
    char path[PATH_MAX]; /* empty: there can be none */
};

/* What of the rows a role depends on: a text that the caller frees, or NULL. */
char *ax_role_part_rows_digest(struct ax_offline *offline, const struct ax_service *service);

void ax_role_part_name(struct ax_offline *offline, const struct ax_service *service, size_t role,
                       bool as_known, const char *rows_digest, struct ax_role_part *ret_part);

/* Make ax_s<role>, of so many rows, and offline->held from the part; false: it is not there. */
bool ax_role_part_load(struct ax_offline *offline, const struct ax_role_part *part, size_t role,
                       size_t rows);

/* With offline->held, which is that of the role's source. */
void ax_role_part_keep(struct ax_offline *offline, const struct ax_role_part *part, size_t role);

#endif
