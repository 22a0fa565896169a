/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As known, versions of events come and go: which row of a key is the newest one, and since when.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_NEWEST_H
#define AX_FEATURE_OFFLINE_DUCKDB_NEWEST_H

#include "feature/offline/duckdb_role.h"

/* Make the table ax_v<number> of `table`, loaded as known from a source of events: of each key in
 * the slice, told by the rowid of one of its rows (k), the moments in microseconds (m) from which
 * on the newest visible row is another one (r), or the one behind it is (behind); -1: there is
 * none. Both are rowids. Linear in the rows, but for sorting. Expected: TOO_LARGE, LIMIT,
 * CANCELLED. */
AX_MUST_USE enum ax_code ax_newest_table_make(struct ax_offline *offline,
                                              const struct ax_view *view,
                                              const struct ax_source_table *table,
                                              struct ax_role_slice slice, size_t number,
                                              struct ax_err *err);

#endif
