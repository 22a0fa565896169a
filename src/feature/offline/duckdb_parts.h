/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts: what a role came to, kept in the work folder, so that a history that was killed goes on.
 *
 * A part is the table ax_s<role>, of all rows or of a slice of them, as one Parquet file in
 * `parts/`, named by a digest of all that it was made of: definitions, the rows' keys and moments,
 * and the stamps of the source and of those that its expectations refer to (duckdb_stamp.h), or
 * what was read, where the files are not known, as of SQL. It appears whole or not at all, and has
 * in it what is told each time: what became of the expectations (offline->held), and of whose top_k
 * some are null (offline->too_many). See docs/internals/point-in-time.md. Nothing here but slices
 * is an error: a part that cannot be kept or read is one that is not there.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_PARTS_H
#define AX_FEATURE_OFFLINE_DUCKDB_PARTS_H

#include "feature/offline/duckdb_role.h"

/* Roles over fewer rows of the source and of the history together are made again. */
#define AX_ROLE_PART_ROWS_MIN ((size_t)1 << 16)

/* From so many on, a role is made and kept in slices. What windows give costs as rows do: two of
 * ax_role_values' cost as much as one row. */
#define AX_ROLE_SLICES          ((size_t)4)
#define AX_ROLE_SLICED_ROWS_MIN ((size_t)1 << 26)

/* Of what a part is. All is borrowed. */
struct ax_role_part_of {
    const struct ax_service *service;
    size_t role;
    struct ax_role_slice slice;
    bool as_known;
    const char *rows;     /* ax_role_part_rows_digest; NULL: there is no part */
    struct ax_str source; /* what ax_role_part_put_files or _put_content appended */
};

/* Whether some part may be there. */
bool ax_role_parts_are_there(const struct ax_offline *offline);

/* What of the rows a role depends on: a text that the caller frees, or NULL. */
char *ax_role_part_rows_digest(struct ax_offline *offline, const struct ax_service *service);

/* Append what tells a source from another one: definitions and files, before it is read. False:
 * which files it reads is not known. */
bool ax_role_part_put_files(struct ax_offline *offline, const struct ax_source *source,
                            struct ax_buf *out);
/* The same by definitions and all rows that were read, in their order. False: they are no table. */
bool ax_role_part_put_content(struct ax_offline *offline, const struct ax_source_table *table,
                              struct ax_buf *out);

bool ax_role_part_is_there(const struct ax_offline *offline, const struct ax_role_part_of *of);

/* Make ax_s<role>, offline->held and offline->too_many from the part; false: it is not there. */
bool ax_role_part_load(struct ax_offline *offline, const struct ax_role_part_of *of);

/* With offline->held, which is that of the role's source, and offline->too_many. */
void ax_role_part_keep(struct ax_offline *offline, const struct ax_role_part_of *of);

/* ax_s<role> has the slice `at`: put it aside. Of all of them make ax_s<role> again, in the order
 * of the rows. Expected: TOO_LARGE, LIMIT, CANCELLED. */
AX_MUST_USE enum ax_code ax_role_slice_put_aside(struct ax_offline *offline, size_t role, size_t at,
                                                 struct ax_err *err);
AX_MUST_USE enum ax_code ax_role_slices_unite(struct ax_offline *offline,
                                              const struct ax_service *service, size_t role,
                                              struct ax_err *err);
/* Drop those that were put aside. */
void ax_role_slices_drop(struct ax_offline *offline, size_t role);

#endif
